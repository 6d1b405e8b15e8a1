"""The connections of the web server, bounded in number, patience and pace: whoever holds many open, says nothing or asks without end keeps
nobody else out, and no call waits for it.

WebSockets have bounds of their own from their handshake on: `api.live`, and the SIP transport's limits.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.addresses import is_loopback
from sip.rate_limit import RateLimiter
from sip.transport.connections import source_of
from sip.transport.ports import plain_host

log = structlog.get_logger(__name__)

_MOST_SOURCES: Final = 50_000


@dataclass(slots=True, frozen=True)
class WebLimits:
    """What the web server bears."""

    max_connections: int = 4_000
    """Connections at one time; well below the files that the process may open, so that SIP always has its part."""
    max_per_source: int = 500
    """Of one IPv4 address or one IPv6 network of 64 bits; loopback, where a proxy is, may have all."""
    handshake_seconds: float = 10.0
    """How long a client may take for the TLS handshake."""
    head_seconds: float = 30.0
    """How long a connection may be without a whole head of a request."""
    stuck_seconds: float = 60.0
    """How long a client may read nothing of its answer."""
    requests_per_second: float = 100.0
    """Requests of one source whose senders are not signed in; loopback may ask without end."""
    burst: float = 1_000.0
    """So many of them may come at once: an office that opens the web app."""


class WebConnections:
    """The open connections of one port."""

    def __init__(self, limits: WebLimits) -> None:
        self.limits = limits
        self._sources: Counter[str] = Counter()
        self._open: set[WebConnection] = set()
        self._admitted = 0
        self._refused = 0
        self._pace = RateLimiter(
            time.monotonic, rate=limits.requests_per_second, burst=limits.burst, most_sources=_MOST_SOURCES
        )
        self._sweeper: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look for those who keep a connection for nothing."""
        seconds = min(self.limits.head_seconds, self.limits.stuck_seconds) / 4
        self._sweeper = asyncio.get_running_loop().call_later(min(seconds, 5.0), self._sweep)

    def stop(self) -> None:
        """Look no more."""
        if self._sweeper is not None:
            self._sweeper.cancel()

    def admit(self, host: str) -> bool:
        """Count a connection; False when there are too many, of all or of this source."""
        source = source_of(host)
        is_free = is_loopback(host) or (
            self._sources[source] < self.limits.max_per_source and self._pace.allows(source)
        )
        if self._admitted < self.limits.max_connections and is_free:
            self._sources[source] += 1
            self._admitted += 1
            return True
        self._refused += 1
        if self._refused.bit_count() == 1:
            # The first, the second, the fourth, ...: a flood of connections is none of lines in the log.
            log.warning("web_connection_refused", source=host, of_source=self._sources[source], refused=self._refused)
        return False

    def asked(self, host: str) -> bool:
        """Count a request of one who is not signed in; False when its source asks too much."""
        if is_loopback(host):
            return True
        source = source_of(host)
        self._pace.charge(source)
        return self._pace.allows(source)

    def release(self, host: str) -> None:
        """Take note that an admitted connection is gone, or a WebSocket from now on."""
        source = source_of(host)
        self._sources[source] -= 1
        self._admitted -= 1
        if not self._sources[source]:
            del self._sources[source]

    def enter(self, connection: WebConnection) -> None:
        """Watch a connection from now on."""
        self._open.add(connection)

    def leave(self, connection: WebConnection) -> None:
        """Watch it no more; it counts for its source until now."""
        if connection in self._open:
            self._open.remove(connection)
            self.release(connection.host)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self._open):
            connection.look(now, self.limits)
        self.start()


class WebConnection(H11Protocol):
    """One connection of HTTP."""

    def __init__(self, connections: WebConnections, host: str, **given: Any) -> None:
        """Prepare.

        Args:
            connections: where it is counted already.
            host: where it comes from.
            given: what uvicorn hands to each connection.
        """
        super().__init__(**given)
        self._table = connections
        self.host = host
        self._idle_since = 0.0
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._idle_since = self._unsent_since = asyncio.get_running_loop().time()
        self._table.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the table."""
        self._table.leave(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Leave the table: a WebSocket has other bounds."""
        self._table.asked(self.host)
        self._table.leave(self)
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        """Begin to wait for the next request, of one who does not ask too much."""
        self._idle_since = asyncio.get_running_loop().time()
        if self.cycle.scope.get("ramal.principal") is None and not self._table.asked(self.host):
            self.transport.close()
        super().on_response_complete()

    def look(self, now: float, limits: WebLimits) -> None:
        """Close it where its client asks nothing, brings its request drop by drop, or does not read the answer."""
        waits = self.cycle is None or self.cycle.response_complete
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        if waits and now - self._idle_since > limits.head_seconds:
            self.transport.close()
        if now - self._unsent_since > limits.stuck_seconds:
            self.transport.abort()


class Door(asyncio.Protocol):
    """A connection that was just accepted: turned away, or handed on, after its TLS handshake where there is one."""

    def __init__(
        self, connections: WebConnections, make: Callable[[str], WebConnection], tls: ssl.SSLContext | None
    ) -> None:
        self._connections = connections
        self._make = make
        self._tls = tls
        self._handshake: asyncio.Task[None] | None = None
        self._early = b""
        self._is_lost = False

    def data_received(self, data: bytes) -> None:
        """Keep what a fast client says before its handshake has begun here, and before its connection is made after it."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the client is gone already."""
        self._is_lost = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in, or not."""
        raw = cast("asyncio.Transport", transport)
        peer = raw.get_extra_info("peername")
        host = plain_host(peer[0]) if peer else ""
        if not self._connections.admit(host):
            raw.abort()
        elif self._tls is None:
            connection = self._make(host)
            raw.set_protocol(connection)
            connection.connection_made(raw)
        else:
            self._handshake = asyncio.get_running_loop().create_task(self._secure(raw, host, self._tls))

    async def _secure(self, raw: asyncio.Transport, host: str, tls: ssl.SSLContext) -> None:
        seconds = self._connections.limits.handshake_seconds
        loop = asyncio.get_running_loop()
        # The first request may come in the same turn as the end of the handshake: the connection hears of it once it is made.
        handshake = loop.create_task(loop.start_tls(raw, self, tls, server_side=True, ssl_handshake_timeout=seconds))
        # Now it takes its first step, and in the next turn of the loop it begins: what was early comes right after that.
        await asyncio.sleep(0)
        loop.call_soon(self._repeat, raw)
        try:
            secure = await handshake
        except (OSError, ssl.SSLError):
            secure = None
        if secure is None or self._is_lost:
            self._connections.release(host)
            raw.abort()
        else:
            self._enter(secure, host)

    def _enter(self, secure: asyncio.Transport, host: str) -> None:
        """Hand on to HTTP, with what was asked already."""
        connection = self._make(host)
        secure.set_protocol(connection)
        connection.connection_made(secure)
        if self._early:
            connection.data_received(self._early)

    def _repeat(self, raw: asyncio.Transport) -> None:
        """Say to the handshake what the client said too early."""
        early, self._early = self._early, b""
        if not early or raw.get_protocol() is self:
            return
        # Both event loops read into a buffer of their handshake; uvloop's does not say so by its type.
        taker = cast("asyncio.BufferedProtocol", raw.get_protocol())
        while early:
            room = memoryview(taker.get_buffer(len(early)))
            taken = min(len(room), len(early))
            room[:taken] = early[:taken]
            taker.buffer_updated(taken)
            early = early[taken:]
