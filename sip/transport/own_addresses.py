"""Where peers reach us: the socket that speaks to a peer, its address on the way there, and what the peer is told of it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import lru_cache

import structlog

from sip.address import Address, is_ip_address
from sip.transport.group import ANY_HOSTS, TransportGroup, is_ipv6
from sip.transport.ports import Transport

log = structlog.get_logger(__name__)

_MOST_ROUTES = 4096
"""Hosts whose route is remembered."""


class OwnAddresses:
    """Our addresses as the peers see them, by the sockets that are open."""

    __slots__ = ("_advertised_host", "_routes", "_transports")

    def __init__(self, transports: Mapping[str, Transport], advertised_host: str) -> None:
        """Look at `transports`, which may change, by their names; `advertised_host` is as in `SipConfig`."""
        self._transports = transports
        self._advertised_host = advertised_host
        self._routes: dict[str, str] = {}

    def transport_towards(self, destination: Address) -> Transport | None:
        """Return the socket that speaks to a peer, or None when there is none of its transport."""
        transport = self._transports.get(destination.transport)
        if isinstance(transport, TransportGroup):
            return transport.towards(destination.host, destination.port)
        return transport

    def towards(self, destination: Address) -> Address:
        """Return where the peer at `destination` reaches us."""
        transport = self.transport_towards(destination)
        local = transport.local if transport is not None else Address("127.0.0.1", 5060, destination.transport)
        advertised = self._advertised_host
        # An address of the other family would mean nothing to the peer.
        if advertised and (is_ipv6(advertised) == is_ipv6(local.host) or not is_ip_address(advertised)):
            return Address(advertised, local.port, local.transport)
        if local.host not in ANY_HOSTS:
            return local
        return Address(self.route_to(destination.host), local.port, local.transport)

    def hosts_towards(self, destination: Address) -> tuple[str, str]:
        """Return the address of this machine that speaks to a peer, and the host that the peer is told instead: often the same."""
        transport = self.transport_towards(destination)
        own = transport.local.host if transport is not None else "127.0.0.1"
        if own in ANY_HOSTS:
            own = self.route_to(destination.host)
        return _hosts(own, self.towards(destination).host)

    def route_to(self, host: str) -> str:
        """Return our address on the route to a host; the kernel knows, and no packet is sent."""
        known = self._routes.get(host)
        if known is not None:
            return known
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        own = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        if is_ip_address(host):
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect((host, 9))
                    own = probe.getsockname()[0]
                except OSError as error:
                    log.info("no_route", host=host, problem=str(error))
        if len(self._routes) > _MOST_ROUTES:
            self._routes.clear()
        self._routes[host] = own
        return own


@lru_cache(maxsize=64)
def _hosts(own: str, told: str) -> tuple[str, str]:
    """Return both: one pair for all legs, which keep it."""
    return own, told
