"""Frames of 640×480 that the camera module analyses in a second of processor time, counting included."""

from __future__ import annotations

import itertools
import tempfile
import time
from functools import partial
from pathlib import Path

from face_tracker.camera import read_frames
from face_tracker.descriptor import Descriptor, ResnetDescriber
from face_tracker.detector import HogDetector, Image
from face_tracker.tracker import Track, Tracker
from face_tracker.visits import Gallery, VisitCounter
from ramal.demo.clip import make_clip

_ROUNDS = 3


def measure() -> dict[str, float]:
    """Analyse the demo's film a few times; return `face_frames_per_s`."""
    detector, describer = HogDetector(), ResnetDescriber()
    with tempfile.TemporaryDirectory() as folder:
        film = make_clip(Path(folder) / "film.mp4")
        frames = list(read_frames(str(film), 5.0, lambda: False))
    names = (str(number) for number in itertools.count())
    begin = time.process_time()
    for _ in range(_ROUNDS):
        tracker, counter = Tracker(), VisitCounter(Gallery(0.55, lambda: next(names)), gap_seconds=2.0)
        for frame in frames:
            tracks = tracker.update(detector.detect(frame.image), frame.time)
            counter.update(tracks, frame.time, partial(_describe, describer, frame.image))
    spent = time.process_time() - begin
    return {"face_frames_per_s": _ROUNDS * len(frames) / spent}


def _describe(describer: ResnetDescriber, image: Image, track: Track) -> Descriptor:
    return describer.describe(image, track.face)
