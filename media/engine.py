"""The Python face of the native media engine: endpoints, bridges, playing, recording, and what happens to them.

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
from media.errors import (
    EngineClosedError,
    EngineUnavailableError,
    InvalidDigitError,
    InvalidEndpointError,
    MediaError,
    PortsExhaustedError,
    RecordingFileError,
    SoundFileError,
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
from media.srtp import SrtpKeys
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

MOST_CHANNELS = 8
"""Of a recording."""
_DIGITS = frozenset("0123456789*#ABCD")
_SAMPLES_PER_MS = 8
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


class Endpoint:
    """One party's end of the media: an RTP port of ours (RTCP on the one above), and where the party is.

    Closed when it is forgotten, too: a port is never lost. After `close` every other call does nothing.
    """

    __slots__ = ("_playbacks", "_wake", "address", "ip_version", "local", "native")

    def __init__(
        self,
        native: _engine.Endpoint,
        address: str,
        local: str,
        playbacks: itertools.count[int],
        wake: Callable[[], None],
    ) -> None:
        self.native = native
        """The engine's own, for the other faces of the engine."""
        self._playbacks = playbacks
        self._wake = wake
        self.address = address
        """The address to put into SDP."""
        self.local = local
        """Where programs of this machine reach it."""
        self.ip_version = 6 if ":" in local else 4
        """4 or 6: what the party's address has to be of."""

    @property
    def id(self) -> int:
        """Names the endpoint in events."""
        return self.native.id

    @property
    def port(self) -> int:
        """The RTP port, even."""
        return self.native.port

    def configure(
        self,
        *,
        remote: tuple[str, int] | None,
        codec: Codec = Codec.PCMU,
        payload_type: int | None = None,
        telephone_event: int | None = None,
        send: bool = True,
        receive: bool = True,
        latching: bool = True,
        beside: str | None = None,
        relay_digits: bool = True,
    ) -> None:
        """Point the endpoint at its party, as offer and answer agreed; a later call changes it.

        `remote` is an IP address and port; None sends nothing. `telephone_event` is the payload type of RFC 4733 digits, None for
        a party without them. `send` and `receive` are the SDP direction seen from us. With `latching` the engine also listens and
        answers to another source than `remote` (a phone behind NAT), once it has sent a few packets in a row; then only to that
        one until the next call. Where `beside` is an IP address, that source has to be at this host or at the remote one: packets
        injected from elsewhere never reach anybody. With `relay_digits` off, digits of this party are told as events but do not
        reach its peer.
        Raises `InvalidEndpointError`.
        """
        number = codec.payload_type if payload_type is None else payload_type
        for name, value in (("payload type", number), ("telephone-event payload type", telephone_event)):
            if value is not None and not 0 <= value <= 127:
                raise InvalidEndpointError(f"The {name} {value} is not from 0 to 127.")
        if remote is not None and not 0 < remote[1] < 65536:
            raise InvalidEndpointError(f"The port {remote[1]} is not from 1 to 65535.")
        event = -1 if telephone_event is None else telephone_event
        try:
            self.native.configure(remote, codec.number, number, event, send, receive, latching, beside, relay_digits)
        except ValueError as error:
            raise InvalidEndpointError(f"The media address cannot be used: {error}.") from error
        self._wake()

    def pack(self, packet_ms: int) -> None:
        """Send sound that is made here in packets of so many milliseconds, 10 to 60, as the party's `ptime` asks; 20 until told.

        Opus stays in packets of 20, and so does what is relayed as it comes; no packet grows beyond what networks carry whole.
        """
        self.native.pack(packet_ms)
        self._wake()

    def encrypt(self, keys: SrtpKeys | None = None) -> None:
        """Send and hear only what is encrypted from now on; without keys, nothing until they come.

        Other keys than before take the place of the old ones, which open what comes until the first packet under the new ones. A
        direction whose key stays goes on where it is. The source of authentic packets is followed at once. Raises
        `InvalidEndpointError`.
        """
        if keys is None:
            self.native.encrypt(True)
        else:
            try:
                self.native.set_keys(keys.profile.value, keys.incoming, keys.outgoing, keys.identifier_size)
            except (ValueError, RuntimeError) as error:
                raise InvalidEndpointError(f"The keys cannot be used: {error}.") from error
        self._wake()

    def speak_clear(self) -> None:
        """Send and hear unencrypted packets again; the keys are forgotten."""
        self.native.encrypt(False)
        self._wake()

    def multiplex(self, multiplexed: bool = True) -> None:
        """Send RTCP to the RTP port (RFC 5761); it is understood there in any case."""
        self.native.multiplex(multiplexed)
        self._wake()

    def expect_checks(self, fragment: str, password: str) -> None:
        """Answer the party's connectivity checks as an ICE-lite agent, and send to where they come from (RFC 8445).

        The words are ours, as the party was told; those before stay good until the party uses the new ones. Without a check for 30
        seconds `ConsentLost` is told. The endpoint is encrypted from now on.
        """
        self.native.expect_checks(fragment, password)
        self._wake()

    def take_handshakes(self) -> None:
        """Tell datagrams of DTLS as `HandshakeReceived`; the endpoint is encrypted from now on."""
        self.native.take_handshakes()
        self._wake()

    def send_handshake(self, datagram: bytes) -> None:
        """Send a datagram of DTLS to the party. Raises `InvalidEndpointError` when it is longer than 1,500 bytes."""
        try:
            self.native.send_handshake(datagram)
        except ValueError as error:
            raise InvalidEndpointError(f"A handshake cannot be sent: {error}.") from error
        self._wake()

    def play(self, samples_path: Path | Sequence[Path], *, loop: bool = False) -> int:
        """Play sound files (8 kHz mono 16-bit WAV) one after the other to the party; returns the playback's id.

        It takes the place of what is being played, and of the peer's voice until it ends; `PlaybackEnded` tells when. With `loop`
        it begins again until stopped. Raises `SoundFileError`.
        """
        paths = [samples_path] if isinstance(samples_path, Path) else list(samples_path)
        playback = next(self._playbacks)
        try:
            self.native.play(playback, [str(path) for path in paths], loop)
        except (OSError, ValueError) as error:
            raise SoundFileError(f"A sound cannot be played: {error}.") from error
        self._wake()
        return playback

    def stop_play(self) -> None:
        """End what is being played, if anything."""
        self.native.stop_play()
        self._wake()

    def listen(self, *, digits: bool = False, voice: bool = False) -> None:
        """Hear more in what the party says.

        With `digits`, keys in the voice are told like telephone events, and their tones are kept from the others. With `voice` it is told
        when it begins and ends to speak (`VoiceBegan`, `VoiceEnded`).
        """
        self.native.listen(digits, voice)
        self._wake()

    def tap(self, *, sample_rate: int = 16000, seconds: float = 2.0) -> Tap:
        """Let Python read what the party says, behind a jitter buffer; a tap takes the place of the one before.

        `sample_rate` is 8000 or 16000 Hz. What is not read within about `seconds` (0.1 to 60) is lost. Raises `InvalidEndpointError`.
        """
        try:
            native = self.native.tap(sample_rate, seconds)
        except ValueError as error:
            raise InvalidEndpointError(f"The party cannot be tapped: {error}.") from error
        self._wake()
        return Tap(native, sample_rate, self._wake)

    def send_digit(self, digit: str, duration_ms: int = 160) -> None:
        """Send the party a digit, as an event (RFC 4733) or, where it takes none, as a tone; digits queue up.

        Raises `InvalidDigitError`.
        """
        if digit.upper() not in _DIGITS:
            raise InvalidDigitError(f"{digit!r} is not a digit.", hint="Digits are 0-9, *, #, A-D.")
        self.native.send_digit(digit.upper(), min(max(duration_ms, 40), 8000) * _SAMPLES_PER_MS)
        self._wake()

    def statistics(self) -> EndpointStatistics:
        """Return the figures up to now; after `close` the last ones."""
        figures = self.native.statistics()
        round_trip = figures["round_trip_ms"]
        return EndpointStatistics(
            packets_received=int(figures["packets_received"]),
            packets_sent=int(figures["packets_sent"]),
            packets_lost=int(figures["packets_lost"]),
            packets_rejected=int(figures["packets_rejected"]),
            jitter_ms=figures["jitter_ms"],
            round_trip_ms=round_trip if round_trip >= 0 else None,
            reported_lost=int(figures["reported_lost"]),
            reported_jitter_ms=figures["reported_jitter_ms"],
            first_packet_at=figures["first_packet"] or None,
            last_packet_at=figures["last_packet"] or None,
            reports=int(figures["reports"]),
        )

    def close(self) -> None:
        """Part it from everything and give its ports back; closing twice does nothing."""
        self.native.close()


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
