"""Offer and answer: what two ends agree to speak, and who is on hold (RFC 3264).

One audio stream with telephone events is agreed; every other media line of a peer is rejected in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from sip.codecs import OFFERED_CODECS, Codec
from sip.errors import MalformedSdpError
from sip.peer_audio import (
    MULTIPLEX,
    PACKET_MS,
    TELEPHONE_EVENT,
    PeerAudio,
    Usable,
    in_the_clear,
    understand,
    understand_line,
    unusable,
)
from sip.sdp import Direction, Media, SessionDescription

_EVENT_PAYLOADS: Final = {8000: 101, 16000: 109, 48000: 110}
"""By clock rate: that of key presses is the codec's (RFC 4733 section 2.1)."""
# By a name of its own, as in `sip.transaction`: it is what nearly every description says.
_BOTH_WAYS: Final = Direction.SENDRECV
_FREE_NUMBERS: Final = (*range(127, 95, -1), *range(63, 34, -1))
"""The dynamic payload types, and behind them those that stand for nothing (RFC 3551 section 6)."""


@dataclass(slots=True, frozen=True)
class Protection:
    """How our own audio line is written, as far as keys and ways through NATs go."""

    protocol: str = "RTP/AVP"
    rows: tuple[str, ...] = ()
    """Attributes of the line, without `a=`."""
    session_rows: tuple[str, ...] = ()
    """Attributes of the whole description."""


UNPROTECTED: Final = Protection()


class Said(NamedTuple):
    """What our audio line says beside its place and its keys: the same in many calls, and there only once."""

    formats: str
    attributes: str
    """Whole lines."""
    protocol: str
    direction: Direction
    multiplexed: bool
    """Whether it takes RTCP on the port of RTP because the peer does."""


class NegotiatedMedia(NamedTuple):
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
    packet_ms: int
    """Milliseconds of voice that the peer wants in a packet."""
    multiplexed: bool
    """Whether RTCP goes to the port of RTP (RFC 5761)."""
    said: Said
    """What we said to it, as offer or answer."""

    @property
    def held_by_peer(self) -> bool:
        """Whether the peer does not want to hear us."""
        return not self.direction.sends


@dataclass(slots=True)
class MediaNegotiation:
    """Our side of one session's offers and answers: keeps the version, the places of the media lines and what was agreed.

    `address` and `port` may be changed between two descriptions, when the voice moves to another endpoint.
    """

    address: str
    port: int
    session_id: int
    """A number that no other session of ours has; it fits 63 bits."""
    codecs: Sequence[Codec] = OFFERED_CODECS
    """What we offer, best first."""
    agreed: NegotiatedMedia | None = None
    peer: PeerAudio | None = None
    """What the peer's description says that was agreed to, with its keys; whoever has taken those lets go of it."""
    protection: Protection = UNPROTECTED
    """How the next description of ours is written."""
    _origin: str = ""
    _version: int = 0
    _written: int = 0
    """The hash of what was written last: whether that has changed is all that is asked of it, and a description takes long to forget."""
    _offered: tuple[Codec, ...] = ()
    _said: Said | None = None
    """What the last offer says."""
    _theirs: Mapping[int, tuple[str, int]] | None = None
    """The peer's payload types, which keep their meaning as long as the session lasts (RFC 3264 section 8.3.2)."""
    _before: tuple[str, ...] = ()
    _behind: tuple[str, ...] = ()

    def offer(self, direction: Direction = Direction.SENDRECV, *, keep_codec: bool = False) -> bytes:
        """Write an offer of our codecs and key presses (RFC 3264 sections 5 and 8).

        Args:
            direction: SENDONLY or INACTIVE puts the peer on hold.
            keep_codec: offer only what was agreed before, so that the codec stays.
        """
        codecs = (self.agreed.codec,) if self.agreed is not None and keep_codec else tuple(self.codecs)
        self._offered, protocol = codecs, self.protection.protocol
        if self._theirs is None:
            said = _first_said(codecs, protocol, direction)
        else:
            said = _say(*_numbered(codecs, self._theirs), protocol, direction, multiplexed=False)
        self._said = said
        return self._write(said)

    def description(self) -> bytes:
        """Write again what was agreed to last, offer or answer, or else our offer: in the same words while nothing of it has changed.

        b"" where nothing was said yet.
        """
        said = self.agreed.said if self.agreed is not None else self._said
        return self._write(said) if said is not None else b""

    def accept(self, answer: bytes, usable: Usable = in_the_clear) -> NegotiatedMedia:
        """Understand the answer to our last offer (RFC 3264 section 7): its first codec that we offered is what both speak.

        Raises:
            MalformedSdpError: the answer cannot be read or has no line for our audio.
            NotAcceptableHereError: the peer rejected the audio, or answered with what was not offered.
            What was agreed before stays in both cases.
        """
        said = self._said
        if said is None:
            raise MalformedSdpError("An answer has no offer before it.")
        codecs = self._offered
        description = SessionDescription.parse(answer)
        place = len(self._before)
        if len(description.media) <= place:
            raise MalformedSdpError("An answer has fewer media lines than its offer.")
        media = description.media[place]
        fits = media.kind == "audio" and media.port and usable(description, media)
        audio = understand_line(description, place, codecs, answers=True) if fits else None
        if audio is None:
            raise unusable(SessionDescription(description.lines, [media]), usable)
        self.peer = audio
        self.agreed = _agree(audio, said.direction, said, offered=MULTIPLEX in self.protection.rows)
        return self.agreed

    def answer(self, offer: bytes | PeerAudio, direction: Direction = Direction.SENDRECV) -> NegotiatedMedia:
        """Answer a peer's offer (RFC 3264 section 6), narrowing `direction` by it; `description` writes the answer.

        Raises:
            MalformedSdpError, NotAcceptableHereError: as `understand`; what was agreed before stays.
        """
        audio = offer if isinstance(offer, PeerAudio) else understand(offer, self.codecs)
        media = audio.description.media
        if len(media) > 1 or self._before or self._behind:
            self._before = tuple([_rejected(line) for line in media[: audio.index]])
            self._behind = tuple([_rejected(line) for line in media[audio.index + 1 :]])
        self._theirs = audio.payloads
        payloads, protocol = ((audio.payload_type, audio.codec),), media[audio.index].protocol
        narrowed = _direction(audio, direction)
        said = _say(payloads, audio.events(), protocol, narrowed, multiplexed=audio.multiplexes)
        self.peer = audio
        self.agreed = _agree(audio, direction, said, offered=True)
        return self.agreed

    def _write(self, said: Said) -> bytes:
        """Return the description; a changed one has the next version, the same one its old one (RFC 3264 section 8)."""
        family = _family(self.address)
        rows = self.protection.rows
        if said.multiplexed and MULTIPLEX not in rows:
            rows = (*rows, MULTIPLEX)
        ours = f"m=audio {self.port} {said.protocol} {said.formats}\r\n{said.attributes}{_rows(rows)}a={said.direction}\r\n"
        media = f"{''.join(self._before)}{ours}{''.join(self._behind)}"
        whole = _rows(self.protection.session_rows)
        content = f"s=-\r\nc=IN {family} {self.address}\r\nt=0 0\r\n{whole}{media}"
        written = hash(content)
        if written != self._written or not self._version:
            if not self._origin:
                # It names the session, so it stays when the voice moves to another address (RFC 8866 section 5.2).
                self._origin = _origin(family, self.address)
            self._version += 1
            self._written = written
        # A user name of letters: scripts look for one (SIPp's own scenario "regexp"), though a dash is legal.
        return f"v=0\r\no=ramal {self.session_id} {self._version} {self._origin}\r\n{content}".encode()


