"""Frames from a file or an RTSP camera, a few a second, decoded with PyAV in the caller's thread."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import numpy as np

from core.errors import InvalidInputError
from face_tracker.detector import Image
from face_tracker.errors import CameraError

if TYPE_CHECKING:
    from av import VideoFrame

_SCHEMES: Final = {"rtsp", "rtsps"}
_PASSWORD: Final = re.compile(r"(pass|password|passwd|pwd)=[^&/]+", re.IGNORECASE)
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
    if not source.isprintable():
        raise InvalidInputError("A camera's source is one line of printable characters.")
    try:
        parts = urlsplit(source)
        if parts.scheme in _SCHEMES and parts.hostname and (parts.port is None or parts.port):
            return source
    except ValueError as error:
        raise InvalidInputError(
            "The camera's URL cannot be read.",
            hint="In a user name or password, write “/” as %2F, “?” as %3F, “#” as %23 and “@” as %40.",
        ) from error
    if "://" in source:
        raise InvalidInputError("A camera's source is a video file or an rtsp:// URL.")
    if not _is_file(source):
        raise InvalidInputError(f"There is no video file {source}.")
    return source


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except OSError:
        # A name that is too long for the file system, or behind a folder that may not be read.
        return False


def shown_source(source: str) -> str:
    """Return the source without its password, be it before the host, or a field of path or query as many recorders have it."""
    if not is_stream(source):
        return source
    user, at, _host = urlsplit(source).netloc.rpartition("@")
    name, colon, _password = user.partition(":")
    plain = source.replace(f"{user}{at}", f"{name}{colon}***{at}", 1) if colon else source
    return _PASSWORD.sub(r"\1=***", plain)


def is_stream(source: str) -> bool:
    """Tell whether the source is a live stream, which has no end, or a file."""
    return urlsplit(source).scheme in _SCHEMES


def read_frames(source: str, frames_per_second: float, stopped: Callable[[], bool]) -> Iterator[Frame]:
    """Yield frames at most so often, until the source ends or `stopped` says so; pictures are scaled to 1280 wide at most.

    Raises:
        CameraError: the source cannot be opened or has no video.
    """
    import av  # noqa: PLC0415 - takes a while; a server without cameras needs it never

    # Over TCP no picture is torn by a lost packet; a camera that has only UDP is taken as it is.
    options = {"rtsp_flags": "prefer_tcp"} if is_stream(source) else {"protocol_whitelist": "file"}
    try:
        with av.open(source, options=options, timeout=_TIMEOUTS) as container:
            if not container.streams.video:
                raise CameraError(f"{shown_source(source)} holds no video.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if stream.width * stream.height > _LARGEST_PIXELS:
                raise CameraError(
                    f"{shown_source(source)} is {stream.width}×{stream.height} pixels, which is too large."
                )
            pace = _Pace(frames_per_second, 1 / float(stream.average_rate or 25))
            opened = time.monotonic()
            for picture in container.decode(stream):
                if stopped():
                    return
                # A live camera's own times jump when its clock is set, so there the arrival counts.
                at = time.monotonic() - opened if is_stream(source) else picture.time
                if (moment := pace.take(at)) is not None:
                    yield Frame(moment, _image(picture))
    except (av.error.FFmpegError, OSError) as error:
        raise CameraError(f"{shown_source(source)} cannot be read: {error.strerror or error}.") from error


class _Pace:
    """Chooses the frames to look at, by their times, which a broken file may give backwards or not at all."""

    def __init__(self, frames_per_second: float, usual: float) -> None:
        """Begin.

        Args:
            frames_per_second: how many to choose.
            usual: seconds from one frame to the next where they don't say.
        """
        self._step = 1 / frames_per_second
        self._usual = usual
        self._offset: float | None = None
        self._now = 0.0
        self._due = 0.0

    def take(self, at: float | None) -> float | None:
        """Return the frame's time in seconds since the first one, never less than before, or None to pass it over."""
        if at is None:
            self._now += self._usual if self._offset is not None else 0.0
            self._offset = self._offset or 0.0
        else:
            if self._offset is None or at + self._offset < self._now:
                self._offset = self._now - at
            self._now = at + self._offset
        if self._now + 1e-6 < self._due:
            return None
        self._due = self._now + self._step
        return self._now


def _image(picture: VideoFrame) -> Image:
    width = min(picture.width, _WIDEST)
    height = max(round(picture.height * width / picture.width), 1)
    return picture.to_ndarray(format="rgb24", width=width, height=height).astype(np.uint8, copy=False)
