"""Call detail records for those who look at them: one, or pages of them, newest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

import msgspec
from sqlalchemy import Select, literal, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import Database, value_of
from core.events import Direction, Disposition, QualitySample
from pbx.cdrs.errors import CdrNotFoundError, UnknownCdrCursorError
from pbx.cdrs.tables import CdrLegRow, CdrQualityRow, CdrRow, CdrTransferRow
from pbx.cdrs.values import Cdr, CdrLeg, CdrPage, CdrState, CdrTransfer

MOST_PER_PAGE: Final = 500
_LONGEST_CALL: Final = timedelta(hours=12)
"""How long after a call's start another leg is looked for in it."""
_SAMPLES: Final = msgspec.json.Decoder(tuple[QualitySample, ...])
_CLOCK_SLACK: Final = timedelta(seconds=30)


@dataclass(slots=True, frozen=True, kw_only=True)
class CdrFilter:
    """Which records are wanted; what is None (or empty) does not matter."""

    begin: datetime | None = None
    """Started at this time or later."""
    end: datetime | None = None
    """Started before this time."""
    number: str = ""
    """From, to, or with a leg of this number, exactly (E.164 where public)."""
    extension: str = ""
    """This extension took part in it."""
    direction: Direction | None = None
    disposition: Disposition | None = None
    sip_call_id: str = ""
    """The SIP Call-ID of its first leg."""
    state: CdrState | None = CdrState.ENDED
    """None for live ones too."""

    @classmethod
    def of_day(cls, day: date, zone: tzinfo = UTC, **others: Any) -> CdrFilter:
        """Return a filter for calls that started on a day, which begins in the given time zone."""
        begin, end = (datetime.combine(on, time.min, zone).astimezone(UTC) for on in (day, day + timedelta(days=1)))
        return cls(begin=begin, end=end, **others)


