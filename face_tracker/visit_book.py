"""The stored visits and visitors: written as they happen, listed, summed up by day and hour, erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from core.database import Database
from core.errors import InvalidInputError, NotFoundError
from core.identifiers import new_id
from core.outbox import send_mqtt
from face_tracker.cameras import Camera, CameraMode
from face_tracker.counters import describe_counters, tell_counts, visit_topic
from face_tracker.tables import CameraRow, ErasureRow, VisitorRow, VisitRow
from face_tracker.vault import TemplateVault
from face_tracker.visits import Changes, Visit, Visitor

_MOST_ROWS: Final = 1000


@dataclass(slots=True, frozen=True)
class VisitRecord:
    """A stored visit; `visitor_id` is None in counting mode."""

    id: str
    camera: str
    started_at: datetime
    ended_at: datetime | None
    visitor_id: str | None
    returning: bool


@dataclass(slots=True, frozen=True)
class VisitorRecord:
    """A recognised person, without anything of their face."""

    id: str
    camera: str
    visits: int
    first_seen_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(slots=True, frozen=True)
class DaySummary:
    """A day at the door, in the company's time zone.

    `visitors` are people, `visits` their stays; `new` are people never seen before that day, `returning` the visits of people who had
    been here before. `by_hour` holds 24 counts of visits that began in the hour.
    """

    day: date
    visitors: int
    visits: int
    new: int
    returning: int
    by_hour: tuple[int, ...]


@dataclass(slots=True, frozen=True)
class ErasureRecord:
    """The proof that a visitor was erased; nothing of the person is in it."""

    id: str
    visitor_id: str
    erased_at: datetime
    erased_by: str
    reason: str


class VisitBook:
    """Reads and writes visits."""

    def __init__(self, database: Database, vault: TemplateVault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._open: dict[tuple[str, str], str] = {}
        self._seen: dict[str, tuple[date, set[str]]] = {}

    async def known_visitors(self, camera: Camera) -> list[Visitor]:
        """Return the visitors whose templates have not expired; none in counting mode."""
        if camera.mode is not CameraMode.RECOGNITION:
            return []
        async with self._database.reading() as session:
            rows = await session.scalars(
                select(VisitorRow).where(VisitorRow.camera_id == camera.id, VisitorRow.expires_at > self._clock.now())
            )
            return [Visitor(row.id, self._vault.open(row.templates), row.visits) for row in rows]

    async def record(self, camera: Camera, changes: Changes, zero: float, zone: ZoneInfo) -> None:
        """Store what a frame changed, and queue the MQTT events with it.

        Args:
            camera: where.
            changes: what.
            zero: wall-clock time of the frames' zero, seconds since 1970.
            zone: where the day begins.
        """
        # What is remembered changes only when the database has it: a transaction that failed may be tried again.
        opened, seen = dict(self._open), {camera_id: (day, set(ids)) for camera_id, (day, ids) in self._seen.items()}
        draft = _Draft(opened, seen)
        async with self._database.transaction() as session:
            for visit in changes.started:
                await self._start(session, draft, camera, visit, zero, zone)
            for visit in changes.ended:
                await self._end(session, draft, camera, visit, zero, zone)
            await self._tell_counts(session, camera, zone)
        self._open, self._seen = draft.open, draft.seen

    async def close_camera(self, camera: Camera) -> int:
        """End the visits that a camera leaves open when it is switched off and does not answer; return how many."""
        now = self._clock.now()
        async with self._database.transaction() as session:
            rows = await session.scalars(
                select(VisitRow).where(VisitRow.camera_id == camera.id, VisitRow.ended_at.is_(None))
            )
            count = 0
            for row in rows:
                row.ended_at = now
                count += 1
                await send_mqtt(session, visit_topic(camera.name, "ended"), _payload(camera, row))
        self._open = {key: row_id for key, row_id in self._open.items() if key[0] != camera.id}
        return count

    async def close_left_open(self) -> int:
        """End the visits that a killed process left open, at their beginning; return how many."""
        async with self._database.transaction() as session:
            result = await session.execute(
                update(VisitRow).where(VisitRow.ended_at.is_(None)).values(ended_at=VisitRow.started_at)
            )
            return int(getattr(result, "rowcount", 0))

    async def visits(
        self, *, camera_id: str | None = None, before: str | None = None, limit: int = 50
    ) -> list[VisitRecord]:
        """Return visits, newest first, those older than the one with id `before`."""
        query = select(VisitRow, CameraRow.name).join(CameraRow, CameraRow.id == VisitRow.camera_id)
        if camera_id is not None:
            query = query.where(VisitRow.camera_id == camera_id)
        if before is not None:
            query = query.where(VisitRow.id < before)
        async with self._database.reading() as session:
            rows = await session.execute(query.order_by(VisitRow.id.desc()).limit(min(limit, _MOST_ROWS)))
            return [
                VisitRecord(row.id, name, row.started_at, row.ended_at, row.visitor_id, row.returning)
                for row, name in rows
            ]

    async def visitors(self, *, before: str | None = None, limit: int = 50) -> list[VisitorRecord]:
        """Return recognised visitors, newest first, those older than the one with id `before`."""
        query = select(VisitorRow, CameraRow.name).join(CameraRow, CameraRow.id == VisitorRow.camera_id)
        if before is not None:
            query = query.where(VisitorRow.id < before)
        async with self._database.reading() as session:
            rows = await session.execute(query.order_by(VisitorRow.id.desc()).limit(min(limit, _MOST_ROWS)))
            return [
                VisitorRecord(row.id, name, row.visits, row.first_seen_at, row.last_seen_at, row.expires_at)
                for row, name in rows
            ]

    async def summary(self, day: date, zone: ZoneInfo, *, camera_id: str | None = None) -> DaySummary:
        """Return the counts of a day in the given time zone."""
        async with self._database.reading() as session:
            return await _summary(session, day, zone, camera_id)

    async def announce(self, camera: Camera, zone: ZoneInfo) -> None:
        """Tell the broker of a camera's counters and of their counts today; when it starts, and when a day begins."""
        async with self._database.transaction() as session:
            await describe_counters(session, camera.id, camera.name)
            await self._tell_counts(session, camera, zone)

    async def _tell_counts(self, session: AsyncSession, camera: Camera, zone: ZoneInfo) -> None:
        now = self._clock.now()
        today = await _summary(session, now.astimezone(zone).date(), zone, camera.id)
        counts = {"visitors": today.visitors, "visits": today.visits, "new": today.new, "returning": today.returning}
        await tell_counts(session, camera.name, counts, today.day.isoformat(), now)

    async def erase(self, visitor_id: str, *, erased_by: str, reason: str) -> None:
        """Remove a visitor's templates for good and keep the proof; their visits stay as anonymous counts.

        Raises:
            NotFoundError: there is no such visitor.
        """
        async with self._database.transaction() as session:
            row = await session.get(VisitorRow, visitor_id)
            if row is None:
                raise NotFoundError(f"There is no visitor {visitor_id}.")
            await session.delete(row)
            await session.execute(update(VisitRow).where(VisitRow.visitor_id == visitor_id).values(visitor_id=None))
            session.add(
                ErasureRow(
                    id=new_id(),
                    visitor_id=visitor_id,
                    erased_at=self._clock.now(),
                    erased_by=erased_by,
                    reason=reason[:500],
                )
            )

    async def erasures(self, *, before: str | None = None, limit: int = 50) -> list[ErasureRecord]:
        """Return the proofs of erasures, newest first, those older than the one with id `before`."""
        query = select(ErasureRow)
        if before is not None:
            query = query.where(ErasureRow.id < before)
        async with self._database.reading() as session:
            rows = await session.scalars(query.order_by(ErasureRow.id.desc()).limit(min(limit, _MOST_ROWS)))
            return [ErasureRecord(row.id, row.visitor_id, row.erased_at, row.erased_by, row.reason) for row in rows]

    async def purge_expired(self) -> list[str]:
        """Remove visitors whose templates have outlived their time; return their ids."""
        async with self._database.transaction() as session:
            ids = list(await session.scalars(select(VisitorRow.id).where(VisitorRow.expires_at <= self._clock.now())))
            if ids:
                await session.execute(update(VisitRow).where(VisitRow.visitor_id.in_(ids)).values(visitor_id=None))
                await session.execute(delete(VisitorRow).where(VisitorRow.id.in_(ids)))
        return ids

    async def _start(
        self, session: AsyncSession, draft: _Draft, camera: Camera, visit: Visit, zero: float, zone: ZoneInfo
    ) -> VisitRow:
        started = datetime.fromtimestamp(zero + visit.started, UTC)
        recognised = camera.mode is CameraMode.RECOGNITION
        day = started.astimezone(zone).date()
        first = draft.is_first(camera.id, visit.visitor.id, day)
        if recognised:
            await self._store_visitor(session, camera, visit, started)
            first = first and not await _came_on(session, visit.visitor.id, day, zone)
        row = VisitRow(
            id=new_id(),
            camera_id=camera.id,
            visitor_id=visit.visitor.id if recognised else None,
            started_at=started,
            ended_at=None,
            returning=visit.returning,
            first_of_day=first,
        )
        session.add(row)
        draft.open[camera.id, visit.visitor.id] = row.id
        await send_mqtt(session, visit_topic(camera.name, "started"), _payload(camera, row))
        return row

    async def _end(
        self, session: AsyncSession, draft: _Draft, camera: Camera, visit: Visit, zero: float, zone: ZoneInfo
    ) -> None:
        row_id = draft.open.pop((camera.id, visit.visitor.id), None)
        row = await session.get(VisitRow, row_id) if row_id is not None else None
        if row is None:
            # Its beginning could not be stored then; the visit happened all the same.
            row = await self._start(session, draft, camera, visit, zero, zone)
            del draft.open[camera.id, visit.visitor.id]
        row.ended_at = datetime.fromtimestamp(zero + visit.ended, UTC)
        await send_mqtt(session, visit_topic(camera.name, "ended"), _payload(camera, row))

    async def _store_visitor(self, session: AsyncSession, camera: Camera, visit: Visit, at: datetime) -> None:
        row = await session.get(VisitorRow, visit.visitor.id)
        if row is None:
            row = VisitorRow(id=visit.visitor.id, camera_id=camera.id, first_seen_at=at)
            session.add(row)
        row.templates = self._vault.seal(visit.visitor.templates)
        row.visits = visit.visitor.visits
        row.last_seen_at = at
        row.expires_at = at + timedelta(days=camera.template_days)


