"""Putting facts together to call detail records, in memory and without a database.

`Assembly` is given the records that are stored already and then each fact in its order. A record that knows a fact already is not
told it again, so reading a journal twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from core.events import (
    AnswererJudged,
    CallAnswered,
    CallEnded,
    CallerNamed,
    CallFact,
    CallOffered,
    CallTransferred,
    Direction,
    LegAnswered,
    LegCreated,
    LegEnded,
    LegMoved,
    LegQuality,
    LegRinging,
    LegStatistics,
    RecordingStarted,
    TransferResult,
)
from core.journal import Entry
from pbx.cdrs.values import CdrState

_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class LegRecord:
    """A row of `cdr_legs`; the fields are its columns."""

    call_id: str
    position: int
    leg_id: str
    role: str
    number: str
    extension: str
    trunk: str
    incoming: bool
    sip_call_id: str
    created_at: datetime
    joined_at: datetime
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    moved_to: str | None = None
    sip_status: int = 0
    reason: str = ""
    packets_received: int | None = None
    packets_sent: int | None = None
    packets_lost: int | None = None
    packets_rejected: int | None = None
    jitter_ms: float | None = None
    mos: float | None = None
    forwarded_by: str = ""
    answerer: str = ""


@dataclass(slots=True)
class TransferRecord:
    """A row of `cdr_transfers`; the fields are its columns."""

    call_id: str
    transfer_id: str
    sequence: int
    at: datetime
    kind: str
    result: str
    from_extension: str
    to_number: str
    new_leg_id: str | None
    other_call_id: str | None
    sip_status: int


@dataclass(slots=True)
class QualityRecord:
    """A row of `cdr_quality`; the fields are its columns."""

    call_id: str
    sequence: int
    leg_id: str
    samples: str


@dataclass(slots=True)
class CallRecord:
    """A row of `cdrs`; the fields are its columns."""

    call_id: str
    node: str
    sequence: int
    state: str
    direction: str
    from_number: str
    to_number: str
    dialled: str
    from_name: str
    from_extension: str
    trunk: str
    sip_call_id: str
    started_at: datetime
    answered_at: datetime | None = None
    answered_by: str = ""
    ended_at: datetime | None = None
    talk_microseconds: int = 0
    disposition: str | None = None
    sip_status: int = 0
    reason: str = ""
    recovered: bool = False
    recording_id: str | None = None
    merged_into: str | None = None
    diverted_from: str = ""


@dataclass(slots=True)
class Draft:
    """A call while facts are added to it, with what has to be written."""

    call: CallRecord
    legs: list[LegRecord] = field(default_factory=list)
    new: bool = False
    changed: bool = False
    new_legs: list[LegRecord] = field(default_factory=list)
    changed_legs: dict[int, LegRecord] = field(default_factory=dict)
    """By position; may hold new ones too."""
    transfers: list[TransferRecord] = field(default_factory=list)
    quality: list[QualityRecord] = field(default_factory=list)

    def leg(self, leg_id: str) -> LegRecord | None:
        """Return the last stay of a leg, noting that it changes."""
        for leg in reversed(self.legs):
            if leg.leg_id == leg_id:
                self.changed_legs[leg.position] = leg
                return leg
        return None

    def add(self, leg: LegRecord) -> None:
        """Add a stay."""
        self.legs.append(leg)
        self.new_legs.append(leg)


class Assembly:
    """The drafts of one batch of facts."""

    def __init__(self, node: str, drafts: Iterable[Draft]) -> None:
        self._node = node
        self.drafts = {draft.call.call_id: draft for draft in drafts}

    def add(self, entry: Entry) -> None:
        """Add a fact to the call it belongs to, and to the other call it touches; those that know it already are left alone."""
        fact = entry.fact
        apply = _APPLIED.get(type(fact))
        if apply is None:
            if isinstance(fact, CallOffered) and fact.call_id not in self.drafts:
                self.drafts[fact.call_id] = _offered(self._node, entry.sequence, fact)
            elif isinstance(fact, LegMoved):
                self._move(entry.sequence, fact)
            return
        draft = self._take(fact.call_id, entry.sequence)
        if draft is not None:
            apply(draft, fact)
        if isinstance(fact, CallTransferred):
            self._merge(entry.sequence, fact)

    def _merge(self, sequence: int, fact: CallTransferred) -> None:
        if fact.other_call_id and fact.result is TransferResult.COMPLETED:
            other = self._take(fact.other_call_id, sequence)
            if other is not None:
                other.call.merged_into = fact.call_id

    def _take(self, call_id: str, sequence: int) -> Draft | None:
        """Return the call to which this entry is news, if there is one."""
        draft = self.drafts.get(call_id)
        if draft is None or sequence <= draft.call.sequence or draft.call.node != self._node:
            return None
        draft.call.sequence, draft.changed = sequence, True
        return draft

    def _move(self, sequence: int, fact: LegMoved) -> None:
        source = self.drafts.get(fact.from_call_id)
        leg = source.leg(fact.leg_id) if source is not None else None
        if source is None or leg is None:
            return
        target = self._take(fact.call_id, sequence)
        if target is not None:
            target.add(_moved(leg, target, fact.at))
            _count_talk(target)
        if self._take(fact.from_call_id, sequence) is not None:
            leg.ended_at, leg.moved_to = fact.at, fact.call_id
            _count_talk(source)


def _named(draft: Draft, fact: CallerNamed) -> None:
    draft.call.from_name = _text(fact.name, 200)


def _opened(draft: Draft, fact: LegCreated) -> None:
    draft.add(_created(draft, fact))
    if draft.call.direction == Direction.OUTBOUND and not fact.incoming and fact.trunk:
        draft.call.trunk = _text(fact.trunk, 128)


def _ringing(draft: Draft, fact: LegRinging) -> None:
    leg = draft.leg(fact.leg_id)
    if leg is not None:
        leg.ringing_at = leg.ringing_at or fact.at


def _leg_answered(draft: Draft, fact: LegAnswered) -> None:
    leg = draft.leg(fact.leg_id)
    if leg is not None:
        leg.answered_at = leg.answered_at or fact.at


def _leg_ended(draft: Draft, fact: LegEnded) -> None:
    leg = draft.leg(fact.leg_id)
    if leg is not None:
        leg.ended_at = leg.ended_at or fact.at
        leg.sip_status, leg.reason = fact.sip_status, _text(fact.reason, 200)
        _count_talk(draft)


def _judged(draft: Draft, fact: AnswererJudged) -> None:
    leg = draft.leg(fact.leg_id)
    if leg is not None:
        leg.answerer = fact.answerer[:8]


def _measured(draft: Draft, fact: LegStatistics) -> None:
    leg = draft.leg(fact.leg_id)
    if leg is not None:
        leg.packets_received, leg.packets_sent = fact.packets_received, fact.packets_sent
        leg.packets_lost, leg.packets_rejected = fact.packets_lost, fact.packets_rejected
        leg.jitter_ms, leg.mos = fact.jitter_ms, fact.mos


def _answered(draft: Draft, fact: CallAnswered) -> None:
    if draft.call.answered_at is None:
        draft.call.answered_at, draft.call.answered_by = fact.at, fact.extension[:32]


def _sounded(draft: Draft, fact: LegQuality) -> None:
    samples = msgspec.json.encode(fact.samples).decode()
    draft.quality.append(QualityRecord(fact.call_id, draft.call.sequence, fact.leg_id, samples))


def _transferred(draft: Draft, fact: CallTransferred) -> None:
    draft.transfers.append(_transfer(draft.call.sequence, fact))


def _recorded(draft: Draft, fact: RecordingStarted) -> None:
    draft.call.recording_id = draft.call.recording_id or fact.recording_id


def _ended(draft: Draft, fact: CallEnded) -> None:
    call = draft.call
    if call.ended_at is not None:
        return
    call.state, call.ended_at, call.disposition = CdrState.ENDED.value, fact.at, fact.disposition.value
    call.sip_status, call.reason, call.recovered = fact.sip_status, _text(fact.reason, 200), fact.recovered
    if fact.recovered:
        # The process that died could not tell that its legs ended.
        for leg in draft.legs:
            if leg.ended_at is None:
                leg.ended_at = fact.at
                draft.changed_legs[leg.position] = leg
    _count_talk(draft)


def _count_talk(draft: Draft) -> None:
    """Count how long at least two answered legs were together, after a person had answered; once the call is over."""
    call = draft.call
    if call.ended_at is None or call.answered_at is None:
        return
    edges: list[tuple[datetime, int]] = []
    for leg in draft.legs:
        if leg.answered_at is None:
            continue
        begin = max(leg.answered_at, leg.joined_at, call.answered_at)
        end = min(leg.ended_at or call.ended_at, call.ended_at)
        if begin < end:
            edges += ((begin, 1), (end, -1))
    edges.sort()
    together, since, talk = 0, call.started_at, timedelta(0)
    for moment, change in edges:
        if together >= 2:
            talk += moment - since
        together, since = together + change, moment
    call.talk_microseconds = talk // _MICROSECOND


def _offered(node: str, sequence: int, fact: CallOffered) -> Draft:
    call = CallRecord(
        call_id=fact.call_id,
        node=node,
        sequence=sequence,
        state=CdrState.LIVE.value,
        direction=fact.direction.value,
        from_number=_text(fact.from_number, 64),
        to_number=_text(fact.to_number, 64),
        dialled=_text(fact.dialled, 128),
        from_name=_text(fact.from_name, 200),
        from_extension=_text(fact.from_extension, 32),
        trunk=_text(fact.trunk, 128),
        sip_call_id=_text(fact.sip_call_id, 255),
        started_at=fact.at,
        diverted_from=_text(fact.diverted_from, 64),
    )
    return Draft(call, new=True)


def _created(draft: Draft, fact: LegCreated) -> LegRecord:
    return LegRecord(
        call_id=fact.call_id,
        position=len(draft.legs),
        leg_id=fact.leg_id,
        role=fact.role.value,
        number=_text(fact.number, 64),
        extension=_text(fact.extension, 32),
        trunk=_text(fact.trunk, 128),
        incoming=fact.incoming,
        sip_call_id=_text(fact.sip_call_id, 255),
        created_at=fact.at,
        joined_at=fact.at,
        forwarded_by=_text(fact.forwarded_by, 32),
    )


def _moved(leg: LegRecord, target: Draft, at: datetime) -> LegRecord:
    return LegRecord(
        call_id=target.call.call_id,
        position=len(target.legs),
        leg_id=leg.leg_id,
        role=leg.role,
        number=leg.number,
        extension=leg.extension,
        trunk=leg.trunk,
        incoming=leg.incoming,
        sip_call_id=leg.sip_call_id,
        created_at=leg.created_at,
        joined_at=at,
        ringing_at=leg.ringing_at,
        answered_at=leg.answered_at,
        forwarded_by=leg.forwarded_by,
        answerer=leg.answerer,
    )


def _transfer(sequence: int, fact: CallTransferred) -> TransferRecord:
    return TransferRecord(
        call_id=fact.call_id,
        transfer_id=fact.transfer_id,
        sequence=sequence,
        at=fact.at,
        kind=fact.kind.value,
        result=fact.result.value,
        from_extension=_text(fact.from_extension, 32),
        to_number=_text(fact.to_number, 64),
        new_leg_id=fact.new_leg_id or None,
        other_call_id=fact.other_call_id or None,
        sip_status=fact.sip_status,
    )


def _text(value: str, longest: int) -> str:
    """Cut a peer's text to its column's width and drop zero bytes: PostgreSQL would refuse either, and the journal stand still."""
    return value[:longest].replace("\0", "")


_APPLIED: Final[dict[type[CallFact], Callable[[Draft, Any], None]]] = {
    CallerNamed: _named,
    LegCreated: _opened,
    LegRinging: _ringing,
    LegAnswered: _leg_answered,
    LegEnded: _leg_ended,
    LegStatistics: _measured,
    LegQuality: _sounded,
    AnswererJudged: _judged,
    CallAnswered: _answered,
    CallTransferred: _transferred,
    RecordingStarted: _recorded,
    CallEnded: _ended,
}
"""What each kind of fact does to the one call that it is of."""

FACTS: Final = frozenset({*_APPLIED, CallOffered, LegMoved})
"""What a call detail record is made from; all other facts leave no trace in it."""
