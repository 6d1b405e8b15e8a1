"""Cameras and their consents: made, changed, listed and removed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from core.database import Database
from core.errors import ConflictError, InvalidInputError, NotFoundError
from core.identifiers import new_id
from face_tracker.camera import check_source
from face_tracker.counters import forget_counters
from face_tracker.errors import ConsentMissingError
from face_tracker.tables import CameraRow, ConsentRow, VisitorRow, VisitRow


class CameraMode(enum.StrEnum):
    """What a camera may do with faces."""

    COUNTING = "counting"
    """Ids live in memory only; nothing of a face is stored."""
    RECOGNITION = "recognition"
    """Returning people are known again by sealed templates; needs a consent record."""


@dataclass(slots=True, frozen=True)
class Camera:
    """A camera as others see it."""

    id: str
    name: str
    source: str
    mode: CameraMode
    enabled: bool
    gap_seconds: float
    template_days: int
    created_at: datetime


class CameraBook:
    """The stored cameras."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self) -> list[Camera]:
        """Return all cameras by name."""
        async with self._database.reading() as session:
            return [_camera(row) for row in await session.scalars(select(CameraRow).order_by(CameraRow.name))]

    async def get(self, camera_id: str) -> Camera:
        """Return one camera.

        Raises:
            NotFoundError: there is none with this id.
        """
        async with self._database.reading() as session:
            return _camera(await _row(session, camera_id))

    async def create(self, name: str, source: str, *, gap_seconds: float = 2.0, template_days: int = 30) -> Camera:
        """Add a camera in counting mode.

        Args:
            name: shown in lists and used in MQTT topics.
            source: a video file or an RTSP URL.
            gap_seconds: a person away for less is on the same visit.
            template_days: lifetime of templates in recognition mode.

        Raises:
            InvalidInputError: a value breaks its rule.
            ConflictError: the name is taken.
        """
        _check(name, gap_seconds, template_days)
        row = CameraRow(
            id=new_id(),
            name=name,
            source=check_source(source),
            mode=CameraMode.COUNTING.value,
            enabled=True,
            gap_seconds=gap_seconds,
            template_days=template_days,
            created_at=self._clock.now(),
        )
        try:
            async with self._database.transaction() as session:
                session.add(row)
        except IntegrityError as error:
            raise ConflictError(f"There is a camera “{name}” already.") from error
        return _camera(row)

    async def set_enabled(self, camera_id: str, *, enabled: bool) -> Camera:
        """Switch a camera on or off."""
        async with self._database.transaction() as session:
            row = await _row(session, camera_id)
            row.enabled = enabled
            return _camera(row)

    async def allow_recognition(self, camera_id: str, *, legal_basis: str, notice: str, recorded_by: str) -> Camera:
        """Record why faces may be recognised here and what visitors are told, and switch recognition on.

        Raises:
            ConsentMissingError: basis or notice is empty.
        """
        if not legal_basis.strip() or not notice.strip():
            raise ConsentMissingError(
                "Recognition needs a legal basis and the notice that visitors see.",
                hint="Without them the camera counts, which needs neither.",
            )
        async with self._database.transaction() as session:
            row = await _row(session, camera_id)
            row.mode = CameraMode.RECOGNITION.value
            session.add(
                ConsentRow(
                    id=new_id(),
                    camera_id=camera_id,
                    legal_basis=legal_basis.strip()[:4000],
                    notice=notice.strip()[:4000],
                    recorded_by=recorded_by,
                    recorded_at=self._clock.now(),
                )
            )
            return _camera(row)

    async def withdraw_recognition(self, camera_id: str) -> Camera:
        """Go back to counting: templates are deleted, visits lose their visitor, consents are marked withdrawn."""
        async with self._database.transaction() as session:
            row = await _row(session, camera_id)
            row.mode = CameraMode.COUNTING.value
            consents = select(ConsentRow).where(ConsentRow.camera_id == camera_id, ConsentRow.withdrawn_at.is_(None))
            for consent in await session.scalars(consents):
                consent.withdrawn_at = self._clock.now()
            await session.execute(delete(VisitorRow).where(VisitorRow.camera_id == camera_id))
            for visit in await session.scalars(select(VisitRow).where(VisitRow.camera_id == camera_id)):
                visit.visitor_id = None
            return _camera(row)

    async def delete(self, camera_id: str) -> None:
        """Remove a camera with its visits, visitors and consents."""
        async with self._database.transaction() as session:
            row = await _row(session, camera_id)
            await session.delete(row)
            await forget_counters(session, row.id, row.name)


def _check(name: str, gap_seconds: float, template_days: int) -> None:
    if not name or len(name) > 64 or not all(letter.isalnum() or letter in " -_." for letter in name):
        raise InvalidInputError("A camera's name is 1 to 64 letters, digits, blanks, dots and dashes.")
    if not 0.5 <= gap_seconds <= 3600:
        raise InvalidInputError("gap_seconds is from 0.5 to 3600.")
    if not 1 <= template_days <= 3650:
        raise InvalidInputError("template_days is from 1 to 3650.")


async def _row(session: AsyncSession, camera_id: str) -> CameraRow:
    row = await session.get(CameraRow, camera_id)
    if row is None:
        raise NotFoundError(f"There is no camera {camera_id}.")
    return row


def _camera(row: CameraRow) -> Camera:
    return Camera(
        row.id,
        row.name,
        row.source,
        CameraMode(row.mode),
        row.enabled,
        row.gap_seconds,
        row.template_days,
        row.created_at,
    )
