"""Who is at the end of a leg, where a leg stands, and how it may go on."""

from __future__ import annotations

import enum
from typing import Final

import msgspec


class LegState(enum.StrEnum):
    """Where a leg stands."""

    TRYING = "trying"
    RINGING = "ringing"
    ANSWERED = "answered"
    ENDED = "ended"


TRANSITIONS: Final[dict[LegState, frozenset[LegState]]] = {
    LegState.TRYING: frozenset({LegState.RINGING, LegState.ANSWERED, LegState.ENDED}),
    LegState.RINGING: frozenset({LegState.ANSWERED, LegState.ENDED}),
    LegState.ANSWERED: frozenset({LegState.ENDED}),
    LegState.ENDED: frozenset(),
}


class Party(msgspec.Struct, frozen=True, gc=False):
    """Who is at the other end of a leg: exactly one of `extension` and `trunk` is set."""

    number: str
    name: str = ""
    extension: str = ""
    trunk: str = ""
    private: bool = False
    """Whether those who are called are not to know who it is (RFC 3323)."""
    forwarded_by: str = ""
    """The extension at whose cost the party is called, having sent the call on; empty where that is the caller's."""
