"""Following faces from frame to frame: SORT (Bewley and others, 2016), a Kalman filter a face and Hungarian matching.

Sans-I/O: frames' boxes go in with their time in seconds, tracks come out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from face_tracker.detector import Boxes, Face, overlap

Matrix = npt.NDArray[np.float64]

_LEAST_OVERLAP: Final = 0.15
_LOST_SECONDS: Final = 1.0


class BoxFilter:
    """A Kalman filter over centre, area and aspect of a box, with constant velocity of the first three."""

    _OBSERVE: Final[Matrix] = np.eye(4, 7)
    _NOISE: Final[Matrix] = np.diag([1.0, 1.0, 10.0, 10.0])
    _DRIFT: Final[Matrix] = np.diag([1.0, 1.0, 1.0, 0.01, 4.0, 4.0, 1.0])

    def __init__(self, box: Boxes) -> None:
        self._state = np.zeros(7)
        self._state[:4] = _measure(box)
        self._spread = np.diag([10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4])

    def predict(self, seconds: float) -> Boxes:
        """Move on by `seconds` and return the expected box."""
        step = np.eye(7)
        step[0, 4] = step[1, 5] = step[2, 6] = seconds
        if self._state[2] + self._state[6] * seconds <= 0:
            self._state[6] = 0.0
        self._state = step @ self._state
        self._spread = step @ self._spread @ step.T + self._DRIFT * max(seconds, 1e-3)
        return self.box

    def correct(self, box: Boxes) -> None:
        """Take in the box that was seen."""
        residual = _measure(box) - self._OBSERVE @ self._state
        seen = self._OBSERVE @ self._spread @ self._OBSERVE.T + self._NOISE
        gain = self._spread @ self._OBSERVE.T @ np.linalg.inv(seen)
        self._state = self._state + gain @ residual
        self._spread = (np.eye(7) - gain @ self._OBSERVE) @ self._spread

    @property
    def box(self) -> Boxes:
        """The box as believed now: left, top, right, bottom."""
        x, y, area, aspect = self._state[:4]
        width = float(np.sqrt(max(area * aspect, 1.0)))
        height = max(float(area), 1.0) / width
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])


def _measure(box: Boxes) -> Matrix:
    width, height = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, width * height, width / height])


@dataclass(slots=True)
class Track:
    """One face followed over time; times in seconds on the frames' clock."""

    id: int
    filter: BoxFilter
    face: Face
    first_seen: float
    last_seen: float
    sightings: int = 1


class Tracker:
    """Gives each face in a sequence of frames the track it belongs to."""

    def __init__(self) -> None:
        # SciPy takes seconds to load; a server without a camera never needs it.
        from scipy.optimize import linear_sum_assignment  # noqa: PLC0415

        self._assign = linear_sum_assignment
        self._tracks: list[Track] = []
        self._next = 1
        self._time: float | None = None

    def update(self, faces: list[Face], time: float) -> list[Track]:
        """Take in a frame's faces and return the tracks seen in it."""
        elapsed = 0.0 if self._time is None else max(time - self._time, 0.0)
        self._time = time
        self._tracks = [track for track in self._tracks if time - track.last_seen <= _LOST_SECONDS]
        expected = np.array([track.filter.predict(elapsed) for track in self._tracks]).reshape(-1, 4)
        boxes = np.array([[face.left, face.top, face.right, face.bottom] for face in faces]).reshape(-1, 4)
        seen: list[Track] = []
        unmatched = set(range(len(faces)))
        if len(expected) and len(boxes):
            common = overlap(boxes, expected)
            for row, column in zip(*self._assign(-common), strict=True):
                if common[row, column] >= _LEAST_OVERLAP:
                    track = self._tracks[column]
                    track.filter.correct(boxes[row])
                    track.face, track.last_seen = faces[row], time
                    track.sightings += 1
                    unmatched.discard(int(row))
                    seen.append(track)
        for index in sorted(unmatched):
            track = Track(self._next, BoxFilter(boxes[index]), faces[index], time, time)
            self._next += 1
            self._tracks.append(track)
            seen.append(track)
        return seen
