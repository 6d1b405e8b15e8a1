"""The Python face of an endpoint: where a party's voice comes in and goes out, how it is encrypted, what is played and heard."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from media.codec import Codec
from media.errors import InvalidDigitError, InvalidEndpointError, SoundFileError
from media.quality import EndpointStatistics
from media.srtp import SrtpKeys
from media.tap import Tap

if TYPE_CHECKING:
    from media import _engine

_DIGITS = frozenset("0123456789*#ABCD")
_SAMPLES_PER_MS = 8


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
