"""Who is known by address and port: registered phones, and the peers of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip.address import Address

if TYPE_CHECKING:
    from sip.core import SipCore

_GATHERED_SECONDS = 1.0
"""How long the peers of sessions are believed."""


class KnownPeers:
    """Answers for whom the guard would turn away; nobody else is asked about."""

    __slots__ = ("_core", "_peers", "_until")

    def __init__(self, core: SipCore) -> None:
        self._core = core
        self._peers: frozenset[Address] = frozenset()
        self._until = core.clock.monotonic()

    def has(self, source: Address) -> bool:
        """Tell whether a registered phone or the peer of a session is at this address and port.

        The peers of sessions are gathered anew once a second: whoever is in none yet is registered, or would not have come so far.
        """
        core = self._core
        if core.inbound.registrations.registrar.reaches(source):
            return True
        now = core.clock.monotonic()
        if now >= self._until:
            self._until = now + _GATHERED_SECONDS
            sessions = core.sessions.values()
            hops = [session.dialog.next_hop for session in sessions if session.dialog is not None]
            self._peers = frozenset([*hops, *(session.source for session in sessions)])
        return source in self._peers
