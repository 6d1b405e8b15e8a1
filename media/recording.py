"""The Python face of a recording: who is recorded on which channel of a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from media.endpoint import Endpoint

if TYPE_CHECKING:
    from media import _engine

MOST_CHANNELS: Final = 8
"""Of a recording."""


class Recording:
    """One WAV file (16-bit PCM, 8 or 16 kHz) that is playable at any time, even after the process was killed.

    Closed when it is forgotten, too. After `close` every other call does nothing.
    """

    __slots__ = ("_native", "_wake", "path")

    def __init__(self, native: _engine.Recording, path: Path, wake: Callable[[], None]) -> None:
        self._native = native
        self._wake = wake
        self.path = path

    @property
    def id(self) -> int:
        """Names the recording in events."""
        return self._native.id

    @property
    def seconds(self) -> float:
        """Its length so far, pauses and silence included; once closed, that of the file."""
        return self._native.seconds

    def attach(self, endpoint: Endpoint, channel: int) -> None:
        """Record what the endpoint's party says on a channel (0 is left); several on one channel are mixed.

        An endpoint is in one recording at a time: attaching it again moves it.
        """
        self._native.attach(endpoint.native, channel)
        self._wake()

    def attach_heard(self, endpoint: Endpoint, channel: int) -> None:
        """Record on a channel what a mixer lets the endpoint's party hear, beside what it says: all the others of a room.

        An endpoint's is in one recording at a time.
        """
        self._native.attach_heard(endpoint.native, channel)
        self._wake()

    def detach(self, endpoint: Endpoint) -> None:
        """Record the endpoint's party, and what it hears, no more."""
        self._native.detach(endpoint.native)
        self._wake()

    def pause(self) -> None:
        """Keep nothing from now on; the time of the pause is silence in the file."""
        self._native.pause(True)
        self._wake()

    def resume(self) -> None:
        """Go on after a pause."""
        self._native.pause(False)
        self._wake()

    def close(self) -> None:
        """Finish the file; `RecordingClosed` tells when it is on the disk. Closing twice does nothing."""
        self._native.close()
        self._wake()
