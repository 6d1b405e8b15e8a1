"""What a transport and the stack see of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sip.address import Address
from sip.errors import MalformedMessageError
from sip.message import Request, Response


class Receiver(Protocol):
    """Takes what the transports receive; none of its methods raises."""

    def admits(self, source: Address) -> bool:
        """Tell whether a stream from here is to be read; a transport closes the connection when it is not."""
        ...

    def receive(self, data: bytes, source: Address) -> None:
        """Take one datagram."""
        ...

    def receive_message(self, message: Request | Response, source: Address) -> None:
        """Take one message of a stream."""
        ...

    def receive_malformed(self, error: MalformedMessageError, source: Address) -> None:
        """Take what could not be read of a stream."""
        ...


def port_hint(transport: str) -> str:
    """Return what to do about a port of SIP that is taken."""
    setting = "RAMAL_SIP_TLS_PORT" if transport == "tls" else "RAMAL_SIP_PORT"
    return f"Stop the program that uses it, or set {setting} (or RAMAL_PORT_BASE to move all ports)."


OnFailure = Callable[[Address], None]
"""Called with an address that nothing can be delivered to; never raises."""


@dataclass(slots=True)
class ConnectionFigures:
    """What became of a transport's connections since the start."""

    accepted: int = 0
    opened: int = 0
    """Connections that we opened."""
    refused: int = 0
    """Turned away because there were too many, of all or of one source."""
    handshakes_failed: int = 0
    """Of TLS, or of WebSockets without the sub-protocol."""
    expired: int = 0
    """Closed for silence, or for a message that was never completed."""


class Transport(Protocol):
    """One way of sending; the host of a destination is an IP address."""

    local: Address
    """Where it listens, with the port it really got."""

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send one message; a failure is told to the `OnFailure` it was made with, never raised."""
        ...

    def connected(self, host: str, port: int) -> bool:
        """Tell whether a message for this peer can be sent without opening a connection; always so with datagrams."""
        ...

    @property
    def figures(self) -> ConnectionFigures:
        """What became of the connections."""
        ...

    @property
    def open_connections(self) -> int:
        """How many connections are open; 0 with datagrams."""
        ...

    def close(self) -> None:
        """Close the socket and all connections."""
        ...


@dataclass(slots=True, frozen=True)
class StreamLimits:
    """What a transport with connections bears."""

    max_connections: int = 10_000
    max_per_source: int = 1_000
    """Connections from one IPv4 address or one IPv6 network of 64 bits, those that still shake hands included."""
    idle_seconds: float = 3900.0
    connect_seconds: float = 3.0
    """How long a connection of ours may take to open."""
    max_unsent_bytes: int = 1024 * 1024
    """Bytes waiting for a peer that does not read, above which its connection is dropped."""
    handshake_seconds: float = 10.0
    """How long a peer may take for the TLS handshake."""
    max_handshakes: int = 500
    """TLS handshakes under way at one time."""
    max_handshakes_per_source: int = 100
    """Of these, so that one source cannot keep all others out."""
    message_seconds: float = 60.0
    """How long a new connection may take to bring something whole, and a message to be completed."""
    ping_seconds: float = 60.0
    """Silence after which a connection that we opened is asked with two CRLF whether it lives (RFC 5626 section 4.4.1)."""
    pong_seconds: float = 10.0
    """How long a peer that answered such a question before may take to answer the next one."""


def plain_host(host: str) -> str:
    """Return a peer's host as the kernel reports it without zone and without an IPv4 address's IPv6 dress."""
    if host.startswith("::ffff:") and "." in host:
        return host[7:]
    return host.partition("%")[0]
