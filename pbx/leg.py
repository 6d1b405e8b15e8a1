"""A leg: one SIP dialog between Ramal and a device or trunk, with its voice.

The leg turns what its session and its endpoint tell into facts of the journal, and tells its call what matters there. Its state
moves along `TRANSITIONS` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from core.errors import RamalError
from core.events import (
    LegAnswered,
    LegCreated,
    LegEnded,
    LegHeld,
    LegResumed,
    LegRinging,
    PartyRole,
)
from pbx import identity
from pbx.entries import KeyWay
from pbx.equipment import Equipment
from pbx.errors import NoMediaError
from pbx.leg_voice import LegVoice
from pbx.party import TRANSITIONS, LegState, Party
from pbx.star_codes import StarCodeCollector
from sip.address import Address, is_ip_address
from sip.message import Headers
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    DigitReceived,
    Ended,
    OfferAnswered,
    Offered,
    Progressed,
    Referred,
    Rejected,
    SessionEvent,
    TextReceived,
)
from sip.transfer import Refer
from sip.uri import Uri

log = structlog.get_logger(__name__)

_TWICE_WITHIN: Final = 1.0
"""Seconds within which the same key by another way is the same key press."""


class LegOwner(Protocol):
    """The call a leg belongs to: it hears what the leg's party does."""

    id: str

    def leg_ringing(self, leg: Leg) -> None:
        """The party's device rings."""

    def leg_early_media(self, leg: Leg) -> None:
        """The party's side sends voice before the answer."""

    def leg_answered(self, leg: Leg) -> None:
        """The party took the call."""

    def leg_ended(self, leg: Leg) -> None:
        """The party, or what leads to it, is gone."""

    def leg_held(self, leg: Leg) -> None:
        """The party put the call on hold."""

    def leg_resumed(self, leg: Leg) -> None:
        """The party took the call up again."""

    def leg_pressed(self, leg: Leg, key: str, milliseconds: int) -> None:
        """The party pressed a key for so long."""

    def leg_refers(self, leg: Leg, refer: Refer) -> None:
        """The party's phone asks for a transfer."""

    def leg_texted(self, leg: Leg, text: TextReceived) -> None:
        """The party sends a text."""


