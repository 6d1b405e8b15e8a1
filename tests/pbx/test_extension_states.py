"""What extensions do: made from the legs of their calls, told when it changes, and forgotten with the call."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from core.bus import EventBus
from pbx.call import Call
from pbx.extension_states import ExtensionState, ExtensionStates
from pbx.party import LegState, Party


class Wallboard:
    def __init__(self) -> None:
        bus = EventBus()
        self.told: list[tuple[str, str]] = []
        bus.listen(lambda event: self.told.append((event.payload["extension"], event.payload["state"])))
        self.states = ExtensionStates(bus)
        self.states.registered("1001", present=True)

    def call(self, name: str, *legs: tuple[str, LegState, bool]) -> None:
        made = [
            SimpleNamespace(party=Party(number, extension=number), state=state, held=held)
            for number, state, held in legs
        ]
        self.states.update(cast("Call", cast("Any", SimpleNamespace(id=name, legs=made))))


RINGING, ANSWERED = LegState.RINGING, LegState.ANSWERED


def test_each_change_is_told_once() -> None:
    board = Wallboard()
    board.call("a", ("1001", RINGING, False))
    board.call("a", ("1001", RINGING, False))
    board.call("a", ("1001", ANSWERED, False))
    board.call("a", ("1001", ANSWERED, True))
    board.call("a")
    board.call("a")
    assert [state for _, state in board.told] == ["idle", "ringing", "talking", "held", "idle"]
    assert board.states.calls("1001") == ()


def test_the_busiest_of_several_calls_counts() -> None:
    board = Wallboard()
    board.call("a", ("1001", ANSWERED, True))
    board.call("b", ("1001", RINGING, False))
    assert board.states.state("1001") is ExtensionState.HELD
    board.call("b", ("1001", ANSWERED, False), ("1001", RINGING, False))
    assert board.states.state("1001") is ExtensionState.TALKING
    assert list(board.states.calls("1001")) == ["a", "b"]
    board.call("b")
    assert board.states.state("1001") is ExtensionState.HELD


def test_who_had_phones_before_a_restart_is_told_of_when_that_changes_only() -> None:
    board = Wallboard()
    board.told.clear()
    board.states.restored({"1002", "1003"})
    assert board.states.state("1002") is ExtensionState.IDLE
    board.states.registered("1002", present=True)
    assert board.told == []
    board.states.registered("1002", present=False)
    board.call("a", ("1003", RINGING, False))
    assert board.told == [("1002", "offline"), ("1003", "ringing")]


def test_who_listens_hears_of_calls_also_when_no_state_changes() -> None:
    board = Wallboard()
    heard: list[set[str]] = []
    board.states.on_calls = lambda extensions: heard.append(set(extensions))
    board.call("a", ("1001", ANSWERED, False))
    board.call("a", ("1001", ANSWERED, False), ("1001", RINGING, False))
    board.call("a")
    assert heard == [{"1001"}, {"1001"}, {"1001"}]


def test_an_extension_without_a_phone_is_offline_and_may_still_be_in_a_call() -> None:
    board = Wallboard()
    board.call("a", ("1001", ANSWERED, False))
    board.states.registered("1001", present=False)
    assert board.states.state("1001") is ExtensionState.TALKING
    board.call("a")
    assert board.states.state("1001") is ExtensionState.OFFLINE
