"""The machines of an INVITE session as tables: the session itself, offer and answer, reliable provisional responses, the
session timer.

The tables are the machines: the session's parts walk them with `step`, and the diagrams of the documentation are drawn
from them. An event without a rule in a state is refused and leaves the state untouched.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from sip.session_events import SessionState

S = TypeVar("S", bound=enum.StrEnum)
E = TypeVar("E", bound=enum.StrEnum)


@dataclass(frozen=True, slots=True)
class Table(Generic[S, E]):
    """One machine: where each event leads from each state."""

    name: str
    source: str
    """The RFC and section that rules it."""
    initial: tuple[S, ...]
    rules: Mapping[tuple[S, E], S]

    def step(self, state: S, event: E) -> S | None:
        """Return the state that the event leads to, or None when it has no rule in this one."""
        return self.rules.get((state, event))


class Move(enum.StrEnum):
    """What takes a session from one state to the next."""

    PROGRESSED = "1xx above 100"
    ANSWERED = "2xx"
    ACKNOWLEDGED = "ACK"
    GIVEN_UP = "CANCEL"
    FINISHED = "the last word is told"
    CLOSED = "nothing more is awaited"


_CALLING, _OFFERED, _EARLY = SessionState.CALLING, SessionState.OFFERED, SessionState.EARLY
_ANSWERED, _CONFIRMED = SessionState.ANSWERED, SessionState.CONFIRMED
_CANCELLING, _ENDED = SessionState.CANCELLING, SessionState.ENDED

SESSION: Table[SessionState, Move] = Table(
    name="INVITE session",
    source="RFC 3261 sections 9, 13 and 15",
    initial=(_CALLING, _OFFERED),
    rules={
        (_CALLING, Move.PROGRESSED): _EARLY,
        (_CALLING, Move.ANSWERED): _ANSWERED,
        (_CALLING, Move.GIVEN_UP): _CANCELLING,
        (_CALLING, Move.FINISHED): _ENDED,
        (_CALLING, Move.CLOSED): _ENDED,
        (_OFFERED, Move.PROGRESSED): _EARLY,
        (_OFFERED, Move.ANSWERED): _ANSWERED,
        (_OFFERED, Move.FINISHED): _ENDED,
        (_OFFERED, Move.CLOSED): _ENDED,
        (_EARLY, Move.PROGRESSED): _EARLY,
        (_EARLY, Move.ANSWERED): _ANSWERED,
        (_EARLY, Move.GIVEN_UP): _CANCELLING,
        (_EARLY, Move.FINISHED): _ENDED,
        (_EARLY, Move.CLOSED): _ENDED,
        (_ANSWERED, Move.ACKNOWLEDGED): _CONFIRMED,
        (_ANSWERED, Move.FINISHED): _ENDED,
        (_ANSWERED, Move.CLOSED): _ENDED,
        (_CONFIRMED, Move.FINISHED): _ENDED,
        (_CONFIRMED, Move.CLOSED): _ENDED,
        # The listener has its last word at once; the peer's own is still to come, and may be a 2xx.
        (_CANCELLING, Move.FINISHED): _CANCELLING,
        (_CANCELLING, Move.CLOSED): _ENDED,
        (_ENDED, Move.FINISHED): _ENDED,
        (_ENDED, Move.CLOSED): _ENDED,
    },
)


class Exchange(enum.StrEnum):
    """Where offer and answer stand in one dialog."""

    NOTHING = "nothing"
    """No offer was made yet."""
    OURS = "our offer is open"
    THEIRS = "the peer's offer is open"
    AGREED = "agreed"


class Turn(enum.StrEnum):
    """What moves an exchange on."""

    OFFER_SENT = "offer sent"
    OFFER_RECEIVED = "offer received"
    ANSWER_SENT = "answer sent"
    ANSWER_RECEIVED = "answer received"
    REFUSED = "refused"
    """A later offer was refused: what was agreed before stays. With the first one the session ends."""


OFFER_ANSWER: Table[Exchange, Turn] = Table(
    name="Offer and answer",
    source="RFC 3264, RFC 3311 section 5, RFC 6337",
    initial=(Exchange.NOTHING,),
    rules={
        (Exchange.NOTHING, Turn.OFFER_SENT): Exchange.OURS,
        (Exchange.NOTHING, Turn.OFFER_RECEIVED): Exchange.THEIRS,
        (Exchange.OURS, Turn.ANSWER_RECEIVED): Exchange.AGREED,
        (Exchange.OURS, Turn.REFUSED): Exchange.AGREED,
        (Exchange.THEIRS, Turn.ANSWER_SENT): Exchange.AGREED,
        (Exchange.THEIRS, Turn.REFUSED): Exchange.AGREED,
        (Exchange.AGREED, Turn.OFFER_SENT): Exchange.OURS,
        (Exchange.AGREED, Turn.OFFER_RECEIVED): Exchange.THEIRS,
    },
)


class Reliability(enum.StrEnum):
    """Where the reliable provisional responses to one INVITE stand, on the answering side."""

    IDLE = "idle"
    """None waits for its PRACK."""
    WAITING = "waiting"
    """One waits for its PRACK; further ones, and a 2xx if it carries SDP, wait behind it."""
    OVER = "over"
    """The INVITE has its final response."""


class Reliably(enum.StrEnum):
    """What happens to reliable provisional responses."""

    SEND = "18x with RSeq sent"
    REPEAT = "T1, doubled each time"
    ACKNOWLEDGED = "PRACK"
    SILENCE = "64 * T1 without PRACK: 504"
    FINAL = "final response"


RELIABLE_PROVISIONALS: Table[Reliability, Reliably] = Table(
    name="Reliable provisional responses, answering side",
    source="RFC 3262 section 3",
    initial=(Reliability.IDLE,),
    rules={
        (Reliability.IDLE, Reliably.SEND): Reliability.WAITING,
        (Reliability.IDLE, Reliably.FINAL): Reliability.OVER,
        (Reliability.WAITING, Reliably.REPEAT): Reliability.WAITING,
        (Reliability.WAITING, Reliably.ACKNOWLEDGED): Reliability.IDLE,
        (Reliability.WAITING, Reliably.SILENCE): Reliability.OVER,
        (Reliability.WAITING, Reliably.FINAL): Reliability.OVER,
        # A PRACK that crossed the final response is answered 200 all the same.
        (Reliability.OVER, Reliably.ACKNOWLEDGED): Reliability.OVER,
    },
)


class Acknowledging(enum.StrEnum):
    """Where the reliable provisional responses of one early dialog stand, on the calling side."""

    NONE = "none came"
    OWED = "PRACK owed"
    """A response with the peer's offer came: its PRACK carries our answer, and waits for it."""
    DONE = "acknowledged"


