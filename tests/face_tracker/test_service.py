"""The camera module on a real film: counting, recognition with consent, erasure, bad sources."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from core.bus import EventBus
from core.clock import ManualClock
from core.database import Database
from core.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from core.outbox import OutboxMessage
from core.settings import FacesSettings
from face_tracker.cameras import Camera, CameraMode
from face_tracker.errors import ConsentMissingError
from face_tracker.service import FaceService
from face_tracker.tables import ErasureRow, VisitorRow

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "faces"
UTC_ZONE = ZoneInfo("UTC")


async def film(service: FaceService, source: Path, name: str = "door") -> Camera:
    camera = await service.cameras.create(name, str(source))
    await service.run(camera)
    await service.finished(camera.id)
    return camera


async def test_one_person_who_comes_twice_is_counted_so(service: FaceService, clip: Path, database: Database) -> None:
    await film(service, clip)
    summary = await service.visits.summary(datetime.now(UTC).date(), UTC_ZONE)
    assert (summary.visitors, summary.visits, summary.new, summary.returning) == (1, 2, 1, 1)
    assert sum(summary.by_hour) == 2
    async with database.reading() as session:
        told = list(await session.scalars(select(OutboxMessage).order_by(OutboxMessage.order)))
    events = [one.address for one in told if not one.retain]
    assert events == ["ramal/visits/door/started", "ramal/visits/door/ended"] * 2


async def test_the_counts_of_the_day_are_kept_by_the_broker_and_described_for_home_assistant(
    service: FaceService, clip: Path, database: Database
) -> None:
    camera = await film(service, clip)
    kept = await kept_by_the_broker(database)
    counts = json.loads(kept["ramal/visits/door/state"])
    assert [counts[name] for name in ("visitors", "visits", "new", "returning")] == [1, 2, 1, 1]
    assert (counts["camera"], counts["day"]) == ("door", datetime.now(UTC).date().isoformat())
    description = json.loads(kept[f"homeassistant/sensor/ramal_{camera.id}/visits/config"])
    assert description["state_topic"] == "ramal/visits/door/state"
    assert description["value_template"] == "{{ value_json.visits }}"
    assert description["availability_topic"] == "ramal/status"
    await service.stop(camera.id)
    await service.cameras.delete(camera.id)
    assert set((await kept_by_the_broker(database)).values()) == {""}


async def kept_by_the_broker(database: Database) -> dict[str, str]:
    """Return the last retained message of each topic."""
    async with database.reading() as session:
        retained = select(OutboxMessage).where(OutboxMessage.retain).order_by(OutboxMessage.order)
        return {message.address: message.body for message in await session.scalars(retained)}


async def test_a_film_is_counted_once_and_not_again_at_every_start(service: FaceService, clip: Path) -> None:
    camera = await film(service, clip)
    await service.stop(camera.id)
    await service.start()
    assert not service.state(camera.id).running
    assert not (await service.cameras.get(camera.id)).enabled
    assert len(await service.visits.visits()) == 2


async def test_counting_stores_nothing_of_a_face(service: FaceService, clip: Path, database: Database) -> None:
    await film(service, clip)
    async with database.reading() as session:
        assert (await session.scalars(select(VisitorRow))).all() == []
    assert {visit.visitor_id for visit in await service.visits.visits()} == {None}


async def test_recognition_needs_a_legal_basis_and_a_notice(service: FaceService, clip: Path) -> None:
    camera = await service.cameras.create("door", str(clip))
    with pytest.raises(ConsentMissingError):
        await service.cameras.allow_recognition(camera.id, legal_basis=" ", notice="sign", recorded_by="owner")


async def test_a_recognised_visitor_is_known_again_after_a_restart_and_can_be_erased(
    service: FaceService, clip: Path, database: Database
) -> None:
    camera = await service.cameras.create("door", str(clip))
    camera = await service.cameras.allow_recognition(
        camera.id, legal_basis="written consent", notice="a sign at the door", recorded_by="owner"
    )
    assert camera.mode is CameraMode.RECOGNITION
    for _ in range(2):
        await service.run(camera)
        await service.finished(camera.id)
    (visitor,) = await service.visits.visitors()
    assert visitor.visits == 4
    assert [visit.returning for visit in await service.visits.visits()] == [True, True, True, False]
    await service.erase_visitor(visitor.id, erased_by="owner", reason="asked for it")
    assert await service.visits.visitors() == []
    assert {visit.visitor_id for visit in await service.visits.visits()} == {None}
    async with database.reading() as session:
        (proof,) = (await session.scalars(select(ErasureRow))).all()
    assert (proof.visitor_id, proof.erased_by) == (visitor.id, "owner")
    with pytest.raises(NotFoundError):
        await service.erase_visitor(visitor.id, erased_by="owner", reason="again")


async def test_stored_templates_are_sealed(service: FaceService, clip: Path, database: Database) -> None:
    camera = await service.cameras.create("door", str(clip))
    camera = await service.cameras.allow_recognition(camera.id, legal_basis="b", notice="n", recorded_by="owner")
    await service.run(camera)
    await service.finished(camera.id)
    async with database.reading() as session:
        (row,) = (await session.scalars(select(VisitorRow))).all()
    assert row.templates.startswith(b"gAAAA")


async def test_withdrawing_recognition_removes_every_template(service: FaceService, clip: Path) -> None:
    camera = await service.cameras.create("door", str(clip))
    camera = await service.cameras.allow_recognition(camera.id, legal_basis="b", notice="n", recorded_by="owner")
    await service.run(camera)
    await service.finished(camera.id)
    assert (await service.cameras.withdraw_recognition(camera.id)).mode is CameraMode.COUNTING
    assert await service.visits.visitors() == []


@pytest.mark.parametrize("content", [b"", b"not a film at all" * 100])
async def test_a_file_that_is_no_film_is_told_and_nothing_breaks(
    service: FaceService, tmp_path: Path, content: bytes
) -> None:
    source = tmp_path / "bad.mp4"
    source.write_bytes(content)
    camera = await film(service, source)
    assert "cannot be read" in service.state(camera.id).error


@pytest.mark.parametrize("source", ["http://example.com/a.mp4", "/nowhere/film.mp4", "rtsp://", "concat:/etc/passwd"])
async def test_a_source_that_is_neither_file_nor_rtsp_is_refused(service: FaceService, source: str) -> None:
    with pytest.raises(InvalidInputError):
        await service.cameras.create("door", source)


async def test_two_cameras_cannot_share_a_name(service: FaceService, clip: Path) -> None:
    await service.cameras.create("door", str(clip))
    with pytest.raises(ConflictError):
        await service.cameras.create("door", str(clip))


@pytest.mark.skipif(not SHARED.exists(), reason="the three-people film is not beside this checkout")
async def test_three_people_who_cross_make_five_visits(service: FaceService) -> None:
    await film(service, SHARED / "clip_640x480.mp4")
    summary = await service.visits.summary(datetime.now(UTC).date(), UTC_ZONE)
    assert (summary.visitors, summary.visits, summary.returning) == (3, 5, 2)


async def test_in_counting_mode_everybody_is_forgotten_when_a_new_day_begins(
    database: Database, tmp_path: Path, clip: Path
) -> None:
    clock = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))
    service = FaceService(database, clock, EventBus(), FacesSettings(), tmp_path / "faces.key", lambda: UTC_ZONE)
    camera = await film(service, clip)
    gallery = service._running[camera.id].gallery
    clock.advance(3600)
    await service.tidy()
    assert len(gallery.visitors) == 1
    clock.advance(12 * 3600)
    await service.tidy()
    assert gallery.visitors == []
    counts = json.loads((await kept_by_the_broker(database))["ramal/visits/door/state"])
    assert (counts["day"], counts["visits"]) == ("2026-03-02", 0)
    await service.close()


async def test_a_picture_that_the_models_choke_on_is_told_and_ends_no_camera_in_silence(
    service: FaceService, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(*_arguments: object) -> None:
        raise ValueError("bad picture")

    monkeypatch.setattr("face_tracker.analyser.Tracker.update", choke)
    camera = await film(service, clip)
    state = service.state(camera.id)
    assert not state.running
    assert "unforeseen" in state.error


async def test_a_database_that_is_away_for_a_moment_loses_no_visit(
    service: FaceService, clip: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, attempts = service.visits.record, 0

    async def moody(*arguments: Any) -> None:
        nonlocal attempts
        attempts += 1
        if attempts in (1, 3):
            raise StorageError("away")
        await real(*arguments)

    monkeypatch.setattr("face_tracker.service._FIRST_PAUSE", 0.01)
    monkeypatch.setattr(service.visits, "record", moody)
    await film(service, clip)
    summary = await service.visits.summary(datetime.now(UTC).date(), UTC_ZONE)
    assert (summary.visitors, summary.visits) == (1, 2)
    assert {visit.ended_at is None for visit in await service.visits.visits()} == {False}
