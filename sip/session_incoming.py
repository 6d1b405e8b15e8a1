"""The answering side of a session: progress, reliable where the caller wants that, the answer, the refusal (RFC 3261
section 13.3, RFC 3262 section 3).
"""

from __future__ import annotations

import abc

from sip.address import Address
from sip.bodies import cause_of, reason_of, sdp_of
from sip.client_request import SessionHost
from sip.dialog import Dialog
from sip.errors import SessionStateError
from sip.message import Headers, Request, response_to
from sip.session_base import SessionBase
from sip.session_events import Cancelled, Direction, Ended, OfferAnswered, SessionEvent, SessionState
from sip.session_offers import Offers
from sip.session_server import InviteAnswer
from sip.session_tables import Exchange, Move, Reliability, Turn
from sip.session_timer import accept_terms
from sip.transaction import ServerTransaction

UNANSWERED = (SessionState.OFFERED, SessionState.EARLY)


class IncomingSide(SessionBase):
    """What a session can do while its INVITE waits for our answer."""

    __slots__ = ("_answer", "_exchanges")

    def __init__(
        self, host: SessionHost, direction: Direction, request: Request, source: Address, *, symmetric: bool
    ) -> None:
        super().__init__(host, direction, request, source, symmetric=symmetric)
        self._answer: InviteAnswer | None = None
        self._exchanges: Offers | None = None

    @property
    @abc.abstractmethod
    def _offers(self) -> Offers:
        """The offers after the first one; made when first needed, for most calls have none."""

    def progress(
        self, status: int, *, sdp: bytes | None = None, reason: str | None = None, headers: Headers = ()
    ) -> None:
        """Incoming: send a provisional response (101 to 199), with SDP for early media.

        With SDP it is sent reliably to a caller that supports that, and is our answer then (or our offer, when
        `remote_offer` is None); without SDP only to a caller that demands it.
        """
        answer = self._unanswered()
        if answer is None or self.dialog is None:
            return
        reliable = self.caller_has("100rel", "Require") or (sdp is not None and self.caller_has("100rel"))
        if sdp is not None:
            sdp = self._early_description(self.dialog, sdp, reliable=reliable)
        self.move(Move.PROGRESSED)
        on_silence = self._no_acknowledged_progress if reliable else None
        answer.provisional(status, reason, self.local_tag, [*self._headers(), *headers], sdp, on_silence=on_silence)

    def _early_description(self, dialog: Dialog, sdp: bytes, *, reliable: bool) -> bytes | None:
        """Return what a provisional response may say: only a first answer, or reliably a first offer (RFC 6337 section 2)."""
        if self.local_sdp:
            return None
        if not reliable:
            return sdp if dialog.exchange is Exchange.THEIRS else None
        if dialog.turn(Turn.ANSWER_SENT) or dialog.turn(Turn.OFFER_SENT):
            self.local_sdp = sdp
        return sdp

    def answer(self, sdp: bytes) -> None:
        """Incoming: answer the call; `sdp` is the answer, or our offer when `remote_offer` is None.

        It is not sent where a reliable provisional response brought it before; and what that brought is acknowledged first.
        """
        answer = self._unanswered()
        if answer is None or self.dialog is None:
            return
        reliable = answer.reliable
        if reliable is not None and (
            reliable.blocks_answer or (self._exchanges is not None and self._exchanges.peer_waits)
        ):
            reliable.held = sdp
            return
        self.move(Move.ANSWERED)
        self.dialog.early = False
        if self.local_sdp:
            sdp = b""
        elif self.dialog.turn(Turn.ANSWER_SENT) or self.dialog.turn(Turn.OFFER_SENT):
            self.local_sdp = sdp
        answer.accept(self.local_tag, [*self._headers(), *accept_terms(self, self.request)], sdp)

    def reject(self, status: int, *, reason: str | None = None, headers: Headers = ()) -> None:
        """Incoming: refuse the call with a final error (300 to 699)."""
        answer = self._unanswered()
        if answer is not None:
            answer.refuse(status, reason, self.local_tag, headers)
            self.finish(Ended(by_peer=False, reason=reason or "", status=status))
            self.close()

    @property
    def takes_early_offer(self) -> bool:
        """Whether a caller that made no offer can be made one before the answer."""
        return self.caller_has("100rel") or self.caller_has("100rel", "Require")

    @property
    def awaits_prack(self) -> bool:
        """Whether a reliable provisional response of ours is not acknowledged yet."""
        reliable = self._answer.reliable if self._answer is not None else None
        return reliable is not None and reliable.state is Reliability.WAITING

    def proceed(self) -> None:
        """Do what waited for something that is over now: a 2xx for the PRACK, an offer for the one before it."""
        reliable = self._answer.reliable if self._answer is not None else None
        if reliable is not None and reliable.held is not None and not reliable.blocks_answer:
            sdp, reliable.held = reliable.held, None
            self.answer(sdp)
        if self._exchanges is not None:
            self._exchanges.proceed()

    def _prack(self, request: Request, transaction: ServerTransaction) -> None:
        """Take the PRACK of a reliable provisional response, which may bring an answer or a new offer (RFC 3262 section 5)."""
        dialog, reliable = self.dialog, self._answer.reliable if self._answer is not None else None
        if reliable is None or dialog is None or not reliable.acknowledge(request):
            transaction.respond(response_to(request, 481))
            return
        sdp = sdp_of(request)
        if sdp is not None and dialog.exchange is Exchange.AGREED:
            self._offers.receive_offer(request, transaction, sdp)
        else:
            transaction.respond(response_to(request, 200))
            if dialog.exchange is Exchange.OURS and self.state in UNANSWERED:
                self._take_early_answer(dialog, sdp)
        if self.state in UNANSWERED:
            reliable.proceed()
            self.proceed()

    def _take_early_answer(self, dialog: Dialog, sdp: bytes | None) -> None:
        if sdp is None:
            self.reject(488, reason="No session description in the PRACK")
        elif dialog.turn(Turn.ANSWER_RECEIVED):
            self.emit(OfferAnswered(sdp))

    def _no_acknowledged_progress(self) -> None:
        """Take 64 * T1 without a PRACK: the call is refused (RFC 3262 section 3)."""
        self.reject(504, reason="No PRACK")

    def _cancelled(self, request: Request) -> None:
        if self.state in UNANSWERED and self._answer is not None:
            self._answer.refuse(487, None, self.local_tag)
            self.finish(Cancelled(reason_of(request)[0], cause_of(request)))
            self.close()

    def _invitation_expired(self) -> None:
        """Take the end of the time that the caller's Expires gave us: as if it had given up (RFC 3261 section 13.3.1)."""
        if self.state in UNANSWERED and self._answer is not None:
            self._answer.refuse(487, None, self.local_tag)
            self.finish(Cancelled("The invitation expired"))
            self.close()

    def _unanswered(self) -> InviteAnswer | None:
        """Return what answers the INVITE, or None when it is too late for that."""
        if self.direction is Direction.OUTGOING:
            raise SessionStateError("Only an incoming session can be answered or refused.")
        return self._answer if self.state in UNANSWERED else None

    @abc.abstractmethod
    def finish(self, event: SessionEvent) -> None:
        """Say the last word and end all exchanges."""

    @abc.abstractmethod
    def close(self) -> None:
        """Leave the stack: nothing more is expected of the peer."""
