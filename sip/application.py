"""What the stack asks of, and tells to, the one who controls calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sip.address import Address
from sip.authentication import HA1s
from sip.binding import Binding
from sip.message import Request
from sip.session import InviteSession


class Application(Protocol):
    """Call control. Every method is called synchronously and must not block; what it raises is answered with 500."""

    def invite_received(self, session: InviteSession) -> None:
        """Take a new incoming call: set `session.listener`, and answer or refuse now or later.

        100 was sent. `session.identity` is the user who proved who they are, or `session.trunk` the trunk it came from.
        """
        ...

    def credentials(self, username: str) -> HA1s | None:
        """Return the stored password hashes of a user (realm: `SipConfig.realm`), or None for an unknown one."""
        ...

    def identify_trunk(self, request: Request, source: Address) -> str | None:
        """Return the trunk that sends from this address and needs no digest, or None."""
        ...

    def registered(self, aor: str, bindings: Sequence[Binding]) -> None:
        """Take note that a user's contacts changed: all that are valid now, none when the last one left or expired."""
        ...
