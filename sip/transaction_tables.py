"""The four transaction machines of RFC 3261 section 17 as tables, with the Accepted states of RFC 6026.

The tables are the machines: `sip.transaction` walks them and the diagrams of the documentation are drawn from them. An
event without a rule in a state leaves the state untouched. As RFC 4320 demands, no rule makes a 408 for a non-INVITE
request on the server's side, where a late answer helps nobody; and a client that waits for a slow answer hears a 100 once
it repeats itself at the pace of T2, and not before.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class State(enum.StrEnum):
    """Where a transaction stands; the names are those of the RFC's diagrams."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Event(enum.StrEnum):
    """What can happen to a transaction; the class of a response decides, not its number."""

    REQUEST = "request"
    """The same request came again (server)."""
    ACK = "ack"
    """An ACK with the INVITE's branch came (server)."""
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    """A response: from the wire (client) or from the user of the transaction (server)."""
    RETRANSMIT = "retransmit"
    """Timer A, E or G."""
    TIMEOUT = "timeout"
    """Timer B, F or H."""
    EXPIRE = "expire"
    """Timer D, I, J, K, L or M."""
    TRANSPORT_FAILED = "transport failed"
    SLOW = "slow"
    """The answer to a non-INVITE request takes so long that the client's timer E has reached T2 (RFC 4320 section 4.1)."""
    ABANDON = "abandon"
    """The user waits no longer: a cancelled INVITE got no final response in 64 * T1 (RFC 3261 section 9.1)."""


class Action(enum.StrEnum):
    """What a rule does besides changing the state."""

    SEND = "send"
    RESEND = "resend"
    ACKNOWLEDGE = "acknowledge"
    """Build the ACK for a 3xx-6xx, keep it and send it."""
    DELIVER = "deliver"
    REPORT_TIMEOUT = "report timeout"
    REPORT_FAILURE = "report failure"
    SEND_TRYING = "send 100"


Rules = Mapping[tuple[State, Event], tuple[State, tuple[Action, ...]]]


@dataclass(frozen=True, slots=True)
class Machine:
    """One transaction machine."""

    name: str
    initial: State
    rules: Rules
    timers: Mapping[State, str]
    """The letters of the timers that run in a state; one that also runs in the next state goes on."""
    kept: frozenset[State]
    """States in which nothing is left but to resend bytes, or to swallow what comes, until a timer expires."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The base times of RFC 3261 section 17.1.1.1, in seconds."""

    t1: float = 0.5
    """Estimated round-trip time."""
    t2: float = 4.0
    """Longest interval between retransmissions of a non-INVITE request or of an INVITE's response."""
    t4: float = 5.0
    """Longest time a message stays in the network."""
    d: float = 32.0
    """How long a client keeps the ACK for a refused INVITE on an unreliable transport."""

    @property
    def limit(self) -> float:
        """64 * T1: how long anything is waited for."""
        return 64 * self.t1

    @property
    def slow(self) -> float:
        """How long it takes until timer E of a client is reset to T2."""
        elapsed = interval = self.t1
        while interval * 2 < self.t2:
            interval *= 2
            elapsed += interval
        return elapsed


class TimerRule(NamedTuple):
    """What a timer letter of the RFC means."""

    event: Event
    base: str
    """The attribute of `Timing` it starts from."""
    reliable: bool
    """Whether it also runs on a reliable transport; one that does not is zero there."""
    capped: bool = False
    """Whether doubling stops at T2 (only for retransmissions)."""


TIMERS: Mapping[str, TimerRule] = {
    "A": TimerRule(Event.RETRANSMIT, "t1", reliable=False),
    "B": TimerRule(Event.TIMEOUT, "limit", reliable=True),
    "D": TimerRule(Event.EXPIRE, "d", reliable=False),
    "E": TimerRule(Event.RETRANSMIT, "t1", reliable=False, capped=True),
    "F": TimerRule(Event.TIMEOUT, "limit", reliable=True),
    "G": TimerRule(Event.RETRANSMIT, "t1", reliable=False, capped=True),
    "H": TimerRule(Event.TIMEOUT, "limit", reliable=True),
    "I": TimerRule(Event.EXPIRE, "t4", reliable=False),
    "J": TimerRule(Event.EXPIRE, "limit", reliable=False),
    "K": TimerRule(Event.EXPIRE, "t4", reliable=False),
    "L": TimerRule(Event.EXPIRE, "limit", reliable=True),
    "M": TimerRule(Event.EXPIRE, "limit", reliable=True),
}

