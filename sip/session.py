"""INVITE sessions: one call leg as the one who controls calls sees it, calling or called.

All methods are synchronous and never block. They send what the state allows: a call that comes too late, because the
session ended in the meantime, does nothing. What happens is told to the listener as `SessionEvent`s, also
synchronously; exactly one of Rejected, Cancelled and Ended is told last, also when the end was our own doing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from core.identifiers import random_hex
from sip.address import Address
from sip.bodies import expires_of, sdp_of
from sip.client_request import ClientCredentials, FailedOver, SessionHost
from sip.dialog import Dialog
from sip.errors import SessionStateError
from sip.message import Headers, Request, Response
from sip.session_client import OutgoingInvite
from sip.session_events import (
    Confirmed,
    Direction,
    Ended,
    OfferAnswered,
    SessionEvent,
    SessionListener,
    SessionState,
)
from sip.session_incoming import UNANSWERED
from sip.session_offers import Offers
from sip.session_requests import OVER, PeerRequests
from sip.session_server import InviteAnswer
from sip.session_tables import Exchange, Move, Turn
from sip.session_timer import UPDATE_IS_UNKNOWN, take_terms
from sip.text_message import TEXT
from sip.transaction import ClientTransaction, ServerTransaction
from sip.transfer import Refer, Replaces, Transfers
from sip.uri import Uri


class InviteSession(PeerRequests):
    """One INVITE dialog with everything that happens in it."""

    __slots__ = ("_alternatives", "_bye_due", "_closed", "_on_failover")

    def __init__(
        self, host: SessionHost, direction: Direction, request: Request, source: Address, *, symmetric: bool
    ) -> None:
        """Made by `incoming` and `outgoing`."""
        super().__init__(host, direction, request, source, symmetric=symmetric)
        self._bye_due: tuple[tuple[str, str], ...] | None = None
        self._closed = False
        self._alternatives: Sequence[Address] = ()
        self._on_failover: FailedOver | None = None

    @classmethod
    def incoming(
        cls, host: SessionHost, transaction: ServerTransaction, source: Address, *, symmetric: bool = False
    ) -> InviteSession:
        """Make the session of an INVITE that came.

        Raises:
            MalformedMessageError: it lacks what a dialog needs.
        """
        request = transaction.request
        session = cls(host, Direction.INCOMING, request, source, symmetric=symmetric)
        session.local_tag = random_hex(6)
        session.dialog = Dialog.as_server(request, session.local_tag, source, symmetric=symmetric)
        session.remote_offer = sdp_of(request)
        if session.remote_offer is not None:
            session.dialog.turn(Turn.OFFER_RECEIVED)
        session._answer = InviteAnswer(host, transaction, session._no_acknowledgement)
        lifetime = expires_of(request)
        if lifetime:
            session._answer.expire_in(lifetime, session._invitation_expired)
        transaction.on_cancel = session._cancelled
        return session

    @classmethod
    def outgoing(
        cls,
        host: SessionHost,
        request: Request,
        destination: Address,
        *,
        listener: SessionListener,
        credentials: ClientCredentials | None = None,
        symmetric: bool = False,
        alternatives: Sequence[Address] = (),
        on_failover: FailedOver | None = None,
    ) -> InviteSession:
        """Make the session of an INVITE of ours; `start` sends it, so that nothing is told before it is known.

        `alternatives` and `on_failover` are those of `ClientRequest`.
        """
        session = cls(host, Direction.OUTGOING, request, destination, symmetric=symmetric)
        session.local_tag = request.from_tag
        session.listener = listener
        session.credentials = credentials
        session._alternatives, session._on_failover = alternatives, on_failover
        return session

    @property
    def _offers(self) -> Offers:
        """The offers after the first one; made when first needed, for most calls have none."""
        if self._exchanges is None:
            self._exchanges = Offers(self)
        return self._exchanges

    @property
    def _transfers(self) -> Transfers:
        """The transfers in this dialog; made when first needed."""
        if self._referrals is None:
            self._referrals = Transfers(self)
        return self._referrals

    def start(self) -> None:
        """Send the INVITE of an outgoing session."""
        self._invite = OutgoingInvite(self, self.request, self.source, self.credentials, self._alternatives)

    def failed_over(self, given_up: Address, status: int, retry_after: int) -> bytes | None:
        """Take note that the INVITE goes to the next server, and return the offer for that one where it is another."""
        if self._invite is not None:
            self.source, self._contact = self._invite.client.destination, ""
        offer = self._on_failover(given_up, status, retry_after) if self._on_failover is not None else None
        self.local_sdp = offer or self.local_sdp
        return offer

    @property
    def heard(self) -> bool:
        """Outgoing: whether the peer answered the INVITE with anything, be it 100; a silent peer may be given up sooner."""
        return self._invite.heard if self._invite is not None else self.established

    # What the one who controls the call can do; how it begins for a callee is in `IncomingSide`.

    @property
    def referred(self) -> bool:
        """Whether the peer has asked for a transfer of this call by REFER, in its dialog or outside of it."""
        return self._targeted is not None or (self._referrals is not None and self._referrals.asked_for)

    def hang_up(self, *, status: int = 603, reason: str = "", cause: str = "", patience: float = 0.0) -> None:
        """End the session in whatever way its state needs: a final error, CANCEL or BYE.

        Args:
            status: the final error for a call that was not answered yet; and the cause told with `reason`.
            reason: told to the peer in a Reason header (RFC 3326), so that "Call completed elsewhere" with status 200
                shows no missed call.
            cause: a whole Reason header instead, such as the other party's.
            patience: seconds that a peer who is about to hang up itself has for it, before it gets our BYE. To us the session is over
                at once.
        """
        if self.state in UNANSWERED and self.direction is Direction.INCOMING:
            self.reject(status, reason=reason or None, headers=(("Reason", cause),) if cause else ())
            return
        if self.state in OVER:
            return
        if reason and not cause:
            cause = f'SIP;cause={status};text="{_quoted(reason)}"'
        headers = (("Reason", cause),) if cause else ()
        status = status if reason else 200
        if self.state in (SessionState.CALLING, SessionState.EARLY):
            self._outgoing_only().cancel(headers)
            self.move(Move.GIVEN_UP)
        elif patience and self.state is SessionState.CONFIRMED:
            self._bye_due = headers
            self.host.timers.schedule(patience, self.part)
        else:
            self._leave(headers)
        self.finish(Ended(by_peer=False, reason=reason, status=status))

    def part(self) -> None:
        """Send the BYE that the peer had time to forestall, if it did not; nothing happens where there is none."""
        due = self._bye_due
        if due is not None and self._answer is None and not self._closed:
            self._bye_due = None
            self._say_goodbye(due)

    # Offers, transfers.

    def offer(self, sdp: bytes | None) -> None:
        """Send a new offer, at once or when the exchange under way is over; None asks for the peer's offer.

        A re-INVITE carries it; before the answer an UPDATE, where the peer takes that and the first offer is answered.
        OfferAnswered or OfferRejected follows; after None, Offered.
        """
        if self.established or self.state is SessionState.EARLY:
            self._offers.offer(sdp)

    def repeat_offer(self) -> None:
        """Refresh the session with a re-INVITE that offers what holds already."""
        if self.established:
            sdp = self.local_sdp
            if not sdp and self.describer is not None:
                sdp = self.describer.description()
            self._offers.offer(sdp or None)

    def accept_offer(self, sdp: bytes) -> None:
        """Answer what came as Offered; or, after an INVITE of ours without SDP, what came as Progressed or Answered."""
        if self.direction is Direction.OUTGOING and self.state is SessionState.ANSWERED and self.dialog is not None:
            self.move(Move.ACKNOWLEDGED)
            self.dialog.turn(Turn.ANSWER_SENT)
            self.local_sdp = sdp
            self._outgoing_only().acknowledge(self.dialog, sdp)
            self.forget_invite()
            self._offers.proceed()
        elif self._invite is not None and self._invite.answer_early_offer(sdp):
            self.local_sdp = sdp
        elif self.state not in OVER:
            self._offers.accept(sdp)

    def reject_offer(self, status: int = 488, *, headers: Headers = ()) -> None:
        """Refuse what came as Offered; what was agreed before stays."""
        if self.state not in OVER:
            self._offers.reject(status, headers)

    def accept_refer(self, refer: Refer) -> None:
        """Promise to try the transfer (202), and say so in a first NOTIFY."""
        self._transfers_of(refer).accept(refer)

    def reject_refer(self, refer: Refer, status: int = 603) -> None:
        """Refuse the transfer."""
        self._transfers_of(refer).reject(refer, status)

    def notify_refer(self, refer: Refer, status: int, reason: str = "") -> None:
        """Tell the peer how its transfer goes; a status of 200 or more is the last word."""
        self._transfers_of(refer).notify(refer, status, reason)

    def refer(self, uri: Uri, *, replaces: Replaces | None = None, referred_by: str = "", told: bool = True) -> None:
        """Ask the peer to call `uri` instead, in the place of another dialog if given; ReferProgressed follows.

        Where it is not to be `told` how it goes, the peer is asked to send no NOTIFYs (RFC 4488).
        """
        if self.established:
            self._transfers.ask(uri, replaces, referred_by, told=told)

    def tell(self, headers: Headers) -> bool:
        """Tell the peer something in an UPDATE without an offer (RFC 3311); False where it takes none."""
        if self.state in OVER or self.dialog is None or not self.updates:
            return False
        terms = self.timer.headers() if self.timer is not None else []
        self.send("UPDATE", headers=[*self._headers(), *terms, *headers], on_response=self._heard_update)
        return True

    def _heard_update(self, response: Response, _transaction: ClientTransaction) -> None:
        if 200 <= response.status < 300 and self.established:
            take_terms(self, response)
        elif response.status in UPDATE_IS_UNKNOWN:
            self.peer_updates = False

    def pass_text(self, text: str, answered: Callable[[int], None]) -> None:
        """Send the peer a text in a MESSAGE (RFC 3428); `answered` hears the final status."""

        def responded(response: Response, _transaction: ClientTransaction) -> None:
            """Tell the final status."""
            if response.status >= 200:
                answered(response.status)

        body = text.encode()
        if self.state in OVER or not self.send("MESSAGE", content_type=TEXT, body=body, on_response=responded):
            answered(481)

    def send_key(self, key: str, milliseconds: int) -> None:
        """Send the peer a pressed key as INFO, in the form that phones and gateways have agreed on."""
        if self.state is SessionState.CONFIRMED:
            body = f"Signal={key}\r\nDuration={milliseconds}\r\n".encode()
            self.send("INFO", content_type="application/dtmf-relay", body=body)

    def probe(self) -> None:
        """Ask the peer with OPTIONS whether it is still in the call; one that is not, or cannot be reached, ends it."""
        if self.state is SessionState.CONFIRMED:
            self.send("OPTIONS", on_response=self._probed)

    def _probed(self, response: Response, transaction: ClientTransaction) -> None:
        if transaction.local_failure:
            self.lost(response.status, response.reason)

    # For the parts of the session and for the stack.

    def forget_invite(self) -> None:
        """Let go of the INVITE and of what carried or answered it, because the call is confirmed."""
        super().forget_invite()
        if self._invite is not None:
            self._invite.settle()
        if self._answer is not None:
            self._answer.forget()
        self._invite = self._answer = None
        self._alternatives, self._on_failover = (), None

    def finish(self, event: SessionEvent) -> None:
        """Say the last word and end all exchanges."""
        self.move(Move.FINISHED)
        if self.timer is not None:
            self.timer.stop()
        if self._exchanges is not None:
            self._exchanges.close()
        if self._answer is not None and self._bye_due is None:
            self._answer.close()
        self.emit(event)
        self._over = True
        self.listener = None

    def close(self) -> None:
        """Leave the stack: nothing more is expected of the peer."""
        if self._closed:
            return
        self._closed = True
        self.move(Move.CLOSED)
        if self._invite is not None:
            self._invite.settle()
        self.host.session_closed(self)
        # The parts know the session: what is over at every second call must not wait for the collector of cycles.
        self._invite = self.timer = self.context = None
        if self._answer is not None:
            self._answer.forget()

    def lost(self, status: int, reason: str) -> None:
        """End the session because the peer is gone or has lost the call; a BYE is sent in case it has not."""
        if self.state in OVER:
            return
        ended = Ended(by_peer=status == 481, reason=reason, status=status)
        if self.established:
            self._leave(())
        elif self._invite is not None:
            self._invite.cancel(())
            self.move(Move.GIVEN_UP)
        else:
            if self._answer is not None:
                self._answer.refuse(500, None, self.local_tag)
            self.finish(ended)
            self.close()
            return
        self.finish(ended)

    def acknowledged(self, request: Request) -> bool:
        """Take the ACK of a 2xx of ours; return False when none waits for it."""
        if self._exchanges is not None and self._exchanges.acknowledged(request):
            return True
        answer = self._answer
        # The first ACK of the dialog has nothing else to mean, whatever number a script gave it.
        if answer is None or not answer.awaits_ack:
            return False
        answer.acknowledged()
        if self._bye_due is not None:
            self._say_goodbye(self._bye_due)
        elif self.move(Move.ACKNOWLEDGED):
            self._confirm(request)
        return True

    def _confirm(self, request: Request) -> None:
        """Go on after the ACK of the first 2xx, which answers an offer that this one made."""
        self.forget_invite()
        if self.dialog is not None and self.dialog.exchange is Exchange.OURS:
            sdp = sdp_of(request)
            # Some forget the answer (RFC 3261 section 13.2.1): as in a re-INVITE nothing is agreed, and the call goes on.
            self.dialog.turn(Turn.REFUSED if sdp is None else Turn.ANSWER_RECEIVED)
            if sdp is not None:
                self.emit(OfferAnswered(sdp))
        self.emit(Confirmed())
        if self._exchanges is not None:
            self._exchanges.proceed()

    # The ways out.

    def _leave(self, headers: tuple[tuple[str, str], ...]) -> None:
        """Send the BYE, or have it wait for the ACK: before it there is no dialog to end (RFC 3261 section 15)."""
        if self._answer is not None and self._answer.awaits_ack and self._bye_due is None:
            self._bye_due = headers
            return
        if self.state is SessionState.ANSWERED and self._invite is not None and self.dialog is not None:
            self._invite.acknowledge(self.dialog)
        self._say_goodbye(headers)

    def _say_goodbye(self, headers: tuple[tuple[str, str], ...]) -> None:
        self.send("BYE", headers=headers, on_response=self._goodbye_said)

    def _goodbye_said(self, response: Response, _transaction: ClientTransaction) -> None:
        if response.status >= 200:
            self.close()

    def _no_acknowledgement(self) -> None:
        """Take 64 * T1 of silence after our 2xx: the dialog is there, so it is ended by BYE (RFC 3261 section
        13.3.1.4).
        """
        if self._bye_due is not None:
            self._say_goodbye(self._bye_due)
        else:
            self.lost(408, "No ACK for the answer")

    def _outgoing_only(self) -> OutgoingInvite:
        if self._invite is None:
            raise SessionStateError("The INVITE was not sent yet.")
        return self._invite


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
