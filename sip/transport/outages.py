"""Which peers cannot be reached: each is told in the log once, and once more when it can be reached again."""

from __future__ import annotations

from typing import Final

import structlog

from sip.address import Address

log = structlog.get_logger(__name__)

_MOST_PEERS: Final = 4096
"""Peers remembered; beyond, all are forgotten, and told anew."""


class Outages:
    """The peers of one transport that nothing could be sent to the last time."""

    def __init__(self) -> None:
        self._peers: set[Address] = set()

    def __bool__(self) -> bool:
        """Tell whether there are any, which is asked for every message."""
        return bool(self._peers)

    def begin(self, peer: Address, problem: str) -> None:
        """Take note that a peer cannot be reached; further problems until it is are not told."""
        if peer in self._peers:
            return
        if len(self._peers) >= _MOST_PEERS:
            self._peers.clear()
        self._peers.add(peer)
        log.warning("peer_cannot_be_reached", peer=str(peer), problem=problem)

    def end(self, peer: Address) -> None:
        """Take note that a peer is reached."""
        if peer in self._peers:
            self._peers.remove(peer)
            log.info("peer_is_reached_again", peer=str(peer))
