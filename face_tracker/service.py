"""The camera module as a whole: loads the models once, runs a thread a camera, stores and announces visits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from core.bus import EventBus
from core.clock import Clock
from core.database import Database
from core.errors import NotFoundError, StorageError
from core.identifiers import new_id
from core.settings import FacesSettings
from core.tasks import stopped
from face_tracker.analyser import Analyser, AnalyserReport, Models
from face_tracker.cameras import Camera, CameraBook, CameraMode
from face_tracker.descriptor import ResnetDescriber
from face_tracker.detector import make_detector
from face_tracker.vault import TemplateVault
from face_tracker.visit_book import VisitBook
from face_tracker.visits import Gallery

log = structlog.get_logger(__name__)

_TIDY_SECONDS: Final = 3600.0
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0
_JOIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Running:
    """A camera at work."""

    camera: Camera
    gallery: Gallery
    analyser: Analyser
    reports: asyncio.Queue[AnalyserReport]
    day: date
    """The day of the people in the gallery."""
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass(slots=True, frozen=True)
class CameraState:
    """How a camera is doing: frames analysed, whether it runs, and its last error."""

    running: bool
    frames: int
    error: str


class FaceService:
    """Cameras at work."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        bus: EventBus,
        settings: FacesSettings,
        key_file: Path,
        zone: Callable[[], ZoneInfo],
    ) -> None:
        """Prepare; nothing is loaded until a camera runs.

        Args:
            database: where visits are stored.
            clock: the time of day.
            bus: who hears of visits as they happen.
            settings: model file, threshold and rate.
            key_file: the key that seals templates.
            zone: where the company's day begins.

        Raises:
            FaceTrackerError: the key file is not a key.
        """
        self.cameras = CameraBook(database, clock)
        self.visits = VisitBook(database, TemplateVault(key_file), clock)
        self._clock = clock
        self._bus = bus
        self._settings = settings
        self._zone = zone
        self._models: Models | None = None
        self._running: dict[str, _Running] = {}
        self._purger: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start every enabled camera; one that fails is logged and does not hinder the others."""
        await self.visits.close_left_open()
        for camera in await self.cameras.list():
            if camera.enabled:
                await self.run(camera)
        self._purger = asyncio.create_task(self._tidy_always(), name="visitor-tidying")

    async def run(self, camera: Camera) -> None:
        """Start a camera, or start it again after a change.

        Raises:
            ModelError: a configured model cannot be loaded.
        """
        await self.stop(camera.id)
        loop = asyncio.get_running_loop()
        if self._models is None:
            self._models = await loop.run_in_executor(None, self._load_models)
        reports: asyncio.Queue[AnalyserReport] = asyncio.Queue()
        gallery = Gallery(self._settings.same_person_distance, new_id, await self.visits.known_visitors(camera))
        analyser = Analyser(
            camera.name,
            camera.source,
            self._models,
            gallery,
            lambda report: _hand_over(loop, reports, report),
            frames_per_second=self._settings.frames_per_second,
            gap_seconds=camera.gap_seconds,
            wall_clock=lambda: self._clock.now().timestamp(),
        )
        day = self._clock.now().astimezone(self._zone()).date()
        running = _Running(camera, gallery, analyser, reports, day)
        running.task = asyncio.create_task(self._record(running), name=f"camera-{camera.name}")
        self._running[camera.id] = running
        await self._announce(camera)
        analyser.start()

    async def stop(self, camera_id: str) -> None:
        """Stop a camera; its open visits are ended and stored."""
        running = self._running.pop(camera_id, None)
        if running is None or running.task is None:
            return
        running.analyser.stop()
        await asyncio.wait([running.task], timeout=_JOIN_SECONDS)
        await stopped(running.task)
        try:
            # A camera that hangs does not say what its visitors do now.
            await self.visits.close_camera(running.camera)
        except (SQLAlchemyError, StorageError, OSError) as error:
            log.warning("visits_left_open", camera=running.camera.name, error=str(error))
        await asyncio.get_running_loop().run_in_executor(None, running.analyser.join, _JOIN_SECONDS)

    async def finished(self, camera_id: str) -> None:
        """Wait until a file camera has been read to its end and everything is stored.

        Raises:
            NotFoundError: the camera does not run.
        """
        running = self._running.get(camera_id)
        if running is None:
            raise NotFoundError(f"Camera {camera_id} does not run.")
        await running.finished.wait()

    def state(self, camera_id: str) -> CameraState:
        """Return how a camera is doing."""
        running = self._running.get(camera_id)
        if running is None:
            return CameraState(running=False, frames=0, error="")
        return CameraState(not running.finished.is_set(), running.analyser.frames, running.analyser.error)

    async def erase_visitor(self, visitor_id: str, *, erased_by: str, reason: str) -> None:
        """Erase a visitor everywhere: the stored templates and those in the memory of running cameras.

        Raises:
            NotFoundError: there is no such visitor.
        """
        await self.visits.erase(visitor_id, erased_by=erased_by, reason=reason)
        self._forget([visitor_id])

    async def close(self) -> None:
        """Stop all cameras."""
        await stopped(self._purger)
        for camera_id in list(self._running):
            await self.stop(camera_id)

    def _load_models(self) -> Models:
        return Models(make_detector(self._settings.detector_model), ResnetDescriber(), threading.Lock())

    async def _record(self, running: _Running) -> None:
        while True:
            report = await running.reports.get()
            await self._store(running.camera, report)
            if report.ended:
                if report.complete:
                    # A film is counted once, not again at every start of the server.
                    await self.cameras.set_enabled(running.camera.id, enabled=False)
                running.finished.set()
                return

    async def _store(self, camera: Camera, report: AnalyserReport) -> None:
        if report.changes.started or report.changes.ended:
            await self._keep(camera, report)
        for event, visits in (("started", report.changes.started), ("ended", report.changes.ended)):
            for visit in visits:
                self._bus.publish(f"visit.{event}", {"camera": camera.name, "returning": visit.returning})

    async def _keep(self, camera: Camera, report: AnalyserReport) -> None:
        """Store the visits, again and again while the database is away."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.visits.record(camera, report.changes, report.zero, self._zone())
            except (StorageError, OperationalError, InterfaceError, OSError) as error:
                log.warning("visits_wait", camera=camera.name, error=str(error), retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception:
                # One visit that cannot be stored must not end the counting of all that follow.
                log.exception("visit_not_stored", camera=camera.name)
                return
            else:
                return

    async def tidy(self) -> None:
        """Forget whom it is time to forget: expired templates, and in counting mode everybody when a new day begins."""
        self._forget(await self.visits.purge_expired())
        today = self._clock.now().astimezone(self._zone()).date()
        for running in self._running.values():
            if running.day != today:
                running.day = today
                await self._announce(running.camera)
                if running.camera.mode is CameraMode.COUNTING:
                    running.gallery.forget_all()

    async def _announce(self, camera: Camera) -> None:
        try:
            await self.visits.announce(camera, self._zone())
        except (SQLAlchemyError, StorageError, OSError) as error:
            # The next visit tells the counts.
            log.warning("counters_not_told", camera=camera.name, error=str(error))

    async def _tidy_always(self) -> None:
        while True:
            try:
                await self.tidy()
            except (SQLAlchemyError, StorageError, OSError) as error:
                log.warning("visitors_not_tidied", error=str(error))
            now = self._clock.now().astimezone(self._zone())
            midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
            await asyncio.sleep(min(_TIDY_SECONDS, (midnight - now).total_seconds() + 1))

    def _forget(self, visitor_ids: list[str]) -> None:
        for running in self._running.values():
            for visitor_id in visitor_ids:
                running.gallery.forget(visitor_id)


def _hand_over(loop: asyncio.AbstractEventLoop, reports: asyncio.Queue[AnalyserReport], report: AnalyserReport) -> None:
    """Bring a report from the camera's thread to the event loop, unless the loop is gone."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(reports.put_nowait, report)
