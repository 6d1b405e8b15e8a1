"""SIP over TCP: a listener, connections of both directions in one table, and reuse of whichever is open (RFC 5923)."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

import structlog

from sip.address import Address
from sip.errors import MalformedMessageError, TransportError
from sip.framing import KeepAlive, StreamParser
from sip.transport.ports import PORT_HINT, OnFailure, Receiver, StreamLimits, plain_host

log = structlog.get_logger(__name__)

_PONG = b"\r\n"
_SWEEPS = 16
"""How many times within the idle limit the connections are looked through."""


class TcpConnection(asyncio.Protocol):
    """One connection, whoever opened it."""

    def __init__(self, owner: TcpTransport, peer: Address | None = None) -> None:
        self._owner = owner
        self._parser = StreamParser()
        self._transport: asyncio.Transport | None = None
        self.peer = peer
        self.last_heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the table, or leave at once when it is full."""
        self._transport = cast("asyncio.Transport", transport)
        if self.peer is None:
            name = transport.get_extra_info("peername")
            if name is None:
                # Gone before it was greeted.
                self._transport.abort()
                return
            host, port = name[:2]
            self.peer = Address(plain_host(host), port, self._owner.local.transport)
            if not self._owner.receiver.admits(self.peer):
                self._transport.abort()
                return
        self.last_heard = self._owner.now()
        if not self._owner.add(self):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Cut messages out of the bytes and hand them on."""
        if self.peer is None or self._transport is None:
            return
        self.last_heard = self._owner.now()
        receiver = self._owner.receiver
        if not receiver.admits(self.peer):
            self._transport.abort()
            return
        for item in self._parser.feed(data):
            if isinstance(item, MalformedMessageError):
                receiver.receive_malformed(item, self.peer)
            elif item is KeepAlive.PING:
                # Not past the bound: a peer that only asks and never reads would fill our memory.
                self.write(_PONG)
            elif not isinstance(item, KeepAlive):
                receiver.receive_message(item, self.peer)
        if self._parser.broken:
            # Not abort: the answer to what broke it should still leave.
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the table."""
        self._owner.remove(self, failed=exc is not None)

    def write(self, payload: bytes) -> bool:
        """Send bytes; False when the peer reads so slowly that the connection was dropped."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        if transport.get_write_buffer_size() > self._owner.limits.max_unsent_bytes:
            log.warning("tcp_peer_does_not_read", peer=str(self.peer))
            transport.abort()
            return False
        transport.write(payload)
        return True

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


class TcpTransport:
    """The listener and all connections of one local address; with TLS contexts it is the `tls` transport."""

    def __init__(
        self,
        receiver: Receiver,
        on_failure: OnFailure,
        local: Address,
        limits: StreamLimits,
        *,
        client_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.receiver = receiver
        self._on_failure = on_failure
        self.local = local
        self.limits = limits
        self._client_tls = client_tls
        self._server: asyncio.Server | None = None
        self._connections: dict[tuple[str, int], TcpConnection] = {}
        self._opening: dict[tuple[str, int], list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
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
        server_tls: ssl.SSLContext | None = None,
        client_tls: ssl.SSLContext | None = None,
    ) -> TcpTransport:
        """Listen.

        Raises:
            TransportError: the address is taken or is not one of this machine.
        """
        self = cls(receiver, on_failure, local, limits, client_tls=client_tls)
        try:
            self._server = await self._loop.create_server(
                lambda: TcpConnection(self), local.host, local.port, ssl=server_tls, backlog=1024
            )
        except OSError as error:
            raise TransportError(
                f"SIP cannot listen on TCP {local.host_port}: {error.strerror}.", hint=PORT_HINT
            ) from error
        self.local = Address(local.host, self._server.sockets[0].getsockname()[1], local.transport)
        self._plan_sweep()
        return self

    def now(self) -> float:
        """Return the event loop's time."""
        return self._loop.time()

    def connected(self, host: str, port: int) -> bool:
        """Tell whether a connection with this peer is open or being opened."""
        return (host, port) in self._connections or (host, port) in self._opening

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send over the open connection, or open one; what waits for it is sent in order."""
        key = (host, port)
        connection = self._connections.get(key)
        if connection is not None and connection.write(payload):
            return
        waiting = self._opening.get(key)
        if waiting is not None:
            if sum(map(len, waiting)) < self.limits.max_unsent_bytes:
                waiting.append(payload)
        elif not self._closed:
            self._opening[key] = [payload]
            task = self._loop.create_task(self._connect(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, key: tuple[str, int]) -> None:
        peer = Address(*key, self.local.transport)
        connection = TcpConnection(self, peer)
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                await self._loop.create_connection(lambda: connection, *key, ssl=self._client_tls)
        except OSError as error:  # TimeoutError is one, too
            log.info("tcp_connect_failed", peer=str(peer), problem=str(error) or type(error).__name__)
            self._opening.pop(key, None)
            self._on_failure(peer)
            return
        for payload in self._opening.pop(key, ()):
            connection.write(payload)

    def add(self, connection: TcpConnection) -> bool:
        """Enter a connection; False when there are too many."""
        if self._closed or connection.peer is None or len(self._connections) >= self.limits.max_connections:
            log.warning("tcp_connection_refused", peer=str(connection.peer), connections=len(self._connections))
            return False
        self._connections[connection.peer[:2]] = connection
        return True

    def remove(self, connection: TcpConnection, *, failed: bool) -> None:
        """Take out a connection that is gone."""
        peer = connection.peer
        if peer is None or self._connections.get(peer[:2]) is not connection:
            return
        del self._connections[peer[:2]]
        if not self._closed:
            log.debug("tcp_connection_gone", peer=str(peer), failed=failed)
            self._on_failure(peer)

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._connections.values()):
            connection.close()

    def _plan_sweep(self) -> None:
        self._sweeper = self._loop.call_later(max(self.limits.idle_seconds / _SWEEPS, 0.05), self._sweep)

    def _sweep(self) -> None:
        """Close the connections on which nothing was heard for too long."""
        limit = self._loop.time() - self.limits.idle_seconds
        for connection in [c for c in self._connections.values() if c.last_heard < limit]:
            connection.close()
        self._plan_sweep()