class CdrQueries:
    """Reads call detail records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, call_id: str) -> Cdr:
        """Return the record of a call, live or over, with the quality of its legs.

        Raises:
            CdrNotFoundError: there is none.
        """
        async with self._database.reading() as session:
            row = await session.get(CdrRow, call_id)
            if row is None:
                raise CdrNotFoundError(f"There is no call {call_id[:36]}.")
            return await _with_quality(session, (await _with_parts(session, [row]))[0])

    async def with_leg(self, sip_call_id: str, at: datetime) -> Cdr | None:
        """Return the call that a SIP dialog which began at a time was a leg of, or None; where it moved, the one it began in."""
        # No index on the Call-ID of legs: it would cost every call something. The time narrows it down as well.
        query = (
            select(CdrRow)
            .join(CdrLegRow, CdrLegRow.call_id == CdrRow.call_id)
            .where(
                CdrRow.started_at >= at - _LONGEST_CALL,
                CdrRow.started_at <= at + _CLOCK_SLACK,
                CdrLegRow.sip_call_id == sip_call_id,
            )
            .order_by(CdrLegRow.joined_at)
            .limit(1)
        )
        async with self._database.reading() as session:
            row = await session.scalar(query)
            return (await _with_parts(session, [row]))[0] if row is not None else None

    async def page(self, wanted: CdrFilter | None = None, *, limit: int = 50, after: str | None = None) -> CdrPage:
        """Return records, newest first.

        Args:
            wanted: which; by default all that are over.
            limit: at most so many, up to 500.
            after: `CdrPage.after` of the page before.

        Raises:
            UnknownCdrCursorError: `after` is no key of this list.
        """
        limit = min(max(limit, 1), MOST_PER_PAGE)
        query = _filtered(select(CdrRow), wanted or CdrFilter())
        if after is not None:
            started_at, call_id = _key(after)
            # Bound with the column's own type: on SQLite a time is compared as text of a fixed form.
            key = tuple_(literal(started_at, CdrRow.started_at.type), literal(call_id))
            query = query.where(tuple_(CdrRow.started_at, CdrRow.call_id) < key)
        query = query.order_by(CdrRow.started_at.desc(), CdrRow.call_id.desc()).limit(limit + 1)
        async with self._database.reading() as session:
            rows: Sequence[CdrRow] = (await session.scalars(query)).all()
            items = await _with_parts(session, rows[:limit])
        last = items[-1] if len(rows) > limit else None
        return CdrPage(items, f"{last.started_at.isoformat()} {last.call_id}" if last else None)


def _key(after: str) -> tuple[datetime, str]:
    moment, _space, call_id = after.partition(" ")
    try:
        started_at = datetime.fromisoformat(moment)
    except ValueError:
        started_at = None
    if started_at is None or started_at.tzinfo is None or not 0 < len(call_id) <= 36:
        raise UnknownCdrCursorError("The list does not go on after that.", hint="Begin without a cursor.")
    return started_at, call_id


def _filtered(query: Select[Any], wanted: CdrFilter) -> Select[Any]:
    if wanted.begin is not None:
        query = query.where(CdrRow.started_at >= wanted.begin)
    if wanted.end is not None:
        query = query.where(CdrRow.started_at < wanted.end)
    if wanted.number:
        with_leg = select(CdrLegRow.call_id).where(CdrLegRow.number == wanted.number)
        either_end = or_(CdrRow.from_number == wanted.number, CdrRow.to_number == wanted.number)
        query = query.where(or_(either_end, CdrRow.call_id.in_(with_leg)))
    if wanted.extension:
        query = query.where(
            CdrRow.call_id.in_(select(CdrLegRow.call_id).where(CdrLegRow.extension == wanted.extension))
        )
    for column, value in (
        (CdrRow.direction, wanted.direction),
        (CdrRow.disposition, wanted.disposition),
        (CdrRow.state, wanted.state),
    ):
        if value is not None:
            query = query.where(column == value.value)
    if wanted.sip_call_id:
        query = query.where(CdrRow.sip_call_id == wanted.sip_call_id)
    return query


async def _with_parts(session: AsyncSession, rows: Sequence[CdrRow]) -> list[Cdr]:
    ids = [row.call_id for row in rows]
    legs: defaultdict[str, list[CdrLeg]] = defaultdict(list)
    transfers: defaultdict[str, list[CdrTransfer]] = defaultdict(list)
    if ids:
        of_calls = select(CdrLegRow).where(CdrLegRow.call_id.in_(ids)).order_by(CdrLegRow.position)
        for leg in await session.scalars(of_calls):
            legs[leg.call_id].append(value_of(leg, CdrLeg))
        chain = select(CdrTransferRow).where(CdrTransferRow.call_id.in_(ids)).order_by(CdrTransferRow.sequence)
        for transfer in await session.scalars(chain):
            transfers[transfer.call_id].append(value_of(transfer, CdrTransfer))
    return [_cdr(row, legs[row.call_id], transfers[row.call_id]) for row in rows]


async def _with_quality(session: AsyncSession, cdr: Cdr) -> Cdr:
    samples: defaultdict[str, list[QualitySample]] = defaultdict(list)
    query = select(CdrQualityRow).where(CdrQualityRow.call_id == cdr.call_id).order_by(CdrQualityRow.sequence)
    for row in await session.scalars(query):
        samples[row.leg_id].extend(_SAMPLES.decode(row.samples))
    return replace(cdr, legs=[replace(leg, quality=_of_stay(leg, samples[leg.leg_id])) for leg in cdr.legs])


def _of_stay(leg: CdrLeg, samples: Sequence[QualitySample]) -> Sequence[QualitySample]:
    """Return those of a leg's samples that are about this stay of it: it may come, go and come back."""
    end = leg.ended_at
    return [sample for sample in samples if sample.at >= leg.joined_at and (end is None or sample.at <= end)]


def _cdr(row: CdrRow, legs: Sequence[CdrLeg], transfers: Sequence[CdrTransfer]) -> Cdr:
    return Cdr(
        id=row.call_id,
        call_id=row.call_id,
        state=CdrState(row.state),
        direction=Direction(row.direction),
        from_number=row.from_number,
        to_number=row.to_number,
        dialled=row.dialled,
        from_name=row.from_name,
        from_extension=row.from_extension,
        trunk=row.trunk,
        sip_call_id=row.sip_call_id,
        started_at=row.started_at,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        ended_at=row.ended_at,
        talk_seconds=row.talk_microseconds / 1_000_000,
        disposition=Disposition(row.disposition) if row.disposition else None,
        sip_status=row.sip_status,
        reason=row.reason,
        recovered=row.recovered,
        recording_id=row.recording_id,
        merged_into=row.merged_into,
        diverted_from=row.diverted_from,
        legs=legs,
        transfers=transfers,
    )
