"""Offer and answer: what two ends agree to speak, and who is on hold (RFC 3264, RFC 4733 for the keys).

One audio stream of G.711 with telephone events is agreed; every other media line of a peer is rejected in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sip.errors import MalformedSdpError, NotAcceptableHereError
from sip.sdp import Direction, Media, SessionDescription

TELEPHONE_EVENT: Final = "TELEPHONE-EVENT"
_DEFAULT_EVENT_PAYLOAD: Final = 101
_PROTOCOLS: Final = frozenset({"RTP/AVP", "RTP/AVPF"})


@dataclass(slots=True, frozen=True)
class Codec:
    """An encoding as SDP names it."""

    name: str
    """In upper case."""
    clock_rate: int
    """Hertz."""
    payload_type: int
    """The number that we offer it with."""


PCMU: Final = Codec("PCMU", 8000, 0)
PCMA: Final = Codec("PCMA", 8000, 8)
DEFAULT_CODECS: Final = (PCMA, PCMU)


@dataclass(slots=True, frozen=True)
class NegotiatedMedia:
    """What both ends agreed on."""

    codec: Codec
    payload_type: int
    """The number that the codec has on the wire, towards the peer."""
    telephone_event: int | None
    """The payload type of key presses, or None when the peer takes none."""
    remote: tuple[str, int]
    """Where the peer wants to receive; with hold in the spelling of 0.0.0.0 the address is that."""
    direction: Direction
    """Seen from us: whether we send and receive."""
    answer: bytes = b""
    """Our answer, when the peer offered."""

    @property
    def held_by_peer(self) -> bool:
        """Whether the peer does not want to hear us."""
        return not self.direction.sends


@dataclass(slots=True, frozen=True)
class LocalMedia:
    """Our side: where we receive and what we speak."""

    address: str
    port: int
    codecs: Sequence[Codec] = DEFAULT_CODECS
    session_id: int = 1
    version: int = 1
    direction: Direction = Direction.SENDRECV
    """What we want; a peer's hold narrows it."""
    event_payload: int = _DEFAULT_EVENT_PAYLOAD
    """The payload type that we offer key presses with."""
    others: tuple[Media, ...] = ()
    """Media lines that stood in the session before; they keep their places behind the audio, rejected."""
    audio_index: int = 0
    """The place of the audio among all media lines."""


def make_offer(ours: LocalMedia) -> bytes:
    """Write an offer of all our codecs and key presses (RFC 3264 section 5)."""
    payloads = [(codec.payload_type, f"{codec.name}/{codec.clock_rate}") for codec in ours.codecs]
    return _describe(ours, payloads, ours.event_payload, "RTP/AVP")


def negotiate(offer: bytes | SessionDescription, ours: LocalMedia) -> NegotiatedMedia:
    """Answer an offer: of its codecs the first that we speak, too (RFC 3264 section 6).

    Raises:
        MalformedSdpError: the offer cannot be read.
        NotAcceptableHereError: it has no audio that we can take.
    """
    description = offer if isinstance(offer, SessionDescription) else SessionDescription.parse(offer)
    index, others = _split(description, ours.codecs)
    media = description.media[index]
    agreed = _agree(description, media, ours)
    payloads = [(agreed.payload_type, f"{agreed.codec.name}/{agreed.codec.clock_rate}")]
    answering = replace(ours, direction=agreed.direction, others=others, audio_index=index)
    return replace(agreed, answer=_describe(answering, payloads, agreed.telephone_event, media.protocol))


def read_answer(answer: bytes | SessionDescription, ours: LocalMedia) -> NegotiatedMedia:
    """Understand the answer to our offer (RFC 3264 section 7): its first codec that we offered is what both speak.

    Raises:
        MalformedSdpError: the answer cannot be read or has no line for our audio.
        NotAcceptableHereError: the peer rejected the audio, or answered with what was not offered.
    """
    description = answer if isinstance(answer, SessionDescription) else SessionDescription.parse(answer)
    if len(description.media) <= ours.audio_index:
        raise MalformedSdpError("An answer has fewer media lines than its offer.")
    return _agree(description, description.media[ours.audio_index], ours)


def _agree(description: SessionDescription, media: Media, ours: LocalMedia) -> NegotiatedMedia:
    chosen = _choose(media, ours.codecs)
    if chosen is None:
        raise NotAcceptableHereError("The answer takes none of the codecs that were offered.")
    codec, payload_type, event = chosen
    theirs = description.direction_of(media).reversed
    direction = Direction.of(
        sends=theirs.sends and ours.direction.sends, receives=theirs.receives and ours.direction.receives
    )
    return NegotiatedMedia(codec, payload_type, event, (description.address_of(media), media.port), direction)


