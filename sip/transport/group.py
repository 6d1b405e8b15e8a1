"""Several sockets of one transport: which of them speaks to whom."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Final

from sip.address import Address
from sip.transport.ports import ConnectionFigures, Transport

_MOST_PEERS: Final = 200_000
"""Peers remembered with the socket that they were heard at."""
ANY_HOSTS: Final = ("0.0.0.0", "::", "")  # noqa: S104 - compared with, not bound to


def is_ipv6(host: str) -> bool:
    """Tell whether a host is a literal IPv6 address."""
    return ":" in host


class TransportGroup:
    """Speaks to a peer from the socket it was heard at, or over the connection it has, else from the one on the way to it."""

    def __init__(self, first: Transport, route_to: Callable[[str], str]) -> None:
        """Begin with one socket.

        Args:
            first: what speaks where nothing tells another.
            route_to: returns the address of this machine on the way to an IP address.
        """
        self.local = first.local
        self.members: list[Transport] = [first]
        self._route_to = route_to
        self._by_host: dict[str, Transport] = {}
        self._heard: dict[tuple[str, int], Transport] = {}

    def add(self, member: Transport) -> None:
        """Take a further socket."""
        self.members.append(member)
        self._by_host.clear()

    @property
    def figures(self) -> ConnectionFigures:
        """What became of the connections of all members."""
        total = ConnectionFigures()
        for member in self.members:
            for name in ConnectionFigures.__slots__:
                setattr(total, name, getattr(total, name) + getattr(member.figures, name))
        return total

    @property
    def open_connections(self) -> int:
        """How many connections the members have."""
        return sum(member.open_connections for member in self.members)

    def send(self, payload: bytes, host: str, port: int) -> None:
        """Send one message from the right socket."""
        self.towards(host, port).send(payload, host, port)

    def connected(self, host: str, port: int) -> bool:
        """Tell whether one of the members needs no new connection."""
        return any(member.connected(host, port) for member in self.members)

    def close(self) -> None:
        """Close all members."""
        for member in self.members:
            member.close()

    def heard(self, source: Address, member: Transport) -> None:
        """Remember at which socket a peer was heard: behind a NAT only that one reaches it."""
        if self._heard.get(source[:2]) is not member:
            if len(self._heard) >= _MOST_PEERS:
                self._heard.clear()
            self._heard[source[:2]] = member

    def towards(self, host: str, port: int) -> Transport:
        """Return the member that speaks to a peer."""
        heard = self._heard.get((host, port))
        if heard is not None:
            return heard
        if self.local.reliable:
            for member in self.members:
                if member.connected(host, port):
                    return member
        member_or_none = self._by_host.get(host)
        if member_or_none is None:
            if len(self._by_host) >= _MOST_PEERS:
                self._by_host.clear()
            member_or_none = self._by_host[host] = self._on_the_way_to(host)
        return member_or_none

    def _on_the_way_to(self, host: str) -> Transport:
        members = self.members
        try:
            wanted = ipaddress.ip_address(host).version == 6
        except ValueError:
            return members[0]
        family = [member for member in members if is_ipv6(member.local.host) == wanted]
        if len(family) > 1:
            own = self._route_to(host)
            family.sort(key=lambda member: (member.local.host != own, member.local.host not in ANY_HOSTS))
        return family[0] if family else members[0]
