"""Call detail records as they are given to others."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.events import Direction, Disposition, PartyRole, QualitySample, TransferKind, TransferResult


class CdrState(enum.StrEnum):
    """Whether the call goes on."""

    LIVE = "live"
    ENDED = "ended"


@dataclass(slots=True, frozen=True, kw_only=True)
class CdrLeg:
    """The stay of a leg in a call."""

    leg_id: str
    role: PartyRole
    number: str
    extension: str
    trunk: str
    incoming: bool
    """Whether the party called us; else we called it."""
    sip_call_id: str
    created_at: datetime
    joined_at: datetime
    """When it came into this call: `created_at`, or the time of the transfer that brought it."""
    ringing_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    """When it ended, or left for the call `moved_to`."""
    moved_to: str | None
    sip_status: int
    """The final status where it was not answered, else 0."""
    reason: str
    packets_received: int | None
    packets_sent: int | None
    packets_lost: int | None
    jitter_ms: float | None
    mos: float | None
    packets_rejected: int | None = None
    """Those that came and were not believed."""
    forwarded_by: str = ""
    """The extension whose forwarding opened the leg."""
    answerer: str = ""
    """Who took it: `person`, `machine` or `unknown`; "" where that was not judged."""
    quality: Sequence[QualitySample] | None = None
    """How it sounded, ten seconds a sample; None where that was not asked for."""


@dataclass(slots=True, frozen=True, kw_only=True)
class CdrTransfer:
    """A transfer of the call."""

    transfer_id: str
    at: datetime
    kind: TransferKind
    result: TransferResult
    from_extension: str
    to_number: str
    new_leg_id: str | None
    other_call_id: str | None
    """The consultation call that was merged in."""
    sip_status: int


@dataclass(slots=True, frozen=True, kw_only=True)
class Cdr:
    """A call detail record. Its charges are billing's, found by `call_id`."""

    id: str
    """The same as `call_id`: a call has one record."""
    call_id: str
    state: CdrState
    direction: Direction
    from_number: str
    to_number: str
    dialled: str
    from_name: str
    from_extension: str
    trunk: str
    """The trunk the call came by, or the last one it was sent out through; "" where it stayed in the house."""
    sip_call_id: str
    started_at: datetime
    answered_at: datetime | None
    """When a person answered."""
    answered_by: str
    """The extension that answered, if it was one."""
    ended_at: datetime | None
    talk_seconds: float
    """How long at least two answered legs were together after a person had answered; 0 while the call goes on."""
    disposition: Disposition | None
    """None while the call goes on."""
    sip_status: int
    reason: str
    recovered: bool
    recording_id: str | None
    merged_into: str | None
    """The call that an attended transfer joined this one's party to."""
    legs: Sequence[CdrLeg]
    transfers: Sequence[CdrTransfer]
    diverted_from: str = ""
    """Who was called first, where another exchange sent the call on to us."""


@dataclass(slots=True, frozen=True)
class CdrPage:
    """One page of a list."""

    items: Sequence[Cdr]
    after: str | None
    """The key that the next page begins after; None at the end."""