@dataclass(slots=True)
class _Draft:
    """What the book would remember if the transaction went through."""

    open: dict[tuple[str, str], str]
    seen: dict[str, tuple[date, set[str]]]

    def is_first(self, camera_id: str, visitor_id: str, day: date) -> bool:
        """Tell whether the visitor was not seen that day yet, and remember that he was now."""
        known_day, seen = self.seen.get(camera_id, (day, set()))
        if known_day != day:
            seen = set()
        first = visitor_id not in seen
        seen.add(visitor_id)
        self.seen[camera_id] = (day, seen)
        return first


async def _summary(session: AsyncSession, day: date, zone: ZoneInfo, camera_id: str | None) -> DaySummary:
    try:
        begin = datetime.combine(day, time(), zone).astimezone(UTC)
        end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    except OverflowError as error:
        raise InvalidInputError(f"{day} is no day that can be counted.") from error
    query = select(VisitRow).where(VisitRow.started_at >= begin, VisitRow.started_at < end)
    if camera_id is not None:
        query = query.where(VisitRow.camera_id == camera_id)
    rows = (await session.scalars(query)).all()
    by_hour = [0] * 24
    for row in rows:
        by_hour[row.started_at.astimezone(zone).hour] += 1
    visitors = sum(row.first_of_day for row in rows)
    new = sum(row.first_of_day and not row.returning for row in rows)
    returning = sum(row.returning for row in rows)
    return DaySummary(day, visitors, len(rows), new, returning, tuple(by_hour))


async def _came_on(session: AsyncSession, visitor_id: str, day: date, zone: ZoneInfo) -> bool:
    """Tell whether a recognised visitor was there on that day, before a restart of the server perhaps."""
    begin = datetime.combine(day, time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    query = select(VisitRow.id).where(
        VisitRow.visitor_id == visitor_id, VisitRow.started_at >= begin, VisitRow.started_at < end
    )
    return await session.scalar(query.limit(1)) is not None


def _payload(camera: Camera, row: VisitRow) -> dict[str, object]:
    return {
        "camera": camera.name,
        "visit_id": row.id,
        "visitor_id": row.visitor_id,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "returning": row.returning,
    }
