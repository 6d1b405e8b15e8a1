"""The calling side of an INVITE: early dialogs, the answer, forks, and giving up in every race (RFC 3261 sections 9 and
13).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sip.address import Address
from sip.bodies import by_preference, cause_of, retry_after_of, sdp_of
from sip.client_request import ClientCredentials, ClientRequest
from sip.dialog import Dialog, dialog_of_answer
from sip.early_dialogs import MOST_BRANCHES, EarlyDialog, reliable_number
from sip.errors import MalformedMessageError
from sip.message import Headers, Request, Response
from sip.session_events import Answered, Progressed, Rejected, SessionState
from sip.session_tables import Acknowledge, Acknowledging, Exchange, Move, Turn
from sip.session_timer import LONGEST, USUAL_MINIMUM, take_terms, terms_of
from sip.timers import Timer
from sip.transaction import ClientTransaction, cancel_request, ignore_response
from sip.transaction_tables import State

if TYPE_CHECKING:
    from sip.session import InviteSession

_MOST_INTERVALS = 3
"""How often an INVITE is sent again because a session interval was too small for somebody on its way."""


class OutgoingInvite:
    """The INVITE that began an outgoing session."""

    __slots__ = (
        "_abandon",
        "_acknowledged",
        "_cancel_headers",
        "_cancel_sent",
        "_early",
        "_intervals",
        "_session",
        "_told",
        "client",
    )

    def __init__(
        self,
        session: InviteSession,
        request: Request,
        destination: Address,
        credentials: ClientCredentials | None,
        alternatives: Sequence[Address],
    ) -> None:
        self._session = session
        self._early: dict[str, EarlyDialog] | None = None
        self._told = ""
        self._intervals = 0
        self._acknowledged: dict[str, tuple[bytes, Address]] = {}
        self._cancel_sent = False
        self._cancel_headers: list[tuple[str, str]] = []
        self._abandon: Timer | None = None
        self.client = ClientRequest(
            session.host,
            request,
            destination,
            self._responded,
            credentials=credentials,
            alternatives=alternatives,
            on_failover=session.failed_over if alternatives else None,
        )

    @property
    def heard(self) -> bool:
        """Whether anything came back, be it 100."""
        return self._session.state is not SessionState.CALLING or self.client.transaction.state is State.PROCEEDING

    def cancel(self, headers: Headers) -> None:
        """Give up: a CANCEL is sent now, or as soon as the peer showed a sign of life (RFC 3261 section 9.1)."""
        self._cancel_headers = list(headers)
        self.client.stop_retrying()
        if self.heard:
            self._send_cancel()

    def acknowledge(self, dialog: Dialog, sdp: bytes | None = None) -> None:
        """Send the ACK of a 2xx, and keep it for repetitions of the 2xx."""
        host = self._session.host
        request = dialog.request(
            "ACK",
            cseq=self.client.request.cseq[0],
            content_type="application/sdp" if sdp else "",
            body=sdp or b"",
        )
        hop = host.next_hop(dialog)
        self._acknowledged[dialog.remote_tag] = (host.send_acknowledgement(request, hop), hop)

    def settle(self) -> None:
        """Hand the ACK to the transaction, so that neither this nor an ended session need be kept for it."""
        if self._abandon is not None:
            self._abandon.cancel()
        dialog = self._session.dialog
        kept = self._acknowledged.get(dialog.remote_tag) if dialog is not None else None
        if kept is not None:
            self.client.transaction.settle(*kept)
            self.client.forget()

    def _send_cancel(self) -> None:
        transaction = self.client.transaction
        if self._cancel_sent or transaction.answered:
            return
        self._cancel_sent = True
        request = cancel_request(transaction.request)
        request.headers.extend(self._cancel_headers)
        host = self._session.host
        host.send_cancel(request, transaction.destination)
        self._abandon = host.timers.schedule(host.timing.limit, transaction.abandon)

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        if response.status < 200:
            self._provisional(response)
        elif response.status < 300:
            self._accepted(response)
        else:
            self._refused(response)

    def _provisional(self, response: Response) -> None:
        session = self._session
        if session.state is SessionState.CANCELLING:
            self._send_cancel()
            return
        if response.status == 100 or session.state not in (SessionState.CALLING, SessionState.EARLY):
            return
        sdp = sdp_of(response)
        if response.to_tag:
            number = reliable_number(response)
            if not self._enter(response, reliable=number is not None):
                return
            if number is not None:
                early = self._branches()[response.to_tag]
                if not early.takes(number):
                    return
                sdp = self._acknowledge_early(early, response, sdp)
            if sdp is not None:
                self._told = response.to_tag
        session.move(Move.PROGRESSED)
        session.emit(Progressed(response.status, response.reason, sdp))

    def _enter(self, response: Response, *, reliable: bool) -> bool:
        """Make the dialog of a provisional response the session's: of a forked call the branch that spoke last."""
        session, tag = self._session, response.to_tag
        dialog = session.dialog
        if dialog is not None and dialog.remote_tag == tag and not reliable:
            return True
        if dialog is None and not reliable:
            session.dialog = self._dialog_of(response)
            return True
        branches = self._branches()
        early = branches.get(tag)
        if early is None:
            if len(branches) >= MOST_BRANCHES:
                return False
            early = branches[tag] = EarlyDialog(self._dialog_of(response))
        session.dialog = early.dialog
        return True

    def _branches(self) -> dict[str, EarlyDialog]:
        """Return the early dialogs by the peer's tag; they are told apart only when there is more than one, or a PRACK."""
        if self._early is None:
            dialog = self._session.dialog
            self._early = {dialog.remote_tag: EarlyDialog(dialog)} if dialog is not None else {}
        return self._early

    def _acknowledge_early(self, early: EarlyDialog, response: Response, sdp: bytes | None) -> bytes | None:
        """Send the PRACK, unless it has to bring our answer; return the description if it counts."""
        updates = terms_of(response).updates
        if updates is not None:
            self._session.peer_updates = updates
        dialog = early.dialog
        if sdp is not None and dialog.exchange is Exchange.NOTHING and dialog.turn(Turn.OFFER_RECEIVED):
            early.move(Acknowledge.OFFER)
            return sdp
        if sdp is not None and not early.agreed and dialog.turn(Turn.ANSWER_RECEIVED):
            early.answer, early.agreed = sdp, True
        else:
            # Whatever follows the answer is no answer (RFC 3261 section 13.2.1).
            sdp = None
        early.move(Acknowledge.IN_ORDER)
        self._send_prack(early, b"")
        return sdp

    def _send_prack(self, early: EarlyDialog, sdp: bytes) -> None:
        number, method = self.client.request.cseq
        self._session.send(
            "PRACK",
            headers=[("RAck", f"{early.number} {number} {method}")],
            content_type="application/sdp" if sdp else "",
            body=sdp,
        )

    def answer_early_offer(self, sdp: bytes) -> bool:
        """Answer the offer of a reliable provisional response in its PRACK; False when there is none."""
        early = self._current()
        if early is None or early.state is not Acknowledging.OWED or not early.dialog.turn(Turn.ANSWER_SENT):
            return False
        early.move(Acknowledge.ANSWER)
        early.agreed = True
        self._send_prack(early, sdp)
        return True

    def _current(self) -> EarlyDialog | None:
        dialog = self._session.dialog
        return self._early.get(dialog.remote_tag) if self._early is not None and dialog is not None else None

    def select(self, tag: str) -> bool:
        """Make another branch the session's, because a request came from it; False when there is no such branch."""
        early = self._early.get(tag) if self._early is not None else None
        if early is None or self._session.state is not SessionState.EARLY:
            return False
        self._session.dialog = early.dialog
        return True

    def _accepted(self, response: Response) -> None:
        session = self._session
        known = self._acknowledged.get(response.to_tag)
        if known is not None:
            session.host.send(*known)
            return
        if session.state is SessionState.ANSWERED and session.dialog and session.dialog.remote_tag == response.to_tag:
            return
        dialog = self._dialog_of(response)
        dialog.early = False
        if session.state not in (SessionState.CALLING, SessionState.EARLY):
            self._drop(dialog)
            return
        self._establish(dialog, response)

    def _establish(self, dialog: Dialog, response: Response) -> None:
        session = self._session
        early = self._early.get(dialog.remote_tag) if self._early is not None else None
        previous = early.dialog if early is not None else session.dialog
        if previous is not None and previous.remote_tag == dialog.remote_tag:
            # Requests may have gone both ways while it was early.
            dialog.local_cseq = max(dialog.local_cseq, previous.local_cseq)
            dialog.remote_cseq = previous.remote_cseq
            dialog.exchange = previous.exchange
        self._early = None
        session.dialog = dialog
        session.credentials = self.client.credentials
        session.move(Move.ANSWERED)
        take_terms(session, response)
        sdp = sdp_of(response)
        if sdp is not None and dialog.exchange is Exchange.NOTHING and dialog.turn(Turn.OFFER_RECEIVED):
            session.emit(Answered(sdp))
            return
        self.acknowledge(dialog)
        session.move(Move.ACKNOWLEDGED)
        session.forget_invite()
        told = self._told == dialog.remote_tag
        if early is not None and early.agreed:
            # Agreed before; told again only where another branch was heard in between.
            session.emit(Answered(early.answer if not told else None))
        elif sdp is None and told and dialog.turn(Turn.ANSWER_RECEIVED):
            # Gateways leave out what they said in their 18x, though a 2xx must repeat it (RFC 3261 section 13.2.1).
            session.emit(Answered(None))
        elif sdp is None or not dialog.turn(Turn.ANSWER_RECEIVED):
            session.hang_up(status=488, reason="No session description in the answer")
            return
        else:
            session.emit(Answered(sdp))
        session.proceed()

    def _drop(self, dialog: Dialog) -> None:
        """End a dialog that nobody wants: a second branch of a fork, or a 200 that crossed our CANCEL."""
        session = self._session
        self.acknowledge(dialog)
        own = session.dialog is None or session.dialog.early
        if own:
            session.dialog = dialog
        request = dialog.request("BYE")
        host = session.host
        ClientRequest(host, request, host.next_hop(dialog), ignore_response, next_cseq=dialog.next_cseq)
        if session.state is SessionState.CANCELLING:
            session.close()

    def _refused(self, response: Response) -> None:
        session = self._session
        if session.state is SessionState.CANCELLING:
            session.close()
            return
        if response.status == 422 and self._ask_longer(response):
            return
        try:
            contacts = by_preference(response.contacts) if response.status < 400 else ()
        except MalformedMessageError:
            contacts = ()
        session.finish(
            Rejected(response.status, response.reason, retry_after_of(response), contacts, cause_of(response))
        )
        session.close()

    def _ask_longer(self, response: Response) -> bool:
        """Send the INVITE again with the interval that the 422 asks for (RFC 4028 section 7.3); False: not possible."""
        request, minimum = self.client.request, terms_of(response).minimum
        asked = terms_of(request).expires
        if asked is None or not max(asked, USUAL_MINIMUM - 1) < minimum < LONGEST or self._intervals >= _MOST_INTERVALS:
            return False
        self._intervals += 1
        headers = [pair for pair in request.headers if pair[0] != "Via"]
        again = Request(request.method, request.uri, headers, request.body)
        again.set("CSeq", f"{request.cseq[0] + 1} INVITE")
        again.set("Session-Expires", str(minimum))
        again.set("Min-SE", str(minimum))
        session = self._session
        session.dialog = self._early = None
        host, credentials = session.host, session.credentials
        self.client = ClientRequest(host, again, self.client.destination, self._responded, credentials=credentials)
        return True

    def _dialog_of(self, response: Response) -> Dialog:
        request, symmetric = self.client.request, self._session.symmetric
        dialog = dialog_of_answer(request, response, self.client.destination, symmetric=symmetric)
        if request.body:
            dialog.exchange = Exchange.OURS
        return dialog
