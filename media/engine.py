"""The Python face of the native media engine: it opens endpoints, mixers and recordings, bridges parties, and tells what happens.

Every call returns at once; the engine's own thread does the work, in the order of the calls. No packet passes through Python.
"""

from __future__ import annotations

import asyncio
import enum
import errno
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from media.codec import Codec
from media.endpoint import Endpoint
from media.errors import (
    EngineClosedError,
    EngineUnavailableError,
    MediaError,
    PortsExhaustedError,
    RecordingFileError,
)
from media.events import (
    ConsentLost,
    DigitReceived,
    FirstPacket,
    HandshakeReceived,
    MediaEvent,
    MediaTimeout,
    PlaybackEnded,
    RecordingClosed,
    RecordingFailed,
    SpeakerChanged,
    VoiceBegan,
    VoiceEnded,
    decode,
)
from media.mixer import Mixer
from media.quality import EndpointStatistics
from media.recording import MOST_CHANNELS, Recording
from media.tap import Tap

try:
    from media import _engine
except ImportError as error:
    raise EngineUnavailableError(
        f"The native media engine cannot be loaded: {error}.", hint="Build it with: uv pip install --no-deps -e ."
    ) from error

__all__ = [
    "Backend",
    "Codec",
    "ConsentLost",
    "DigitReceived",
    "Endpoint",
    "EndpointStatistics",
    "Engine",
    "EngineStatistics",
    "FirstPacket",
    "HandshakeReceived",
    "MediaEvent",
    "MediaTimeout",
    "Mixer",
    "PlaybackEnded",
    "Recording",
    "RecordingClosed",
    "RecordingFailed",
    "SpeakerChanged",
    "Tap",
    "VoiceBegan",
    "VoiceEnded",
]

_log = structlog.get_logger(__name__)

_ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - bound to where the operator says so
_WITHIN: Final = dict(zip(_ANY, ("127.0.0.1", "::1"), strict=True))
_NO_FILES_LEFT = (errno.EMFILE, errno.ENFILE)


class Backend(enum.Enum):
    """How the engine talks to the kernel about packets."""

    BEST = 0
    """io_uring where the kernel and the container offer it, else epoll."""
    EPOLL = 1
    """On any Linux."""
    IO_URING = 2
    """Linux 6.1 and newer; costs less with many calls."""


@dataclass(slots=True, frozen=True)
class EngineStatistics:
    """The figures of the whole engine."""

    endpoints: int
    packets: int
    """Datagrams received since the start."""
    ports_in_use: int
    """Pairs of ports."""
    backend: str
    """`epoll` or `io_uring`."""


