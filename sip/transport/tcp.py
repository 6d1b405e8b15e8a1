"""SIP over TCP and TLS: a listener, connections of both directions in one table, and reuse of whichever is open (RFC 5923)."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Coroutine

import structlog

from sip.address import Address
from sip.errors import TransportError
from sip.message import Request, Response
from sip.transport.connections import ConnectionTable, source_of
from sip.transport.outages import Outages
from sip.transport.ports import ConnectionFigures, OnFailure, Receiver, StreamLimits, plain_host, port_hint
from sip.transport.tcp_connection import TcpConnection
from sip.transport.tls import Tls, TlsPeer

log = structlog.get_logger(__name__)

_BACKLOG = 1024
_TLS_PORT = 5061
_RESPONSE = b"SIP/2.0 "
"""What responses begin with."""
_ACCEPT_PAUSE = 0.5
"""Seconds to wait where the system has no descriptor for a new connection."""


class TcpTransport:
    """The listener and all connections of one local address; with `Tls` it is the `tls` transport."""

    def __init__(
        self,
        receiver: Receiver,
        on_failure: OnFailure,
        local: Address,
        limits: StreamLimits,
        *,
        tls: Tls | None = None,
        tls_peer: Callable[[str], TlsPeer | None] = lambda _host: None,
    ) -> None:
        self.receiver = receiver
        self._on_failure = on_failure
        self.local = local
        self.limits = limits
        self._tls = tls
        self._tls_peer = tls_peer
        self._server: asyncio.Server | None = None
        self._table: ConnectionTable[TcpConnection] = ConnectionTable(limits)
        self._opening: dict[tuple[str, int], list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._outages = Outages()
        self._handshakes: Counter[str] = Counter()
        """TLS handshakes under way, by source."""
        self._loop = asyncio.get_running_loop()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @classmethod
    async def open(
        cls,
        receiver: Receiver,
        on_failure: OnFailure,
        local: Address,
        limits: StreamLimits,
        *,
        tls: Tls | None = None,
        tls_peer: Callable[[str], TlsPeer | None] = lambda _host: None,
    ) -> TcpTransport:
        """Listen.

        Args:
            receiver: takes the messages.
            on_failure: hears of peers that cannot be reached.
            local: address and port; its transport is what the connections are called.
            limits: what is borne.
            tls: certificate and contexts; None: plain TCP.
            tls_peer: says who is expected at an IP address, or None where anybody may be.

        Raises:
            TransportError: the address is taken or is not one of this machine.
        """
        self = cls(receiver, on_failure, local, limits, tls=tls, tls_peer=tls_peer)
        try:
            if tls is None:
                self._server = await self._loop.create_server(
                    lambda: TcpConnection(self), local.host, local.port, backlog=_BACKLOG
                )
                port = self._server.sockets[0].getsockname()[1]
            else:
                # Accepted by hand: an event loop's TLS server tells of a connection only when its handshake is over.
                listener = _listen(local.host, local.port)
                port = listener.getsockname()[1]
                # Not before the loop has let go of it.
                self._start(self._accept(listener)).add_done_callback(lambda _task: listener.close())
        except OSError as error:
            raise TransportError(
                f"SIP cannot listen on {local.transport.upper()} {local.host_port}: {error.strerror}.",
                hint=port_hint(local.transport),
            ) from error
        self.local = Address(local.host, port, local.transport)
        self._plan_sweep()
        return self

    def now(self) -> float:
        """Return the event loop's time."""
        return self._loop.time()

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Do something later."""
        self._loop.call_later(seconds, do)

    @property
    def figures(self) -> ConnectionFigures:
        """What became of the connections."""
        return self._table.figures

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._table)

    def connected(self, host: str, port: int) -> bool:
        """Tell whether a connection with this peer is open or being opened."""
        return self._table.get(host, port) is not None or (host, port) in self._opening

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send over the open connection, or open one; what waits for it is sent in order.

        A response whose connection is gone goes over a new one, to where its request said that it is listened.
        """
        if payload.startswith(_RESPONSE):
            port = self._table.listening(host, port)
        connection = self._table.get(host, port)
        if connection is not None and connection.write(payload):
            return
        key = (host, port)
        waiting = self._opening.get(key)
        if waiting is not None:
            if sum(map(len, waiting)) < self.limits.max_unsent_bytes:
                waiting.append(payload)
        elif not self._closed:
            self._opening[key] = [payload]
            self._start(self._connect(key))

    def proved(self, host: str, port: int) -> str:
        """Return the name that the peer of an open connection proved to have, or "" when it had to prove none."""
        connection = self._table.get(host, port)
        expected = connection.expected if connection is not None else None
        return expected.name if expected is not None and expected.checked else ""

    async def _connect(self, key: tuple[str, int]) -> None:
        peer = Address(*key, self.local.transport)
        expected = self._tls_peer(peer.host) if self._tls is not None else None
        connection = TcpConnection(self, peer, ours=True, expected=expected)
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                if self._tls is None:
                    await self._loop.create_connection(lambda: connection, *key)
                else:
                    name = expected.name if expected is not None else peer.host
                    # Refused before there is a socket to be left behind.
                    name.encode("idna")
                    context = self._tls.client_context(expected)
                    await self._loop.create_connection(lambda: connection, *key, ssl=context, server_hostname=name)
        except (OSError, ValueError) as error:
            # Timeouts and what TLS finds are OSErrors, too; a name that TLS cannot ask for is a ValueError.
            self._outages.begin(peer, str(error) or type(error).__name__)
            self._opening.pop(key, None)
            self._on_failure(peer)
            return
        self._outages.end(peer)
        self.figures.opened += 1
        for payload in self._opening.pop(key, ()):
            connection.write(payload)

    # TLS connections that peers open.

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, name = await self._loop.sock_accept(listener)
            except OSError as error:
                # No descriptors left: those who wait are served when some are free.
                log.warning("tls_accept_failed", problem=str(error))
                await asyncio.sleep(_ACCEPT_PAUSE)
                continue
            peer = self.let_in(name)
            if peer is None:
                sock.close()
            elif not self._may_shake_hands(source_of(peer.host)):
                self.figures.refused += 1
                if self.figures.refused.bit_count() == 1:
                    log.warning("tls_handshake_refused", peer=str(peer), refused=self.figures.refused)
                self.let_out(peer.host)
                sock.close()
            else:
                self._handshakes[source_of(peer.host)] += 1
                self._start(self._shake_hands(sock, peer))

    def _may_shake_hands(self, source: str) -> bool:
        limits, under_way = self.limits, self._handshakes
        return under_way[source] < limits.max_handshakes_per_source and under_way.total() < limits.max_handshakes

    async def _shake_hands(self, sock: socket.socket, peer: Address) -> None:
        expected = self._tls_peer(peer.host)
        connection = TcpConnection(self, peer, expected=expected)
        try:
            if self._tls is not None:
                async with asyncio.timeout(self.limits.handshake_seconds):
                    context = self._tls.server_context(expected)
                    connection.admitted = True
                    await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=context)
        except OSError as error:
            # Scanners, plain text on the port, or a phone that does not believe our certificate.
            self.figures.handshakes_failed += 1
            log.info("tls_handshake_failed", peer=str(peer), problem=str(error) or type(error).__name__)
        finally:
            self._handshakes.subtract([source_of(peer.host)])
            # Without what is zero: sources come and go.
            self._handshakes = +self._handshakes
            if not connection.open:
                sock.close()
                connection.leave()

    # What the connections ask and tell.

    def let_in(self, name: tuple[str, int] | None) -> Address | None:
        """Count a connection that a peer opened and return whose it is; None when it has to go.

        `name` is how the kernel names the peer; None, when it was gone before it was greeted.
        """
        if name is None or self._closed:
            return None
        peer = Address(plain_host(name[0]), name[1], self.local.transport)
        return peer if self.receiver.admits(peer) and self._table.admit(peer.host) else None

    def let_out(self, host: str) -> None:
        """Take note that such a connection is gone."""
        self._table.release(host)

    def add(self, connection: TcpConnection, peer: Address) -> bool:
        """Enter a connection; False when we are closing."""
        if self._closed:
            return False
        self._table.add(connection, peer)
        return True

    def note_alias(self, connection: TcpConnection, message: Request | Response) -> None:
        """Use a connection for our requests to the port that its peer listens at, too, if the peer wants that and proved who it is."""
        peer = connection.peer
        if peer is None or not self.proved(*peer[:2]) or not isinstance(message, Request):
            return
        via = message.via
        if via.parameter("alias") is not None and self._table.get(peer.host, via.port or _TLS_PORT) is None:
            self._table.alias(connection, peer.host, via.port or _TLS_PORT)

    def remove(self, connection: TcpConnection, *, failed: bool) -> None:
        """Take out a connection that is gone."""
        peer = connection.peer
        aliases = self._table.aliases_of(connection)
        if self._table.remove(connection) and peer is not None and not self._closed:
            log.debug("tcp_connection_gone", peer=str(peer), failed=failed)
            if connection.listens_at:
                self._table.leave(peer, connection.listens_at)
            for host, port in (peer[:2], *aliases):
                self._on_failure(Address(host, port, peer.transport))

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        for connection in self._table.all():
            connection.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _plan_sweep(self) -> None:
        self._sweeper = self._loop.call_later(self._table.sweep_seconds, self._sweep)

    def _sweep(self) -> None:
        self._table.sweep(self._loop.time())
        self._plan_sweep()


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