def _split(description: SessionDescription, codecs: Sequence[Codec]) -> tuple[int, tuple[Media, ...]]:
    """Return the place of the audio that is taken, and the other media lines."""
    for index, media in enumerate(description.media):
        if _choose(media, codecs) is not None:
            return index, (*description.media[:index], *description.media[index + 1 :])
    raise NotAcceptableHereError("The offer holds no audio in a codec that is spoken here.")


def _choose(media: Media, codecs: Sequence[Codec]) -> tuple[Codec, int, int | None] | None:
    """Return codec, its payload type and that of key presses of a media line, or None when it cannot be taken."""
    if media.kind != "audio" or media.port == 0 or media.protocol.upper() not in _PROTOCOLS:
        return None
    payloads = media.payloads()
    ours = {(codec.name, codec.clock_rate): codec for codec in codecs}
    for number, encoding in payloads.items():
        codec = ours.get(encoding)
        if codec is not None:
            wanted = (TELEPHONE_EVENT, codec.clock_rate)
            event = next((other for other, kind in payloads.items() if kind == wanted), None)
            return codec, number, event
    return None


def _describe(ours: LocalMedia, payloads: list[tuple[int, str]], event: int | None, protocol: str) -> bytes:
    """Write our description: the audio at its place among the rejected others."""
    family = "IP6" if ":" in ours.address else "IP4"
    lines = [
        ("v", "0"),
        ("o", f"- {ours.session_id} {ours.version} IN {family} {ours.address}"),
        ("s", "-"),
        ("c", f"IN {family} {ours.address}"),
        ("t", "0 0"),
    ]
    attributes = [("a", f"rtpmap:{number} {encoding}") for number, encoding in payloads]
    formats = [str(number) for number, _ in payloads]
    if event is not None:
        formats.append(str(event))
        attributes += [("a", f"rtpmap:{event} telephone-event/8000"), ("a", f"fmtp:{event} 0-15")]
    attributes += [("a", "ptime:20"), ("a", ours.direction.value)]
    media = [Media(other.kind, 0, other.protocol, other.formats) for other in ours.others]
    media.insert(ours.audio_index, Media("audio", ours.port, protocol, formats, attributes))
    return SessionDescription(lines, media).encode()


@dataclass(slots=True)
class MediaNegotiation:
    """Our side of one session's offers and answers: keeps the version, the places of the media lines and what was agreed.

    `address` and `port` may be changed between two descriptions, when the voice moves to another endpoint.
    """

    address: str
    port: int
    session_id: int
    """A number that no other session of ours has; it fits 63 bits."""
    codecs: Sequence[Codec] = DEFAULT_CODECS
    agreed: NegotiatedMedia | None = None
    _version: int = 0
    _written: bytes = b""
    _offered: LocalMedia | None = None
    _event_payload: int = _DEFAULT_EVENT_PAYLOAD
    _others: tuple[Media, ...] = ()
    _audio_index: int = 0

    def offer(self, direction: Direction = Direction.SENDRECV, *, keep_codec: bool = False) -> bytes:
        """Write an offer; a changed one has the next version, the same one its old one (RFC 3264 section 8).

        Args:
            direction: SENDONLY or INACTIVE puts the peer on hold.
            keep_codec: offer only what was agreed before, so that the codec stays.
        """
        ours = self._ours(direction, keep_codec=keep_codec)
        written = make_offer(ours)
        if written != self._written:
            self._version += 1
            ours = replace(ours, version=self._version)
            written = self._written = make_offer(ours)
        self._offered = ours
        return written

    def accept(self, answer: bytes) -> NegotiatedMedia:
        """Understand the answer to our last offer.

        Raises:
            MalformedSdpError, NotAcceptableHereError: as `read_answer`; what was agreed before stays.
        """
        self.agreed = read_answer(answer, self._offered or self._ours(Direction.SENDRECV))
        return self.agreed

    def answer(self, offer: bytes, direction: Direction = Direction.SENDRECV) -> NegotiatedMedia:
        """Answer a peer's offer; the answer's bytes are in the result.

        Raises:
            MalformedSdpError, NotAcceptableHereError: as `negotiate`; what was agreed before stays.
        """
        description = SessionDescription.parse(offer)
        ours = self._ours(direction)
        agreed = negotiate(description, ours)
        if agreed.answer != self._written:
            self._version += 1
            agreed = negotiate(description, replace(ours, version=self._version))
            self._written = agreed.answer
        self._audio_index, self._others = _split(description, self.codecs)
        if agreed.telephone_event is not None:
            self._event_payload = agreed.telephone_event
        self.agreed = agreed
        return agreed

    def _ours(self, direction: Direction, *, keep_codec: bool = False) -> LocalMedia:
        codecs = (self.agreed.codec,) if self.agreed is not None and keep_codec else tuple(self.codecs)
        return LocalMedia(
            self.address,
            self.port,
            codecs,
            self.session_id,
            self._version,
            direction,
            self._event_payload,
            self._others,
            self._audio_index,
        )
