"""The voice of one leg: its endpoint in the media engine, kept in step with what its SDP agrees (RFC 3264)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final, Protocol

import structlog

from core.identifiers import random_bytes
from media.dtls import DtlsIdentity
from media.engine import Codec, Endpoint, EndpointStatistics, Engine
from media.errors import MediaError
from media.full_ice import IceWays
from pbx.errors import NoMediaError, NoPortError
from pbx.leg_codecs import chosen, heard_by, spared
from pbx.leg_security import LegSecurity
from sip import codecs, peer_audio
from sip.address import Address, is_ip_address
from sip.errors import NotAcceptableHereError, SipError
from sip.offer_answer import UNPROTECTED, MediaNegotiation, NegotiatedMedia
from sip.peer_audio import PACKET_MS, PeerAudio
from sip.resolver import Target
from sip.sdp import NOWHERE

_NARROW: Final = 8000
_NOT_ACCEPTABLE_FORMAT: Final = 305
_ENGINE_CODECS: Final = {codec.label: Codec(codec.label) for codec in codecs.KNOWN_CODECS}


log = structlog.get_logger(__name__)

_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?")


class Names(Protocol):
    """One that finds the addresses of names."""

    def when_located(self, target: Target, then: Callable[[tuple[Address, ...]], None]) -> None:
        """Call `then` with the addresses: now when they are known, else once they are."""
        ...


class LegMedia:
    """Opens the endpoint when it is first needed, and points it where offers and answers say."""

    __slots__ = (
        "_engine",
        "_hears_voice",
        "_multiplexed",
        "_names",
        "_negotiation",
        "_offer",
        "_packet_ms",
        "allowed",
        "asked",
        "at",
        "beside",
        "endpoint",
        "inband",
        "security",
        "spoken",
        "warning",
    )

    def __init__(self, engine: Engine, names: Names, identity: DtlsIdentity, ways: IceWays | None = None) -> None:
        self._engine = engine
        self._names = names
        self._negotiation: MediaNegotiation | None = None
        self._offer: tuple[bytes, PeerAudio | None] | None = None
        self._multiplexed = False
        self._packet_ms = PACKET_MS
        self._hears_voice = False
        self.endpoint: Endpoint | None = None
        self.security = LegSecurity(identity, ways)
        self.allowed: tuple[codecs.Codec, ...] = ()
        """What may be spoken with the party, best first; none stands for all that we know."""
        self.spoken: tuple[codecs.Codec, ...] = ()
        """What the party is known to speak, its favourite first."""
        self.asked: codecs.Codec | None = None
        """What the party is asked to speak now because nobody is heard otherwise; None: there is a way to translate."""
        self.at = ("", "")
        """The address of this machine that the party speaks to, and what the party is told of it; empty: the engine's own."""
        self.beside: str | None = None
        """The IP address that voice may come from beside the described one; None: any, once it has proved itself."""
        self.inband = False
        """Whether keys are tones in the voice, both ways."""
        self.warning = ""
        """Why an offer of the party could not be taken, as a Warning header says it; empty: none was refused."""

    @property
    def agreed(self) -> NegotiatedMedia | None:
        """What the last completed offer and answer settled."""
        return self._negotiation.agreed if self._negotiation else None

    @property
    def held_by_party(self) -> bool:
        """Whether the party does not want to hear us."""
        return self.agreed is not None and self.agreed.held_by_peer

    @property
    def takes_keys(self) -> bool:
        """Whether the party understands RFC 4733."""
        return self.agreed is not None and self.agreed.telephone_event is not None

    @property
    def codec(self) -> str:
        """The label of the codec in use, or an empty string."""
        return self.agreed.codec.label if self.agreed else ""

    @property
    def speaks(self) -> codecs.Codec | None:
        """The codec in use."""
        return self.agreed.codec if self.agreed else None

    @property
    def passed(self) -> str:
        """The label of the codec in use where that is only passed on, so that nothing of ours is heard in it; else empty."""
        return self.agreed.codec.label if self.agreed is not None and self.agreed.codec.passed else ""

    @property
    def to_be_passed(self) -> str:
        """As `passed`, of the codec that the party is being asked for, if it is."""
        codec = self.asked or self.speaks
        return codec.label if codec is not None and codec.passed else ""

    @property
    def favourite(self) -> codecs.Codec | None:
        """What the party has to be spoken to in: the codec in use, else one that is passed on where it speaks no other."""
        if self.agreed is not None:
            return self.agreed.codec
        return self.spoken[0] if self.spoken and all(codec.passed for codec in self.spoken) else None

    @property
    def wideband(self) -> bool:
        """Whether the codec in use carries more than the band of old telephones, as far as we can hear it."""
        if self.agreed is None or self.passed:
            return False
        return _ENGINE_CODECS[self.agreed.codec.label].sample_rate > _NARROW

    def understands(self, other: LegMedia) -> bool:
        """Tell whether the party and another hear each other, at once or once one of them has taken a codec that it is known to speak."""
        ours, theirs = self.speaks, other.speaks
        if ours is None or theirs is None or codecs.alike(ours, theirs) or not (ours.passed or theirs.passed):
            return True
        return bool(heard_by(self.spoken, theirs) or heard_by(other.spoken, ours))

    def open(self) -> Endpoint:
        """Return the endpoint, taking a port when there is none yet.

        Raises:
            NoPortError: no port is free.
        """
        if self.endpoint is None:
            try:
                self.endpoint = self._engine.create_endpoint(*self.at)
            except MediaError as error:
                raise NoPortError(error.message, hint=error.hint) from error
            self._negotiation = MediaNegotiation(
                self.endpoint.address, self.endpoint.port, int.from_bytes(random_bytes(8)) >> 2
            )
        return self.endpoint

    def wishes(self, offer: bytes | None) -> tuple[codecs.Codec, ...]:
        """Return what the party speaks, of what is known here: the codec in use first, then by its own order.

        A party that speaks one of those that we decode understands everybody who does: no other is named then.
        """
        if self.agreed is None and offer is not None:
            self._understood(offer)
        in_use = self.speaks
        if in_use is None:
            return self.spoken
        others = [codec for codec in self.spoken if codec.label != in_use.label and (in_use.passed or not codec.passed)]
        return (in_use, *others)

    def acceptable(self, offer: bytes) -> bool:
        """Tell whether an offer has a codec of ours and an address that voice can be sent to."""
        audio = self._understood(offer)
        if audio is None:
            return False
        host = audio.remote[0]
        if host in NOWHERE:
            return True
        if is_ip_address(host):
            if self._engine.serves(host) or audio.media.attribute("ice-ufrag") is not None:
                return True
        elif _NAME.fullmatch(host) is not None:
            return True
        self.warning = _warning(301, "The description names no address that voice can be sent to.")
        return False

    def offered_host(self, offer: bytes) -> str:
        """Return the IP address that an offer names, or an empty string where it names none."""
        audio = self._understood(offer)
        host = audio.remote[0] if audio is not None else ""
        return host if host not in NOWHERE and is_ip_address(host) else ""

    def _understood(self, offer: bytes) -> PeerAudio | None:
        """Return what an offer says, read once however often it is asked for."""
        if self._offer is None or self._offer[0] is not offer:
            audio, self.warning = None, ""
            try:
                ours = self.allowed or codecs.KNOWN_CODECS
                audio = peer_audio.understand(offer, ours, self.security.usable)
                self.spoken = tuple(audio.choices(ours))
            except SipError as error:
                code = error.warning if isinstance(error, NotAcceptableHereError) else 399
                self.warning = _warning(code, error.message)
            self._offer = (offer, audio)
        return self._offer[1]

    def offer(self, wishes: tuple[codecs.Codec, ...] = ()) -> bytes:
        """Return our offer: first what the one speaks with whom the party is to talk.

        A codec that is only passed on stays as long as the two talk.

        Raises:
            NoMediaError: that one speaks nothing that we decode, and nothing that the party may be offered.
        """
        negotiation = self._opened()
        in_use = self.speaks
        offered = (in_use,) if in_use is not None and in_use.passed else codecs.order(wishes, self.allowed)
        if not offered:
            raise NoMediaError("The party may be offered none of the codecs that the caller speaks.")
        negotiation.codecs = offered
        negotiation.protection = self.security.offer(self.open())
        return negotiation.offer()

    def offer_from(self, at: tuple[str, str]) -> bytes:
        """Return the same offer as one that is heard at another address of this machine; it was answered by nobody yet.

        Raises:
            NoPortError: no port is free there; nothing has changed then.
        """
        negotiation, endpoint, before = self._opened(), self.endpoint, self.at
        if endpoint is not None and at != before:
            self.endpoint, self.at = None, at
            try:
                self.open()
            except NoPortError:
                self.endpoint, self.at = endpoint, before
                raise
            endpoint.close()
        moved = self._opened()
        moved.codecs = negotiation.codecs
        moved.protection = self.security.offer(self.open())
        return moved.offer()

    def offer_like(self, other: LegMedia) -> bytes | None:
        """Return an offer of the codec that the other side speaks, or None where the party is not known to speak it.

        Where one of the two speaks a codec that is only passed on, another one that we decode does for who knows one. Nobody is asked on
        suspicion: there are phones that switch their voice off at an offer without a codec of theirs.
        """
        ours, theirs = self.speaks, other.speaks
        if self._negotiation is None or ours is None or theirs is None or codecs.alike(ours, theirs):
            return None
        untranslated = ours.passed or theirs.passed
        wanted = heard_by(self.spoken, theirs) if untranslated else spared(self.spoken, theirs)
        if not wanted:
            return None
        self.asked = wanted[0] if untranslated else None
        self._negotiation.codecs = wanted
        self._negotiation.protection = self.security.offer(self.open())
        return self._negotiation.offer()

    def accept_answer(self, sdp: bytes) -> None:
        """Take the party's answer to our offer.

        Raises:
            NoMediaError: it cannot be read, or has no codec or address that can be used.
        """
        negotiation = self._opened()
        before = negotiation.agreed
        try:
            self._apply(negotiation, negotiation.accept(sdp, self.security.usable), answered=True)
        except (SipError, MediaError) as error:
            negotiation.agreed = before
            raise NoMediaError(error.message) from error
        self.asked = None

    def answers(self, sdp: bytes, like: codecs.Codec | None = None) -> bool:
        """Tell whether an offer can be answered: it has a codec in which the party hears us, or one of codec `like`."""
        audio = self._understood(sdp)
        return audio is not None and chosen(audio, like, self.allowed) is not None

    def answer(self, sdp: bytes, like: codecs.Codec | None = None) -> bytes:
        """Take the party's offer, and return our answer.

        Args:
            sdp: the offer.
            like: the codec that the one speaks with whom the party talks; None while that is not known, or we speak to it ourselves.

        Raises:
            NoMediaError: as `accept_answer`, and where the party speaks nothing that we decode, which `like` is not either.
        """
        negotiation = self._opened()
        audio = self._understood(sdp)
        self._offer = None
        if audio is None:
            raise NoMediaError("The offer of the party cannot be taken.")
        before = negotiation.agreed
        taken = chosen(audio, like or self.speaks, self.allowed)
        if taken is None:
            text = "There is no codec in the description that is decoded here, and none that the other party speaks."
            self.warning = _warning(_NOT_ACCEPTABLE_FORMAT, text)
            raise NoMediaError(text)
        negotiation.protection = self.security.answer(self.open(), audio)
        agreed = negotiation.answer(taken)
        try:
            self._apply(negotiation, agreed, answered=False)
        except MediaError as error:
            negotiation.agreed = before
            raise NoMediaError(error.message) from error
        return agreed.answer

    def note_refusal(self) -> None:
        """Note that nobody was found who speaks what the party offers, where no other reason is known."""
        if not self.warning and self.spoken and self.favourite is not None and self.agreed is None:
            names = ", ".join(dict.fromkeys([codec.label for codec in self.spoken]))
            text = f"The party that was called does not take {names}, which is only passed on here."
            self.warning = _warning(_NOT_ACCEPTABLE_FORMAT, text)

    def listen(self, *, voice: bool) -> None:
        """Have the engine tell when the party begins and ends to speak, or no more."""
        self._hears_voice = voice
        if self.endpoint is not None:
            self.endpoint.listen(digits=self.inband, voice=voice)

    def description(self) -> bytes:
        """Return the answer that was given already, for the 200 after a 183."""
        return self.agreed.answer if self.agreed else b""

    def statistics(self) -> EndpointStatistics | None:
        """Return the figures of the endpoint, if there is one."""
        return self.endpoint.statistics() if self.endpoint is not None else None

    def close(self) -> None:
        """Give the port back."""
        self.security.close()
        if self.endpoint is not None:
            self.endpoint.close()

    def _opened(self) -> MediaNegotiation:
        if self._negotiation is None:
            self.open()
        if self._negotiation is None:
            raise NoMediaError("The leg has no endpoint.")
        return self._negotiation

    def _apply(self, negotiation: MediaNegotiation, agreed: NegotiatedMedia, *, answered: bool) -> None:
        if self.endpoint is None:
            return
        # A description is a tenth of what a call takes in memory; nothing of it is wanted once its keys are taken.
        peer, negotiation.peer = negotiation.peer, None
        if peer is not None and (negotiation.protection is not UNPROTECTED or self.security.active):
            self.security.agree(self.endpoint, peer, answered=answered)
        if self.security.checked or self.security.inner is not None:
            self._configure(self.endpoint, agreed, self.security.inner)
            return
        host = agreed.remote[0]
        if host in NOWHERE or is_ip_address(host):
            self._configure(self.endpoint, agreed, None if host in NOWHERE else agreed.remote)
            return
        # A name (RFC 8866 section 5.7): nothing is sent until the DNS has said whose it is.
        self._configure(self.endpoint, agreed, None)
        self._names.when_located(Target(host, agreed.remote[1], "udp"), lambda servers: self._located(agreed, servers))

    def _located(self, agreed: NegotiatedMedia, servers: Sequence[Address]) -> None:
        """Send the voice where a name leads, if that is still what is agreed."""
        endpoint = self.endpoint
        if endpoint is None or self.agreed is not agreed:
            return
        version = endpoint.ip_version
        remote = next((server[:2] for server in servers if ip_address(server.host).version == version), None)
        if remote is None:
            # Voice that comes from the party still says where it is.
            log.warning("media_address_unknown", name=agreed.remote[0])
        else:
            self._configure(endpoint, agreed, remote)

    def _configure(self, endpoint: Endpoint, agreed: NegotiatedMedia, remote: tuple[str, int] | None) -> None:
        endpoint.configure(
            remote=remote,
            codec=_ENGINE_CODECS[agreed.codec.label],
            payload_type=agreed.payload_type,
            # Tones in a voice that is only passed on are neither heard nor made here.
            telephone_event=None if self.inband and not agreed.codec.passed else agreed.telephone_event,
            send=agreed.direction.sends,
            receive=agreed.direction.receives,
            beside=self._beside(endpoint),
            # What comes by full ICE has one source.
            latching=self.security.inner is None,
            # Keys go to the call first: a star code must not sound in the customer's ear.
            relay_digits=False,
        )
        if agreed.packet_ms != self._packet_ms:
            self._packet_ms = agreed.packet_ms
            endpoint.pack(agreed.packet_ms)
        if agreed.multiplexed is not self._multiplexed and not (self.security.checked or self.security.inner):
            self._multiplexed = agreed.multiplexed
            endpoint.multiplex(agreed.multiplexed)
        if self.inband:
            self.listen(voice=self._hears_voice)

    def _beside(self, endpoint: Endpoint) -> str | None:
        """Return `beside` where it is of the endpoint's family and no checks tell where the party is."""
        if self.beside is None or self.security.checked or (":" in self.beside) != (endpoint.ip_version == 6):
            return None
        return self.beside


def _warning(code: int, text: str) -> str:
    """Write a Warning header's value (RFC 3261 section 20.43)."""
    plain = text.replace("\\", "").replace('"', "'")
    return f'{code} ramal "{plain}"'
