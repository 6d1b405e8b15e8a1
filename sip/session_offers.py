"""Offers in a running session: re-INVITE both ways, UPDATE answered, and glare (RFC 3261 section 14, RFC 3311, RFC
6141).
"""

from __future__ import annotations

import random
from collections import deque
from typing import TYPE_CHECKING

from sip.address import Address
from sip.bodies import sdp_of
from sip.capabilities import SESSION_HEADERS
from sip.client_request import ClientRequest
from sip.message import Headers, Request, Response, response_to
from sip.session_events import Direction, OfferAnswered, Offered, OfferRejected, SessionState
from sip.session_server import InviteAnswer
from sip.timers import Timer
from sip.transaction import ClientTransaction, ServerTransaction

if TYPE_CHECKING:
    from sip.session import InviteSession

_MAX_GLARE = 4
"""How often a re-INVITE is tried again after 491."""


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

    def offer(self, sdp: bytes | None) -> None:
        """Send a re-INVITE, or let it wait until the exchange under way is over. None asks for the peer's offer."""
        self._queue.append(sdp)
        self.proceed()

    def proceed(self) -> None:
        """Send the next waiting offer if nothing is in its way; called whenever something got out of it."""
        session = self._session
        blocked = self._ours is not None or self._retry is not None or self._asked or self.peer_waits
        if blocked or not self._queue or session.state is not SessionState.CONFIRMED:
            return
        if self._answer is not None and self._answer.awaits_ack:
            return
        self._sdp = self._queue.popleft()
        self._glare = 0
        self._send()

    def _send(self) -> None:
        session = self._session
        self._retry = None
        if session.state is not SessionState.CONFIRMED:
            return
        self._ours = session.send(
            "INVITE",
            headers=[("Contact", session.contact), *SESSION_HEADERS],
            content_type="application/sdp" if self._sdp else "",
            body=self._sdp or b"",
            on_response=self._responded,
        )

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        if response.status < 200:
            return
        if self._acknowledgement is not None and self._acknowledgement[0] == response.cseq[0]:
            self._session.host.send(*self._acknowledgement[1:])
            return
        if self._ours is None or transaction is not self._ours.transaction:
            return
        if response.status < 300:
            self._accepted(response)
            return
        self._ours = None
        if response.status == 491 and self._glare < _MAX_GLARE and self._session.state is SessionState.CONFIRMED:
            self._glare += 1
            self._retry = self._session.host.timers.schedule(self._glare_delay(), self._send)
            return
        self._session.emit(OfferRejected(response.status))
        self.proceed()

    def _glare_delay(self) -> float:
        """Return the pause after a 491: the owner of the Call-ID lets the other go first (RFC 3261 section 14.1)."""
        owner = self._session.direction is Direction.OUTGOING
        return random.randint(210, 400) / 100 if owner else random.randint(0, 200) / 100  # noqa: S311 - no secret

    def _accepted(self, response: Response) -> None:
        session = self._session
        if session.dialog is not None:
            session.dialog.refresh_target(response)
        sdp = sdp_of(response)
        if self._sdp is None and sdp is not None:
            self._asked = True
            session.emit(Offered(sdp))
            return
        self._acknowledge(None)
        session.emit(OfferAnswered(sdp) if sdp is not None else OfferRejected(488))
        self.proceed()

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

    def receive_invite(self, request: Request, transaction: ServerTransaction) -> None:
        """Take a re-INVITE of the peer."""
        if self._conflict(request, transaction):
            return
        if self._answer is not None:
            # A new INVITE shows that the peer has our 2xx, even if its ACK was lost.
            self._answer.close()
        self._answer = InviteAnswer(self._session.host, transaction, self._silence)
        transaction.on_cancel = self._cancelled
        self._tell(sdp_of(request))

    def receive_update(self, request: Request, transaction: ServerTransaction) -> None:
        """Take an UPDATE of the peer; one without SDP is answered here."""
        sdp = sdp_of(request)
        if sdp is None:
            self._refresh(request)
            transaction.respond(response_to(request, 200, headers=[("Contact", self._session.contact)]))
            return
        if self._conflict(request, transaction):
            return
        self._update = transaction
        self._tell(sdp)

    def _conflict(self, request: Request, transaction: ServerTransaction) -> bool:
        """Refuse an offer that crosses another one (RFC 3261 section 14.2, RFC 3311 section 5.2)."""
        if self._ours is not None:
            transaction.respond(response_to(request, 491))
            return True
        if self.peer_waits:
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
        if self._asked:
            self._acknowledge(sdp)
            self.proceed()
            return
        headers = [("Contact", session.contact), *SESSION_HEADERS]
        if self._update is not None:
            transaction, self._update = self._update, None
            self._refresh(transaction.request)
            response = response_to(transaction.request, 200, headers=headers, content_type="application/sdp", body=sdp)
            transaction.respond(response)
            self.proceed()
        elif self._answer is not None and self._answer.open:
            self._refresh(self._answer.transaction.request)
            self._answer.accept("", headers, sdp)

    def reject(self, status: int, headers: Headers = ()) -> None:
        """Refuse the peer's open offer; what was agreed before stays."""
        if self._update is not None:
            transaction, self._update = self._update, None
            transaction.respond(response_to(transaction.request, status, headers=headers))
        elif self._answer is not None and self._answer.open:
            self._answer.refuse(status, None, "", headers)
        elif self._asked:
            # A 2xx cannot be refused; without an answer in the ACK there is no agreement left.
            self._acknowledge(None)
            self._session.hang_up(status=488, reason="Offer not acceptable")
            return
        self.proceed()

    def acknowledged(self, request: Request) -> bool:
        """Take the ACK of our 2xx to a re-INVITE; return False when it is not for it."""
        answer = self._answer
        if answer is None or answer.cseq != request.cseq[0] or not answer.awaits_ack:
            return False
        answer.acknowledged()
        sdp = sdp_of(request)
        if sdp is not None and sdp_of(answer.transaction.request) is None:
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
            self._answer.refuse(487, None, "")
            self.proceed()

    def _silence(self) -> None:
        self._session.lost(408, "No ACK for the answer to a re-INVITE")

    def _refresh(self, request: Request) -> None:
        if self._session.dialog is not None:
            self._session.dialog.refresh_target(request)
