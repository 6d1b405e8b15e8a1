"""What a peer's description says of its audio, whether it offers or answers (RFC 3264, RFC 8866, RFC 4733 for the keys).

A description is read once, by `understand`; what it returns can be looked at and then answered (`sip.offer_answer`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sip.codecs import DEFAULT_CODECS, Codec
from sip.errors import NotAcceptableHereError
from sip.peer_codecs import all_offered, first_answered, first_offered
from sip.sdp import DIRECTIONS, NOWHERE, Direction, Media, SessionDescription, connection_address

TELEPHONE_EVENT: Final = "TELEPHONE-EVENT"
PACKET_MS: Final = 20
"""Milliseconds of voice in each of our packets, and in a peer's that says nothing of it."""
MULTIPLEX: Final = "rtcp-mux"
_NARROW_CLOCK: Final = 8000
# By a name of its own, as in `sip.transaction`: it is what nearly every description says.
_BOTH_WAYS: Final = Direction.SENDRECV
_PROTOCOLS: Final = frozenset({"RTP/AVP", "RTP/AVPF"})

Usable = Callable[[SessionDescription, Media], bool]
"""Tells whether an audio line can be taken, as far as its protocol and its keys go."""


def in_the_clear(_description: SessionDescription, media: Media) -> bool:
    """Tell whether an audio line asks for no encryption."""
    return media.protocol.upper() in _PROTOCOLS


@dataclass(slots=True)
class PeerAudio:
    """What a peer's description says of the audio that is taken of it."""

    description: SessionDescription
    index: int
    """The place of the audio among the media lines."""
    codec: Codec
    """The first of the peer's that we decode, too; where there is none, the first that can be passed on."""
    payload_type: int
    """The number that the codec has towards the peer."""
    telephone_event: int | None
    """The payload type of key presses, or None when the peer takes none."""
    remote: tuple[str, int]
    """Where the peer wants to receive; with hold in the spelling of 0.0.0.0 the address is that."""
    direction: Direction
    """Seen from the peer; hold in all spellings is in it."""
    packet_ms: int
    """Milliseconds of voice that the peer wants in a packet (`ptime`, within `maxptime`)."""
    payloads: Mapping[int, tuple[str, int]]
    """Encoding name and clock rate by payload type, the peer's favourite first."""
    multiplexes: bool = False
    """Whether the peer takes RTCP on the port of RTP (RFC 5761)."""

    def choices(self, codecs: Sequence[Codec] = DEFAULT_CODECS) -> dict[Codec, int]:
        """Return all of the peer's codecs that are known here, its favourite first, with their payload types.

        Those that are only passed on have the number and the parameters that the peer gave them.
        """
        return all_offered(self.media, self.payloads, codecs)

    def choose(self, codec: Codec, payload_type: int) -> PeerAudio:
        """Return the same with another of its `choices` taken."""
        event = _event_payload(self.payloads, codec.clock_rate)
        return PeerAudio(
            self.description,
            self.index,
            codec,
            payload_type,
            event,
            self.remote,
            self.direction,
            self.packet_ms,
            self.payloads,
            self.multiplexes,
        )

    def events(self) -> tuple[tuple[int, int], ...]:
        """Return the payload type of key presses that is taken, with its clock rate; nothing where there is none."""
        if self.telephone_event is None:
            return ()
        if self.codec.clock_rate == _NARROW_CLOCK:
            return ((self.telephone_event, _NARROW_CLOCK),)
        return ((self.telephone_event, self.payloads[self.telephone_event][1]),)

    @property
    def media(self) -> Media:
        """The media line, for what else stands in it: keys, candidates, fingerprints (`sip.sdp_security`)."""
        return self.description.media[self.index]


