"""What becomes of a peer's requests inside of a session: each method has its handler."""

from __future__ import annotations

import abc
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from sip.address import Address
from sip.bodies import KEY_TYPES, body_problem, cause_of, digit_of, reason_of
from sip.capabilities import ACCEPT_HEADERS, ALLOW, CAPABILITY_HEADERS
from sip.client_request import SessionHost
from sip.dialog import Dialog
from sip.message import Request, response_to
from sip.session_client import OutgoingInvite
from sip.session_events import (
    Cancelled,
    Confirmed,
    DigitReceived,
    Direction,
    Ended,
    Referred,
    SessionState,
    TextReceived,
)
from sip.session_incoming import IncomingSide
from sip.session_tables import Exchange, Move
from sip.session_timer import is_too_brief
from sip.target_dialog import TargetedRequest
from sip.text_message import ACCEPTED, text_of, text_problem
from sip.transaction import ServerTransaction
from sip.transfer import Refer, Transfers

if TYPE_CHECKING:
    from sip.session import InviteSession

OVER = (SessionState.CANCELLING, SessionState.ENDED)


class PeerRequests(IncomingSide):
    """The requests of the peer; ACK and CANCEL come by their own ways."""

    __slots__ = ("_invite", "_referrals", "_targeted")

    def __init__(
        self, host: SessionHost, direction: Direction, request: Request, source: Address, *, symmetric: bool
    ) -> None:
        super().__init__(host, direction, request, source, symmetric=symmetric)
        self._invite: OutgoingInvite | None = None
        self._referrals: Transfers | None = None
        self._targeted: dict[Refer, Transfers] | None = None

    @property
    @abc.abstractmethod
    def _transfers(self) -> Transfers:
        """The transfers in this dialog; made when first needed."""

    def receive(self, request: Request, transaction: ServerTransaction) -> None:
        """Take a request of the peer inside the dialog."""
        dialog = self.dialog
        if (
            dialog is not None
            and request.from_tag != dialog.remote_tag
            and dialog.remote_tag
            and not self._ends_careless(request, dialog, transaction.destination)
        ):
            # One who answered without a tag is known by ours alone, as RFC 2543 had it (RFC 3261 section 12.2.1.1).
            selected = self._invite is not None and self._invite.select(request.from_tag)
            dialog = self.dialog if selected else None
        if dialog is None:
            transaction.respond(response_to(request, 481))
            return
        if not dialog.accepts(request) and request.method != "BYE":
            transaction.respond(response_to(request, 500, "CSeq Out Of Order"))
            return
        dialog.source = transaction.destination
        if self.state in OVER and request.method not in ("BYE", "NOTIFY"):
            transaction.respond(response_to(request, 481))
            return
        handler = _HANDLERS.get(request.method)
        if handler is None:
            transaction.respond(response_to(request, 405, headers=[("Allow", ALLOW)]))
            return
        handler(self, request, transaction)

    def _ends_careless(self, request: Request, dialog: Dialog, source: Address) -> bool:
        """Tell whether a BYE of another tag is still the peer's: a caller has one only, and a callee may have exchanged both."""
        own = self.direction is Direction.INCOMING or request.to_tag == dialog.remote_tag
        return own and request.method == "BYE" and source.host == self.source.host

    def _bye(self, request: Request, transaction: ServerTransaction) -> None:
        transaction.respond(response_to(request, 200))
        if self.state is SessionState.CANCELLING:
            return
        text, cause = reason_of(request)
        if self._answer is not None and self._answer.open:
            self._answer.refuse(487, None, self.local_tag)
            self.finish(Cancelled(text, cause_of(request)))
        elif self.state is not SessionState.ENDED:
            is_sip = (request.get("Reason") or "").lstrip().upper().startswith("SIP")
            told = cause if cause and is_sip else 200
            self.finish(Ended(by_peer=True, reason=text, status=told, cause=cause_of(request)))
        if self._answer is not None:
            self._answer.close()
        self.close()

    def _reinvite(self, request: Request, transaction: ServerTransaction) -> None:
        if self._answer is not None:
            if self._answer.open:
                # The first INVITE is not even answered (RFC 3261 section 14.2).
                transaction.respond(response_to(request, 500, headers=[("Retry-After", str(secrets.randbelow(11)))]))
                return
            agreed = self.dialog is not None and self.dialog.exchange is Exchange.AGREED
            if self._answer.awaits_ack and agreed:
                # It has our 2xx, or it would not re-INVITE; its ACK was lost.
                self._answer.acknowledged()
                self.move(Move.ACKNOWLEDGED)
                self.forget_invite()
                self.emit(Confirmed())
        if self.state is not SessionState.CONFIRMED:
            transaction.respond(response_to(request, 491))
        elif not self._refused(request, transaction):
            self._offers.receive_invite(request, transaction)

    def _update(self, request: Request, transaction: ServerTransaction) -> None:
        if not self._refused(request, transaction):
            self._offers.receive_update(request, transaction)

    def _refused(self, request: Request, transaction: ServerTransaction) -> bool:
        """Refuse a body that cannot be understood, and a refresh with too short an interval (RFC 4028 section 9)."""
        config = self.host.config
        status = body_problem(request)
        if status:
            transaction.respond(response_to(request, status, headers=ACCEPT_HEADERS))
        elif is_too_brief(request, config):
            status = 422
            headers = [("Min-SE", str(config.min_session_expires))]
            transaction.respond(response_to(request, status, headers=headers))
        return bool(status)

    def _info(self, request: Request, transaction: ServerTransaction) -> None:
        digit = digit_of(request)
        if request.get("Info-Package") is not None:
            # None was announced in a Recv-Info (RFC 6086 section 4.2.2).
            transaction.respond(response_to(request, 469, headers=[("Recv-Info", "")]))
        elif digit is not None:
            transaction.respond(response_to(request, 200))
            self.emit(DigitReceived(*digit))
        elif request.body and request.content_type not in KEY_TYPES:
            transaction.respond(response_to(request, 415, headers=[("Accept", ", ".join(KEY_TYPES))]))
        else:
            # A flash of the hook, say, that a phone tells beside its keys: nothing follows from it.
            transaction.respond(response_to(request, 200))

    def _refer(self, request: Request, transaction: ServerTransaction) -> None:
        refer = self._transfers.receive(request, transaction)
        if refer is not None and not self.emit(Referred(refer)):
            self._transfers.reject(refer, 500)

    def refer_outside(self, request: Request, transaction: ServerTransaction) -> Transfers | None:
        """Take a REFER outside of the dialog whose Target-Dialog means this session (RFC 4538).

        Return what takes the SUBSCRIBEs of the dialog that it begins; None: the REFER was refused.
        """
        transfers = Transfers(cast("InviteSession", TargetedRequest(self, request, transaction.destination)))
        refer = transfers.receive(request, transaction)
        if refer is None:
            return None
        under_way = {known: own for known, own in (self._targeted or {}).items() if not known.finished}
        self._targeted = {**under_way, refer: transfers}
        if not self.emit(Referred(refer)):
            transfers.reject(refer, 500)
        return transfers if transfers.active else None

    def _transfers_of(self, refer: Refer) -> Transfers:
        return self._targeted.get(refer, self._transfers) if self._targeted is not None else self._transfers

    def _notify(self, request: Request, transaction: ServerTransaction) -> None:
        self._transfers.receive_notify(request, transaction)

    def _subscribe(self, request: Request, transaction: ServerTransaction) -> None:
        self._transfers.subscribe(request, transaction)

    def _message(self, request: Request, transaction: ServerTransaction) -> None:
        status = text_problem(request)
        text = text_of(request) if not status else None
        if text is None:
            headers = ACCEPTED if status == 415 else ()
            transaction.respond(response_to(request, status or 488, headers=headers))
            return

        def answer(status: int) -> None:
            """Answer with the status, once."""
            if not transaction.answered:
                transaction.respond(response_to(request, status))

        if not self.emit(TextReceived(text, answer)):
            answer(480)

    def _options(self, request: Request, transaction: ServerTransaction) -> None:
        transaction.respond(response_to(request, 200, headers=CAPABILITY_HEADERS))


_HANDLERS: dict[str, Callable[[PeerRequests, Request, ServerTransaction], None]] = {
    "PRACK": PeerRequests._prack,  # noqa: SLF001
    "BYE": PeerRequests._bye,  # noqa: SLF001 - the table of its own methods
    "INVITE": PeerRequests._reinvite,  # noqa: SLF001
    "UPDATE": PeerRequests._update,  # noqa: SLF001
    "INFO": PeerRequests._info,  # noqa: SLF001
    "REFER": PeerRequests._refer,  # noqa: SLF001
    "NOTIFY": PeerRequests._notify,  # noqa: SLF001
    "SUBSCRIBE": PeerRequests._subscribe,  # noqa: SLF001
    "MESSAGE": PeerRequests._message,  # noqa: SLF001
    "OPTIONS": PeerRequests._options,  # noqa: SLF001
}
