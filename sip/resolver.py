"""Which servers a SIP URI leads to: transport, addresses and ports, best first (RFC 3263 section 4, RFC 2782).

Sans-I/O: `plan` asks its questions by yielding them and is sent the answers, so that the cache, the network and the tests
can answer alike. `DnsCache` remembers answers, also negative and expired ones, within a bound.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from core.clock import Clock
from sip.address import DEFAULT_PORTS, Address, is_ip_address
from sip.uri import Uri

_MOST_SERVERS: Final = 16
"""SRV or NAPTR records of one name that are looked at; a zone may hold any number."""
_MOST_ADDRESSES: Final = 32
"""Candidates of one target."""
_SHORTEST_LIFE: Final = 1.0
_LONGEST_LIFE: Final = 3600.0
"""Seconds that an answer is believed at least and at most, whatever its TTL says."""
_LONGEST_NEGATIVE_LIFE: Final = 60.0
"""Seconds that “there is none” is believed at most: a record that was just added is to be found soon."""
_STALE_LIFE: Final = 86_400.0
"""Seconds that an expired answer may still serve while the DNS is silent (RFC 8767 section 5)."""
_FAILURE_PAUSE: Final = 5.0
"""Seconds in which a question that was not answered is not asked again (RFC 8767 section 5)."""


class RecordKind(enum.StrEnum):
    """The records that locating a server asks for."""

    NAPTR = "NAPTR"
    SRV = "SRV"
    A = "A"
    AAAA = "AAAA"


class Question(NamedTuple):
    """What the DNS is asked."""

    name: str
    kind: RecordKind


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403 section 4.1), without its regular expression, which SIP does not use."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """An SRV record (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


Record = Naptr | Srv | str
"""A and AAAA are their addresses as text."""
Answers = Mapping[Question, Sequence[Record]]
Dice = Callable[[int], int]
"""Returns a random whole number from 0 to its argument, both included."""
Plan = Generator[tuple[Question, ...], Answers, tuple[Address, ...]]

_SERVICES: Final = {
    "SIP+D2U": "udp",
    "SIP+D2T": "tcp",
    "SIPS+D2T": "tls",
    "SIP+D2W": "ws",
    "SIPS+D2W": "wss",
}
"""NAPTR services (RFC 3263 section 4.1, RFC 7118 section 5.4)."""
_SRV_PREFIXES: Final = {
    "udp": "_sip._udp.",
    "tcp": "_sip._tcp.",
    "tls": "_sips._tcp.",
    "ws": "_sip._ws.",
    "wss": "_sips._ws.",
}
_SECURE: Final = frozenset({"tls", "wss"})


class Target(NamedTuple):
    """A server as it is named, not found yet."""

    host: str
    """A name, or an IP address without brackets."""
    port: int | None = None
    """None: as the DNS says, else the transport's own."""
    transport: str = ""
    """Lower case; empty: as the DNS says, else UDP, or TLS where it must be secure."""
    secure: bool = False
    """Whether only TLS will do (`sips:`)."""

    @classmethod
    def of_uri(cls, uri: Uri) -> Target:
        """Return the target of a SIP URI: its `maddr` parameter, else its host (RFC 3263 section 4)."""
        secure = uri.scheme == "sips"
        transport = (uri.parameter("transport") or "").lower()
        if secure and transport:
            transport = "wss" if transport in ("ws", "wss") else "tls"
        host = (uri.parameter("maddr") or uri.host).strip("[]")
        return cls(host, uri.port, transport, secure)

    def __str__(self) -> str:
        text = f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            text += f":{self.port}"
        return f"{self.transport}:{text}" if self.transport else text


def direct(target: Target) -> tuple[Address, ...] | None:
    """Return the one candidate of a target that is an IP address, which needs no DNS; None for a name."""
    if not is_ip_address(target.host):
        return None
    transport = target.transport or _fallback(target)
    return (Address(target.host, target.port or DEFAULT_PORTS.get(transport, 5060), transport),)


def plan(
    target: Target,
    dice: Dice,
    *,
    transports: Sequence[str] = ("udp", "tcp", "tls"),
    families: Sequence[RecordKind] = (RecordKind.A, RecordKind.AAAA),
) -> Plan:
    """Find the candidates of a target, best first; none where the DNS knows no server.

    Args:
        target: what is looked for.
        dice: chooses among servers of one priority by weight.
        transports: those that we can send over.
        families: A, AAAA or both, in the order in which they are preferred.
    """
    found = direct(target)
    if found is not None:
        return found
    host = target.host.rstrip(".").lower()
    if target.port is not None:
        transport = target.transport or _fallback(target)
        return (yield from _addresses(((host, target.port, transport),), families))
    if target.transport:
        sources: tuple[tuple[str, str], ...] = ((_srv_name(target.transport, host), target.transport),)
    else:
        sources = yield from _transports(host, [t for t in transports if t in _SECURE or not target.secure])
    servers = yield from _servers(sources, dice)
    if servers is None:
        transport = target.transport or _fallback(target)
        servers = ((host, DEFAULT_PORTS.get(transport, 5060), transport),)
    return (yield from _addresses(servers, families))


def in_srv_order(records: Sequence[Srv], dice: Dice) -> list[Srv]:
    """Order SRV records: by priority, and within one at random by weight (RFC 2782, “Usage rules”)."""
    ordered: list[Srv] = []
    for priority in sorted({record.priority for record in records}):
        # Those of weight 0 come first in the running sum, and so have a very small chance before the others.
        left = sorted((r for r in records if r.priority == priority), key=lambda record: record.weight != 0)
        while left:
            point = dice(sum(record.weight for record in left))
            for record in left:
                point -= record.weight
                if point <= 0:
                    break
            left.remove(record)
            ordered.append(record)
    return ordered


def _transports(
    host: str, usable: Sequence[str]
) -> Generator[tuple[Question, ...], Answers, tuple[tuple[str, str], ...]]:
    """Return the SRV names to ask with their transports, best first (RFC 3263 section 4.1)."""
    question = Question(host, RecordKind.NAPTR)
    answers = yield (question,)
    records = [record for record in answers[question][:_MOST_SERVERS] if isinstance(record, Naptr)]
    records.sort(key=lambda record: (record.order, record.preference))
    chosen = [
        (record.replacement.rstrip(".").lower(), _SERVICES[record.service.upper()])
        for record in records
        if record.flags.lower() == "s" and _SERVICES.get(record.service.upper()) in usable and record.replacement
    ]
    if chosen:
        return tuple(chosen)
    # Without NAPTR every transport's SRV is asked; a browser's transport is never guessed.
    return tuple((_srv_name(t, host), t) for t in ("udp", "tcp", "tls") if t in usable)


def _servers(
    sources: Sequence[tuple[str, str]], dice: Dice
) -> Generator[tuple[Question, ...], Answers, tuple[tuple[str, int, str], ...] | None]:
    """Return host, port and transport of each server; None where there is no SRV record at all."""
    questions = tuple(Question(name, RecordKind.SRV) for name, _ in sources)
    answers = yield questions
    servers: list[tuple[str, int, str]] = []
    told = False
    for question, (_, transport) in zip(questions, sources, strict=True):
        records = [record for record in answers[question][:_MOST_SERVERS] if isinstance(record, Srv)]
        told = told or bool(records)
        servers += [
            (record.target.rstrip(".").lower(), record.port, transport)
            for record in in_srv_order(records, dice)
            # A lone dot says that the service is decidedly not there (RFC 2782).
            if record.target.rstrip(".")
        ]
    return tuple(servers[:_MOST_SERVERS]) if told else None


def _addresses(
    servers: Sequence[tuple[str, int, str]], families: Sequence[RecordKind]
) -> Generator[tuple[Question, ...], Answers, tuple[Address, ...]]:
    questions = tuple(
        dict.fromkeys(Question(name, kind) for name, _, _ in servers if not is_ip_address(name) for kind in families)
    )
    answers: Answers = (yield questions) if questions else {}
    found: dict[Address, None] = {}
    for name, port, transport in servers:
        if is_ip_address(name):
            found[Address(name, port, transport)] = None
            continue
        for kind in families:
            for record in answers[Question(name, kind)]:
                if isinstance(record, str):
                    found[Address(record, port, transport)] = None
    return tuple(found)[:_MOST_ADDRESSES]


def _srv_name(transport: str, host: str) -> str:
    return _SRV_PREFIXES.get(transport, "_sip._udp.") + host


def _fallback(target: Target) -> str:
    return "tls" if target.secure else "udp"


@dataclass(slots=True)
class Entry:
    """An answer that is remembered."""

    records: tuple[Record, ...]
    expires_at: float
    """Monotonic seconds."""
    retry_at: float = 0.0
    """Not to be asked again before, since the last question was not answered."""


class DnsCache:
    """Answers of the DNS by question; the one unused for longest goes when it is full."""

    def __init__(self, clock: Clock, capacity: int = 4096) -> None:
        self._clock = clock
        self._capacity = capacity
        self._entries: OrderedDict[Question, Entry] = OrderedDict()

    def __len__(self) -> int:
        """Return how many answers are remembered."""
        return len(self._entries)

    def fresh(self, question: Question) -> tuple[Record, ...] | None:
        """Return the records that may be used without asking; None where the DNS is to be asked."""
        entry = self._entries.get(question)
        if entry is None:
            return None
        now = self._clock.monotonic()
        if entry.expires_at <= now and entry.retry_at <= now:
            return None
        self._entries.move_to_end(question)
        return self.stale(question)

    def just_expired(self, question: Question, within: float) -> bool:
        """Tell whether the answer expired less than `within` seconds ago: good enough for one more use."""
        entry = self._entries.get(question)
        return entry is not None and entry.expires_at + within > self._clock.monotonic()

    def stale(self, question: Question) -> tuple[Record, ...]:
        """Return what was last known, expired or not; nothing when that is more than a day old."""
        entry = self._entries.get(question)
        if entry is None or entry.expires_at + _STALE_LIFE <= self._clock.monotonic():
            return ()
        return entry.records

    def store(self, question: Question, records: Sequence[Record], ttl: float) -> None:
        """Remember an answer for its time to live, in seconds; no records is an answer, too (RFC 2308)."""
        longest = _LONGEST_LIFE if records else _LONGEST_NEGATIVE_LIFE
        life = min(max(ttl, _SHORTEST_LIFE), longest)
        self._put(question, Entry(tuple(records), self._clock.monotonic() + life))

    def not_answered(self, question: Question) -> None:
        """Remember that the DNS was silent or failed: what was known goes on, and it is not asked again for a while."""
        now = self._clock.monotonic()
        entry = self._entries.get(question)
        if entry is None:
            entry = Entry((), now)
        entry.retry_at = now + _FAILURE_PAUSE
        self._put(question, entry)

    def _put(self, question: Question, entry: Entry) -> None:
        self._entries[question] = entry
        self._entries.move_to_end(question)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
