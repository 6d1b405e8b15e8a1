"""Names to servers on a real event loop: asks the DNS (dnspython) as `sip.resolver` plans it, and never waits for long."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import structlog

from core.clock import Clock
from sip.address import Address, is_ip_address
from sip.resolver import Answers, DnsCache, Naptr, Plan, Question, Record, RecordKind, Srv, Target, direct, plan

log = structlog.get_logger(__name__)

_RESOLV_CONF: Final = Path("/etc/resolv.conf")
_HOSTS: Final = Path("/etc/hosts")
_LONGEST_HOSTS_FILE: Final = 1024 * 1024
_HOSTS_TTL: Final = 10.0
"""Seconds that what the hosts file says is believed before it is looked at again."""
_GRACE: Final = 60.0
"""Seconds after its expiry in which an answer still serves at once, while it is being asked for anew."""
_MOST_UNDER_WAY: Final = 256
"""Questions under way at one time; a peer may write any name into its Contact."""

Lookup = Callable[[Question], Awaitable[tuple[Sequence[Record], float]]]
"""Returns the records of a question, none if there are none, and their time to live in seconds; raises OSError if nobody answers."""


class SystemDns:
    """The DNS as this machine is set up to ask it: hosts file, resolv.conf; or servers that are named."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), *, seconds: float = 2.0, hosts: Path = _HOSTS) -> None:
        """Prepare; files are read when they are first needed, and again when they change.

        Args:
            servers: addresses and ports to ask instead of those of resolv.conf.
            seconds: how long a question may take, all servers together.
            hosts: the hosts file.
        """
        self._servers = tuple(servers)
        self._seconds = seconds
        self._hosts_file = hosts
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._hosts_read = 0.0
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._configured = 0.0

    async def __call__(self, question: Question) -> tuple[Sequence[Record], float]:
        """Answer a question.

        Raises:
            OSError: no server answered in time, or none could.
        """
        if question.kind in (RecordKind.A, RecordKind.AAAA):
            addresses = self._from_hosts(question.name)
            if addresses:
                six = question.kind is RecordKind.AAAA
                return [address for address in addresses if (":" in address) is six], _HOSTS_TTL
        try:
            answer = await self._configuration().resolve(
                question.name, question.kind.value, raise_on_no_answer=False, search=False, lifetime=self._seconds
            )
        except dns.resolver.NXDOMAIN as error:
            responses = list(error.kwargs["responses"].values())
            return (), float(responses[0].resolve_chaining().minimum_ttl) if responses else 0.0
        except (dns.exception.DNSException, ValueError) as error:
            raise OSError(f"{type(error).__name__}: {error}") from error
        records = [_record(one) for one in answer.rrset or ()]
        return [one for one in records if one is not None], float(answer.chaining_result.minimum_ttl)

    def _configuration(self) -> dns.asyncresolver.Resolver:
        changed = 0.0 if self._servers else _changed(_RESOLV_CONF)
        if self._resolver is None or changed != self._configured:
            self._configured = changed
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in self._servers]
            # So that the second server is asked within the time, when the first one is dead.
            resolver.timeout = self._seconds / max(2, len(resolver.nameservers))
            resolver.cache = None
            self._resolver = resolver
        return self._resolver

    def _from_hosts(self, name: str) -> tuple[str, ...]:
        changed = _changed(self._hosts_file)
        if changed != self._hosts_read:
            self._hosts_read = changed
            self._hosts = _read_hosts(self._hosts_file)
        return self._hosts.get(name, ())


