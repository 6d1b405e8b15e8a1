"""The entries of the directory as values."""

from __future__ import annotations

import enum
import functools
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from core.phone_numbers import is_abroad
from pbx import patterns
from pbx.hours import Span
from pbx.hours import parse as parse_span
from sip.authentication import HA1s
from sip.client_request import ClientCredentials
from sip.resolver import Target

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Transport(enum.StrEnum):
    """How a trunk is spoken to."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"
    AUTO = "auto"
    """As the carrier's DNS says (NAPTR, RFC 3263); UDP where it says nothing."""


class KeyWay(enum.StrEnum):
    """How keys go to a party and come from it."""

    RFC4733 = "rfc4733"
    """As telephone events; to one who takes none, as tones in the voice."""
    INFO = "info"
    """To it as SIP INFO."""
    INBAND = "inband"
    """As tones in the voice, both ways; for lines that have nothing else."""


class Encryption(enum.StrEnum):
    """Whether a party's voice is encrypted. Browsers always encrypt."""

    OFF = "off"
    """Never with keys in descriptions."""
    OPTIONAL = "optional"
    """Where the party offers it; and it is offered where nobody can read the keys on the way."""
    REQUIRED = "required"
    """No call without it."""


ENCRYPTION: Final = (
    "`off`: never by keys in descriptions; `optional`: where the other side offers it, and offered over TLS; "
    "`required`: no call without it. Browsers always encrypt."
)


class CallerIdPolicy(enum.StrEnum):
    """Which number a trunk shows for our calls."""

    DEFAULT = "default"
    """The trunk's own, else the company's first number, else the trunk's login."""
    PASS = "pass"  # noqa: S105 - to pass on, no password
    """The caller's: of a forwarded call the outside caller's, of an extension the number that leads to it; else as DEFAULT."""
    FIXED = "fixed"
    """The trunk's own, whoever calls."""


class NumberFormat(enum.StrEnum):
    """How a number is written for a carrier."""

    PLUS_E164 = "+e164"
    E164 = "e164"
    """The same without the plus."""
    NATIONAL = "national"
    """As it is dialled within the company's country; of another country as +E164."""


class DestinationKind(enum.StrEnum):
    """What an inbound number leads to."""

    EXTENSION = "extension"
    NUMBER = "number"
    """An outside number: the call is sent out again."""
    FLOW = "flow"
    """A call flow by its registered name."""
    CONFERENCE = "conference"
    """A conference's room, by its number."""


@dataclass(slots=True, frozen=True)
class Extension:
    """A number inside the company.

    Each `forward…_to` is an extension or a public number, or empty: `forward_to` takes all calls, the others those that its phones
    did not.
    """

    id: str
    number: str
    name: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)
    email: str
    language: str
    """A prompt language, or empty for the company's."""
    enabled: bool
    forward_to: str
    forward_busy_to: str = ""
    forward_no_answer_to: str = ""
    forward_no_answer_seconds: int = 0
    """How long its phones ring before `forward_no_answer_to`; 0: as long as the company says."""
    forward_unavailable_to: str = ""
    """Where calls go while no phone of it is registered; empty: as when nobody answers."""
    do_not_disturb: bool = False
    """Its phones are not rung; `forward_busy_to` gets its calls."""
    call_waiting: bool = True
    """Whether its phones ring for a further call while one goes on; else it is busy."""
    dtmf: KeyWay = KeyWay.RFC4733
    supervises: bool = False
    """Whether it may listen to others' calls, whisper and barge in by star code."""
    encryption: Encryption = Encryption.OPTIONAL
    """Of the voice of its phones; browsers always encrypt."""


@dataclass(slots=True, frozen=True)
class Device:
    """A further phone of an extension with its own login."""

    id: str
    extension: str
    """The extension's number."""
    username: str
    label: str
    ha1_md5: str = field(repr=False)
    ha1_sha256: str = field(repr=False)
    enabled: bool