class Engine:
    """The media engine: a packet thread and a disk thread beside the event loop.

    `on_event` is called on the loop for each event.
    """

    def __init__(
        self,
        *,
        addresses: Sequence[str] = ("127.0.0.1",),
        port_range: tuple[int, int] = (20000, 29999),
        advertised_address: str = "",
        media_timeout: float = 60.0,
        backend: Backend = Backend.BEST,
        recording_buffer: int = 64 << 20,
    ) -> None:
        """Take the addresses to bind and a range of ports (both ends included), of which none is taken yet.

        `advertised_address` is what endpoints show as theirs where nothing else is said (behind NAT); else it is the one bound.
        `media_timeout` is the silence in seconds after which `MediaTimeout` is told, 0 for never. `recording_buffer` is how many
        bytes of recordings may wait for a slow disk, all together: the rest is lost, and told. Raises `EngineUnavailableError`.
        """
        low, high = port_range
        if not 0 < low < high < 65536:
            raise EngineUnavailableError(f"The port range {low}-{high} is not usable.")
        try:
            self._native = _engine.Engine(list(addresses), low, high, media_timeout, backend.value, recording_buffer)
        except (OSError, ValueError) as error:
            raise EngineUnavailableError(
                f"The media engine cannot start on {', '.join(addresses)}: {error}."
            ) from error
        self._addresses = tuple(addresses)
        self._families = frozenset(":" in address for address in addresses)
        self._advertised = advertised_address
        self._playbacks = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = False
        # Bound once for all endpoints.
        self._woken = self._wake_soon
        self.on_event: Callable[[MediaEvent], None] = _ignore

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the threads, and tell events on `loop`. Raises `EngineClosedError`."""
        try:
            self._native.start()
        except _engine.EngineClosedError as error:
            raise EngineClosedError("The media engine is closed.") from error
        self._loop = loop
        loop.add_reader(self._native.event_descriptor, self._tell)
        _log.info("media_engine_started", backend=self._native.backend)

    def close(self) -> None:
        """Close every endpoint and recording, wait for the disk, tell the last events. Closing twice does nothing."""
        self._native.close()
        if self._loop is None:
            return
        # The descriptor lives as long as the native engine; its reader must not outlive it.
        if not self._loop.is_closed():
            self._loop.remove_reader(self._native.event_descriptor)
        self._loop = None
        self._tell()

    def create_endpoint(self, local: str = "", shown: str = "") -> Endpoint:
        """Open an endpoint on free ports.

        `local` is the address of this machine that the party speaks to; the endpoint is opened there, if the engine has that one,
        else at one of the same family. `shown` is what the party is told of it, which may be another one behind a NAT. Raises
        `PortsExhaustedError`, `EngineClosedError`, or `MediaError`.
        """
        place = self._place(local)
        bound = self._addresses[place]
        try:
            native = self._native.create_endpoint(place)
        except _engine.PortsExhaustedError as error:
            raise PortsExhaustedError(f"No RTP port is free: {error}.", hint="Widen the range of RTP ports.") from error
        except _engine.EngineClosedError as error:
            raise EngineClosedError("The media engine is closed.") from error
        except OSError as error:
            if error.errno in _NO_FILES_LEFT:
                hint = "Raise the limit of open files (ulimit -n, LimitNOFILE=)."
                raise PortsExhaustedError("The process may open no more sockets.", hint=hint) from error
            raise MediaError(f"An RTP port cannot be opened: {error}.") from error
        if bound not in (local, *_ANY) and shown == local:
            # It is not opened there after all.
            shown = ""
        told = shown or self._advertised or (bound if bound not in _ANY else local)
        within = _WITHIN.get(bound, bound)
        return Endpoint(native, told, within, self._playbacks, self._woken)

    def serves(self, host: str) -> bool:
        """Tell whether an IP address is of a family that endpoints can be opened in."""
        return (":" in host) in self._families

    def _place(self, local: str) -> int:
        """Return the place of the address by which a party is reached that speaks to `local`."""
        if not local or local in self._addresses:
            return self._addresses.index(local) if local else 0
        family = [place for place, address in enumerate(self._addresses) if (":" in address) is (":" in local)]
        everywhere = [place for place in family if self._addresses[place] in _ANY]
        return (everywhere or family or [0])[0]

    def bridge(self, a: Endpoint, b: Endpoint) -> None:
        """Let two parties hear each other, and nobody else."""
        self._native.bridge(a.native, b.native)
        self._wake_soon()

    def unbridge(self, a: Endpoint) -> None:
        """Part an endpoint from its peer, if it has one."""
        self._native.unbridge(a.native)
        self._wake_soon()

    def create_mixer(self) -> Mixer:
        """Create a room in which several parties hear each other."""
        return Mixer(self._native.create_mixer(), self._woken)

    def create_recording(self, path: Path, *, sample_rate: int = 8000, channels: int = 2) -> Recording:
        """Create a WAV file whose time begins now, and its folders; an existing one is never overwritten.

        The disk is touched by the writer alone: where the file cannot be had, `RecordingFailed` follows, and it is tried again.
        Whatever codecs its parties speak, and change to, is brought to its rate: 8000 or 16000 Hz.

        Raises:
            RecordingFileError: there are no such recordings.
            EngineClosedError: the engine is closed.
        """
        if sample_rate not in (8000, 16000) or not 1 <= channels <= MOST_CHANNELS:
            raise RecordingFileError(
                f"Recordings have 1 to {MOST_CHANNELS} channels of 8000 or 16000 Hz, not {channels} of {sample_rate} Hz."
            )
        try:
            native = self._native.create_recording(os.fspath(path), channels, sample_rate)
        except _engine.EngineClosedError as error:
            raise EngineClosedError("The media engine is closed.") from error
        self._wake_soon()
        return Recording(native, path, self._woken)

    def statistics(self) -> EngineStatistics:
        """Return the figures up to now."""
        endpoints, packets, ports = self._native.statistics()
        return EngineStatistics(endpoints, packets, ports, self._native.backend)

    def _wake_soon(self) -> None:
        """Have the engine take its commands, once for all that this turn of the event loop gives it.

        Opening and closing an endpoint can wait for the engine's next turn, within 50 ms.
        """
        if self._loop is not None and not self._waking and not self._loop.is_closed():
            self._waking = True
            self._loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        self._native.wake()

    def _tell(self) -> None:
        """Hand out what has happened; one listener's error must not cost the other events."""
        for kind, source, number, value, reason in self._native.take_events():
            event = decode(kind, source, number, value, reason)
            try:
                self.on_event(event)
            except Exception:
                _log.exception("media_event_failed", event_type=type(event).__name__)


def _ignore(_event: MediaEvent) -> None:
    """Stand for a listener until there is one."""