def _agree(audio: PeerAudio, ours: Direction, said: Said, *, offered: bool) -> NegotiatedMedia:
    return NegotiatedMedia(
        audio.codec,
        audio.payload_type,
        audio.telephone_event,
        audio.remote,
        _direction(audio, ours),
        audio.packet_ms,
        offered and audio.multiplexes,
        said,
    )


def _direction(audio: PeerAudio, ours: Direction) -> Direction:
    theirs = audio.direction
    if theirs is _BOTH_WAYS:
        return ours
    return Direction.of(sends=theirs.receives and ours.sends, receives=theirs.sends and ours.receives)


@lru_cache(maxsize=64)
def _origin(family: str, address: str) -> str:
    return f"IN {family} {address}"


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"


def _numbered(
    codecs: Sequence[Codec], taken: Mapping[int, tuple[str, int]]
) -> tuple[tuple[tuple[int, Codec], ...], tuple[tuple[int, int], ...]]:
    """Return codecs with payload types, and those of key presses at each clock rate: as the peer has them, or ones it has not."""
    theirs = {encoding: number for number, encoding in reversed(list(taken.items()))}
    used: set[int] = set()
    free = iter([n for n in _FREE_NUMBERS if n not in taken])

    def number(encoding: tuple[str, int], usual: int) -> int:
        """Return the payload type that an encoding has in this session; the same one twice has two."""
        found = usual if taken.get(usual) == encoding else theirs.get(encoding, usual)
        if found in used or (found in taken and taken[found] != encoding):
            found = next(n for n in free if n not in used)
        used.add(found)
        return found

    payloads = tuple([(number((codec.name, codec.clock_rate), codec.payload_type), codec) for codec in codecs])
    clocks = dict.fromkeys([codec.clock_rate for codec in codecs])
    events = tuple([(number((TELEPHONE_EVENT, clock), _EVENT_PAYLOADS[clock]), clock) for clock in clocks])
    return payloads, events


@lru_cache(maxsize=256)
def _first_said(codecs: tuple[Codec, ...], protocol: str, direction: Direction) -> Said:
    """Return what offers codecs to a peer of whose payload types nothing is known."""
    return _say(*_numbered(codecs, {}), protocol, direction, multiplexed=False)


@lru_cache(maxsize=256)
def _say(
    payloads: tuple[tuple[int, Codec], ...],
    events: tuple[tuple[int, int], ...],
    protocol: str,
    direction: Direction,
    *,
    multiplexed: bool,
) -> Said:
    """Return what an audio line says; `events` are payload types and clock rates of key presses."""
    formats = [str(number) for number, _ in (*payloads, *events)]
    rows = [f"a=rtpmap:{number} {codec.encoding}\r\n" for number, codec in payloads]
    rows += [f"a=fmtp:{number} {codec.parameters}\r\n" for number, codec in payloads if codec.parameters]
    # The keys and a flash of the hook, which is passed on: what most write, and what scripts look for (RFC 4733 section 3.2).
    rows += [f"a=rtpmap:{number} telephone-event/{clock}\r\na=fmtp:{number} 0-16\r\n" for number, clock in events]
    if not all(codec.passed for _, codec in payloads):
        # How much is in a packet that is passed on is the matter of the two who speak.
        rows.append(f"a=ptime:{PACKET_MS}\r\n")
    return Said(" ".join(formats), "".join(rows), protocol, direction, multiplexed)


def _rejected(media: Media) -> str:
    # A browser knows its lines by their names (RFC 8843 section 7.3).
    name = media.attribute("mid")
    named = f"a=mid:{name}\r\n" if name else ""
    return f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}\r\n{named}"


def _rows(attributes: tuple[str, ...]) -> str:
    return "".join([f"a={row}\r\n" for row in attributes])
