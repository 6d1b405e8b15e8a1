"""What a transport and the stack see of each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

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


PORT_HINT: Final = "Stop the program that uses it, or set RAMAL_SIP_PORT (or RAMAL_PORT_BASE to move all ports)."
"""What to do about a port that is taken."""

OnFailure = Callable[[Address], None]
"""Called with an address that nothing can be delivered to; never raises."""


class Transport(Protocol):
    """One way of sending; the host of a destination is an IP address."""

    local: Address
    """Where it listens, with the port it really got."""

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send one message; a failure is told to the `OnFailure` it was made with, never raised."""
        ...

    def close(self) -> None:
        """Close the socket and all connections."""
        ...


@dataclass(slots=True, frozen=True)
class StreamLimits:
    """What a stream transport bears."""

    max_connections: int = 10_000
    idle_seconds: float = 3900.0
    connect_seconds: float = 5.0
    """How long a connection may take to open."""
    max_unsent_bytes: int = 1024 * 1024
    """Bytes waiting for a peer that does not read, above which its connection is dropped."""


def plain_host(host: str) -> str:
    """Return a peer's host as the kernel reports it without zone and without an IPv4 address's IPv6 dress."""
    if host.startswith("::ffff:") and "." in host:
        return host[7:]
    return host.partition("%")[0]
