"""Requests that are too large for a datagram go by TCP, and by UDP after all where TCP is refused (RFC 3261 section 18.1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from core.clock import Clock
from sip.address import Address

log = structlog.get_logger(__name__)

LARGEST_DATAGRAM: Final = 1300
"""Bytes of a request that surely fit through every path of today in one piece."""
_REFUSED_SECONDS: Final = 3600.0
"""How long a peer that has no TCP is believed to have none."""
_MOST_REFUSALS: Final = 4096


class Oversize:
    """Knows who can be reached by TCP instead."""

    def __init__(
        self,
        clock: Clock,
        *,
        tcp: Callable[[], bool],
        is_flow: Callable[[Address], bool],
        local_address: Callable[[Address], Address],
    ) -> None:
        """Begin.

        Args:
            clock: tells the time.
            tcp: tells whether connections can be opened at all.
            is_flow: tells whether a phone registered from this address: it is reached by the datagrams that keep its NAT open, and
                by nothing else (RFC 5626).
            local_address: returns the address that a peer reaches us at.
        """
        self._clock = clock
        self._tcp = tcp
        self._is_flow = is_flow
        self._local_address = local_address
        self._refused: dict[Address, float] = {}

    def way(self, destination: Address) -> tuple[Address, str] | None:
        """Return where a large request for a UDP address goes by TCP and what its Via says of us; None: by UDP, at any size."""
        if not self._tcp() or self._is_flow(destination):
            return None
        if self._refused.get(destination, 0.0) > self._clock.monotonic():
            return None
        other = destination._replace(transport="tcp")
        return other, self._local_address(other).host_port

    def refused(self, destination: Address) -> None:
        """Take note that a UDP address has no TCP beside it."""
        log.info("large_request_goes_by_udp", destination=str(destination))
        if len(self._refused) >= _MOST_REFUSALS:
            self._refused.clear()
        self._refused[destination] = self._clock.monotonic() + _REFUSED_SECONDS
