"""One connection of TCP or TLS: messages are cut out of its bytes, pings answered, and a peer that is gone is found out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, cast

import structlog

from sip.address import DEFAULT_PORTS, Address
from sip.errors import MalformedMessageError
from sip.framing import KeepAlive, StreamParser
from sip.message import Request
from sip.transport.ports import StreamLimits
from sip.transport.tls import TlsPeer, certified

if TYPE_CHECKING:
    from sip.transport.tcp import TcpTransport

log = structlog.get_logger(__name__)

_PING = b"\r\n\r\n"
_PONG = b"\r\n"
_KERNEL_IDLE, _KERNEL_INTERVAL, _KERNEL_PROBES = 120, 30, 4
"""Seconds of silence after which the kernel probes a peer, seconds between probes, and how many it sends."""
_LAST_SECONDS, _LAST_BYTES = 2.0, 1024 * 1024
"""For how long, and how much, a peer may go on sending that was answered what its stream broke by."""
_UNACKNOWLEDGED_MILLISECONDS = 30_000
"""How long bytes may be on the way: behind a NAT that forgot the connection nothing is acknowledged, and nothing refused."""


class TcpConnection(asyncio.Protocol):
    """One connection, whoever opened it."""

    def __init__(
        self, owner: TcpTransport, peer: Address | None = None, *, ours: bool = False, expected: TlsPeer | None = None
    ) -> None:
        """Prepare.

        Args:
            owner: the transport.
            peer: who is at the other end; None: to be let in first.
            ours: whether we opened it.
            expected: who is at the other end over TLS, where that is known.
        """
        self._owner = owner
        self._parser = StreamParser()
        self._transport: asyncio.Transport | None = None
        self._ours = ours
        self.expected = expected
        """Who is at the other end over TLS, where that is known; proved, where it has to be."""
        self._pinged_at = 0.0
        self._answers_pings = False
        self._last_heard = 0.0
        self._last_whole = 0.0
        self._brought = False
        self._bears = 0
        """Bytes that are still thrown away unread once the stream is broken."""
        self.peer = peer
        self.listens_at = 0
        """The port at which the peer says that it listens, if it is another than that of the connection; else 0."""
        self.admitted = False
        """Whether it counts for its source until it is gone."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the table, or leave at once when it is full or the peer is not who it should be."""
        self._transport = cast("asyncio.Transport", transport)
        if self.peer is None:
            self.peer = self._owner.let_in(transport.get_extra_info("peername"))
            self.admitted = self.peer is not None
        self._last_heard = self._last_whole = self._owner.now()
        if self.peer is None or not self._proved(transport) or not self._owner.add(self, self.peer):
            self._transport.abort()
            return
        _watch_over(transport)

    def _proved(self, transport: asyncio.BaseTransport) -> bool:
        expected = self.expected
        if expected is None or not expected.checked or self._ours:
            # Whom we call has proved itself in the handshake.
            return True
        proved = certified(transport.get_extra_info("peercert") or {}, expected.name)
        if not proved:
            self._owner.figures.handshakes_failed += 1
            log.warning("tls_peer_is_another", peer=str(self.peer), expected=expected.name)
        return proved

    def data_received(self, data: bytes) -> None:
        """Cut messages out of the bytes and hand them on."""
        if self.peer is None or self._transport is None:
            return
        if self._bears:
            self._bears -= len(data)
            if self._bears <= 0:
                self._transport.abort()
            return
        self._last_heard = now = self._owner.now()
        self._pinged_at = 0.0
        receiver = self._owner.receiver
        if not receiver.admits(self.peer):
            self._transport.abort()
            return
        answered = False
        for item in self._parser.feed(data):
            self._last_whole = now
            self._brought = True
            if isinstance(item, MalformedMessageError):
                receiver.receive_malformed(item, self.peer)
                answered = item.request is not None
            elif item is KeepAlive.PING:
                # Not past the bound: a peer that only asks and never reads would fill our memory.
                self.write(_PONG)
            elif item is KeepAlive.PONG:
                self._answers_pings = True
            elif not isinstance(item, KeepAlive):
                if not self._ours and isinstance(item, Request):
                    self._note_listener(item, self.peer)
                if self.expected is not None and not self._ours:
                    self._owner.note_alias(self, item)
                receiver.receive_message(item, self.peer)
        if self._parser.broken:
            self._end(self._transport, answered=answered)

    def _end(self, transport: asyncio.Transport, *, answered: bool) -> None:
        """Close a broken stream; a peer that was answered may first send the rest of what broke it.

        Where bytes lie unread, or come later, the system resets the connection, and the peer may lose the answer.
        """
        if not answered:
            transport.close()
            return
        self._bears = _LAST_BYTES
        if transport.can_write_eof():
            transport.write_eof()
        self._owner.after(_LAST_SECONDS, transport.close)

    def _note_listener(self, request: Request, peer: Address) -> None:
        """Take note where responses go when the connection is gone: to the port that the Via names (RFC 3261 section 18.2.2).

        Not of a peer behind a NAT, whose Via names another host.
        """
        via = request.via
        if via.host == peer.host:
            port = via.port or DEFAULT_PORTS[peer.transport]
            self.listens_at = port if port != peer.port else 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the table."""
        self.leave()
        self._owner.remove(self, failed=exc is not None)

    def leave(self) -> None:
        """Count no longer for the peer's source."""
        if self.admitted and self.peer is not None:
            self.admitted = False
            self._owner.let_out(self.peer.host)

    @property
    def open(self) -> bool:
        """Whether it was made; it may have been lost since."""
        return self._transport is not None

    def write(self, payload: bytes) -> bool:
        """Send bytes; False when the peer reads so slowly that the connection was dropped."""
        transport = self._transport
        if transport is None or transport.is_closing() or self._bears:
            return False
        if transport.get_write_buffer_size() > self._owner.limits.max_unsent_bytes:
            log.warning("tcp_peer_does_not_read", peer=str(self.peer))
            transport.abort()
            return False
        transport.write(payload)
        return True

    def expired(self, now: float, limits: StreamLimits) -> str:
        """Return why it should be closed, or ""; a silent connection of ours is asked whether it lives."""
        if self._last_heard < now - limits.idle_seconds:
            return "silent"
        if self._last_whole < now - limits.message_seconds:
            if self._parser.unfinished:
                return "unfinished message"
            if not self._brought and not self._ours:
                return "no message"
        if not self._ours:
            return ""
        if not self._pinged_at:
            if self._last_heard < now - limits.ping_seconds:
                self._pinged_at = now
                self.write(_PING)
        elif self._answers_pings and self._pinged_at < now - limits.pong_seconds:
            return "no pong"
        return ""

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


def _watch_over(transport: asyncio.BaseTransport) -> None:
    """Have the kernel find out that a peer is gone without a word."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, _KERNEL_IDLE),
            (socket.TCP_KEEPINTVL, _KERNEL_INTERVAL),
            (socket.TCP_KEEPCNT, _KERNEL_PROBES),
            (socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MILLISECONDS),
        ):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
