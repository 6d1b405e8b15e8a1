"""SIP over WebSocket (RFC 7118): connections that a web server accepted, one SIP message a frame.

The browser at the other end has no address of its own (its Via and Contact say `….invalid`), so everything for it goes back over
the connection that it opened; there is no way to open one from here.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from sip.address import Address
from sip.transport.connections import ConnectionTable
from sip.transport.ports import ConnectionFigures, OnFailure, Receiver, StreamLimits, plain_host

log = structlog.get_logger(__name__)

SUB_PROTOCOL: Final = "sip"
_PING: Final = b"\r\n\r\n"
_PONG: Final = b"\r\n"
_FIRST_STAND_IN_PORT: Final = 1


class WebSocketConnection:
    """One WebSocket: its server feeds the frames that come, and fetches those that are to go."""

    def __init__(self, owner: WebSocketTransport, peer: Address) -> None:
        self._owner = owner
        self.peer: Address | None = peer
        self._waiting: list[bytes] = []
        self._unsent = 0
        self._news = asyncio.Event()
        self._closing = False
        self._last_heard = owner.now()
        self._brought = False

    def feed(self, frame: bytes) -> None:
        """Take one frame."""
        if self.peer is None or self._closing:
            return
        self._last_heard = self._owner.now()
        self._brought = True
        if not self._owner.receiver.admits(self.peer):
            self.close()
        elif frame == _PING:
            self.write(_PONG)
        else:
            self._owner.receiver.receive(frame, self.peer)

    async def next_frames(self) -> list[bytes]:
        """Wait for frames that are to be sent, and return them in order; none: close the WebSocket."""
        await self._news.wait()
        self._news.clear()
        frames, self._waiting, self._unsent = self._waiting, [], 0
        return frames

    def gone(self) -> None:
        """Take note that the WebSocket is closed."""
        self._closing = True
        self._owner.remove(self)

    def write(self, payload: bytes) -> bool:
        """Send one message; False when the peer reads so slowly that the connection is dropped."""
        if self._closing:
            return False
        if self._unsent > self._owner.limits.max_unsent_bytes:
            log.warning("websocket_peer_does_not_read", peer=str(self.peer))
            self.close()
            return False
        self._unsent += len(payload)
        self._waiting.append(payload)
        self._news.set()
        return True

    def expired(self, now: float, limits: StreamLimits) -> str:
        """Return why it should be closed, or ""; whether the peer lives is asked by the server's own pings."""
        if self._last_heard < now - limits.idle_seconds:
            return "silent"
        if not self._brought and self._last_heard < now - limits.message_seconds:
            return "no message"
        return ""

    def close(self) -> None:
        """Have the server close the WebSocket."""
        self._closing = True
        self._waiting.clear()
        self._news.set()


class WebSocketTransport:
    """The WebSockets of one scheme, `ws` or `wss`."""

    def __init__(self, receiver: Receiver, on_failure: OnFailure, local: Address, limits: StreamLimits) -> None:
        """Begin without connections.

        Args:
            receiver: takes the messages.
            on_failure: hears of peers that cannot be reached.
            local: where the web server listens; its transport is `ws` or `wss`.
            limits: what is borne.
        """
        self.receiver = receiver
        self._on_failure = on_failure
        self.local = local
        self.limits = limits
        self._table: ConnectionTable[WebSocketConnection] = ConnectionTable(limits)
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._sweeper = self._loop.call_later(self._table.sweep_seconds, self._sweep)

    def now(self) -> float:
        """Return the event loop's time."""
        return self._loop.time()

    @property
    def figures(self) -> ConnectionFigures:
        """What became of the connections."""
        return self._table.figures

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return len(self._table)

    def accept(self, host: str, port: int) -> WebSocketConnection | None:
        """Take a WebSocket that a web server accepted; None: there are too many.

        Args:
            host: where it comes from; behind a proxy what that tells.
            port: of the peer; 0 where the proxy does not tell. Another one stands in for it then, since it names the connection.
        """
        host = plain_host(host)
        if self._closed or not self.receiver.admits(Address(host, port, self.local.transport)):
            return None
        if not self._table.admit(host):
            return None
        peer = Address(host, self._free_port(host, port), self.local.transport)
        connection = WebSocketConnection(self, peer)
        self._table.add(connection, peer)
        return connection

    def refused(self) -> None:
        """Take note that a client did not ask for the sub-protocol."""
        self.figures.handshakes_failed += 1

    def connected(self, host: str, port: int) -> bool:
        """Tell whether there is a WebSocket of this peer."""
        return self._table.get(host, port) is not None

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send over the peer's WebSocket; without one there is no way."""
        connection = self._table.get(host, port)
        if connection is None or not connection.write(payload):
            self._loop.call_soon(self._on_failure, Address(host, port, self.local.transport))

    def remove(self, connection: WebSocketConnection) -> None:
        """Take out a connection that is gone."""
        peer = connection.peer
        if peer is not None and self._table.remove(connection):
            self._table.release(peer.host)
            if not self._closed:
                self._on_failure(peer)

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        self._sweeper.cancel()
        for connection in self._table.all():
            connection.close()

    def _free_port(self, host: str, port: int) -> int:
        if port and not self.connected(host, port):
            return port
        # There are fewer connections of one source than ports.
        port = _FIRST_STAND_IN_PORT
        while self.connected(host, port):
            port += 1
        return port

    def _sweep(self) -> None:
        self._table.sweep(self._loop.time())
        self._sweeper = self._loop.call_later(self._table.sweep_seconds, self._sweep)