@dataclass(slots=True, frozen=True)
class Trunk:
    """A line to a carrier: by registration (`register`) or by address."""

    id: str
    name: str
    host: str
    port: int
    """0: as the DNS says, else the transport's own."""
    transport: Transport
    username: str
    password: str = field(repr=False)
    register: bool
    allow_from: tuple[str, ...]
    """Networks (CIDR) the carrier's calls may come from, beside its hosts."""
    caller_id: str
    """The number shown outside, E.164; empty: the company's first inbound number."""
    enabled: bool
    backup_hosts: tuple[str, ...] = ()
    """`host` or `host:port`, tried in this order after the first host."""
    domain: str = ""
    """What From and To name; empty: the host of a trunk that registers, else our own address."""
    codecs: tuple[str, ...] = ()
    """The codecs it may speak, best first; none: all of ours."""
    caller_id_policy: CallerIdPolicy = CallerIdPolicy.DEFAULT
    caller_id_format: NumberFormat = NumberFormat.PLUS_E164
    asserted_identity: bool = False
    """Whether the number is also sent as P-Asserted-Identity (RFC 3325)."""
    realm: str = ""
    """The only realm that our password is proved for; empty: the one that it asks for."""
    trust_identity: bool = True
    """Whether it is believed who calls and who sent a call on, and told who does not want to be known (RFC 3325)."""
    encryption: Encryption = Encryption.OPTIONAL
    max_calls: int = 0
    max_calls_in: int = 0
    max_calls_out: int = 0
    """Calls at one time in all, from it and to it; 0: any number."""
    calls_per_second: int = 0
    """Calls to it that may begin in a second; 0: any number."""
    responses: Mapping[str, str] = field(default_factory=dict)
    """What its final statuses mean: by `404` or `5xx`, either `next` (try the next trunk) or the status the caller is given."""
    strip: int = 0
    prepend: str = ""
    """Done to the digits of a route before they are sent: first stripped, then prepended."""
    ping_seconds: int = 30
    """Seconds between two OPTIONS to each host; 0: it is not asked."""
    dtmf: KeyWay = KeyWay.RFC4733
    tls_verify: bool = False
    """Whether it has to prove with a certificate that it is one of its hosts, over TLS and in both directions."""
    follow_redirects: bool = True
    """Whether calls go where its 3xx say: to its own hosts, and to other numbers as if they were dialled."""

    @property
    def networks(self) -> tuple[Network, ...]:
        """`allow_from`, parsed."""
        return tuple(network(text) for text in self.allow_from)

    @property
    def credentials(self) -> ClientCredentials | None:
        """What is proved to the servers of a call, and to the trunk's own networks; None where it has no login."""
        if not self.username:
            return None
        return ClientCredentials(self.username, self.password, self.realm, networks=self.networks)

    @property
    def limited(self) -> bool:
        """Whether there is a limit to its calls."""
        return bool(self.max_calls or self.max_calls_in or self.max_calls_out or self.calls_per_second)

    @property
    def targets(self) -> tuple[Target, ...]:
        """Its hosts in the order in which they are tried."""
        transport = "" if self.transport is Transport.AUTO else self.transport.value
        backups = [split_server(text) for text in self.backup_hosts]
        return tuple(Target(host, port or None, transport) for host, port in ((self.host, self.port), *backups))


@dataclass(slots=True, frozen=True)
class InboundNumber:
    """A public number (E.164) of the company and where it leads; `greeting` is spoken first when not empty.

    `number` may be a pattern (`+749511122XX`): then `{2}` in `target` stands for the last two digits of the number that was called.
    """

    id: str
    number: str
    kind: DestinationKind
    target: str
    greeting: str


ABROAD: Final = "00"
"""The prefix of a route for all numbers of other countries, however they were dialled."""


@dataclass(slots=True, frozen=True)
class OutboundRoute:
    """Calls to numbers beginning with `prefix` (of the E.164 form, `+` included, or `ABROAD`) go to `trunks` in order.

    What is sent is the E.164 number without its first `strip` characters and with `prepend` before it. Of several routes the longest
    prefix wins, then the smallest priority. A route with a `pattern` is for numbers that are wholly as it says, and counts as long as
    what the pattern fixes.
    """

    id: str
    name: str
    prefix: str
    trunks: tuple[str, ...]
    strip: int
    prepend: str
    priority: int
    pattern: str = ""
    hours: tuple[str, ...] = ()
    """When it is open (`mon-fri 09:00-18:00`, in the company's time); none: always."""
    extensions: tuple[str, ...] = ()
    """Who may use it: extensions or patterns of them; none: everybody."""

    @property
    def spans(self) -> tuple[Span, ...]:
        """`hours`, parsed."""
        return tuple(parse_span(text) for text in self.hours)

    @property
    def weight(self) -> int:
        """How much it says of a number: the routes that say more are tried first."""
        return patterns.parse(self.pattern).fixed if self.pattern else len(self.prefix)

    def leads_to(self, number: str, country: str) -> bool:
        """Tell whether it is for this E.164 number, in a company of this country (ISO 3166-1 alpha-2)."""
        if self.pattern:
            return patterns.parse(self.pattern).matches(number)
        return number.startswith(self.prefix) or (self.prefix == ABROAD and is_abroad(number, country))


@dataclass(slots=True, frozen=True)
class Conference:
    """A room that everybody who dials its number meets in."""

    id: str
    number: str
    name: str
    pin: str = ""
    """Digits that those who come in have to know; empty: none."""
    max_members: int = 50


@functools.lru_cache(maxsize=4096)
def network(text: str) -> Network:
    """Read a network in CIDR notation; a single address is a network of one.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    return ipaddress.ip_network(text.strip())


def split_server(text: str) -> tuple[str, int]:
    """Split `host`, `host:port`, `[IPv6]:port` or a bare IPv6 address into host and port, 0 where there is none."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    return host, int(port or 0)


@dataclass(slots=True, frozen=True)
class Login:
    """Who signs in to SIP under a username: an extension itself or one of its devices."""

    username: str
    extension: str
    digests: HA1s = field(repr=False)


@dataclass(slots=True, frozen=True)
class Contact:
    """A registered phone, as shown in `GET extensions`."""

    username: str
    uri: str
    source: str
    expires_at: datetime
    user_agent: str
