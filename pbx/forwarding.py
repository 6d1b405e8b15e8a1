"""Forwarding: where a call goes that an extension does not take itself, and the way it has come (RFC 5806, RFC 7044)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pbx.outcomes import Outcome

if TYPE_CHECKING:
    from pbx.entries import Extension

MOST_FORWARDS: Final = 5
"""How often a call may be sent on before it counts as going round in circles."""


TARGETS: Final = ("forward_to", "forward_busy_to", "forward_no_answer_to", "forward_unavailable_to")
"""The fields of an extension that hold an extension or number, or are empty."""
SETTINGS: Final = (*TARGETS, "forward_no_answer_seconds", "do_not_disturb", "call_waiting")
"""The fields of an extension that say what becomes of its calls."""


class ForwardReason(enum.StrEnum):
    """Why a call was sent on, in the words of RFC 5806 section 4.1."""

    ALWAYS = "unconditional"
    BUSY = "user-busy"
    NO_ANSWER = "no-answer"
    UNAVAILABLE = "unavailable"
    DO_NOT_DISTURB = "do-not-disturb"
    DEFLECTION = "deflection"
    """The phone itself sent the call on, by a 3xx."""


@dataclass(slots=True, frozen=True)
class Diversion:
    """One time that a call was sent on."""

    number: str
    """Who sent it on: an extension, or a public number outside of the company."""
    reason: str
    """A `ForwardReason`, or what another exchange wrote."""
    outside: bool = False
    """Whether another exchange sent it on: before it came to us, or where we sent it."""


Way = tuple[Diversion, ...]
"""How often and by whom a call was sent on, the first time first."""


def onward(extension: Extension, outcome: Outcome) -> tuple[str, ForwardReason] | None:
    """Return where the extension wants a call to go that ended so at its phones, or None."""
    match outcome:
        case Outcome.BUSY | Outcome.DECLINED:
            target, reason = extension.forward_busy_to, ForwardReason.BUSY
        case Outcome.NO_ANSWER:
            target, reason = extension.forward_no_answer_to, ForwardReason.NO_ANSWER
        case Outcome.UNAVAILABLE:
            # Where nobody is, nobody answers: also of a phone that gives up ringing by itself with 480.
            target = extension.forward_unavailable_to or extension.forward_no_answer_to
            reason = ForwardReason.UNAVAILABLE
        case _:
            return None
    return (target, reason) if target else None


def at_once(extension: Extension) -> tuple[str, ForwardReason] | None:
    """Return where the extension wants all calls to go before its phones are rung, or None."""
    if extension.forward_to:
        return extension.forward_to, ForwardReason.ALWAYS
    if extension.do_not_disturb and extension.forward_busy_to:
        return extension.forward_busy_to, ForwardReason.DO_NOT_DISTURB
    return None


def forwarder(way: Way) -> str:
    """Return the extension that sent the call on last and so pays for its further way, or an empty string.

    A carrier that sends a call on does not change who pays.
    """
    return next((one.number for one in reversed(way) if not one.outside), "")


def changes(before: Mapping[str, Extension], after: Mapping[str, Extension]) -> Iterator[dict[str, object]]:
    """Yield, as live events tell it, what becomes of calls to each extension for which that has changed."""
    for number, extension in after.items():
        known = before.get(number)
        if known is not None and known is not extension:
            now = {name: getattr(extension, name) for name in SETTINGS}
            if any(getattr(known, name) != value for name, value in now.items()):
                yield {"extension": number} | {name: None if value == "" else value for name, value in now.items()}
