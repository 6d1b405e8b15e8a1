"""What each extension is doing, for lamps and wallboards: made from the legs of live calls."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from core.bus import EventBus
from pbx.call import Call
from pbx.leg import Leg
from pbx.party import LegState


class ExtensionState(enum.StrEnum):
    """What an extension is doing."""

    OFFLINE = "offline"
    IDLE = "idle"
    RINGING = "ringing"
    TALKING = "talking"
    HELD = "held"


_NOBODY: Final[Mapping[str, ExtensionState]] = {}
_RANK: Final = (ExtensionState.TALKING, ExtensionState.HELD, ExtensionState.RINGING)


class ExtensionStates:
    """Publishes `extension.state` whenever one changes."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._by_call: dict[str, Mapping[str, ExtensionState]] = {}
        self._by_extension: dict[str, dict[str, ExtensionState]] = {}
        self._registered: set[str] = set()
        self._told: dict[str, ExtensionState] = {}
        self.on_calls: Callable[[Iterable[str]], None] | None = None
        """Hears which extensions are in a call that has changed."""
        self.on_state: Callable[[str], None] | None = None
        """Hears which extension does something else now."""

    def state(self, extension: str) -> ExtensionState:
        """Return what the extension is doing."""
        busy = self._by_extension.get(extension)
        if busy:
            return next(iter(busy.values())) if len(busy) == 1 else min(busy.values(), key=_RANK.index)
        return ExtensionState.IDLE if extension in self._registered else ExtensionState.OFFLINE

    def occupied(self, extension: str) -> bool:
        """Tell whether the extension has a call of any kind, ringing ones included."""
        return extension in self._by_extension

    def calls(self, extension: str) -> Collection[str]:
        """Return the ids of the calls that the extension is in."""
        return self._by_extension.get(extension, ())

    def restored(self, extensions: Collection[str]) -> None:
        """Take note of who had phones before a restart: nobody listens yet, so nobody is told."""
        self._registered.update(extensions)
        self._told.update((extension, self.state(extension)) for extension in extensions)

    def registered(self, extension: str, *, present: bool) -> None:
        """Take note that an extension has phones, or has none any more."""
        if present and extension in self._registered:
            return
        (self._registered.add if present else self._registered.discard)(extension)
        self._tell(extension)

    def update(self, call: Call) -> None:
        """Take note of what the legs of a call are doing now."""
        before = self._by_call.get(call.id, _NOBODY)
        now: dict[str, ExtensionState] = {}
        for leg in call.legs:
            extension = leg.party.extension
            if extension:
                state, held = _state_of(leg), now.get(extension)
                now[extension] = state if held is None else min(state, held, key=_RANK.index)
        if now != before:
            self._take(call.id, before, now)
        if self.on_calls is not None:
            self.on_calls(before.keys() | now.keys())

    def _take(self, call_id: str, before: Mapping[str, ExtensionState], now: Mapping[str, ExtensionState]) -> None:
        if now:
            self._by_call[call_id] = now
        else:
            del self._by_call[call_id]
        for extension, state in now.items():
            if before.get(extension) is not state:
                states = self._by_extension.get(extension)
                if states is None:
                    self._by_extension[extension] = {call_id: state}
                else:
                    states[call_id] = state
                self._tell(extension)
        for extension in before:
            if extension not in now:
                states = self._by_extension[extension]
                del states[call_id]
                if not states:
                    del self._by_extension[extension]
                self._tell(extension)

    def _tell(self, extension: str) -> None:
        state = self.state(extension)
        if self._told.get(extension) is not state:
            self._told[extension] = state
            self._bus.publish("extension.state", {"extension": extension, "state": state.value})
            if self.on_state is not None:
                self.on_state(extension)


def _state_of(leg: Leg) -> ExtensionState:
    if leg.state is LegState.ANSWERED:
        return ExtensionState.HELD if leg.held else ExtensionState.TALKING
    return ExtensionState.RINGING
