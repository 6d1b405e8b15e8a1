"""The connections of one transport: found by their peer, counted by their source, looked through for silence."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Generic, Protocol, TypeVar

import structlog

from sip.address import Address
from sip.transport.ports import ConnectionFigures, StreamLimits

log = structlog.get_logger(__name__)

_IPV6_NETWORK_BITS = 64
_MOST_LEFT = 4096
"""Peers remembered whose connection is gone."""


class Connection(Protocol):
    """What the table has to know of a connection."""

    peer: Address | None
    """Who is at the other end; None until that is known."""

    def expired(self, now: float, limits: StreamLimits) -> str:
        """Return why it should be closed, or "" when it may stay; also its moment to ask whether the peer lives."""
        ...

    def close(self) -> None:
        """Close it; what was written still leaves."""
        ...


C = TypeVar("C", bound=Connection)


class ConnectionTable(Generic[C]):
    """The open connections by host and port of their peers, and how many each source has."""

    def __init__(self, limits: StreamLimits) -> None:
        self.limits = limits
        self.figures = ConnectionFigures()
        self._connections: dict[tuple[str, int], C] = {}
        self._aliases: dict[tuple[str, int], C] = {}
        """Connections of peers that listen at another port than the one they opened it from (RFC 5923)."""
        self._left: dict[tuple[str, int], int] = {}
        """Where peers listen that are gone from a port of theirs; the latest are the last."""
        self._sources: dict[str, int] = {}
        self._admitted = 0

    def __len__(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    def get(self, host: str, port: int) -> C | None:
        """Return the connection with this peer, or None."""
        key = (host, port)
        return self._connections.get(key) or self._aliases.get(key)

    def all(self) -> list[C]:
        """Return the open connections."""
        return list(self._connections.values())

    def admit(self, host: str) -> bool:
        """Count a connection that a peer opened; False when there are too many, of all or of this source."""
        source = source_of(host)
        held = self._sources.get(source, 0)
        if self._admitted >= self.limits.max_connections or held >= self.limits.max_per_source:
            self.figures.refused += 1
            if self.figures.refused.bit_count() == 1:
                # The first, the second, the fourth, ...: a flood of connections is none of lines in the log.
                log.warning("connection_refused", source=host, of_source=held, refused=self.figures.refused)
            return False
        self._sources[source] = held + 1
        self._admitted += 1
        self.figures.accepted += 1
        return True

    def release(self, host: str) -> None:
        """Take note that an admitted connection is gone."""
        source = source_of(host)
        held = self._sources.pop(source, 0) - 1
        if held > 0:
            self._sources[source] = held
        self._admitted -= 1

    def add(self, connection: C, peer: Address) -> None:
        """Enter an open connection; an older one with the same peer is not found any more."""
        self._connections[peer[:2]] = connection

    def alias(self, connection: C, host: str, port: int) -> None:
        """Find a connection also by the port that its peer listens at."""
        self._aliases[host, port] = connection

    def aliases_of(self, connection: C) -> list[tuple[str, int]]:
        """Return the further addresses by which a connection is found."""
        return [key for key, other in self._aliases.items() if other is connection]

    def leave(self, peer: Address, listens_at: int) -> None:
        """Remember where a peer said that it listens, whose connection is gone."""
        if len(self._left) >= _MOST_LEFT:
            del self._left[next(iter(self._left))]
        self._left[peer[:2]] = listens_at

    def listening(self, host: str, port: int) -> int:
        """Return the port of a peer at which it can be reached anew: another one where it is gone from this one."""
        return port if self.get(host, port) is not None else self._left.get((host, port), port)

    def remove(self, connection: C) -> bool:
        """Take out a connection that is gone; False when another one has its place, or it was never entered."""
        peer = connection.peer
        if peer is None or self._connections.get(peer[:2]) is not connection:
            return False
        del self._connections[peer[:2]]
        for key in self.aliases_of(connection) if self._aliases else ():
            del self._aliases[key]
        return True

    def sweep(self, now: float) -> None:
        """Close what was silent or unfinished for too long."""
        for connection in self.all():
            reason = connection.expired(now, self.limits)
            if reason:
                self.figures.expired += 1
                log.info("connection_expired", peer=str(connection.peer), reason=reason)
                connection.close()

    @property
    def sweep_seconds(self) -> float:
        """How often `sweep` is worth calling."""
        limits = self.limits
        shortest = min(limits.idle_seconds, limits.message_seconds, limits.ping_seconds, limits.pong_seconds)
        return min(max(shortest / 4, 0.02), 5.0)


@lru_cache(maxsize=4096)
def source_of(host: str) -> str:
    """Return what counts as one source: an IPv4 address, or the network that an IPv6 site may choose addresses from."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.ip_network((host, _IPV6_NETWORK_BITS), strict=False))
    except ValueError:
        return host
