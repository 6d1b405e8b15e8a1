"""What the stack tells whoever looks on."""

from __future__ import annotations

from typing import Protocol

from sip.address import Address
from sip.message import Request, Response


class MessageTap(Protocol):
    """Sees every message. It is called for each one on the event loop, so it only takes note, and never raises."""

    def received(self, data: bytes, source: Address) -> None:
        """Take a datagram that came."""
        ...

    def received_message(self, message: Request | Response, source: Address) -> None:
        """Take a message that came in a stream."""
        ...
