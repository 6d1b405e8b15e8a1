"""Where calls go that an extension does not take itself, and how a change of that is told."""

from __future__ import annotations

from typing import Any

import pytest

from pbx import forwarding, identity
from pbx.entries import DestinationKind, Extension
from pbx.forwarding import Diversion, ForwardReason
from pbx.outcomes import Outcome
from pbx.party import Party
from tests.pbx.test_routing import directory, extension, number


def ana(**changes: Any) -> Extension:
    return extension("1001", **changes)


@pytest.mark.parametrize(
    ("outcome", "onward"),
    [
        (Outcome.BUSY, ("2001", ForwardReason.BUSY)),
        (Outcome.DECLINED, ("2001", ForwardReason.BUSY)),
        (Outcome.NO_ANSWER, ("2002", ForwardReason.NO_ANSWER)),
        (Outcome.UNAVAILABLE, ("2003", ForwardReason.UNAVAILABLE)),
        (Outcome.FAILED, None),
        (Outcome.NO_MEDIA, None),
    ],
)
def test_a_call_goes_on_by_the_reason(outcome: Outcome, onward: tuple[str, ForwardReason] | None) -> None:
    forwards = ana(forward_busy_to="2001", forward_no_answer_to="2002", forward_unavailable_to="2003")
    assert forwarding.onward(forwards, outcome) == onward
    assert forwarding.onward(ana(), outcome) is None


def test_where_no_phone_is_nobody_answers() -> None:
    onward = forwarding.onward(ana(forward_no_answer_to="2002"), Outcome.UNAVAILABLE)
    assert onward == ("2002", ForwardReason.UNAVAILABLE)


def test_all_calls_go_at_once_before_do_not_disturb_is_asked() -> None:
    quiet = {"do_not_disturb": True, "forward_busy_to": "2001"}
    assert forwarding.at_once(ana(forward_to="2000", **quiet)) == ("2000", ForwardReason.ALWAYS)
    assert forwarding.at_once(ana(**quiet)) == ("2001", ForwardReason.DO_NOT_DISTURB)
    assert forwarding.at_once(ana(do_not_disturb=True)) is None
    assert forwarding.at_once(ana(forward_busy_to="2001")) is None


def test_only_one_of_ours_pays_for_what_is_forwarded() -> None:
    outside = Diversion("+74951112233", "no-answer", outside=True)
    assert forwarding.forwarder(()) == ""
    assert forwarding.forwarder((outside,)) == ""
    ours = Diversion("1001", ForwardReason.BUSY)
    assert forwarding.forwarder((outside, ours)) == "1001"
    assert forwarding.forwarder((outside, ours, Diversion("+79161234567", "deflection", outside=True))) == "1001"


def test_a_caller_outside_learns_no_number_that_is_not_public() -> None:
    company = directory(numbers=[number("+74951112233", DestinationKind.EXTENSION, "1001")])
    way = (Diversion("1001", ForwardReason.BUSY), Diversion("1002", ForwardReason.ALWAYS))
    customer, colleague = Party("+79161112233", trunk="carrier"), Party("1003", extension="1003")

    def told(caller: Party, *, history: bool = True) -> list[tuple[str, str]]:
        return list(identity.told_to_caller(caller, way, "+79037654321", company, "pbx.test", history=history))

    assert told(customer) == [("Diversion", "<sip:+74951112233@pbx.test>;reason=user-busy;counter=1")]
    assert [name for name, _ in told(colleague)] == ["Diversion", "Diversion", "History-Info"]
    assert "+79037654321" in told(colleague)[-1][1]
    assert [name for name, _ in told(colleague, history=False)] == ["Diversion", "Diversion"]


def test_a_change_is_told_of_the_extension_that_it_is_about() -> None:
    before = {"1001": ana(), "1002": extension("1002")}
    after = {
        "1001": ana(do_not_disturb=True),
        "1002": extension("1002", email="b@example.com"),
        "1003": extension("1003"),
    }
    assert list(forwarding.changes(before, after)) == [
        {
            "extension": "1001",
            "forward_to": None,
            "forward_busy_to": None,
            "forward_no_answer_to": None,
            "forward_unavailable_to": None,
            "forward_no_answer_seconds": 0,
            "do_not_disturb": True,
            "call_waiting": True,
        }
    ]
