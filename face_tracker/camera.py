"""Frames from a file or an RTSP camera, a few a second, decoded with PyAV in the caller's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import av
import av.error
import numpy as np

from core.errors import InvalidInputError
from face_tracker.detector import Image
from face_tracker.errors import CameraError

_SCHEMES: Final = {"rtsp", "rtsps"}
_WIDEST: Final = 1280
_LARGEST_PIXELS: Final = 8192 * 8192
_TIMEOUTS: Final = (10.0, 10.0)
"""Seconds to open a stream, and to wait for its next packet."""


@dataclass(slots=True, frozen=True)
class Frame:
    """A picture and its time in seconds since the source began."""

    time: float
    image: Image


def check_source(source: str) -> str:
    """Return the source when it can be one: an existing file or an RTSP URL.

    Raises:
        InvalidInputError: it is neither.
    """
    if urlsplit(source).scheme in _SCHEMES and urlsplit(source).hostname:
        return source
    if "://" in source:
        raise InvalidInputError("A camera's source is a video file or an rtsp:// URL.")
    if not Path(source).is_file():
        raise InvalidInputError(f"There is no video file {source}.")
    return source


def is_stream(source: str) -> bool:
    """Tell whether the source is a live stream, which has no end, or a file."""
    return urlsplit(source).scheme in _SCHEMES


def read_frames(source: str, frames_per_second: float, stopped: Callable[[], bool]) -> Iterator[Frame]:
    """Yield frames at most so often, until the source ends or `stopped` says so; pictures are scaled to 1280 wide at most.

    Raises:
        CameraError: the source cannot be opened or has no video.
    """
    options = {"rtsp_transport": "tcp"} if is_stream(source) else {"protocol_whitelist": "file"}
    try:
        with av.open(source, options=options, timeout=_TIMEOUTS) as container:
            if not container.streams.video:
                raise CameraError(f"{_shown(source)} holds no video.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if stream.width * stream.height > _LARGEST_PIXELS:
                raise CameraError(f"{_shown(source)} is {stream.width}×{stream.height} pixels, which is too large.")
            due = first = None
            for picture in container.decode(stream):
                if stopped():
                    return
                time = float(picture.time) if picture.time is not None else 0.0
                first = time if first is None else first
                if due is None or time + 1e-6 >= due:
                    due = time + 1 / frames_per_second
                    yield Frame(time - first, _image(picture))
    except (av.error.FFmpegError, OSError) as error:
        raise CameraError(f"{_shown(source)} cannot be read: {error.strerror or error}.") from error


def _image(picture: av.VideoFrame) -> Image:
    width = min(picture.width, _WIDEST)
    height = max(round(picture.height * width / picture.width), 1)
    return picture.to_ndarray(format="rgb24", width=width, height=height).astype(np.uint8, copy=False)


def _shown(source: str) -> str:
    """Return the source without a password."""
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.scheme in _SCHEMES else source
