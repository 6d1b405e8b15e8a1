"""A contact of a user as the registrar holds it: where it leads, whence it came, and where its phone listens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sip.address import DEFAULT_PORTS
from sip.uri import Uri

Source = tuple[str, int, str]
"""Host, port and transport (lower case) that packets come from."""


@dataclass(slots=True)
class Binding:
    """One contact of a user."""

    uri: Uri
    source: Source
    """Where the REGISTER really came from; behind NAT only this address reaches the phone."""
    expires_at: datetime
    refreshed_at: datetime
    user_agent: str
    call_id: str
    cseq: int
    path: tuple[str, ...] = ()
    """The edges that requests must go through, the first one first (RFC 3327)."""
    instance: str = ""
    """`+sip.instance`: the phone itself, whatever its address (RFC 5626); empty when it tells none."""
    reg_id: str = ""
    q: float = 1.0
    """The phone's own preference, 0 to 1."""
    direct: bool = False
    """Whether the REGISTER came from the very address that its sender wrote into the Via, so that no NAT is in between."""
    row: str = ""
    """Where a store keeps it; empty while none does."""

    def is_refreshed_by(self, other: Binding) -> bool:
        """Tell whether another one says the same but for its times, Call-ID and CSeq."""
        return (
            self.source == other.source
            and self.uri == other.uri
            and self.user_agent == other.user_agent
            and self.path == other.path
            and (self.instance, self.reg_id, self.q, self.direct)
            == (other.instance, other.reg_id, other.q, other.direct)
        )


def own_port(binding: Binding) -> int:
    """Return the port at which a phone says that it takes connections on the host that its own came from; 0: it does not."""
    host, _, transport = binding.source
    uri = binding.uri
    if binding.path or binding.reg_id or transport not in ("tcp", "tls"):
        return 0
    if uri.host != host or uri.transport != transport or uri.parameter("ob") is not None:
        return 0
    return uri.port or DEFAULT_PORTS[transport]


def listens(binding: Binding) -> bool:
    """Tell whether a phone surely takes connections: at another port than the one that its own came from."""
    return own_port(binding) not in (0, binding.source[1])


def shown(binding: Binding, seconds: int) -> str:
    """Return a contact as the answer to a REGISTER shows it, with the seconds that it has left."""
    instance = f';+sip.instance="{binding.instance}"' if binding.instance else ""
    reg_id = f";reg-id={binding.reg_id}" if binding.reg_id else ""
    return f"<{binding.uri}>;expires={seconds}{instance}{reg_id}"
