"""A sample film for the camera module: one person who comes to the door twice."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
import numpy as np
import numpy.typing as npt
from skimage import data
from skimage.transform import resize

_WIDTH: Final = 640
_HEIGHT: Final = 480
_RATE: Final = 10
_SECONDS: Final = 14
_STAYS: Final = ((1.0, 4.0), (9.0, 12.0))
"""When the person is in the picture, in seconds."""


def make_clip(path: Path) -> Path:
    """Write a film of 14 s at 640×480 in which the astronaut of scikit-image's sample pictures walks by twice.

    Args:
        path: an `.mp4` file to be written.
    """
    person = _portrait()
    background = np.linspace(90, 160, _HEIGHT)[:, None, None] * np.ones((1, _WIDTH, 3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=_RATE)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = _WIDTH, _HEIGHT, "yuv420p", 4_000_000
        for index in range(_SECONDS * _RATE):
            picture = background.copy()
            _place(picture, person, index / _RATE)
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def _portrait() -> npt.NDArray[np.float64]:
    """Return head and shoulders, 300×300."""
    picture = data.astronaut()[0:260, 90:350]
    return np.asarray(resize(picture, (300, 300), preserve_range=True), dtype=np.float64)


def _place(picture: npt.NDArray[np.float64], person: npt.NDArray[np.float64], time: float) -> None:
    for begin, end in _STAYS:
        if begin <= time < end:
            left = 20 + int((time - begin) / (end - begin) * (_WIDTH - 340))
            picture[100:400, left : left + 300] = person
