"""Where a message came from or goes to: host, port and transport."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061, "ws": 80, "wss": 443}
RELIABLE_TRANSPORTS = frozenset(("tcp", "tls", "ws", "wss"))


class Address(NamedTuple):
    """One end of a transport; a plain `(host, port, transport)` tuple with names.

    `host` is an IP address or a name without brackets, `transport` is lower case: `udp`, `tcp`, `tls`, `ws` or `wss`.
    """

    host: str
    port: int
    transport: str = "udp"

    @property
    def reliable(self) -> bool:
        """Whether the transport delivers or tells (RFC 3261 section 17: no retransmission timers then)."""
        return self.transport in RELIABLE_TRANSPORTS

    @property
    def host_port(self) -> str:
        """`host:port` as a Via or a URI writes it, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.transport}:{self.host_port}"


@lru_cache(maxsize=4096)
def is_ip_address(host: str) -> bool:
    """Tell whether `host` is a literal IPv4 or IPv6 address and needs no resolving."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=4096)
def is_reachable_from_afar(host: str) -> bool:
    """Tell whether `host` can mean the same machine on both sides of a NAT.

    False for private, shared (RFC 6598), link-local and loopback addresses and for the `.invalid` names of browser
    phones.
    """
    try:
        return ipaddress.ip_address(host.strip("[]")).is_global
    except ValueError:
        return not host.endswith(".invalid")
