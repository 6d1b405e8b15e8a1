"""The calling side of an INVITE: early dialogs, the answer, forks, and giving up in every race (RFC 3261 sections 9 and
13).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from sip.address import Address
from sip.bodies import cause_of, retry_after_of, sdp_of
from sip.client_request import ClientCredentials, ClientRequest
from sip.dialog import Dialog
from sip.errors import MalformedMessageError
from sip.message import Headers, Request, Response
from sip.session_events import Answered, Progressed, Rejected, SessionState
from sip.timers import Timer
from sip.transaction import ClientTransaction, cancel_request
from sip.transaction_tables import State

if TYPE_CHECKING:
    from sip.session import InviteSession

log = structlog.get_logger(__name__)


class OutgoingInvite:
    """The INVITE that began an outgoing session."""

    __slots__ = (
        "_abandon",
        "_acknowledged",
        "_cancel_headers",
        "_cancel_sent",
        "_offered",
        "_session",
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
        self._offered = bool(request.body)
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
        """Hand the ACK to the transaction, so that the ended session need not be kept for it."""
        if self._abandon is not None:
            self._abandon.cancel()
        dialog = self._session.dialog
        kept = self._acknowledged.get(dialog.remote_tag) if dialog is not None else None
        if kept is not None:
            self.client.transaction.settle(*kept)

    def _send_cancel(self) -> None:
        transaction = self.client.transaction
        if self._cancel_sent or transaction.answered:
            return
        self._cancel_sent = True
        request = cancel_request(transaction.request)
        request.headers.extend(self._cancel_headers)
        host = self._session.host
        host.send_cancel(request, self.client.destination)
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
        session.state = SessionState.EARLY
        if response.to_tag:
            self._early_dialog(response)
        session.emit(Progressed(response.status, response.reason, sdp_of(response)))

    def _early_dialog(self, response: Response) -> None:
        """Keep the dialog of the latest provisional response: of a forked call the branch that spoke last."""
        dialog = self._session.dialog
        if dialog is not None and dialog.remote_tag == response.to_tag:
            return
        self._session.dialog = self._dialog_of(response)

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
        previous = session.dialog
        if previous is not None and previous.remote_tag == dialog.remote_tag:
            # Requests may have gone both ways while it was early.
            dialog.local_cseq = max(dialog.local_cseq, previous.local_cseq)
            dialog.remote_cseq = previous.remote_cseq
        session.dialog = dialog
        sdp = sdp_of(response)
        if not self._offered and sdp is not None:
            session.state = SessionState.ANSWERED
            session.emit(Answered(sdp))
            return
        self.acknowledge(dialog)
        session.state = SessionState.CONFIRMED
        if sdp is None:
            session.hang_up(status=488, reason="No session description in the answer")
            return
        session.emit(Answered(sdp))

    def _drop(self, dialog: Dialog) -> None:
        """End a dialog that nobody wants: a second branch of a fork, or a 200 that crossed our CANCEL."""
        session = self._session
        self.acknowledge(dialog)
        own = session.dialog is None or session.dialog.early
        if own:
            session.dialog = dialog
        request = dialog.request("BYE")
        host = session.host
        ClientRequest(host, request, host.next_hop(dialog), _ignore, next_cseq=dialog.next_cseq)
        if session.state is SessionState.CANCELLING:
            session.close()

    def _refused(self, response: Response) -> None:
        session = self._session
        if session.state is SessionState.CANCELLING:
            session.close()
            return
        try:
            contacts = tuple([contact.uri for contact in response.contacts]) if response.status < 400 else ()
        except MalformedMessageError:
            contacts = ()
        session.finish(
            Rejected(response.status, response.reason, retry_after_of(response), contacts, cause_of(response))
        )
        session.close()

    def _dialog_of(self, response: Response) -> Dialog:
        """Make the dialog of a response; one whose Contact or Record-Route is rubbish is answered where the INVITE went."""
        request, symmetric = self.client.request, self._session.symmetric
        try:
            return Dialog.as_client(request, response, self.client.destination, symmetric=symmetric)
        except MalformedMessageError as error:
            log.info("malformed_answer", call_id=request.call_id, problem=error.message)
            lines = [pair for pair in response.headers if pair[0] not in ("Contact", "Record-Route")]
            plain = Response(response.status, response.reason, lines)
            return Dialog.as_client(request, plain, self.client.destination, symmetric=symmetric)


def _ignore(_response: Response, _transaction: ClientTransaction) -> None:
    """Take no notice: whatever the peer says, the dialog is over."""