class Acknowledge(enum.StrEnum):
    """What happens to the reliable provisional responses of the peer; one that is repeated or out of order is discarded."""

    IN_ORDER = "18x with the next RSeq: PRACK"
    OFFER = "18x with an offer"
    ANSWER = "our answer: PRACK"


PROVISIONAL_ACKNOWLEDGEMENT: Table[Acknowledging, Acknowledge] = Table(
    name="Reliable provisional responses, calling side",
    source="RFC 3262 section 4",
    initial=(Acknowledging.NONE,),
    rules={
        (Acknowledging.NONE, Acknowledge.IN_ORDER): Acknowledging.DONE,
        (Acknowledging.NONE, Acknowledge.OFFER): Acknowledging.OWED,
        (Acknowledging.OWED, Acknowledge.ANSWER): Acknowledging.DONE,
        (Acknowledging.DONE, Acknowledge.IN_ORDER): Acknowledging.DONE,
        (Acknowledging.DONE, Acknowledge.OFFER): Acknowledging.OWED,
    },
)


class TimerState(enum.StrEnum):
    """Where a session timer stands."""

    OFF = "off"
    OURS = "we refresh"
    """Half of the interval has not passed since the last refresh."""
    ASKED = "refresh sent"
    THEIRS = "the peer refreshes"
    EXPIRED = "expired"


class TimerMove(enum.StrEnum):
    """What happens to a session timer."""

    WE_REFRESH = "2xx: we refresh"
    PEER_REFRESHES = "2xx: the peer refreshes"
    SWITCHED_OFF = "2xx without a timer"
    HALF_TIME = "half the interval: UPDATE or re-INVITE"
    REFUSED = "refused: once more"
    EXPIRED = "the interval is over: BYE"


SESSION_TIMER: Table[TimerState, TimerMove] = Table(
    name="Session timer",
    source="RFC 4028 sections 7 to 10",
    initial=(TimerState.OFF,),
    rules={
        **{
            (state, move): after
            for state in (TimerState.OFF, TimerState.OURS, TimerState.ASKED, TimerState.THEIRS)
            for move, after in (
                (TimerMove.WE_REFRESH, TimerState.OURS),
                (TimerMove.PEER_REFRESHES, TimerState.THEIRS),
                (TimerMove.SWITCHED_OFF, TimerState.OFF),
            )
        },
        (TimerState.OURS, TimerMove.HALF_TIME): TimerState.ASKED,
        (TimerState.ASKED, TimerMove.REFUSED): TimerState.ASKED,
        (TimerState.ASKED, TimerMove.EXPIRED): TimerState.EXPIRED,
        (TimerState.THEIRS, TimerMove.EXPIRED): TimerState.EXPIRED,
    },
)
