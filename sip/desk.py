"""What those who take requests outside of dialogs ask of the way in."""

from __future__ import annotations

from typing import Protocol

from sip.address import Address
from sip.message import Headers, Request
from sip.transaction import ServerTransaction


class Desk(Protocol):
    """Where requests outside of dialogs come in: who sent them is asked there, and answers go out."""

    def admit(self, request: Request, source: Address, *, proxy: bool) -> str | None:
        """Return the user who sent a request; None: the request was answered with a challenge."""
        ...

    def refuse(self, request: Request, source: Address, status: int, *, headers: Headers = ()) -> None:
        """Answer without a transaction."""
        ...

    def accept(self, request: Request, source: Address) -> ServerTransaction:
        """Start the transaction of a request."""
        ...
