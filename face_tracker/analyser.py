"""One camera's work: frames in, visits out, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from face_tracker.camera import Frame, is_stream, read_frames
from face_tracker.descriptor import Describer
from face_tracker.detector import Detector
from face_tracker.errors import CameraError
from face_tracker.tracker import Tracker
from face_tracker.visits import Changes, Gallery, VisitCounter

log = structlog.get_logger(__name__)

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0


@dataclass(slots=True, frozen=True)
class Models:
    """The loaded detector and describer; used by one thread at a time."""

    detector: Detector
    describer: Describer
    turn: threading.Lock


@dataclass(slots=True, frozen=True)
class AnalyserReport:
    """What the thread tells: changes with the wall-clock time (seconds since 1970) of the frames' zero, or the end."""

    changes: Changes
    zero: float
    ended: bool = False
    complete: bool = False
    """A film was read from its beginning to its end."""


class Analyser:
    """Runs a camera until it is stopped; a file is read once, as fast as it goes, a stream is opened again when it breaks."""

    def __init__(
        self,
        name: str,
        source: str,
        models: Models,
        gallery: Gallery,
        report: Callable[[AnalyserReport], None],
        *,
        frames_per_second: float,
        gap_seconds: float,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._source = source
        self._models = models
        self._report = report
        self._rate = frames_per_second
        self._gap = gap_seconds
        self._gallery = gallery
        self._wall_clock = wall_clock
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"camera-{Path(source).name[:20]}", daemon=True)
        self.frames = 0
        """Frames analysed so far."""
        self.error = ""
        """Why no frames come at present; empty when they do."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it ends its visits first."""
        self._stopped.set()

    def join(self, timeout: float) -> None:
        """Wait for the thread, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped.is_set():
            zero = self._wall_clock()
            counter, tracker = VisitCounter(self._gallery, gap_seconds=self._gap), Tracker()
            try:
                for frame in read_frames(self._source, self._rate, self._stopped.is_set):
                    pause, self.error = _FIRST_PAUSE, ""
                    self._analyse(frame, tracker, counter, zero)
            except CameraError as failure:
                self.error = failure.message
                log.warning("camera_failed", camera=self._name, error=self.error)
            except Exception:
                # One picture that the models choke on must not end the counting for good.
                self.error = "An unforeseen error; the log tells which."
                log.exception("camera_failed", camera=self._name)
            done = not is_stream(self._source)
            stopped = self._stopped.is_set()
            complete = done and not stopped and not self.error
            self._report(AnalyserReport(counter.finish(), zero, ended=done or stopped, complete=complete))
            if done:
                return
            if self._stopped.wait(pause):
                # Its owner waits for the end, which the report above did not tell yet.
                self._report(AnalyserReport(Changes(), zero, ended=True))
                return
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _analyse(self, frame: Frame, tracker: Tracker, counter: VisitCounter, zero: float) -> None:
        with self._models.turn:
            tracks = tracker.update(self._models.detector.detect(frame.image), frame.time)
            changes = counter.update(
                tracks, frame.time, lambda track: self._models.describer.describe(frame.image, track.face)
            )
        self.frames += 1
        if changes.started or changes.ended:
            self._report(AnalyserReport(changes, zero))