_CALLING, _TRYING, _PROCEEDING = State.CALLING, State.TRYING, State.PROCEEDING
_ACCEPTED, _COMPLETED, _CONFIRMED, _TERMINATED = State.ACCEPTED, State.COMPLETED, State.CONFIRMED, State.TERMINATED
_PROVISIONAL, _SUCCESS, _FAILURE = Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE

INVITE_CLIENT = Machine(
    name="INVITE client",
    initial=_CALLING,
    rules={
        (_CALLING, Event.RETRANSMIT): (_CALLING, (Action.RESEND,)),
        (_CALLING, Event.PROVISIONAL): (_PROCEEDING, (Action.DELIVER,)),
        (_CALLING, Event.SUCCESS): (_ACCEPTED, (Action.DELIVER,)),
        (_CALLING, Event.FAILURE): (_COMPLETED, (Action.ACKNOWLEDGE, Action.DELIVER)),
        (_CALLING, Event.TIMEOUT): (_TERMINATED, (Action.REPORT_TIMEOUT,)),
        (_CALLING, Event.ABANDON): (_TERMINATED, (Action.REPORT_TIMEOUT,)),
        (_CALLING, Event.TRANSPORT_FAILED): (_TERMINATED, (Action.REPORT_FAILURE,)),
        (_PROCEEDING, Event.PROVISIONAL): (_PROCEEDING, (Action.DELIVER,)),
        (_PROCEEDING, Event.SUCCESS): (_ACCEPTED, (Action.DELIVER,)),
        (_PROCEEDING, Event.FAILURE): (_COMPLETED, (Action.ACKNOWLEDGE, Action.DELIVER)),
        (_PROCEEDING, Event.ABANDON): (_TERMINATED, (Action.REPORT_TIMEOUT,)),
        (_PROCEEDING, Event.TRANSPORT_FAILED): (_TERMINATED, (Action.REPORT_FAILURE,)),
        (_ACCEPTED, Event.SUCCESS): (_ACCEPTED, (Action.DELIVER,)),
        (_ACCEPTED, Event.EXPIRE): (_TERMINATED, ()),
        (_COMPLETED, Event.FAILURE): (_COMPLETED, (Action.RESEND,)),
        (_COMPLETED, Event.EXPIRE): (_TERMINATED, ()),
    },
    timers={_CALLING: "AB", _ACCEPTED: "M", _COMPLETED: "D"},
    kept=frozenset((_COMPLETED,)),
)

CLIENT = Machine(
    name="non-INVITE client",
    initial=_TRYING,
    rules={
        (_TRYING, Event.RETRANSMIT): (_TRYING, (Action.RESEND,)),
        (_TRYING, Event.PROVISIONAL): (_PROCEEDING, (Action.DELIVER,)),
        (_TRYING, Event.SUCCESS): (_COMPLETED, (Action.DELIVER,)),
        (_TRYING, Event.FAILURE): (_COMPLETED, (Action.DELIVER,)),
        (_TRYING, Event.TIMEOUT): (_TERMINATED, (Action.REPORT_TIMEOUT,)),
        (_TRYING, Event.ABANDON): (_TERMINATED, (Action.REPORT_TIMEOUT,)),
        (_TRYING, Event.TRANSPORT_FAILED): (_TERMINATED, (Action.REPORT_FAILURE,)),
        (_PROCEEDING, Event.RETRANSMIT): (_PROCEEDING, (Action.RESEND,)),
        (_PROCEEDING, Event.PROVISIONAL): (_PROCEEDING, (Action.DELIVER,)),
        (_PROCEEDING, Event.SUCCESS): (_COMPLETED, (Action.DELIVER,)),
        (_PROCEEDING, Event.FAILURE): (_COMPLETED, (Action.DELIVER,)),
        (_PROCEEDING, Event.TIMEOUT): (_TERMINATED, (Action.REPORT_TIMEOUT,)),
        (_PROCEEDING, Event.TRANSPORT_FAILED): (_TERMINATED, (Action.REPORT_FAILURE,)),
        (_COMPLETED, Event.EXPIRE): (_TERMINATED, ()),
    },
    timers={_TRYING: "EF", _PROCEEDING: "EF", _COMPLETED: "K"},
    kept=frozenset((_COMPLETED,)),
)