def understand(
    sdp: bytes | SessionDescription, codecs: Sequence[Codec] = DEFAULT_CODECS, usable: Usable = in_the_clear
) -> PeerAudio:
    """Read a peer's offer: of its audio lines the first that can be taken, and of its codecs the first that is decoded here.

    One that is only passed on is taken where `codecs` names it and the peer has no other.

    Raises:
        MalformedSdpError: it cannot be read.
        NotAcceptableHereError: it has no audio that we can take.
    """
    description = sdp if isinstance(sdp, SessionDescription) else SessionDescription.parse(sdp)
    for index, media in enumerate(description.media):
        if media.kind == "audio" and media.port and usable(description, media):
            audio = understand_line(description, index, codecs)
            if audio is not None:
                return audio
    raise unusable(description, usable)


def understand_line(
    description: SessionDescription, index: int, codecs: Sequence[Codec], *, answers: bool = False
) -> PeerAudio | None:
    """Read one audio line: of an offer its first codec that is decoded here, of an answer its first; None where it has none of `codecs`."""
    media = description.media[index]
    payloads = media.payloads()
    found = first_answered(media, payloads, codecs) if answers else first_offered(media, payloads, codecs)
    if found is None:
        return None
    codec, payload_type = found
    address, direction, packet_ms, multiplexes = _scan(description, media)
    return PeerAudio(
        description,
        index,
        codec,
        payload_type,
        _event_payload(payloads, codec.clock_rate),
        (address, media.port),
        direction,
        packet_ms,
        payloads,
        multiplexes,
    )


def _event_payload(payloads: Mapping[int, tuple[str, int]], clock_rate: int) -> int | None:
    found: int | None = None
    for payload_type, encoding in payloads.items():
        if encoding[0] == TELEPHONE_EVENT:
            if encoding[1] == clock_rate:
                return payload_type
            # Some offer Opus with keys at 8 kHz only: keys of the wrong length are better than none.
            found = payload_type if found is None and encoding[1] == _NARROW_CLOCK else found
    return found


def _scan(description: SessionDescription, media: Media) -> tuple[str, Direction, int, bool]:
    """Return address, direction as its writer means it, packet time and `rtcp-mux`: the media's own lines before the session's."""
    address: str | None = None
    direction: Direction | None = None
    packet_ms, longest_ms = PACKET_MS, 1 << 16
    multiplexes = False
    for kind, text in media.lines:
        if kind == "a":
            if text in DIRECTIONS:
                direction = DIRECTIONS[text]
            elif text.startswith("ptime:"):
                packet_ms = _milliseconds(text) or packet_ms
            elif text.startswith("maxptime:"):
                longest_ms = _milliseconds(text) or longest_ms
            elif text == MULTIPLEX:
                multiplexes = True
        elif kind == "c" and address is None:
            address = connection_address(text)
    for kind, text in description.lines:
        if kind == "c" and address is None:
            address = connection_address(text)
        elif kind == "a" and direction is None:
            direction = DIRECTIONS.get(text)
    found = direction or _BOTH_WAYS
    # With ICE the address stands for nothing: candidates tell, or checks.
    if (address is None or address in NOWHERE) and media.attribute("ice-ufrag") is None:
        found = Direction.of(sends=found.sends, receives=False)
    return address or "", found, min(packet_ms, longest_ms), multiplexes


@lru_cache(maxsize=64)
def _milliseconds(attribute: str) -> int:
    """Return the whole milliseconds of a `ptime:` or `maxptime:` attribute, 0 when it says none that makes sense."""
    number = attribute.partition(":")[2].strip().partition(".")[0]
    return int(number) if number.isascii() and number.isdigit() and 0 < len(number) <= 3 else 0


def unusable(description: SessionDescription, usable: Usable) -> NotAcceptableHereError:
    """Say why nothing of a description can be taken, with the warning code that fits (RFC 3261 section 20.43)."""
    audio = [media for media in description.media if media.kind == "audio" and media.port]
    if not audio:
        return NotAcceptableHereError("There is no audio in the description.", warning=304)
    if not any(usable(description, media) for media in audio):
        return NotAcceptableHereError(f"Audio over {audio[0].protocol} is not spoken here.", warning=302)
    return NotAcceptableHereError("There is no codec in the description that is spoken here.", warning=305)
