"""The asyncio shell around the SIP core: sockets, one ticker, names to addresses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from core.clock import Clock, SystemClock
from sip.address import Address, is_ip_address
from sip.application import Application
from sip.binding import Binding
from sip.client_request import ClientCredentials, ClientRequest
from sip.config import SipConfig
from sip.core import SipCore, address_of
from sip.errors import TransportError
from sip.message import Headers, Response
from sip.name_service import NameService, SystemDns
from sip.registration_server import RegistrationServer
from sip.resolver import RecordKind, Target
from sip.session import InviteSession
from sip.ticker import Ticker
from sip.trace.tracer import Tracer
from sip.transaction import ClientTransaction
from sip.transport.group import TransportGroup, is_ipv6
from sip.transport.own_addresses import OwnAddresses
from sip.transport.ports import ConnectionFigures, Transport
from sip.transport.tcp import TcpTransport
from sip.transport.tls import TlsPeer
from sip.transport.udp import UdpTransport
from sip.transport.websocket import WebSocketTransport
from sip.uri import NameAddress, Uri

log = structlog.get_logger(__name__)

_MOST_NAMES = 1024
"""Addresses whose names are remembered; a peer may write any name into its Contact."""
_NOWHERE = ".invalid"
"""What browsers call themselves (RFC 7118 section 5.2); the DNS need not be asked."""
_ACCEPTED_ONLY = ("ws", "wss")
"""Transports over which no connection can be opened from here."""


class SipStack:
    """SIP on real sockets, for one event loop. Start it, hand it calls, close it."""

    def __init__(
        self,
        config: SipConfig,
        application: Application,
        clock: Clock | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self._transports: dict[str, Transport] = {}
        self._sockets: list[Transport] = []
        self._udp: list[UdpTransport] = []
        self._own = OwnAddresses(self._transports, config.advertised_host)
        self._tracer = tracer
        if tracer is not None:
            tracer.local_address = self._own.towards
            tracer.ip_address = self._last_address
        self.core = SipCore(
            config,
            application,
            self.clock,
            self._send,
            local_address=self._own.towards,
            connected=self._connected,
            overloaded=self._overloaded,
            tracer=tracer,
            tcp=lambda: "tcp" in self._transports,
        )
        self.invite = self.core.invite
        self.hosts_towards = self._own.hosts_towards
        self._ticker = Ticker(self.core.timers, self.clock)
        self.lag = self._ticker.lag
        self.tls_peer: Callable[[str], TlsPeer | None] = lambda _host: None
        """Says who is expected at an IP address over TLS; None: it may be anybody."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.names = NameService(
            self.clock,
            SystemDns(config.dns_servers, seconds=config.dns_seconds),
            transports=lambda: tuple(name for name in self._transports if name not in _ACCEPTED_ONLY),
            families=_families(config.listen),
            seconds=config.dns_seconds * 1.25,
        )
        self._named: dict[Address, set[Address]] = {}
        """The names under which something was sent to an address."""
        self._waiting: set[asyncio.Future[Response]] = set()

    # Life.

    async def start(self) -> None:
        """Open the sockets and start the ticker.

        Raises:
            TransportError: a socket cannot be opened; those already open are closed again.
        """
        self._loop = asyncio.get_running_loop()
        try:
            for address in self.config.listen:
                await self._open(address)
            for address in self.config.listen_where_free:
                await self._open_where_free(address)
        except TransportError:
            await self.close()
            raise
        self._ticker.start()
        log.info("sip_listens", addresses=[str(address) for address in self.addresses])

    async def _open(self, address: Address) -> None:
        config = self.config
        if address.transport == "udp":
            udp = await UdpTransport.open(self.core, self._failed, address)
            self._udp.append(udp)
            self.add_transport("udp", udp)
        elif address.transport == "tcp":
            self.add_transport("tcp", await TcpTransport.open(self.core, self._failed, address, config.streams))
        elif address.transport == "tls" and config.tls is not None:
            self.add_transport(
                "tls",
                await TcpTransport.open(
                    self.core,
                    self._failed,
                    address,
                    config.streams,
                    tls=config.tls,
                    tls_peer=self.tls_peer,
                ),
            )
        else:
            raise TransportError(f"There is no transport {address.transport!r}.")

    async def _open_where_free(self, address: Address) -> None:
        try:
            await self._open(address)
        except TransportError as error:
            log.warning("sip_does_not_listen", address=str(address), problem=error.message)

    async def close(self) -> None:
        """Close the sockets and stop the ticker; calls are not ended, and whoever awaits a response is cancelled."""
        for session in tuple(self.core.sessions.values()):
            session.part()
        self._ticker.stop()
        self.names.close()
        for answer in self._waiting:
            answer.cancel()
        for transport in self._sockets:
            transport.close()
        self._transports.clear()
        self._sockets.clear()
        self._udp.clear()
        # One turn for the loop to close the descriptors.
        await asyncio.sleep(0)

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the ports it really got."""
        return [transport.local for transport in self._sockets]

    @property
    def connections(self) -> dict[str, tuple[int, ConnectionFigures]]:
        """By transport: how many connections are open, and what became of all of them."""
        return {
            name: (transport.open_connections, transport.figures)
            for name, transport in self._transports.items()
            if name != "udp"
        }

    def open_websockets(self, local: Address, *, listens: bool = True) -> WebSocketTransport:
        """Take SIP over the WebSockets of a web server.

        Args:
            local: where it listens; its transport is `ws` or `wss`.
            listens: False where none of ours listens there, and such WebSockets come through a proxy only.
        """
        websockets = WebSocketTransport(self.core, self._failed, local, self.config.streams)
        self.add_transport(local.transport, websockets)
        if listens:
            log.info("sip_over_websocket", address=str(local))
        return websockets

    def add_transport(self, name: str, transport: Transport) -> None:
        """Take a further socket of a transport, or what others opened, such as the WebSockets of the web server."""
        self._sockets.append(transport)
        before = self._transports.get(name)
        if before is None:
            self._transports[name] = transport
            return
        if not isinstance(before, TransportGroup):
            before = self._transports[name] = TransportGroup(before, self._own.route_to)
        before.add(transport)
        family = [udp for udp in self._udp if is_ipv6(udp.local.host) == is_ipv6(transport.local.host)]
        if name == "udp" and len(family) > 1:
            for udp in family:
                udp.on_heard = before.heard

    # Calls.

    async def request(
        self,
        method: str,
        uri: Uri,
        *,
        from_: NameAddress | None = None,
        to: NameAddress | None = None,
        destination: Address | tuple[str, int, str] | None = None,
        headers: Headers = (),
        content_type: str = "",
        body: bytes = b"",
        credentials: ClientCredentials | None = None,
        call_id: str = "",
        cseq: int = 1,
    ) -> Response:
        """Send a request outside of any dialog and return its final response.

        Silence and a broken transport are responses, too: 408 and 503 made here (RFC 3261 section 8.1.3.1). Without a
        `destination`, the servers that the DNS names are tried in their order (RFC 3263 section 4.3).
        """
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def responded(response: Response, _transaction: ClientTransaction) -> None:
            """Take the final response."""
            if response.status >= 200 and not answer.done():
                answer.set_result(response)

        servers = (Address(*destination),) if destination is not None else await self.locate_uri(uri)
        where = servers[0] if servers else address_of(uri)
        request: ClientRequest = self.core.request(
            method,
            uri,
            on_response=responded,
            from_=from_ or self.own_address(where),
            to=to,
            destination=where,
            headers=headers,
            content_type=content_type,
            body=body,
            credentials=credentials,
            call_id=call_id,
            cseq=cseq,
            alternatives=servers[1:],
        )
        self._waiting.add(answer)
        try:
            return await answer
        finally:
            self._waiting.discard(answer)
            request.stop_retrying()

    async def ping(self, uri: Uri, *, destination: Address | tuple[str, int, str] | None = None) -> bool:
        """Ask with OPTIONS whether a peer is there: any answer but a 408 or 503 made here, and but its own 503, says
        yes.
        """
        response = await self.request("OPTIONS", uri, destination=destination, headers=[("Accept", "application/sdp")])
        return response.status not in (408, 503)

    def find_session(self, call_id: str, local_tag: str, remote_tag: str) -> InviteSession | None:
        """Return the session with this dialog, or None."""
        return self.core.find_session(call_id, local_tag, remote_tag)

    @property
    def registrations(self) -> RegistrationServer:
        """The contacts of our users: to restore them after a start, or to drop those of a deleted user."""
        return self.core.inbound.registrations

    def bindings(self, aor: str) -> list[Binding]:
        """Return the valid contacts of a user (`user` of the AOR), the freshest first."""
        return self.registrations.bindings(aor)

    def targets(self, aor: str) -> list[Binding]:
        """Return the contacts of a user that a call rings, the freshest first: of a phone with several flows only one."""
        bindings = self.registrations.bindings(aor)
        if len(bindings) < 2 or not any(binding.reg_id for binding in bindings):
            return bindings
        # The phone would take the same call twice (RFC 5626 section 7).
        phones: dict[str, Binding] = {}
        for index, binding in enumerate(bindings):
            phones.setdefault(binding.instance if binding.reg_id else str(index), binding)
        return list(phones.values())

    def other_flows(self, aor: str, binding: Binding) -> tuple[Address, ...]:
        """Return the further ways to the same phone, the freshest first, for when the one of this contact fails."""
        if not binding.reg_id:
            return ()
        return tuple(
            self.way_to(other)
            for other in self.registrations.bindings(aor)
            if other is not binding and other.reg_id and other.instance == binding.instance
        )

    def way_to(self, binding: Binding) -> Address:
        """Return where requests for a contact are sent."""
        return self.core.way_to(binding)

    def own_address(self, destination: Address, user: str = "ramal") -> NameAddress:
        """Return who we are towards a peer when nobody in particular speaks."""
        return NameAddress("", Uri("sip", user, self._own.towards(destination).host))

    def contact(self, destination: Address, user: str) -> str:
        """Return our Contact as the peer at `destination` can reach it."""
        return self.core.contact(destination, user)

    def addresses_of(self, host: str) -> frozenset[str]:
        """Return the IP addresses that a name had when it was last located; an address stands for itself."""
        return self.names.addresses_of(host)

    async def locate_uri(self, uri: Uri) -> tuple[Address, ...]:
        """Return the servers that a URI leads to, as `locate` does."""
        return await self.locate(Target.of_uri(uri))

    async def locate(self, target: Target) -> tuple[Address, ...]:
        """Return the servers of a target, best first (RFC 3263); none when the DNS knows none, or not in time."""
        return await self.names.locate(target)

    def proved(self, source: Address) -> str:
        """Return the name that the peer of a TLS connection proved to have, or "" when it had to prove none."""
        transport = self._own.transport_towards(source)
        return transport.proved(source.host, source.port) if isinstance(transport, TcpTransport) else ""

    # Sending.

    def _send(self, payload: bytes, destination: Address) -> None:
        if self._tracer is not None and payload:
            self._tracer.sent(payload, destination)
        transport = self._transports.get(destination.transport)
        if transport is None:
            self._fail_later(destination)
        elif is_ip_address(destination.host):
            transport.send(payload, destination.host, destination.port)
        else:
            self._send_to_name(payload, destination, transport)

    def _send_to_name(self, payload: bytes, destination: Address, transport: Transport) -> None:
        """Send to the best server of a name; requests outside of dialogs were given all of them before."""
        if destination.host.endswith(_NOWHERE):
            self._fail_later(destination)
            return

        def located(servers: tuple[Address, ...]) -> None:
            """Send to the first server, and remember whose name led there."""
            if not servers:
                self._fail_later(destination)
                return
            if len(self._named) >= _MOST_NAMES:
                self._named.clear()
            self._named.setdefault(servers[0], set()).add(destination)
            transport.send(payload, servers[0].host, servers[0].port)

        target = Target(destination.host, destination.port or None, destination.transport)
        self.names.when_located(target, located)

    def _last_address(self, host: str) -> str:
        return min(self.addresses_of(host), default=host)

    def _fail_later(self, destination: Address) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._failed, destination)

    def _failed(self, destination: Address) -> None:
        """Tell the core, also under the names that led to the address."""
        self.core.transport_failed(destination)
        for named in self._named.pop(destination, ()):
            self.core.transport_failed(named)

    def _connected(self, address: Address) -> bool:
        transport = self._transports.get(address.transport)
        return transport is not None and transport.connected(address.host, address.port)

    def _overloaded(self) -> bool:
        if self.lag.seconds > self.config.max_lag_seconds:
            return True
        limit = self.config.max_backlog_bytes
        return any(udp.backlog() > min(limit, udp.receive_buffer // 2) for udp in self._udp)


def _families(listen: Sequence[Address]) -> tuple[RecordKind, ...]:
    """Return the kinds of addresses that our sockets can send to, IPv4 first."""
    six = any(":" in address.host for address in listen)
    four = any(":" not in address.host for address in listen)
    return (*((RecordKind.A,) if four or not six else ()), *((RecordKind.AAAA,) if six else ()))