INVITE_SERVER = Machine(
    name="INVITE server",
    initial=_PROCEEDING,
    rules={
        (_PROCEEDING, Event.REQUEST): (_PROCEEDING, (Action.RESEND,)),
        (_PROCEEDING, Event.PROVISIONAL): (_PROCEEDING, (Action.SEND,)),
        (_PROCEEDING, Event.SUCCESS): (_ACCEPTED, (Action.SEND,)),
        (_PROCEEDING, Event.FAILURE): (_COMPLETED, (Action.SEND,)),
        # Retransmitted 2xx come from the session, which sees the ACK (RFC 6026 section 7.1).
        (_ACCEPTED, Event.REQUEST): (_ACCEPTED, ()),
        (_ACCEPTED, Event.SUCCESS): (_ACCEPTED, (Action.SEND,)),
        (_ACCEPTED, Event.EXPIRE): (_TERMINATED, ()),
        (_COMPLETED, Event.REQUEST): (_COMPLETED, (Action.RESEND,)),
        (_COMPLETED, Event.RETRANSMIT): (_COMPLETED, (Action.RESEND,)),
        (_COMPLETED, Event.ACK): (_CONFIRMED, ()),
        (_COMPLETED, Event.TIMEOUT): (_TERMINATED, ()),
        (_CONFIRMED, Event.ACK): (_CONFIRMED, ()),
        (_CONFIRMED, Event.REQUEST): (_CONFIRMED, ()),
        (_CONFIRMED, Event.EXPIRE): (_TERMINATED, ()),
    },
    timers={_ACCEPTED: "L", _COMPLETED: "GH", _CONFIRMED: "I"},
    kept=frozenset((_ACCEPTED, _CONFIRMED)),
)

SERVER = Machine(
    name="non-INVITE server",
    initial=_TRYING,
    rules={
        (_TRYING, Event.REQUEST): (_TRYING, ()),
        (_TRYING, Event.SLOW): (_PROCEEDING, (Action.SEND_TRYING,)),
        (_TRYING, Event.PROVISIONAL): (_PROCEEDING, (Action.SEND,)),
        (_TRYING, Event.SUCCESS): (_COMPLETED, (Action.SEND,)),
        (_TRYING, Event.FAILURE): (_COMPLETED, (Action.SEND,)),
        (_PROCEEDING, Event.REQUEST): (_PROCEEDING, (Action.RESEND,)),
        (_PROCEEDING, Event.PROVISIONAL): (_PROCEEDING, (Action.SEND,)),
        (_PROCEEDING, Event.SUCCESS): (_COMPLETED, (Action.SEND,)),
        (_PROCEEDING, Event.FAILURE): (_COMPLETED, (Action.SEND,)),
        # The client has given up: nothing may be sent any more (RFC 4320 section 4.2).
        (_PROCEEDING, Event.TIMEOUT): (_TERMINATED, ()),
        (_COMPLETED, Event.REQUEST): (_COMPLETED, (Action.RESEND,)),
        (_COMPLETED, Event.EXPIRE): (_TERMINATED, ()),
    },
    timers={_COMPLETED: "J"},
    kept=frozenset((_COMPLETED,)),
)

MACHINES: tuple[Machine, ...] = (INVITE_CLIENT, CLIENT, INVITE_SERVER, SERVER)


def response_event(status: int) -> Event:
    """Return the event that a response of this status is."""
    if status < 200:
        return _PROVISIONAL
    return _SUCCESS if status < 300 else _FAILURE
