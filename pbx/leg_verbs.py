"""What a call does to the party of a leg: ring, answer, hang up, tell it something, ask whether it is there."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final

import structlog

from core.events import LegRinging, PartyRole
from pbx import identity
from pbx.entries import KeyWay
from pbx.equipment import Equipment
from pbx.leg_voice import LegVoice
from pbx.party import TRANSITIONS, LegState, Party
from pbx.star_codes import StarCodeCollector
from sip.address import Address
from sip.codecs import Codec
from sip.message import Headers
from sip.session import InviteSession
from sip.transfer import Refer
from sip.uri import Uri

if TYPE_CHECKING:
    from pbx.leg import LegOwner

log = structlog.get_logger(__name__)

_NOT_ACCEPTABLE_HERE: Final = 488


class LegVerbs(LegVoice):
    """One party's part in a call, and what can be done to it; `pbx.leg.Leg` adds how it begins, and what the party does.

    Its state moves along `TRANSITIONS` only.
    """

    __slots__ = (
        "_keys_by",
        "_last_key",
        "_probed_at",
        "_session",
        "_star_codes",
        "answered_at",
        "cause",
        "held",
        "incoming",
        "keys",
        "owner",
        "party",
        "redirects",
        "retry_after",
        "role",
        "sip_call_id",
        "sip_status",
    )

    def __init__(self, equipment: Equipment, owner: LegOwner, party: Party, role: PartyRole, *, incoming: bool) -> None:
        super().__init__(equipment)
        self._session: InviteSession | None = None
        self._probed_at: float | None = None
        self.owner: LegOwner = owner
        self.party = party
        self.role = role
        self.incoming = incoming
        terms = equipment.voice_terms(party)
        self.media.security.policy = terms.encryption
        self.media.allowed = terms.codecs
        self._keys_by = terms.keys
        self.media.inband = terms.keys is KeyWay.INBAND
        self._last_key: tuple[str, bool, float] | None = None
        self.answered_at: datetime | None = None
        self.held = False
        """Whether the party has put the call on hold."""
        self.keys: asyncio.Queue[str] | None = None
        """While set, pressed keys go here instead of making star codes."""
        self._star_codes: StarCodeCollector | None = None
        self.sip_call_id = ""
        self.sip_status = 0
        self.cause = ""
        """The Reason header with which the party ended it, to be passed on (RFC 3326)."""
        self.redirects: tuple[Uri, ...] = ()
        """Where the party's phone sent the call instead (3xx)."""
        self.retry_after = 0
        """Seconds that the one who refused the call wants to be left alone; 0: it did not say."""

    @property
    def star_codes(self) -> StarCodeCollector:
        """What collects the party's star codes; made with the first key."""
        if self._star_codes is None:
            self._star_codes = StarCodeCollector(self._equipment.config.star_code_timeout)
        return self._star_codes

    @property
    def spoken_codecs(self) -> tuple[Codec, ...]:
        """The codecs the party speaks, the one in use first; none when that is unknown."""
        offer = self._session.remote_offer if self.incoming and self._session is not None else None
        return self.media.wishes(offer)

    @property
    def acceptable(self) -> bool:
        """Whether the caller's offer, if it made one, can be agreed to with somebody; else nobody need be rung for it."""
        offer = self.session.remote_offer if self.incoming else None
        return offer is None or self.media.acceptable(offer)

    @property
    def session(self) -> InviteSession:
        """The SIP session; set by `take` or `call`, one of which comes first."""
        if self._session is None:
            raise RuntimeError("the leg has no session yet")
        return self._session

    @property
    def heard(self) -> bool:
        """Whether the party's side answered our INVITE with anything at all."""
        return self._session is not None and self._session.heard

    # --- its way to the answer ---------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Tell the caller that it rings (180)."""
        if self._move(LegState.RINGING):
            self.session.progress(180)
            self._note_ringing()

    def forwarded(self, headers: Headers) -> None:
        """Tell the caller that the call is sent on (181), and by whom; one that says nothing of its abilities may know no 181."""
        if self.incoming and not self.answered and self.alive and self.session.says_abilities:
            self.session.progress(181, headers=headers)

    @property
    def takes_words(self) -> bool:
        """Whether the party may be spoken to now, and hears it: a caller that says nothing of its abilities may know no 183."""
        knows = self.answered or self.media.agreed is not None or self.session.says_abilities
        return knows and not self.media.passed

    def open_early(self, *, like: Codec | None = None) -> bool:
        """Open the voice towards the caller before the answer (183); tell whether that was possible.

        `like` is the codec of the one whose voice it is to hear.

        A caller whose INVITE had no offer is made one, where it acknowledges what comes before the answer (RFC 3262).
        """
        if self.media.agreed is not None:
            return True
        if self.answered or not self.alive or not self.incoming:
            return False
        session = self.session
        if session.remote_offer is None and not session.takes_early_offer:
            return False
        if session.remote_offer is not None and not self.media.answers(session.remote_offer, like):
            return False
        if not session.local_sdp:
            self._open_endpoint()
            offer = session.remote_offer
            session.progress(183, sdp=self.media.offer() if offer is None else self.media.answer(offer, like))
            self._move(LegState.RINGING)
        return True

    def answer(self, *, like: Codec | None = None) -> None:
        """Take the caller's call (200); `like` is the codec of the one with whom it will talk, where that is known.

        Raises:
            NoMediaError: no port is free, or the offer has no codec of ours, nor the one that is only passed on and is `like`.
        """
        if self.answered or not self.alive:
            return
        self._open_endpoint()
        offer = self.session.remote_offer
        if self.media.agreed is not None:
            answer = self.media.description()
        else:
            answer = self.media.offer() if offer is None else self.media.answer(offer, like)
        self.session.answer(answer)
        self._answered()

    # --- its end -----------------------------------------------------------------------------------------------------------

    def reject(self, status: int, reason: str, *, cause: str = "") -> None:
        """Refuse the caller with a final status, or end the leg where it was answered already; `cause` as in `hang_up`."""
        if not self.alive:
            return
        if self.incoming and not self.answered:
            if status == _NOT_ACCEPTABLE_HERE:
                self.media.note_refusal()
                log.info("no_common_codec", call_id=self.owner.id, leg_id=self.id, warning=self.media.warning)
            self._end(status, reason)
            told = (("Reason", cause),) if cause else ()
            self.session.reject(status, reason=reason, headers=(*self._warning(), *told))
        else:
            self.hang_up(reason, cause=cause)

    def _warning(self) -> tuple[tuple[str, str], ...]:
        """Return why an offer was not taken, as headers (RFC 3261 section 20.43)."""
        return (("Warning", self.media.warning),) if self.media.warning else ()

    def dismiss(self, reason: str) -> None:
        """End the leg of one who gave the other party away. A phone that asked for that by REFER is told that it went well, and hangs
        up itself (RFC 5589 section 6.1): it gets our BYE only where it does not.
        """
        referred = self._session is not None and self._session.referred
        self.hang_up(reason, patience=self._equipment.config.transfer_patience if referred else 0.0)

    def hang_up(self, reason: str = "", *, elsewhere: bool = False, cause: str = "", patience: float = 0.0) -> None:
        """End the leg in whatever way its state asks for; nothing happens when it is over already.

        Args:
            reason: why, for the journal.
            elsewhere: another phone took the call, so that this one shows no missed call (RFC 3326).
            cause: the Reason header of the other party, to be passed on.
            patience: seconds that the party's phone has to hang up itself.
        """
        if not self.alive:
            return
        if elsewhere:
            reason = "Call completed elsewhere"
        self._end(0 if self.answered else 487, reason)
        if self._session is not None:
            status = 200 if elsewhere or self.answered else 603
            self._session.hang_up(status=status, reason=reason if elsewhere else "", cause=cause, patience=patience)

    # --- while it lasts ----------------------------------------------------------------------------------------------------

    def show(self, party: Party) -> None:
        """Tell the party's phone whom it is connected with now, if it is one of ours and takes that (RFC 3311, RFC 3325)."""
        if self._session is not None and self.alive and self.party.extension:
            domain = self._equipment.config.domain
            self._session.tell(identity.connected(party, domain, calling=not self.incoming))

    def speak_like(self, other: LegVoice) -> bool:
        """Offer the party the codec of another leg, so that nothing must be converted between them; tell whether that was done."""
        if not self.answered or self.held:
            return False
        offer = self.media.offer_like(other.media)
        if offer is not None:
            self.session.offer(offer)
        return offer is not None

    def understands(self, other: LegVoice) -> bool:
        """Tell whether the party and that of another leg can be made to hear each other: else both must not be joined."""
        return self.media.understands(other.media)

    def send_key(self, key: str, milliseconds: int) -> None:
        """Pass a key on to the party, the way it takes keys."""
        if self._keys_by is KeyWay.INFO:
            self.session.send_key(key, milliseconds)
        elif self.media.passed and not self.media.takes_keys:
            # The party hears it as a tone in the other's voice, if that made one.
            log.warning("key_not_sent", call_id=self.owner.id, leg_id=self.id, codec=self.media.passed)
        elif self.media.endpoint is not None:
            self.media.endpoint.send_digit(key, milliseconds)

    def pass_text(self, text: str, answered: Callable[[int], None]) -> None:
        """Send the party a text; `answered` hears the final status."""
        self.session.pass_text(text, answered)

    def answer_refer(self, refer: Refer, *, accepted: bool, status: int = 603) -> None:
        """Tell the party's phone whether the transfer it asked for is begun."""
        if accepted:
            self.session.accept_refer(refer)
        else:
            self.session.reject_refer(refer, status)

    def report_refer(self, refer: Refer, status: int, reason: str) -> None:
        """Tell the party's phone how the transfer it asked for goes, also when it left the call meanwhile (RFC 5057 section 5)."""
        self.session.notify_refer(refer, status, reason)

    def probe(self, now: float, every: float) -> None:
        """Ask a phone that may be silent, because it holds, whether it is still there: each `every` seconds.

        Args:
            now: monotonic seconds.
            every: seconds.
        """
        agreed = self.media.agreed
        if not self.answered or agreed is None or (agreed.direction.receives and not self.held):
            self._probed_at = None
        elif self._probed_at is None:
            self._probed_at = now
        elif now - self._probed_at >= every:
            self._probed_at = now
            self.session.probe()

    # --- inside ------------------------------------------------------------------------------------------------------------

    @abc.abstractmethod
    def _open_endpoint(self, way: Address | None = None) -> None:
        """Take a port for the party's voice where there is none yet; `way` is where an INVITE of ours goes."""

    @abc.abstractmethod
    def _answered(self) -> None:
        """Note that the call is taken, and tell the call."""

    @abc.abstractmethod
    def _end(self, status: int, reason: str) -> None:
        """Note that the leg is over, and tell the call; `status` is the final one of a leg that nobody took."""

    def _note_ringing(self) -> None:
        self._note(LegRinging(at=self._equipment.clock.now(), call_id=self.owner.id, leg_id=self.id))

    def _move(self, state: LegState) -> bool:
        if state not in TRANSITIONS[self.state]:
            return False
        self.state = state
        return True
