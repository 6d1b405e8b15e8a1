"""A whole call server inside the test: database, journal, media engine and exchange on free ports of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from core.bus import EventBus, LiveEvent
from core.clock import SystemClock
from core.company import Company, CompanySettings
from core.database import Database
from core.events import CallEnded, CallFact
from core.journal import Entry, Journal
from media.engine import Engine
from media.prompts import PromptStore
from pbx.call import Flow
from pbx.config import PbxConfig
from pbx.exchange import Exchange
from pbx.ports import CallerDirectory
from sip.address import Address
from sip.config import SipConfig
from sip.transport.tls import Tls
from tests.support.ports import free_port

F = TypeVar("F", bound=CallFact)

PASSWORD = "correct-horse-9"
RTP_PORTS = (21_000, 22_999)


@dataclass(slots=True)
class RamalServer:
    """The running parts, and what they have told so far."""

    exchange: Exchange
    database: Database
    journal: Journal
    engine: Engine
    company: Company
    bus: EventBus
    folder: Path
    facts: list[CallFact] = field(default_factory=list)
    events: list[LiveEvent] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def port(self) -> int:
        """The SIP port, of UDP and TCP alike where that could be had."""
        return self.exchange.sip.addresses[0].port

    @property
    def address(self) -> str:
        """`host:port` for phones."""
        return f"127.0.0.1:{self.port}"

    @property
    def recordings(self) -> Path:
        """The folder of recordings."""
        return self.folder / "recordings"

    def told(self, kind: type[F], **fields: Any) -> list[F]:
        """Return the facts of a kind so far, of which the given fields are so."""
        return [
            fact
            for fact in self.facts
            if isinstance(fact, kind) and all(getattr(fact, name) == value for name, value in fields.items())
        ]

    async def fact(self, kind: type[F], seconds: float = 10.0, *, count: int = 1, **fields: Any) -> F:
        """Wait until there are `count` facts of a kind with these fields, and return the last of them."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: len(self.told(kind, **fields)) >= count)
        except TimeoutError:
            story = "\n".join(map(str, self.facts))
            raise AssertionError(f"no {kind.__name__} with {fields}; the journal says:\n{story}") from None
        return self.told(kind, **fields)[count - 1]

    async def quiet(self, seconds: float = 10.0) -> None:
        """Wait until no call is left, and no port of one: the engine gives them back a moment later."""
        async with asyncio.timeout(seconds):
            async with self._changed:
                await self._changed.wait_for(lambda: not self.exchange.switch.calls())
            while self.engine.statistics().ports_in_use:
                await asyncio.sleep(0.01)

    def heard(self, entry: Entry) -> None:
        """Take a new entry of the journal."""
        self.facts.append(entry.fact)
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@contextlib.asynccontextmanager
async def ramal_server(
    folder: Path,
    *,
    settings: CompanySettings | None = None,
    callers: CallerDirectory | None = None,
    flows: Mapping[str, Flow] | None = None,
    pbx: Mapping[str, Any] | None = None,
    sip: Mapping[str, Any] | None = None,
    dns: Sequence[tuple[str, int]] = (),
    port: int = 0,
    rtp_ports: tuple[int, int] = RTP_PORTS,
    prompts: Path | None = None,
    listen: Sequence[Address] | None = None,
    tls: Tls | None = None,
    media_addresses: Sequence[str] = ("127.0.0.1",),
) -> AsyncIterator[RamalServer]:
    """Run a server on the folder until the block ends.

    Args:
        folder: database, journal and recordings live here; an existing one is taken up again.
        settings: of the company; by default calls are recorded and phones ring 5 seconds.
        callers: one who knows callers' names.
        flows: named call flows.
        pbx: changed knobs of `PbxConfig`.
        sip: changed knobs of `SipConfig`.
        dns: addresses and ports of DNS servers, in place of the machine's.
        port: SIP port; 0 takes a free one.
        rtp_ports: both ends of the range.
        prompts: a folder of sounds to share between tests.
        listen: SIP's sockets instead of UDP and TCP on `port`.
        tls: the certificate of those for TLS.
        media_addresses: where the voice goes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock, bus = SystemClock(), EventBus()
    database = Database(f"sqlite+aiosqlite:///{folder}/ramal.sqlite3")
    await database.create_all()
    company = Company(database)
    await company.save(settings or CompanySettings(name="Test", country="RU", ring_seconds=5))
    journal = Journal(folder / "journal", "node1")
    config = PbxConfig(node="node1", domain="127.0.0.1", recordings=folder / "recordings", **(pbx or {}))
    engine = Engine(addresses=media_addresses, port_range=rtp_ports, media_timeout=config.media_timeout)
    engine.start(asyncio.get_running_loop())
    port = port or free_port()
    sockets = tuple(listen or (Address("127.0.0.1", port, "udp"), Address("127.0.0.1", port, "tcp")))
    exchange = Exchange(
        config,
        SipConfig(listen=sockets, tls=tls, min_expires=1, dns_servers=tuple(dns), **(sip or {})),
        database=database,
        journal=journal,
        bus=bus,
        company=company,
        engine=engine,
        prompts=PromptStore(prompts or folder / "prompts"),
        clock=clock,
        callers=callers,
        flows=flows,
    )
    server = RamalServer(exchange, database, journal, engine, company, bus, folder)
    journal.listen(server.heard)
    bus.listen(server.events.append)
    await exchange.start()
    try:
        yield server
    finally:
        await exchange.close()
        engine.close()
        await journal.close()
        await database.close()


def ended(server: RamalServer, call_id: str) -> CallEnded:
    """Return how a call ended."""
    return next(fact for fact in server.told(CallEnded) if fact.call_id == call_id)
