"""The sans-I/O heart of the stack: messages and times go in, bytes, events and deadlines come out.

`SipCore` owns the transactions and the sessions and sends our requests; `sip.inbound` decides what becomes of a peer's.
How bytes travel, which address a peer sees us at and what time it is are handed in, so that two cores can be tested
against each other over a simulated network, to the last timer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import structlog

from core.clock import Clock
from core.identifiers import random_hex
from sip.address import DEFAULT_PORTS, Address, is_ip_address
from sip.application import Application
from sip.binding import Binding
from sip.capabilities import SESSION_HEADERS
from sip.client_request import ClientCredentials, ClientRequest, FailedOver
from sip.config import SipConfig
from sip.dialog import Dialog, reach
from sip.errors import MalformedMessageError
from sip.guard import Guard
from sip.inbound import Inbound
from sip.known_peers import KnownPeers
from sip.late_branches import LateBranches
from sip.message import Headers, Request, Response
from sip.oversize import Oversize
from sip.parser import parse_message
from sip.session import InviteSession
from sip.session_events import Direction, SessionListener
from sip.session_timer import offered_terms
from sip.timers import TimerHeap
from sip.trace.tap import MessageTap
from sip.transaction import ClientTransaction, ResponseCallback, ignore_response
from sip.transaction_key import new_branch
from sip.transaction_layer import TransactionLayer
from sip.uri import NameAddress, Uri, secured

log = structlog.get_logger(__name__)

_LONGEST_KEEP_ALIVE = 32
"""A datagram up to this long that holds only line breaks, blanks or zeros keeps a NAT open and means nothing else."""


class SipCore:
    """Everything of SIP but the sockets."""

    def __init__(
        self,
        config: SipConfig,
        application: Application,
        clock: Clock,
        send: Callable[[bytes, Address], None],
        *,
        local_address: Callable[[Address], Address],
        connected: Callable[[Address], bool] = lambda _address: True,
        overloaded: Callable[[], bool] = lambda: False,
        tracer: MessageTap | None = None,
        tcp: Callable[[], bool] = lambda: False,
    ) -> None:
        """Build the core.

        Args:
            config: the knobs.
            application: call control.
            clock: tells the time to every timer.
            send: sends bytes to an address, whose host may be a name; must not raise.
            local_address: returns the address that the peer at an address reaches us at, over the same transport.
            connected: tells whether a connection to an address of a reliable transport is open.
            overloaded: tells whether new calls should be turned away.
            tracer: sees every message that comes; None: nobody does.
            tcp: tells whether TCP connections can be opened.
        """
        self.config = config
        self.application = application
        self.clock = clock
        self.timing = config.timing
        self.timers = TimerHeap(clock)
        self.transactions = TransactionLayer(self.timers, send, config.timing)
        self.sessions: dict[tuple[str, str], InviteSession] = {}
        """By Call-ID and our tag."""
        self.messages_received = 0
        self.messages_malformed = 0
        self.local_address = local_address
        self.guard = Guard(config.guard, clock, is_known=KnownPeers(self).has)
        """Who is kept out, and who asks too much."""
        self.connection_watchers: list[Callable[[Address], None]] = []
        """Called with each address that nothing can be delivered to any more."""
        self._send = send
        self._connected = connected
        self._overloaded = overloaded
        self._tracer = tracer
        self._user_agent = ("User-Agent", config.user_agent)
        self._session_headers = (*SESSION_HEADERS, *offered_terms(config))
        self.inbound = Inbound(self)
        self.transactions.on_late_answer = LateBranches(self, send).answered
        registrar = self.inbound.registrations.registrar
        self.transactions.oversize = Oversize(clock, tcp=tcp, is_flow=registrar.reaches, local_address=local_address)

    # In.

    def receive(self, data: bytes, source: Address) -> None:
        """Take a datagram. Never raises, whatever the bytes are and whatever the application does."""
        if not self.guard.admits(source):
            return
        if len(data) <= _LONGEST_KEEP_ALIVE and not data.strip(b"\r\n\t \x00"):
            return
        if self._tracer is not None:
            self._tracer.received(data, source)
        try:
            message = parse_message(data)
        except MalformedMessageError as error:
            self.receive_malformed(error, source)
            return
        except Exception:
            log.exception("message_not_parsed", source=str(source))
            return
        self._take(message, source)

    def admits(self, source: Address) -> bool:
        """Tell whether what comes over a stream is to be read; asked for every connection and every piece of it."""
        return self.guard.admits(source)

    def receive_message(self, message: Request | Response, source: Address) -> None:
        """Take a message that was cut out of a stream. Never raises."""
        if self._tracer is not None:
            self._tracer.received_message(message, source)
        self._take(message, source)

    def _take(self, message: Request | Response, source: Address) -> None:
        self.messages_received += 1
        if isinstance(message, Request):
            self.inbound.receive(message, source)
            return
        try:
            if not self.transactions.receive_response(message, source):
                self.guard.charge(source)
                log.debug("response_without_transaction", call_id=message.get("Call-ID"), source=str(source))
        except MalformedMessageError as error:
            log.info("malformed_response", source=str(source), problem=error.message)
        except Exception:
            log.exception("response_not_handled", source=str(source))

    def receive_malformed(self, error: MalformedMessageError, source: Address) -> None:
        """Take what could not be read; a request that can be answered is answered."""
        self.messages_malformed += 1
        self.guard.charge(source)
        log.info("malformed_message", source=str(source), problem=error.message)
        if error.request is not None and error.request.method != "ACK":
            self.inbound.refuse_malformed(error.request, error, source)

    def transport_failed(self, destination: Address) -> None:
        """Take the news that nothing can be delivered to an address."""
        self.transactions.transport_failed(destination)
        for watcher in tuple(self.connection_watchers):
            watcher(destination)
        self.inbound.registrations.connection_lost(destination)

    # Out: what sessions and requests need (client_request.SessionHost).

    def send_request(self, request: Request, destination: Address, on_response: ResponseCallback) -> ClientTransaction:
        """Put Via and User-Agent on a request and start its transaction."""
        if request.get("User-Agent") is None:
            request.headers.append(self._user_agent)
        sent_by = self.local_address(destination).host_port
        return self.transactions.send_request(request, destination, on_response, sent_by=sent_by)

    def send_cancel(self, request: Request, destination: Address) -> None:
        """Start the transaction of a CANCEL."""
        self.transactions.send_request(request, destination, ignore_response)

    def send_acknowledgement(self, request: Request, destination: Address) -> bytes:
        """Send the ACK of a 2xx, which is no transaction, and return its bytes."""
        sent_by = self.local_address(destination).host_port
        via = f"SIP/2.0/{destination.transport.upper()} {sent_by};branch={new_branch()};rport"
        request.headers.insert(0, ("Via", via))
        payload = request.encode()
        self._send(payload, destination)
        return payload

    def send(self, payload: bytes, destination: Address) -> None:
        """Send bytes again."""
        self.transactions.retransmitted += 1
        self._send(payload, destination)

    def connect(self, destination: Address) -> None:
        """Have a connection opened, if there is none; one that cannot be is told as `transport_failed`."""
        self._send(b"", destination)

    def send_stateless(self, payload: bytes, destination: Address) -> None:
        """Send a response that no transaction remembers."""
        self._send(payload, destination)

    def contact(self, destination: Address, user: str) -> str:
        """Return our Contact as the peer at `destination` can reach it."""
        return _contact(user, self.local_address(destination))

    def next_hop(self, dialog: Dialog) -> Address:
        """Return where the dialog's requests go: over the connection the peer came by, while it is open."""
        hop = dialog.next_hop
        if hop.reliable and not self._connected(hop):
            target = dialog.remote_target
            if not dialog.route_set and target.is_sip:
                return address_of(target)
        return hop

    def way_to(self, binding: Binding) -> Address:
        """Return where requests for a contact are sent: the flow it registered by, or the first edge of its Path.

        A connection that a restart or its owner closed can be opened anew only where the phone listens itself. Datagrams go to
        the port of the Contact where it is on the phone's own host and there is no NAT in between.
        """
        source = Address(*binding.source)
        if binding.path:
            edge = NameAddress.parse(binding.path[0]).uri
            hop = reach(edge, source, symmetric=False)
            return hop if not hop.reliable or hop != source or self._connected(hop) else address_of(edge)
        if source.reliable and binding.uri.host == source.host and not self._connected(source):
            return address_of(binding.uri)
        beside = binding.direct and binding.uri.host == source.host
        return reach(binding.uri, source, symmetric=not beside)

    def session_closed(self, session: object) -> None:
        """Forget a session."""
        if isinstance(session, InviteSession):
            self.sessions.pop((session.call_id, session.local_tag), None)
            if session.direction is Direction.INCOMING:
                self.inbound.forget(session)

    # Out: what call control asks for.

    def invite(
        self,
        target: Uri,
        *,
        from_: NameAddress,
        listener: SessionListener,
        to: NameAddress | None = None,
        sdp: bytes | None = None,
        destination: Address | tuple[str, int, str] | None = None,
        headers: Headers = (),
        credentials: ClientCredentials | None = None,
        symmetric: bool = False,
        contact_user: str = "",
        max_forwards: int = 70,
        alternatives: Sequence[Address] = (),
        on_failover: FailedOver | None = None,
    ) -> InviteSession:
        """Call someone.

        Args:
            target: the Request-URI.
            from_: who calls; its tag, if any, is replaced.
            listener: hears the session's events.
            to: whom the call is for; None: `target`.
            sdp: our offer; None: the peer makes it, and its Answered is to be met with `accept_offer`.
            destination: where the INVITE is sent; None: what `target` says.
            headers: further headers.
            credentials: for a challenge of the peer.
            symmetric: reach the peer at `destination` for the whole session, whatever its Contact says (phones behind NAT).
            contact_user: the user of our Contact; empty: that of `from_`.
            max_forwards: how many servers it may pass.
            alternatives: the servers to try after `destination`, until one rings or answers (RFC 3263 section 4.3).
            on_failover: hears of each server that was given up, and may return another offer for the next one.
        """
        where = address_of(target) if destination is None else _as_address(destination)
        contact = self.contact(where, contact_user or from_.uri.user)
        lines = [
            ("Max-Forwards", str(max_forwards)),
            ("From", str(from_.with_tag(random_hex(6)))),
            ("To", str(to) if to is not None else f"<{target}>"),
            ("Call-ID", random_hex(12)),
            ("CSeq", "1 INVITE"),
            ("Contact", contact if target.scheme != "sips" else secured(contact)),
            *self._session_headers,
            *headers,
        ]
        if sdp:
            lines.append(("Content-Type", "application/sdp"))
        session = InviteSession.outgoing(
            self,
            Request("INVITE", target, lines, sdp or b""),
            where,
            listener=listener,
            credentials=credentials and credentials.bound_to((where, *alternatives)),
            symmetric=symmetric,
            alternatives=alternatives,
            on_failover=on_failover,
        )
        self.sessions[session.call_id, session.local_tag] = session
        session.start()
        return session

    def request(
        self,
        method: str,
        uri: Uri,
        *,
        on_response: ResponseCallback,
        from_: NameAddress,
        to: NameAddress | None = None,
        destination: Address | None = None,
        headers: Headers = (),
        content_type: str = "",
        body: bytes = b"",
        credentials: ClientCredentials | None = None,
        call_id: str = "",
        cseq: int = 1,
        alternatives: Sequence[Address] = (),
        on_failover: FailedOver | None = None,
        silence_limit: float = 0.0,
    ) -> ClientRequest:
        """Send a request outside of any dialog; `on_response` hears the responses, and a local 408 or 503 of none.

        The last three parameters are those of `ClientRequest`.
        """
        lines = [
            ("Max-Forwards", "70"),
            ("From", str(from_.with_tag(random_hex(6)))),
            ("To", str(to) if to is not None else f"<{uri}>"),
            ("Call-ID", call_id or random_hex(12)),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ]
        if content_type:
            lines.append(("Content-Type", content_type))
        request = Request(method, uri, lines, body)
        where = destination or address_of(uri)
        return ClientRequest(
            self,
            request,
            where,
            on_response,
            credentials=credentials and credentials.bound_to((where, *alternatives)),
            alternatives=alternatives,
            on_failover=on_failover,
            silence_limit=silence_limit,
        )

    def find_session(self, call_id: str, local_tag: str, remote_tag: str) -> InviteSession | None:
        """Return the session with this dialog, as a Replaces names it (RFC 3891 section 3), or None."""
        session = self.sessions.get((call_id, local_tag))
        return session if session is not None and session.remote_tag == remote_tag else None

    @property
    def busy(self) -> bool:
        """Whether new calls should be turned away."""
        return self.transactions.live > self.config.max_transactions or self._overloaded()


def address_of(uri: Uri) -> Address:
    """Return the address a URI names, without asking the DNS; port 0 leaves the port of a name to the DNS (RFC 3263)."""
    transport = uri.transport
    port = uri.port or (DEFAULT_PORTS.get(transport, 5060) if is_ip_address(uri.host) else 0)
    return Address(uri.host, port, transport)


def _as_address(destination: Address | tuple[str, int, str]) -> Address:
    return destination if isinstance(destination, Address) else Address(*destination)


@lru_cache(maxsize=8192)
def _contact(user: str, local: Address) -> str:
    parameters = () if local.transport == "udp" else (("transport", local.transport),)
    return f"<{Uri('sip', user, local.host, local.port, parameters)}>"
