"""SIP over UDP: one socket, one datagram a message; STUN in between is answered."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import cast

import structlog

from sip.address import Address
from sip.errors import TransportError
from sip.stun import binding_response
from sip.transport.outages import Outages
from sip.transport.ports import ConnectionFigures, OnFailure, Receiver, plain_host, port_hint

log = structlog.get_logger(__name__)

_RECEIVE_BUFFER = 4 * 1024 * 1024
"""Asked of the kernel, which may give less: a burst must survive a pause of the event loop."""
_SO_RCVBUFFORCE = 33
_SO_MEMINFO = 55
_MEMINFO = struct.Struct("=9I")
_BELOW_TEXT = b"\x04"
"""No SIP message begins with a byte below this one, every STUN message does (RFC 7983 section 7)."""
_STUN_A_SECOND = 2000
"""Answers to STUN: what the phones of a large house ask, and little for one who forges senders."""


class UdpTransport(asyncio.DatagramProtocol):
    """One UDP socket."""

    def __init__(self, receiver: Receiver, on_failure: OnFailure, local: Address) -> None:
        self.local = local
        self.on_heard: Callable[[Address, UdpTransport], None] | None = None
        """Told of every datagram's source, where several sockets share a way out."""
        self._on_failure = on_failure
        self._receiver = receiver
        self._transport: asyncio.DatagramTransport | None = None
        self._socket: socket.socket | None = None
        self._outages = Outages()
        self._ipv6 = ":" in local.host
        self._stun_second = 0
        self._stun_answers = 0
        self.figures = ConnectionFigures()
        self.receive_buffer = 0
        """Bytes of kernel memory that waiting datagrams may take."""

    @classmethod
    async def open(cls, receiver: Receiver, on_failure: OnFailure, local: Address) -> UdpTransport:
        """Bind the socket.

        Raises:
            TransportError: the address is taken or is not one of this machine.
        """
        family = socket.AF_INET6 if ":" in local.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            _enlarge(sock)
            if family == socket.AF_INET6:
                # IPv4 has a socket of its own: one for both writes addresses in a third way.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((local.host, local.port))
        except OSError as error:
            sock.close()
            raise TransportError(
                f"SIP cannot listen on UDP {local.host_port}: {error.strerror}.", hint=port_hint(local.transport)
            ) from error
        self = cls(receiver, on_failure, Address(local.host, sock.getsockname()[1], "udp"))
        self._socket = sock
        self.receive_buffer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=sock)
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport of the event loop."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Hand a datagram to the stack."""
        source = _address(addr[0], addr[1])
        if self.on_heard is not None:
            self.on_heard(source, self)
        if data[:1] < _BELOW_TEXT and self._answer_stun(data, source):
            return
        self._receiver.receive(data, source)

    def _answer_stun(self, data: bytes, source: Address) -> bool:
        """Answer a STUN binding request; False when the datagram is none."""
        answer = binding_response(data, source.host, source.port)
        if answer is None:
            return False
        second = int(asyncio.get_running_loop().time())
        if second != self._stun_second:
            self._stun_second, self._stun_answers = second, 0
        self._stun_answers += 1
        if self._stun_answers <= _STUN_A_SECOND and self._receiver.admits(source):
            self.send(answer, source.host, source.port)
        return True

    def error_received(self, exc: Exception) -> None:
        """Note an error; it does not say whose packet it was, so the timers decide.

        ICMP errors do not come here: the kernel keeps them from a socket without a peer, unless it asks (IP_RECVERR), and uvloop 0.23
        crashes where one is queued.
        """
        log.debug("udp_error", problem=str(exc))

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send one datagram; one that cannot leave at all is reported on the next turn of the loop."""
        if self._transport is None or self._transport.is_closing():
            return
        if (":" in host) != self._ipv6:
            self._failed(Address(host, port, "udp"), "SIP listens on no address of its family")
            return
        try:
            # The kernel refuses what does not fit into a datagram.
            self._transport.sendto(payload, (host, port))
        except (OSError, ValueError) as error:
            self._failed(Address(host, port, "udp"), str(error))
        else:
            if self._outages:
                self._outages.end(Address(host, port, "udp"))

    def _failed(self, peer: Address, problem: str) -> None:
        self._outages.begin(peer, problem)
        asyncio.get_running_loop().call_soon(self._on_failure, peer)

    def connected(self, _host: str, _port: int) -> bool:
        """Return True: a datagram needs no connection."""
        return True

    @property
    def open_connections(self) -> int:
        """Return 0: there are none."""
        return 0

    def backlog(self) -> int:
        """Return how many bytes wait in the socket to be read, or 0 where the kernel does not tell."""
        if self._socket is None or self._socket.fileno() < 0:
            return 0
        try:
            data = self._socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            return 0
        return int(_MEMINFO.unpack(data)[0])

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


def _enlarge(sock: socket.socket) -> None:
    """Ask for a large receive buffer, past the system's limit where we may."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


@lru_cache(maxsize=1024)
def _address(host: str, port: int) -> Address:
    """Return where a datagram came from: the same object for all datagrams of a peer, for every call keeps it."""
    return Address(plain_host(host), port, "udp")