class Leg(LegVoice):
    """One party's part in a call. `owner` changes when a transfer moves the leg to another call."""

    __slots__ = (
        "_keys_by",
        "_last_key",
        "_probed_at",
        "_session",
        "_star_codes",
        "answered_at",
        "cause",
        "created_at",
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
        self.created_at = equipment.clock.now()
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
    def spoken_codecs(self) -> tuple[str, ...]:
        """The codecs the party speaks, the one in use first; none when that is unknown."""
        offer = self._session.remote_offer if self.incoming and self._session is not None else None
        return self.media.wishes(offer)

    @property
    def acceptable(self) -> bool:
        """Whether the caller's offer, if it made one, can be agreed to; else nobody need be rung for it."""
        offer = self.session.remote_offer if self.incoming else None
        return offer is None or self.media.acceptable(offer)

    @property
    def session(self) -> InviteSession:
        """The SIP session; set by `take` or `call`, one of which comes first."""
        if self._session is None:
            raise RuntimeError("the leg has no session yet")
        return self._session

    # --- beginning -------------------------------------------------------------------------------------------------------

    def take(self, session: InviteSession) -> None:
        """Make the leg the one of a session that came in."""
        session.listener = self
        self._begin(session)

    def call(
        self, invite: Callable[[bytes, Leg], InviteSession], *, wishes: tuple[str, ...] = (), way: Address | None = None
    ) -> None:
        """Open the leg outwards.

        Args:
            invite: sends the INVITE with the given offer and listener.
            wishes: the codecs the other leg speaks, so that nothing must be converted.
            way: where the INVITE goes: it tells where the voice comes to, which parties are browsers, and whether keys can be sent.

        Raises:
            NoMediaError: no RTP port is free.
            RamalError: the INVITE cannot be sent; the leg is over then, and was never told of.
        """
        self._open_endpoint(way)
        if way is not None:
            self.media.security.spoken_to_by(way.transport)
        try:
            session = invite(self.media.offer(wishes), self)
        except RamalError:
            self._close_media()
            self.state = LegState.ENDED
            raise
        if self._session is None:
            self._begin(session)

    def offer_towards(self, way: Address) -> bytes | None:
        """Return our offer for another server that the unanswered INVITE goes to: voice comes to the address of ours that it reaches.

        None where there is no port for it: what was offered stands.
        """
        before = self.media.endpoint
        self.media.security.spoken_to_by(way.transport)
        try:
            offer = self.media.offer_from(self._equipment.sip.hosts_towards(way))
        except NoMediaError as error:
            log.warning("offer_not_moved", call_id=self.owner.id, leg_id=self.id, error=error.message)
            return None
        if before is not None and self.media.endpoint is not None:
            self._equipment.legs_by_endpoint.pop(before.id, None)
            self._equipment.legs_by_endpoint[self.media.endpoint.id] = self
        return offer

    def _begin(self, session: InviteSession) -> None:
        self._session = session
        session.context = self
        self.sip_call_id = session.call_id
        party = self.party
        self._note(
            LegCreated(
                at=self._equipment.clock.now(),
                call_id=self.owner.id,
                leg_id=self.id,
                role=self.role,
                number=party.number,
                incoming=self.incoming,
                extension=party.extension,
                trunk=party.trunk,
                sip_call_id=self.sip_call_id,
                forwarded_by=party.forwarded_by,
            )
        )
        if party.trunk:
            self._equipment.trunks.call_began(party.trunk, incoming=self.incoming)

    # --- what we do to the party -------------------------------------------------------------------------------------------

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
        """Whether the party may be spoken to now: a caller that says nothing of its abilities may know no 183."""
        return self.answered or self.media.agreed is not None or self.session.says_abilities

    def open_early(self, *, like: str = "") -> bool:
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
        if not session.local_sdp:
            self._open_endpoint()
            offer = session.remote_offer
            session.progress(183, sdp=self.media.offer() if offer is None else self.media.answer(offer, like))
            self._move(LegState.RINGING)
        return True

    def answer(self, *, like: str = "") -> None:
        """Take the caller's call (200); `like` is the codec of the one with whom it will talk, where that is known.

        Raises:
            NoMediaError: no port is free, or the offer has no codec of ours.
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

    def reject(self, status: int, reason: str, *, cause: str = "") -> None:
        """Refuse the caller with a final status, or end the leg where it was answered already; `cause` as in `hang_up`."""
        if not self.alive:
            return
        if self.incoming and not self.answered:
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

    def answer_refer(self, refer: Refer, *, accepted: bool, status: int = 603) -> None:
        """Tell the party's phone whether the transfer it asked for is begun."""
        if accepted:
            self.session.accept_refer(refer)
        else:
            self.session.reject_refer(refer, status)

    def show(self, party: Party) -> None:
        """Tell the party's phone whom it is connected with now, if it is one of ours and takes that (RFC 3311, RFC 3325)."""
        if self._session is not None and self.alive and self.party.extension:
            domain = self._equipment.config.domain
            self._session.tell(identity.connected(party, domain, calling=not self.incoming))

    def pass_text(self, text: str, answered: Callable[[int], None]) -> None:
        """Send the party a text; `answered` hears the final status."""
        self.session.pass_text(text, answered)

    def report_refer(self, refer: Refer, status: int, reason: str) -> None:
        """Tell the party's phone how the transfer it asked for goes, also when it left the call meanwhile (RFC 5057 section 5)."""
        self.session.notify_refer(refer, status, reason)

    # --- what the party does -----------------------------------------------------------------------------------------------

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        """Take an event of the SIP session."""
        if self._session is None:
            self._begin(session)
        handler = _HANDLERS.get(type(event))
        if handler is not None and self.alive:
            handler(self, event)

    def key_pressed(self, key: str, milliseconds: int, *, by_info: bool = False) -> None:
        """Take a key the party pressed, by RFC 4733, as a tone or by SIP INFO; phones that tell it twice are believed once."""
        now = self._equipment.clock.monotonic()
        before, self._last_key = self._last_key, (key, by_info, now)
        if before is not None and before[0] == key and before[1] is not by_info and now - before[2] < _TWICE_WITHIN:
            self._last_key = None
            return
        if self.keys is not None:
            self.keys.put_nowait(key)
        else:
            self.owner.leg_pressed(self, key, milliseconds)

    def send_key(self, key: str, milliseconds: int) -> None:
        """Pass a key on to the party, the way it takes keys."""
        if self._keys_by is KeyWay.INFO:
            self.session.send_key(key, milliseconds)
        elif self.media.endpoint is not None:
            self.media.endpoint.send_digit(key, milliseconds)

    def silent(self, seconds: float) -> None:
        """Take the engine's word that nothing was heard of the party for so long; a party that holds may be silent."""
        if self.answered and not self.held:
            log.warning("party_vanished", call_id=self.owner.id, leg_id=self.id, silent_seconds=round(seconds))
            self.hang_up(f"Vanished phone: no voice packets for {seconds:.0f} seconds")

    def consent_lost(self, seconds: float) -> None:
        """Take the engine's word that the party's browser shows no sign of life; it may have come back with another leg."""
        if self.answered:
            self.hang_up(f"Vanished browser: no connectivity check for {seconds:.0f} seconds")

    def voice_unsafe(self, reason: str) -> None:
        """End the leg: there is no safe voice with the party."""
        log.warning("no_safe_voice", call_id=self.owner.id, leg_id=self.id, reason=reason)
        self.hang_up(reason)

    def _progressed(self, event: Progressed) -> None:
        if event.sdp and self._accept_answer(event.sdp):
            if self._move(LegState.RINGING):
                self._note_ringing()
            self.owner.leg_early_media(self)
            return
        # 181 to 183 without voice tell of progress as well; the one who waits hears ringing all the same.
        if self._move(LegState.RINGING):
            self._note_ringing()
            self.owner.leg_ringing(self)

    def _remote_answered(self, event: Answered) -> None:
        # Without a description what was said before the answer holds, if that could be taken.
        if self._accept_answer(event.sdp) if event.sdp is not None else self.media.agreed is not None:
            self._answered()
        else:
            self._end(488, "No common codec")
            self.session.hang_up(status=488, reason="No common codec")

    def _rejected(self, event: Rejected) -> None:
        self.cause, self.redirects = event.cause, event.contacts
        self.retry_after = event.retry_after or 0
        self._end(event.status, event.reason)

    def _cancelled(self, event: Cancelled) -> None:
        self.cause = event.cause
        self._end(487, event.reason or "Cancelled by the caller")

    def _ended(self, event: Ended) -> None:
        self.cause = event.cause
        self._end(0 if self.answered else event.status, event.reason or ("Hung up" if event.by_peer else ""))

    def _offered(self, event: Offered) -> None:
        if event.sdp is None:
            self.session.accept_offer(self.media.offer(self.spoken_codecs))
            return
        try:
            answer = self.media.answer(event.sdp)
        except NoMediaError:
            self.session.reject_offer(488, headers=self._warning())
            return
        self.session.accept_offer(answer)
        self._note_hold()

    def _offer_answered(self, event: OfferAnswered) -> None:
        if self._accept_answer(event.sdp):
            self._note_hold()
        elif self.media.agreed is None:
            # It answers our only offer: there is nothing to go on with.
            self.hang_up("No common codec")

    def speak_like(self, other: Leg) -> bool:
        """Offer the party the codec of another leg, so that nothing must be converted between them; tell whether that was done."""
        if not self.answered or self.held:
            return False
        offer = self.media.offer_like(other.media)
        if offer is not None:
            self.session.offer(offer)
        return offer is not None

    def _note_hold(self) -> None:
        if not self.answered or self.media.held_by_party == self.held:
            return
        self.held = self.media.held_by_party
        fact = LegHeld if self.held else LegResumed
        at, by = self._equipment.clock.now(), self.party.extension
        self._note(fact(at=at, call_id=self.owner.id, leg_id=self.id, by_extension=by))
        (self.owner.leg_held if self.held else self.owner.leg_resumed)(self)

    def _referred(self, event: Referred) -> None:
        self.owner.leg_refers(self, event.refer)

    def _texted(self, event: TextReceived) -> None:
        self.owner.leg_texted(self, event)

    def _digit_by_info(self, event: DigitReceived) -> None:
        self.key_pressed(event.digit, event.duration_ms, by_info=True)

    @property
    def heard(self) -> bool:
        """Whether the party's side answered our INVITE with anything at all."""
        return self._session is not None and self._session.heard

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

    def _open_endpoint(self, way: Address | None = None) -> None:
        if self.incoming:
            self._expect_voice()
            way = self.session.source
            offered = self.media.offered_host(self.session.remote_offer) if self.session.remote_offer else ""
            if offered and (":" in offered) is not (":" in way.host):
                # It signals by one family and talks by the other.
                way = way._replace(host=offered, port=0)
        if way is not None:
            self.media.at = self._equipment.sip.hosts_towards(way)
        endpoint = self.media.open()
        self.media.security.owner = self
        self._equipment.legs_by_endpoint[endpoint.id] = self

    def _close_media(self) -> None:
        if self.media.endpoint is not None:
            self._equipment.legs_by_endpoint.pop(self.media.endpoint.id, None)
        self.media.close()

    def _expect_voice(self) -> None:
        """Let the voice come from where the signalling comes from, too: a phone behind NAT tells an address of its own network.

        Behind an edge, which hides where the phone is, it may come from anywhere.
        """
        session = self.session
        host = session.source.host
        trusted = session.direct and is_ip_address(host) and not self._equipment.config.voice_from_anywhere
        self.media.beside = host if trusted else None

    def _accept_answer(self, sdp: bytes) -> bool:
        self._expect_voice()
        try:
            self.media.accept_answer(sdp)
        except NoMediaError as error:
            log.warning("answer_unusable", call_id=self.owner.id, leg_id=self.id, error=error.message)
            return False
        return True

    def _answered(self) -> None:
        if self._move(LegState.ANSWERED):
            self.answered_at = self._equipment.clock.now()
            self._note(LegAnswered(at=self.answered_at, call_id=self.owner.id, leg_id=self.id))
            self.owner.leg_answered(self)

    def _end(self, status: int, reason: str) -> None:
        was_answered = self.answered
        if not self._move(LegState.ENDED):
            return
        self.sip_status = 0 if was_answered else status
        if self.party.trunk and self._session is not None:
            self._equipment.trunks.call_ended(self.party.trunk, incoming=self.incoming)
        self._forget_playback()
        endpoint = self.media.endpoint
        if endpoint is not None and was_answered:
            self._note_statistics(endpoint.statistics())
        self.owner.leg_ended(self)
        self._close_media()
        self._note(
            LegEnded(
                at=self._equipment.clock.now(),
                call_id=self.owner.id,
                leg_id=self.id,
                sip_status=self.sip_status,
                reason=reason,
            )
        )

    def _note_ringing(self) -> None:
        self._note(LegRinging(at=self._equipment.clock.now(), call_id=self.owner.id, leg_id=self.id))

    def _move(self, state: LegState) -> bool:
        if state not in TRANSITIONS[self.state]:
            return False
        self.state = state
        return True


_HANDLERS: Final[dict[type, Callable[[Leg, Any], None]]] = {
    Progressed: Leg._progressed,  # noqa: SLF001 - the table of this class's own event methods
    Answered: Leg._remote_answered,  # noqa: SLF001
    Rejected: Leg._rejected,  # noqa: SLF001
    Cancelled: Leg._cancelled,  # noqa: SLF001
    Ended: Leg._ended,  # noqa: SLF001
    Offered: Leg._offered,  # noqa: SLF001
    OfferAnswered: Leg._offer_answered,  # noqa: SLF001
    Referred: Leg._referred,  # noqa: SLF001
    DigitReceived: Leg._digit_by_info,  # noqa: SLF001
    TextReceived: Leg._texted,  # noqa: SLF001
}
