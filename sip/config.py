"""The knobs of the SIP stack."""

from __future__ import annotations

from dataclasses import dataclass, field

from sip.address import Address
from sip.bans import Network
from sip.guard import GuardConfig
from sip.transaction_tables import Timing
from sip.transport.ports import StreamLimits
from sip.transport.tls import Tls


@dataclass(slots=True, frozen=True)
class SipConfig:
    """How the stack listens, who it says it is, and what it bears."""

    listen: tuple[Address, ...] = (Address("127.0.0.1", 5060, "udp"), Address("127.0.0.1", 5060, "tcp"))
    """The sockets to open; port 0 takes a free one. Several of one transport may be given, of IPv4 and IPv6."""
    listen_where_free: tuple[Address, ...] = ()
    """Further sockets to open; one whose port is taken is logged and left out."""
    tls: Tls | None = None
    """The certificate of `tls` sockets."""
    advertised_host: str = ""
    """The address that peers reach us at, when it is not the one listened on; empty: found by the route to the peer."""
    realm: str = "ramal"
    """The realm of our challenges; a change makes stored password hashes useless."""
    secret: bytes = b""
    """Signs nonces; at least 16 random bytes; nodes behind one name share it. Empty: a new one at each start."""
    user_agent: str = "Ramal"
    """What the User-Agent and Server headers say."""
    timing: Timing = field(default_factory=Timing)
    """The base times of the transactions."""
    session_expires: int = 1800
    """Seconds within which a call is refreshed, or ended where its other end is gone (RFC 4028); 0: only calls whose peer
    asks for it."""
    min_session_expires: int = 90
    """The shortest such interval in seconds that a peer may ask for (422 tells); RFC 4028 wants at least 90."""
    symmetric_responses: bool = True
    """Answer UDP requests at the port they came from, even without `rport` (RFC 3581), since most phones sit behind
    NAT.
    """
    max_transactions: int = 20_000
    """Transactions under way above which new calls are turned away with 503."""
    max_backlog_bytes: int = 1024 * 1024
    """Kernel memory of waiting datagrams (some 2 kB each) above which new calls are turned away with 503: what is worked off
    well before a peer repeats itself after T1. Half of the socket's buffer, where that is less."""
    max_lag_seconds: float = 2.0
    """How late the ticker may be before new calls are turned away with 503."""
    retry_after_seconds: int = 5
    """What a 503 asks the caller to wait."""
    streams: StreamLimits = field(default_factory=StreamLimits)
    """What TCP, TLS and WebSocket connections are borne, for each socket."""
    dns_servers: tuple[tuple[str, int], ...] = ()
    """Addresses and ports of the DNS servers to ask; none: those this machine is set up with."""
    dns_seconds: float = 2.0
    """How long a question to the DNS may take, all its servers together."""
    min_expires: int = 60
    """The shortest registration in seconds (423 tells)."""
    max_expires: int = 3600
    """The longest registration in seconds; longer wishes are cut."""
    max_contacts: int = 10
    """Contacts of one address of record."""
    max_subscription_seconds: int = 1800
    """The longest subscription in seconds; longer wishes are cut."""
    max_subscriptions: int = 50_000
    """Subscriptions above which new ones are turned away with 503."""
    max_subscriptions_per_user: int = 250
    """Subscriptions of one user, above which new ones are refused: more than the keys of any phone."""
    proxy_challenge: bool = True
    """Ask those who call or write a message for their password by a 407, as proxies do; else by a 401, as all others are asked."""
    trusted: tuple[Network, ...] = ()
    """Networks whose requests are believed to come from the user whom their From names, without a password."""
    guard: GuardConfig = field(default_factory=GuardConfig)
    """What strangers may do before they are kept out."""
