"""The voice of one leg: what its offers and answers say, and what they make of its endpoint (RFC 3264)."""

from __future__ import annotations

import re
from typing import Final

from media.dtls import DtlsIdentity
from media.engine import Engine
from media.errors import MediaError
from media.full_ice import IceWays
from pbx.errors import NoMediaError, NoPortError
from pbx.leg_codecs import chosen, heard_by, spared
from pbx.leg_endpoint import LegEndpoint, Names
from sip import codecs, peer_audio
from sip.address import is_ip_address
from sip.errors import NotAcceptableHereError, SipError
from sip.peer_audio import PeerAudio
from sip.sdp import NOWHERE

_NOT_ACCEPTABLE_FORMAT: Final = 305
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z][A-Za-z0-9-]{0,62}\.?")


class LegMedia(LegEndpoint):
    """Writes and reads the offers and answers of one leg, by what the party is known to speak."""

    __slots__ = ("_offer", "allowed", "asked", "spoken", "warning")

    def __init__(self, engine: Engine, names: Names, identity: DtlsIdentity, ways: IceWays | None = None) -> None:
        super().__init__(engine, names, identity, ways)
        self._offer: tuple[bytes, PeerAudio | None] | None = None
        self.allowed: tuple[codecs.Codec, ...] = ()
        """What may be spoken with the party, best first; none stands for all that we know."""
        self.spoken: tuple[codecs.Codec, ...] = ()
        """What the party is known to speak, its favourite first."""
        self.asked: codecs.Codec | None = None
        """What the party is asked to speak now because nobody is heard otherwise; None: there is a way to translate."""
        self.warning = ""
        """Why an offer of the party could not be taken, as a Warning header says it; empty: none was refused."""

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

    def understands(self, other: LegMedia) -> bool:
        """Tell whether the party and another hear each other, at once or once one of them has taken a codec that it is known to speak."""
        ours, theirs = self.speaks, other.speaks
        if ours is None or theirs is None or codecs.alike(ours, theirs) or not (ours.passed or theirs.passed):
            return True
        return bool(heard_by(self.spoken, theirs) or heard_by(other.spoken, ours))

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
        return negotiation.description()

    def note_refusal(self) -> None:
        """Note that nobody was found who speaks what the party offers, where no other reason is known."""
        if not self.warning and self.spoken and self.favourite is not None and self.agreed is None:
            names = ", ".join(dict.fromkeys([codec.label for codec in self.spoken]))
            text = f"The party that was called does not take {names}, which is only passed on here."
            self.warning = _warning(_NOT_ACCEPTABLE_FORMAT, text)


def _warning(code: int, text: str) -> str:
    """Write a Warning header's value (RFC 3261 section 20.43)."""
    plain = text.replace("\\", "").replace('"', "'")
    return f'{code} ramal "{plain}"'