class NameService:
    """Locates servers by name for one SIP stack."""

    def __init__(
        self,
        clock: Clock,
        lookup: Lookup,
        *,
        transports: Callable[[], Sequence[str]] = lambda: ("udp", "tcp", "tls"),
        families: Sequence[RecordKind] = (RecordKind.A, RecordKind.AAAA),
        seconds: float = 2.5,
        capacity: int = 4096,
    ) -> None:
        """Begin with an empty cache.

        Args:
            clock: by which answers expire.
            lookup: asks the DNS.
            transports: returns those that we can send over.
            families: the kinds of addresses that we can send to, preferred ones first.
            seconds: how long a target may take to be located in all; what is known then has to do.
            capacity: answers remembered.
        """
        self.cache = DnsCache(clock, capacity)
        self._lookup = lookup
        self._transports = transports
        self._families = tuple(families)
        self._seconds = seconds
        self._random = random.SystemRandom()
        self._asking: dict[Question, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def locate_at_once(self, target: Target) -> tuple[Address, ...] | None:
        """Return the candidates of a target when no server has to be asked for them; else None."""
        found = direct(target)
        if found is not None:
            return found
        steps, expired = self._plan(target), False
        try:
            questions = next(steps)
            while True:
                answers: dict[Question, Sequence[Record]] = {}
                for question in questions:
                    records = self.cache.fresh(question)
                    if records is None:
                        if not self.cache.just_expired(question, _GRACE):
                            return None
                        self._ask(question)
                        records, expired = self.cache.stale(question), True
                    answers[question] = records
                questions = steps.send(answers)
        except StopIteration as end:
            located: tuple[Address, ...] = end.value
            # That there was nothing a while ago is not good enough.
            return None if expired and not located else located

    async def locate(self, target: Target) -> tuple[Address, ...]:
        """Return the candidates of a target, best first; none when it is not known, or not within the time."""
        found = self.locate_at_once(target)
        if found is not None:
            return found
        steps = self._plan(target)
        deadline = asyncio.get_running_loop().time() + self._seconds
        try:
            questions = next(steps)
            while True:
                questions = steps.send(await self._answers(questions, deadline))
        except StopIteration as end:
            located: tuple[Address, ...] = end.value
        if not located:
            log.info("name_not_resolved", target=str(target))
        return located

    def when_located(self, target: Target, then: Callable[[tuple[Address, ...]], None]) -> None:
        """Call `then` with the candidates: now when they are known, else once they are."""
        found = self.locate_at_once(target)
        if found is not None:
            then(found)
            return

        async def wait() -> None:
            """Look the name up, then tell."""
            then(await self.locate(target))

        self._start(wait())

    def addresses_of(self, host: str) -> frozenset[str]:
        """Return the IP addresses that are known for a host, expired or not; an address stands for itself."""
        if is_ip_address(host):
            return frozenset((host,))
        name = host.rstrip(".").lower()
        known = [self.cache.stale(Question(name, kind)) for kind in self._families]
        return frozenset(record for records in known for record in records if isinstance(record, str))

    def close(self) -> None:
        """Ask no more; whoever waits is cancelled."""
        for task in [*self._tasks, *self._asking.values()]:
            task.cancel()

    def _plan(self, target: Target) -> Plan:
        return plan(target, self._dice, transports=self._transports(), families=self._families)

    def _dice(self, highest: int) -> int:
        return self._random.randint(0, highest)

    async def _answers(self, questions: Sequence[Question], deadline: float) -> Answers:
        unknown = [question for question in questions if self.cache.fresh(question) is None]
        tasks = [task for task in map(self._ask, unknown) if task is not None]
        if tasks:
            left = deadline - asyncio.get_running_loop().time()
            await asyncio.wait(tasks, timeout=max(left, 0.0))
        for question in unknown:
            if question in self._asking:
                # So that nobody else waits for it; should the answer come after all, it is taken.
                self.cache.not_answered(question)
        return {question: self.cache.stale(question) for question in questions}

    def _ask(self, question: Question) -> asyncio.Task[None] | None:
        """Begin to ask, or join those who wait for the same; None when too many questions are under way."""
        task = self._asking.get(question)
        if task is None and len(self._asking) < _MOST_UNDER_WAY:
            task = asyncio.get_running_loop().create_task(self._answer(question))
            self._asking[question] = task
            task.add_done_callback(lambda _task: self._asking.pop(question, None))
        return task

    async def _answer(self, question: Question) -> None:
        begun = time.monotonic()
        try:
            records, ttl = await self._lookup(question)
        except OSError as error:
            log.warning(
                "dns_not_answered",
                name=question.name,
                kind=question.kind.value,
                problem=str(error)[:200],
                seconds=round(time.monotonic() - begun, 2),
            )
            self.cache.not_answered(question)
            return
        self.cache.store(question, records, ttl)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _record(data: Any) -> Record | None:
    """Turn a record of dnspython into ours."""
    kind = data.rdtype
    if kind in (dns.rdatatype.A, dns.rdatatype.AAAA):
        return str(data.address)
    if kind == dns.rdatatype.SRV:
        return Srv(data.priority, data.weight, data.port, _name(data.target))
    if kind == dns.rdatatype.NAPTR:
        flags, service = data.flags.decode("ascii", "replace"), data.service.decode("ascii", "replace")
        return Naptr(data.order, data.preference, flags, service, _name(data.replacement))
    return None


def _name(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True) if name != dns.name.root else ""


def _changed(path: Path) -> float:
    """Return when a file was changed last; 0.0 when there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _read_hosts(path: Path) -> dict[str, tuple[str, ...]]:
    """Read a hosts file: addresses by name."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LONGEST_HOSTS_FILE)
    except OSError:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if is_ip_address(address):
            for name in names:
                found[name.lower()] = (*found.get(name.lower(), ()), address)
    return found
