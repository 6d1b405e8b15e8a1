"""Offers after the first: re-INVITE and UPDATE both ways, an offer in a PRACK, and glare (RFC 3261 section 14, RFC 3311,
RFC 6141, RFC 6337).
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from sip.address import Address
from sip.bodies import retry_after_of, sdp_of
from sip.capabilities import SESSION_HEADERS
from sip.client_request import ClientRequest
from sip.message import Headers, Request, Response, response_to
from sip.session_events import Direction, OfferAnswered, Offered, OfferRejected, SessionState
from sip.session_server import InviteAnswer
from sip.session_tables import Exchange, Turn
from sip.session_timer import UPDATE_IS_UNKNOWN, accept_terms, take_terms
from sip.timers import Timer
from sip.transaction import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sip.session import InviteSession

_MAX_GLARE = 4
"""How often an offer is made again after 491, or 500 with a time to wait."""
_LONGEST_WAIT = 10
"""Seconds: a longer Retry-After is not waited for (RFC 3311 section 5.2 says 0 to 10)."""


class Offers:
    """The offers of one session after the first: at most one is open at a time, ours wait in line."""

    __slots__ = (
        "_acknowledgement",
        "_answer",
        "_asked",
        "_glare",
        "_ours",
        "_queue",
        "_retry",
        "_sdp",
        "_session",
        "_update",
    )

    def __init__(self, session: InviteSession) -> None:
        self._session = session
        self._queue: deque[bytes | None] = deque()
        self._ours: ClientRequest | None = None
        self._sdp: bytes | None = None
        self._glare = 0
        self._retry: Timer | None = None
        self._acknowledgement: tuple[int, bytes, Address] | None = None
        self._asked = False
        self._answer: InviteAnswer | None = None
        self._update: ServerTransaction | None = None

    @property
    def peer_waits(self) -> bool:
        """Whether an offer of the peer waits for our answer."""
        return self._update is not None or (self._answer is not None and self._answer.open)

    # Ours.

    def offer(self, sdp: bytes | None) -> None:
        """Send an offer, or let it wait until the exchange under way is over. None asks for the peer's offer."""
        self._queue.append(sdp)
        self.proceed()

    def proceed(self) -> None:
        """Send the next waiting offer if nothing is in its way; called whenever something got out of it."""
        if not self._queue or self._ours is not None or self._retry is not None or self._asked or self.peer_waits:
            return
        if self._answer is not None and self._answer.awaits_ack:
            return
        if self._session.state is SessionState.CONFIRMED or self._may_update(self._queue[0]):
            self._send(self._queue.popleft())

    def _may_update(self, sdp: bytes | None) -> bool:
        """Tell whether an offer can be made before the answer (RFC 3311 section 5.1)."""
        session = self._session
        dialog = session.dialog
        if sdp is None or session.state is not SessionState.EARLY or dialog is None:
            return False
        return dialog.exchange is Exchange.AGREED and not session.awaits_prack and session.updates

    def _send(self, sdp: bytes | None) -> None:
        session = self._session
        self._sdp = sdp
        headers = [("Contact", session.contact), *SESSION_HEADERS]
        confirmed = session.state is SessionState.CONFIRMED
        if confirmed and session.timer is not None:
            headers += session.timer.headers()
        if sdp is not None:
            self._turn(Turn.OFFER_SENT)
        self._ours = session.send(
            "INVITE" if confirmed else "UPDATE",
            headers=headers,
            content_type="application/sdp" if sdp else "",
            body=sdp or b"",
            on_response=self._responded,
        )

    def _again(self) -> None:
        """Make the offer again that was turned away; an exchange that began in between goes first."""
        self._retry = None
        self.proceed()

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        if response.status < 200:
            return
        if self._acknowledgement is not None and self._acknowledgement[0] == response.cseq[0]:
            self._session.host.send(*self._acknowledgement[1:])
            return
        if self._ours is None or transaction is not self._ours.transaction:
            return
        if response.status < 300:
            self._accepted(response, self._ours.request)
        else:
            self._refused(response, self._ours.request)

    def _accepted(self, response: Response, request: Request) -> None:
        session = self._session
        if session.dialog is not None:
            session.dialog.refresh_target(response)
        if session.state is SessionState.CONFIRMED:
            take_terms(session, response)
        sdp = sdp_of(response)
        if self._sdp is None and sdp is not None:
            self._asked = True
            self._turn(Turn.OFFER_RECEIVED)
            session.emit(Offered(sdp))
            return
        if request.method == "INVITE":
            self._acknowledge(None)
        self._ours, self._glare = None, 0
        if sdp is not None and self._sdp is not None:
            self._turn(Turn.ANSWER_RECEIVED)
            session.described(self._sdp)
            session.emit(OfferAnswered(sdp))
        else:
            self._turn(Turn.REFUSED)
            session.emit(OfferRejected(488))
        session.proceed()

    def _refused(self, response: Response, request: Request) -> None:
        session = self._session
        self._ours = None
        if self._sdp is not None:
            self._turn(Turn.REFUSED)
        wait = self._wait_after(response)
        if wait is not None:
            self._glare += 1
            self._queue.appendleft(self._sdp)
            self._retry = session.host.timers.schedule(wait, self._again)
            return
        self._glare = 0
        unknown = request.method == "UPDATE" and response.status in UPDATE_IS_UNKNOWN
        if unknown:
            session.peer_updates = False
        if unknown or (session.timer is not None and session.timer.refused(response)):
            self._queue.appendleft(self._sdp)
        else:
            session.emit(OfferRejected(response.status))
        session.proceed()

    def _wait_after(self, response: Response) -> float | None:
        """Return the seconds after which a refused offer is made again, or None when it is not.

        After a 491 the owner of the Call-ID lets the other go first (RFC 3261 section 14.1).
        """
        session = self._session
        if self._glare >= _MAX_GLARE or session.state not in (SessionState.CONFIRMED, SessionState.EARLY):
            return None
        if response.status == 491:
            owner = session.direction is Direction.OUTGOING
            return random.randint(210, 400) / 100 if owner else random.randint(0, 200) / 100  # noqa: S311 - no secret
        seconds = retry_after_of(response) if response.status == 500 else None
        return float(seconds) if seconds is not None and seconds <= _LONGEST_WAIT else None

    def _acknowledge(self, sdp: bytes | None) -> None:
        session, ours = self._session, self._ours
        self._ours, self._asked = None, False
        if ours is None or session.dialog is None:
            return
        number = ours.request.cseq[0]
        content_type = "application/sdp" if sdp else ""
        request = session.dialog.request("ACK", cseq=number, content_type=content_type, body=sdp or b"")
        hop = session.host.next_hop(session.dialog)
        self._acknowledgement = (number, session.host.send_acknowledgement(request, hop), hop)

    # The peer's.

    def receive_invite(self, request: Request, transaction: ServerTransaction) -> None:
        """Take a re-INVITE of the peer."""
        if self._conflict(request, transaction):
            return
        if self._answer is not None:
            # A new INVITE shows that the peer has our 2xx, even if its ACK was lost.
            self._answer.close()
        self._answer = InviteAnswer(self._session.host, transaction, self._silence)
        transaction.on_cancel = self._cancelled
        sdp = sdp_of(request)
        if sdp is not None:
            self._turn(Turn.OFFER_RECEIVED)
        self._tell(sdp)

    def receive_update(self, request: Request, transaction: ServerTransaction) -> None:
        """Take an UPDATE of the peer; one without SDP is answered here."""
        session, sdp = self._session, sdp_of(request)
        if sdp is not None:
            self.receive_offer(request, transaction, sdp)
            return
        self._refresh(request)
        headers = [("Contact", session.contact), *SESSION_HEADERS]
        if session.established:
            headers += accept_terms(session, request)
        transaction.respond(response_to(request, 200, headers=headers))

    def receive_offer(self, request: Request, transaction: ServerTransaction, sdp: bytes) -> None:
        """Take an offer that came in an UPDATE or PRACK."""
        if self._conflict(request, transaction):
            return
        self._update = transaction
        self._turn(Turn.OFFER_RECEIVED)
        self._tell(sdp)

    def _conflict(self, request: Request, transaction: ServerTransaction) -> bool:
        """Refuse an offer that crosses another one (RFC 3261 section 14.2, RFC 3311 section 5.2)."""
        dialog = self._session.dialog
        exchange = dialog.exchange if dialog is not None else Exchange.NOTHING
        if self._ours is not None or exchange is Exchange.OURS:
            transaction.respond(response_to(request, 491))
            return True
        if self.peer_waits or exchange is not Exchange.AGREED:
            wait = str(random.randint(0, 10))  # noqa: S311 - spreads load, no secret
            transaction.respond(response_to(request, 500, headers=[("Retry-After", wait)]))
            return True
        return False

    def _tell(self, sdp: bytes | None) -> None:
        if not self._session.emit(Offered(sdp)):
            self.reject(500)

    def accept(self, sdp: bytes) -> None:
        """Answer the peer's open offer with our answer, or with our offer when it asked for one."""
        session = self._session
        headers = [("Contact", session.contact), *SESSION_HEADERS]
        if self._asked:
            self._turn(Turn.ANSWER_SENT)
            self._acknowledge(sdp)
        elif self._update is not None:
            transaction, self._update = self._update, None
            request = transaction.request
            self._turn(Turn.ANSWER_SENT)
            if request.method == "UPDATE":
                self._refresh(request)
                if session.established:
                    headers += accept_terms(session, request)
            response = response_to(request, 200, headers=headers, content_type="application/sdp", body=sdp)
            transaction.respond(response)
        elif self._answer is not None and self._answer.open:
            request = self._answer.transaction.request
            self._turn(Turn.OFFER_SENT if sdp_of(request) is None else Turn.ANSWER_SENT)
            self._refresh(request)
            self._answer.accept("", [*headers, *accept_terms(session, request)], sdp)
        else:
            return
        session.described(sdp)
        session.proceed()

    def reject(self, status: int, headers: Headers = ()) -> None:
        """Refuse the peer's open offer; what was agreed before stays."""
        if self._update is not None:
            transaction, self._update = self._update, None
            self._turn(Turn.REFUSED)
            if transaction.request.method == "PRACK":
                # What acknowledges is answered 200 whatever it offers (RFC 3262 section 3); then the call is refused.
                transaction.respond(response_to(transaction.request, 200))
                self._session.reject(status, headers=headers)
                return
            transaction.respond(response_to(transaction.request, status, headers=headers))
        elif self._answer is not None and self._answer.open:
            self._turn(Turn.REFUSED)
            self._answer.refuse(status, None, "", headers)
        elif self._asked:
            # A 2xx cannot be refused; without an answer in the ACK there is no agreement left.
            self._turn(Turn.REFUSED)
            self._acknowledge(None)
            self._session.hang_up(status=488, reason="Offer not acceptable")
            return
        self._session.proceed()

    def acknowledged(self, request: Request) -> bool:
        """Take the ACK of our 2xx to a re-INVITE; return False when it is not for it."""
        answer = self._answer
        if answer is None or answer.cseq != request.cseq[0] or not answer.awaits_ack:
            return False
        answer.acknowledged()
        if sdp_of(answer.transaction.request) is None:
            sdp = sdp_of(request)
            self._turn(Turn.REFUSED if sdp is None else Turn.ANSWER_RECEIVED)
            if sdp is not None:
                self._session.emit(OfferAnswered(sdp))
        self.proceed()
        return True

    def close(self) -> None:
        """End all exchanges: the session is over."""
        self._queue.clear()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._asked:
            self._acknowledge(None)
        if self._update is not None:
            transaction, self._update = self._update, None
            transaction.respond(response_to(transaction.request, 487))
        if self._answer is not None:
            if self._answer.open:
                self._answer.refuse(487, None, "")
            self._answer.close()

    def _cancelled(self, _request: Request) -> None:
        if self._answer is not None and self._answer.open:
            self._turn(Turn.REFUSED)
            self._answer.refuse(487, None, "")
            self.proceed()

    def _silence(self) -> None:
        self._session.lost(408, "No ACK for the answer to a re-INVITE")

    def _refresh(self, request: Request) -> None:
        if self._session.dialog is not None:
            self._session.dialog.refresh_target(request)

    def _turn(self, turn: Turn) -> None:
        if self._session.dialog is not None:
            self._session.dialog.turn(turn)
