"""What becomes of a peer's request: checks, challenges, and the way to its session (RFC 3261 sections 8.2, 9.2,
12.2.2).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from sip.acceptance import objection_to, unknown_options
from sip.address import Address
from sip.capabilities import CAPABILITY_HEADERS
from sip.challenge import Gatekeeper
from sip.errors import MalformedMessageError
from sip.meaning import Beginning, Meaning
from sip.message import Headers, Request, response_to
from sip.notifier import Notifier
from sip.register_request import account_of, reads_plain
from sip.registration_server import RegistrationServer
from sip.response_writer import write_response
from sip.session import InviteSession
from sip.session_events import SessionState
from sip.session_timer import is_too_brief
from sip.target_dialog import target_of
from sip.text_message import TextMessages
from sip.transaction import ServerTransaction
from sip.transaction_key import server_key
from sip.transfer import Transfers, replaces_of

if TYPE_CHECKING:
    from sip.core import SipCore

log = structlog.get_logger(__name__)

_DONE_ONCE = frozenset(("MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"))
"""What must not be done twice when it comes by two ways. A REGISTER is told from its copy by the registrar, OPTIONS and NOTIFY do
nothing here."""


class Inbound:
    """The way of a request through the stack.

    Whatever is refused before it touches a session or a registration is refused without a transaction: a flood of such
    requests leaves no state behind.
    """

    def __init__(self, core: SipCore) -> None:
        self._core = core
        self._layer = core.transactions
        self._salt = secrets.randbits(64)
        self._server = ("Server", core.config.user_agent)
        self._guard = core.guard
        self._gate = Gatekeeper(core.config, core.application, core.clock, core.guard)
        self.registrations = RegistrationServer(core.config, core.application, core.clock, core.timers, core.connect)
        self.notifier = Notifier(core, self, core.config)
        self.messages = TextMessages(self, core.config)
        self._calls: dict[tuple[str, str], Beginning] = {}
        """How every incoming call began, by Call-ID and the caller's tag: finds loops, and calls without our tag."""
        self._meaning = Meaning(core, self._calls)
        self._taken: set[tuple[str, str, int]] = set()
        """Call-ID, tag and CSeq of the other requests that do something and whose transactions live: finds their copies."""
        self._referrals: dict[tuple[str, str], Transfers] = {}
        """By Call-ID and our tag: the dialogs that REFERs outside of calls have begun."""
        self._outside: dict[str, Callable[[Request, Address], None]] = {
            "INVITE": self._invite,
            "OPTIONS": self._options,
            "NOTIFY": self._notify,
            "SUBSCRIBE": self.notifier.subscribe,
            "PUBLISH": self._publish,
            "MESSAGE": self.messages.receive,
            "REFER": self._refer,
        }

    def receive(self, request: Request, source: Address) -> None:
        """Take a request. Never raises: what the application raises is logged and answered with 500."""
        try:
            request.note_source(source.host, source.port)
            reply_to = self._reply_address(request, source)
            if not self._layer.absorb(request):
                self._receive_new(request, reply_to)
        except MalformedMessageError as error:
            log.info("malformed_request", source=str(source), method=request.method, problem=error.message)
            self.refuse_malformed(request, error, source)
        except Exception:
            log.exception(
                "request_not_handled", source=str(source), method=request.method, call_id=request.get("Call-ID")
            )
            self._fail(request, source, 500, None)

    def refuse_malformed(self, request: Request, error: MalformedMessageError, source: Address) -> None:
        """Answer a request that breaks the grammar."""
        self._fail(request, source, error.status, error.message if error.status == 400 else None)

    def _fail(self, request: Request, source: Address, status: int, reason: str | None) -> None:
        if request.method == "ACK":
            return
        try:
            transaction = self._layer.find_server(server_key(request))
            if transaction is None:
                self._refuse(request, source, status, reason=reason)
            else:
                transaction.respond(response_to(request, status, reason, to_tag=self._tag(request)))
        except MalformedMessageError:
            log.info("malformed_request_not_answered", source=str(source))

    def _reply_address(self, request: Request, source: Address) -> Address:
        """Return where responses go (RFC 3261 section 18.2.2, RFC 3581 section 4)."""
        if source.transport != "udp" or self._core.config.symmetric_responses:
            return source
        via = request.via
        return source if via.parameter("rport") is not None else Address(source.host, via.port or 5060, "udp")

    def _receive_new(self, request: Request, source: Address) -> None:
        method = request.method
        if method == "ACK":
            self._acknowledge(request, source)
            return
        if method == "CANCEL":
            self._cancel(request, source)
            return
        inside = bool(request.to_tag) or (method == "BYE" and self._meaning.call(request, source) is not None)
        if method == "INVITE" and not inside and self._core.busy:
            # Before anything else is looked at: what is turned away must cost the calls in progress as little as can be.
            wait = str(self._core.config.retry_after_seconds)
            self._refuse(request, source, 503, headers=[("Retry-After", wait)])
            return
        if method == "REGISTER" and not inside:
            self._register(request, source)
            return
        if method != "BYE" or not inside:
            # What ends a call is told by its tags, and taken whatever else of it cannot be read.
            request.validate()
        if inside:
            self._inside(request, source)
        elif not (
            (self._guard.drops_scanners and self._drops_scanner(request, source))
            or self._objects(request, source)
            or (self._taken and self._merged(request, source))
        ):
            self._outside.get(method, self._no_dialog)(request, source)

    def _drops_scanner(self, request: Request, source: Address) -> bool:
        """Tell whether a request is of a well-known scanner, and not even to be answered."""
        if not self._guard.is_scanner(request.get("User-Agent") or ""):
            return False
        self._guard.charge(source)
        return True

    def _acknowledge(self, request: Request, source: Address) -> None:
        """Take an ACK that is none of a refused INVITE's by its branch: of a 2xx, or of a refusal by all else."""
        session = self._core.sessions.get((request.call_id, request.to_tag)) or self._meaning.call(request, source)
        if session is not None and session.acknowledged(request):
            return
        refused = self._meaning.refused(request, source)
        if refused is not None:
            refused.receive(request)
        elif session is None:
            self._guard.charge(source)

    def _inside(self, request: Request, source: Address) -> None:
        session = self._core.sessions.get((request.call_id, request.to_tag)) or self._meaning.call(request, source)
        if session is None:
            if request.method != "SUBSCRIBE" or not self._subscription_refreshed(request, source):
                self._no_dialog(request, source)
            return
        transaction = self._layer.create_server(request, source)
        method = request.method
        unknown = unknown_options(request) if method != "BYE" else []
        if unknown:
            transaction.respond(response_to(request, 420, headers=[("Unsupported", ", ".join(unknown))]))
        else:
            session.receive(request, transaction)
        if method == "INVITE":
            if not transaction.answered:
                transaction.respond(response_to(request, 100))
            self._meaning.note_refusal(transaction)
        elif not transaction.answered:
            transaction.await_answer()

    def _subscription_refreshed(self, request: Request, source: Address) -> bool:
        """Take a SUBSCRIBE in a dialog that is no call; False: there is none."""
        if self.notifier.refresh(request, source):
            return True
        transfers = self._referrals.get((request.call_id, request.to_tag))
        if transfers is None:
            return False
        transfers.subscribe(request, self._layer.create_server(request, source))
        return True

    def _cancel(self, request: Request, source: Address) -> None:
        key = server_key(request, "INVITE")
        invite = self._layer.find_server(key)
        if invite is None and not self._layer.is_finished(key):
            invite = self._meaning.invite(request, source)
            if invite is None:
                self._no_dialog(request, source)
                return
        transaction = self._layer.create_server(request, source)
        transaction.respond(response_to(request, 200, to_tag=self._tag(request)))
        if invite is not None and not invite.answered and invite.on_cancel is not None:
            invite.on_cancel(request)
            if request.to_tag:
                self._meaning.note_refusal(invite)

    def _objects(self, request: Request, source: Address) -> bool:
        """Refuse what cannot be taken as it is written; False: it can."""
        objection = objection_to(request)
        if objection is None:
            return False
        self._refuse(request, source, objection.status, headers=objection.headers)
        return True

    def _merged(self, request: Request, source: Address) -> bool:
        """Refuse what came before by another way, with another branch (RFC 3261 section 8.2.2.2); False: it did not."""
        if request.method not in _DONE_ONCE:
            return False
        if (request.call_id, request.from_tag, request.cseq[0]) not in self._taken:
            return False
        self._refuse(request, source, 482)
        return True

    def _invite(self, request: Request, source: Address) -> None:
        # The same request by another way has another branch (RFC 3261 section 8.2.2.2).
        began = self._calls.get((request.call_id, request.from_tag))
        if began is not None and began.cseq == request.cseq[0]:
            self._refuse(request, source, 482)
            return
        trunk = self._core.application.identify_trunk(request, source)
        identity = None
        if trunk is None:
            verdict = self._gate.check(request, source, proxy=True)
            if verdict.challenge:
                self._refuse(request, source, verdict.status, headers=verdict.challenge)
                return
            identity = verdict.username
        if is_too_brief(request, self._core.config):
            minimum = ("Min-SE", str(self._core.config.min_session_expires))
            self._refuse(request, source, 422, headers=[minimum])
            return
        self._begin(request, source, trunk, identity)

    def _begin(self, request: Request, source: Address, trunk: str | None, identity: str | None) -> None:
        replaces = replaces_of(request)
        transaction = self._layer.create_server(request, source)
        transaction.respond(response_to(request, 100))
        # Our own users are phones, mostly behind NAT; a trunk's Contact may name another machine of its.
        session = InviteSession.incoming(self._core, transaction, source, symmetric=identity is not None)
        session.trunk, session.identity, session.replaces = trunk, identity, replaces
        self._core.sessions[session.call_id, session.local_tag] = session
        self._calls[session.call_id, request.from_tag] = Beginning(request.cseq[0], session.local_tag)
        try:
            self._core.application.invite_received(session)
        except Exception:
            log.exception("call_not_taken", call_id=session.call_id)
            session.reject(500)
        if session.listener is None and session.state in (SessionState.OFFERED, SessionState.EARLY):
            log.error("call_without_listener", call_id=session.call_id)
            session.reject(480)

    def take(self, method: str, handler: Callable[[Request, Address], None]) -> None:
        """Have somebody else take the requests of a method that come outside of dialogs."""
        self._outside[method] = handler

    # What those who take requests ask for (sip.desk.Desk).

    def admit(self, request: Request, source: Address, *, proxy: bool) -> str | None:
        """Return the user who sent a request; None: the request was answered with a challenge."""
        verdict = self._gate.check(request, source, proxy=proxy)
        if verdict.challenge:
            self._refuse(request, source, verdict.status, headers=verdict.challenge)
            return None
        return verdict.username

    def refuse(self, request: Request, source: Address, status: int, *, headers: Headers = ()) -> None:
        """Answer without a transaction."""
        self._refuse(request, source, status, headers=headers)

    def accept(self, request: Request, source: Address) -> ServerTransaction:
        """Start the transaction of a request; copies of it that come by other ways are refused from now on."""
        if not request.to_tag:
            key = (request.call_id, request.from_tag, request.cseq[0])
            self._taken.add(key)
            self._core.timers.schedule(self._core.timing.limit, self._taken.discard, key)
        return self._layer.create_server(request, source)

    def forget(self, session: InviteSession) -> None:
        """Take note that an incoming session is over.

        A call that was refused is remembered while its transaction lives: a copy of its INVITE may still be on another way.
        """
        key = (session.call_id, session.remote_tag)
        if session.dialog is not None and session.dialog.early:
            self._core.timers.schedule(self._core.timing.limit, self._forget, key, session.local_tag)
        else:
            self._forget(key, session.local_tag)

    def _forget(self, key: tuple[str, str], tag: str) -> None:
        """Forget how a call began, but not a later one that its caller gave the same names."""
        began = self._calls.get(key)
        if began is not None and began.tag == tag:
            del self._calls[key]

    def _register(self, request: Request, source: Address) -> None:
        """Take a REGISTER in the order of RFC 3261 section 10.3; only what reads odd is read before it is known who it is (RFC 4475)."""
        if self._guard.drops_scanners and self._drops_scanner(request, source):
            return
        # Credentials are mostly right, and then the addresses are read in any case.
        account = account_of(request) if request.get("Authorization") is not None or not reads_plain(request) else None
        if self._objects(request, source):
            return
        verdict = self._gate.check(request, source, proxy=False)
        if verdict.challenge:
            self._refuse(request, source, verdict.status, headers=verdict.challenge)
            return
        if account is None:
            account = account_of(request)
        if verdict.username != account:
            log.warning("registration_for_another", username=verdict.username, source=str(source))
            self._refuse(request, source, 403)
            return
        status, headers, reason = self.registrations.register(account, request, source)
        payload = write_response(request, status, reason, to_tag=self._tag(request), headers=headers)
        self._layer.answer(request, source, payload)

    def _options(self, request: Request, source: Address) -> None:
        events = self.notifier.events
        allowed = [("Allow-Events", events)] if events else []
        self._refuse(request, source, 200, headers=[*CAPABILITY_HEADERS, *allowed])

    def _notify(self, request: Request, source: Address) -> None:
        # Some phones (Linksys, Cisco SPA) keep their NAT open with a NOTIFY that belongs to no subscription.
        keep_alive = (request.get("Event") or "").strip().lower() == "keep-alive"
        self._refuse(request, source, 200 if keep_alive else 481)

    def _publish(self, request: Request, source: Address) -> None:
        self._refuse(request, source, 489)

    def _refer(self, request: Request, source: Address) -> None:
        # Whoever knows both tags of a call is a party of it (RFC 4538 section 5); nobody else transfers anything.
        target = target_of(request)
        session = None
        if target is not None:
            session = self._core.find_session(target.call_id, target.remote_tag, target.local_tag)
        if session is None or not session.established:
            self._refuse(request, source, 403)
            return
        transaction = self.accept(request, source)
        transfers = session.refer_outside(request, transaction)
        if transfers is not None:
            self._referrals = {key: known for key, known in self._referrals.items() if known.active}
            self._referrals[request.call_id, request.to_tag] = transfers
        if not transaction.answered:
            transaction.await_answer()

    def _no_dialog(self, request: Request, source: Address) -> None:
        self._refuse(request, source, 481)

    def _refuse(
        self, request: Request, source: Address, status: int, *, reason: str | None = None, headers: Headers = ()
    ) -> None:
        """Answer without a transaction; a retransmission gets the same answer anew (RFC 3261 section 8.2.7)."""
        self._guard.charge(source)
        lines = [*headers, self._server]
        self._core.send_stateless(
            write_response(request, status, reason, to_tag=self._tag(request), headers=lines), source
        )

    def _tag(self, request: Request) -> str:
        """Return a To tag that is the same for every retransmission of the request."""
        return f"{hash((self._salt, request.get('Call-ID'), request.via.branch)) & 0xFFFF_FFFF_FFFF:012x}"
