"""A leg: one SIP dialog between Ramal and a device or trunk, with its voice.

The leg turns what its session and its endpoint tell into facts of the journal, and tells its call what matters there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import structlog

from core.errors import RamalError
from core.events import LegAnswered, LegCreated, LegEnded, LegHeld, LegResumed
from pbx.errors import NoMediaError
from pbx.leg_verbs import LegVerbs
from pbx.party import LegState
from sip.address import Address, is_ip_address
from sip.codecs import Codec
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    DigitReceived,
    Ended,
    OfferAnswered,
    Offered,
    OfferRejected,
    Progressed,
    Referred,
    Rejected,
    SessionEvent,
    TextReceived,
)
from sip.transfer import Refer

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


class Leg(LegVerbs):
    """One party's part in a call. `owner` changes when a transfer moves the leg to another call."""

    __slots__ = ()

    # --- beginning ---------------------------------------------------------------------------------------------------------

    def take(self, session: InviteSession) -> None:
        """Make the leg the one of a session that came in."""
        session.listener = self
        self._begin(session)

    def call(
        self,
        invite: Callable[[bytes, Leg], InviteSession],
        *,
        wishes: tuple[Codec, ...] = (),
        way: Address | None = None,
    ) -> None:
        """Open the leg outwards.

        Args:
            invite: sends the INVITE with the given offer and listener.
            wishes: the codecs the other leg speaks, so that nothing must be converted.
            way: where the INVITE goes: it tells where the voice comes to, which parties are browsers, and whether keys can be sent.

        Raises:
            NoMediaError: no RTP port is free, or the party may be offered nothing that the other leg hears.
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
        session.context, session.describer = self, self.media
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
        try:
            if event.sdp is None:
                self.session.accept_offer(self.media.offer(self.spoken_codecs))
                return
            answer = self.media.answer(event.sdp)
        except NoMediaError:
            self.session.reject_offer(488, headers=self._warning())
            return
        self.session.accept_offer(answer)
        self._note_hold()

    def _offer_answered(self, event: OfferAnswered) -> None:
        if self._accept_answer(event.sdp):
            self._note_hold()
        elif self.media.agreed is None or self.media.asked is not None:
            # It answers our only offer, or the only one that lets the two be heard: there is nothing to go on with.
            self.hang_up("No common codec")

    def _offer_rejected(self, _event: OfferRejected) -> None:
        if self.media.asked is not None:
            self.hang_up("No common codec")

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


_HANDLERS: Final[dict[type, Callable[[Leg, Any], None]]] = {
    Progressed: Leg._progressed,  # noqa: SLF001 - the table of this class's own event methods
    Answered: Leg._remote_answered,  # noqa: SLF001
    Rejected: Leg._rejected,  # noqa: SLF001
    Cancelled: Leg._cancelled,  # noqa: SLF001
    Ended: Leg._ended,  # noqa: SLF001
    Offered: Leg._offered,  # noqa: SLF001
    OfferAnswered: Leg._offer_answered,  # noqa: SLF001
    OfferRejected: Leg._offer_rejected,  # noqa: SLF001
    Referred: Leg._referred,  # noqa: SLF001
    DigitReceived: Leg._digit_by_info,  # noqa: SLF001
    TextReceived: Leg._texted,  # noqa: SLF001
}
