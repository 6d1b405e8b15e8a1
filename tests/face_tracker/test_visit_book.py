"""The stored visits when things go wrong: a database that is away, a camera that hangs, a server that starts again."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import ManualClock
from core.database import Database
from core.errors import StorageError
from core.outbox import OutboxMessage
from face_tracker.camera import _Pace
from face_tracker.cameras import Camera, CameraBook
from face_tracker.vault import TemplateVault
from face_tracker.visit_book import VisitBook
from face_tracker.visits import Changes, Gallery, Visit, Visitor

MORNING = datetime(2026, 3, 1, 9, tzinfo=UTC)
ZERO = MORNING.timestamp()
ZONE = ZoneInfo("UTC")


def person(name: str) -> Visitor:
    return Visitor(name, [np.zeros(128)])


@pytest.fixture
def book(database: Database, tmp_path: Path) -> VisitBook:
    return VisitBook(database, TemplateVault(tmp_path / "faces.key"), ManualClock(MORNING + timedelta(minutes=5)))


@pytest.fixture
async def camera(database: Database, tmp_path: Path) -> Camera:
    (tmp_path / "film.mp4").write_bytes(b"film")
    return await CameraBook(database, ManualClock(MORNING)).create("door", str(tmp_path / "film.mp4"))


@contextlib.contextmanager
def away(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database whose commits fail."""
    real = database.transaction

    @contextlib.asynccontextmanager
    async def failing() -> AsyncIterator[AsyncSession]:
        async with real() as session:
            yield session
            raise StorageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", failing)
        yield


async def test_a_visit_whose_beginning_was_not_stored_is_stored_whole_at_its_end(
    book: VisitBook, camera: Camera, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = Visit(person("v1"), 10.0, 12.0, returning=False)
    with away(database, monkeypatch), pytest.raises(StorageError):
        await book.record(camera, Changes(started=[visit]), ZERO, ZONE)
    visit.ended = 30.0
    await book.record(camera, Changes(ended=[visit]), ZERO, ZONE)
    (stored,) = await book.visits()
    assert (stored.started_at, stored.ended_at) == (MORNING + timedelta(seconds=10), MORNING + timedelta(seconds=30))
    summary = await book.summary(MORNING.date(), ZONE)
    assert (summary.visitors, summary.visits) == (1, 1)


async def test_an_end_that_the_database_did_not_take_can_be_stored_again(
    book: VisitBook, camera: Camera, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = Visit(person("v1"), 10.0, 12.0, returning=False)
    await book.record(camera, Changes(started=[visit]), ZERO, ZONE)
    with away(database, monkeypatch), pytest.raises(StorageError):
        await book.record(camera, Changes(ended=[visit]), ZERO, ZONE)
    await book.record(camera, Changes(ended=[visit]), ZERO, ZONE)
    (stored,) = await book.visits()
    assert stored.ended_at == MORNING + timedelta(seconds=12)


async def test_visits_that_a_hanging_camera_leaves_open_end_when_it_is_switched_off(
    book: VisitBook, camera: Camera, database: Database
) -> None:
    await book.record(camera, Changes(started=[Visit(person("v1"), 10.0, 12.0, returning=False)]), ZERO, ZONE)
    assert await book.close_camera(camera) == 1
    assert await book.close_camera(camera) == 0
    (stored,) = await book.visits()
    assert stored.ended_at == MORNING + timedelta(minutes=5)
    async with database.reading() as session:
        last = (await session.scalars(select(OutboxMessage).order_by(OutboxMessage.order.desc()))).first()
    assert last is not None
    assert last.address == "ramal/visits/door/ended"
    assert json.loads(last.body)["ended_at"] is not None


async def test_a_recognised_person_counts_once_a_day_also_when_the_server_starts_again(
    book: VisitBook, camera: Camera, database: Database, tmp_path: Path
) -> None:
    cameras = CameraBook(database, ManualClock(MORNING))
    camera = await cameras.allow_recognition(camera.id, legal_basis="b", notice="n", recorded_by="owner")
    visitor = person("v1")
    await book.record(camera, Changes(started=[Visit(visitor, 10.0, 12.0, returning=False)]), ZERO, ZONE)
    after = VisitBook(database, TemplateVault(tmp_path / "faces.key"), ManualClock(MORNING))
    await after.record(camera, Changes(started=[Visit(visitor, 600.0, 612.0, returning=True)]), ZERO, ZONE)
    await after.record(camera, Changes(started=[Visit(visitor, 90_000.0, 90_012.0, returning=True)]), ZERO, ZONE)
    summary = await book.summary(MORNING.date(), ZONE)
    assert (summary.visitors, summary.visits, summary.returning) == (1, 2, 1)
    assert (await book.summary(MORNING.date() + timedelta(days=1), ZONE)).visitors == 1


def test_a_gallery_can_forget_everybody() -> None:
    gallery = Gallery(0.55, lambda: "new", [person("v1"), person("v2")])
    gallery.forget_all()
    assert gallery.visitors == []
    assert gallery.recognise(np.zeros(128)).id == "new"


def test_five_frames_a_second_are_taken_of_twenty_five() -> None:
    pace = _Pace(5.0, 0.04)
    taken = [moment for frame in range(50) if (moment := pace.take(100 + frame / 25)) is not None]
    assert taken == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8])


def test_times_that_jump_back_do_not_make_the_camera_blind() -> None:
    pace = _Pace(5.0, 0.04)
    times = [frame / 25 for frame in range(25)] + [frame / 25 for frame in range(25)]
    taken = [moment for at in times if (moment := pace.take(at)) is not None]
    assert len(taken) in (9, 10)
    assert taken == sorted(taken)


def test_frames_without_a_time_are_taken_at_their_usual_distance() -> None:
    pace = _Pace(5.0, 0.04)
    assert len([1 for _ in range(50) if pace.take(None) is not None]) == 10
