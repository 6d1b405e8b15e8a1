"""A server on a real database in a temporary folder, and clients in each role."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import create_engine

from api.app import create_app
from api.permissions import Role
from api.services import Services
from api.settings import ApiSettings
from billing.service import Billing
from core.bus import EventBus
from core.clock import ManualClock
from core.company import Company
from core.consumer import Consumer
from core.database import Base, Database
from core.events import CallFact
from core.journal import Entry, Journal
from core.settings import FacesSettings
from crm_bridge.embedded import EmbeddedCrm
from face_tracker.service import FaceService
from media.engine import Engine
from media.prompts import PromptStore
from pbx.call_trace import CallTraces
from pbx.cdrs.consumer import CdrConsumer
from pbx.cdrs.queries import CdrQueries
from pbx.config import PbxConfig
from pbx.exchange import Exchange
from recordings.consumer import RecordingConsumer
from recordings.service import Recordings
from recordings.storage import RecordingStore
from recordings.transcripts import Transcripts
from sip.address import Address
from sip.config import SipConfig

RTP_PORTS = (43_300, 43_330)
PASSWORD = "lanterns over the river"
BASE = "http://ramal.test"


@dataclass(slots=True)
class Server:
    """The application under test with what it stands on."""

    app: FastAPI
    services: Services
    clock: ManualClock
    folder: Path
    sequence: int = 0

    async def journal(self, *facts: CallFact) -> None:
        """Let every room digest facts, as from the journal."""
        entries = [Entry(self.sequence + number, fact) for number, fact in enumerate(facts, 1)]
        self.sequence += len(facts)
        consumers: tuple[Consumer, ...] = (
            CdrConsumer(),
            self.services.billing.consumer,
            RecordingConsumer(lambda: None),
        )
        for consumer in consumers:
            async with self.services.database.transaction() as session:
                await consumer.consume(session, "node1", entries)

    def client(self, **kwargs: object) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=("192.0.2.7", 50_000))
        return httpx.AsyncClient(transport=transport, base_url=BASE, **kwargs)  # type: ignore[arg-type]

    async def token(self, role: Role, extension: str | None = None) -> str:
        _row, secret = await self.app.state.tokens.create(label=f"{role} token", role=role, extension=extension)
        return str(secret)

    async def as_role(self, role: Role, extension: str | None = None) -> httpx.AsyncClient:
        return self.client(headers={"Authorization": f"Bearer {await self.token(role, extension)}"})

    async def make_user(self, username: str, role: Role, extension: str | None = None) -> str:
        user, _generated = await self.app.state.users.create(
            username=username, name=username.title(), role=role, password=PASSWORD, extension=extension
        )
        return str(user.id)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, made once and copied for each test."""
    file = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    engine = create_engine(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    engine.dispose()
    return file


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    """What the server logged."""
    with structlog.testing.capture_logs() as captured:
        yield captured


@contextlib.asynccontextmanager
async def server_on(database: Database, folder: Path) -> AsyncIterator[Server]:
    """Assemble a server on a database with all tables."""
    clock, bus, company = ManualClock(), EventBus(), Company(database)
    store = RecordingStore(folder / "recordings")
    store.prepare()
    journal = Journal(folder / "journal", "node1")
    engine = Engine(port_range=RTP_PORTS)
    # Assembled but not started: no socket is opened, and the directory works as ever.
    exchange = Exchange(
        PbxConfig(node="node1", domain="127.0.0.1", recordings=folder / "recordings"),
        SipConfig(listen=(Address("127.0.0.1", 0, "udp"),)),
        database=database,
        journal=journal,
        bus=bus,
        company=company,
        engine=engine,
        prompts=PromptStore(folder / "prompts"),
        clock=clock,
    )
    services = Services(
        database=database,
        clock=clock,
        bus=bus,
        company=company,
        directory=exchange.directory,
        switch=exchange.switch,
        messages=exchange.watching.messages,
        mailboxes=exchange.watching.mailboxes,
        trunks=exchange.trunks,
        bans=exchange.bans,
        cdrs=CdrQueries(database),
        traces=CallTraces(CdrQueries(database), folder / "trace"),
        recordings=Recordings(database, store, bus),
        transcripts=Transcripts(enabled=False),
        billing=Billing.build(database, company, clock),
        crm=EmbeddedCrm(database, company, bus, clock),
        faces=FaceService(
            database, clock, bus, FacesSettings(), folder / "faces.key", lambda: ZoneInfo(company.settings.timezone)
        ),
    )
    settings = ApiSettings(web_dist=folder / "dist", argon2_memory_kib=64, argon2_passes=1)
    yield Server(create_app(services, settings), services, clock, folder)
    engine.close()
    await journal.close()


@pytest.fixture
async def server(tmp_path: Path, empty_database: Path) -> AsyncIterator[Server]:
    file = tmp_path / "ramal.sqlite3"
    shutil.copyfile(empty_database, file)
    database = Database(f"sqlite+aiosqlite:///{file}")
    async with server_on(database, tmp_path) as made:
        yield made
    await database.close()


@pytest.fixture
async def any_server(database: Database, tmp_path: Path) -> AsyncIterator[Server]:
    """A server once on SQLite and once on PostgreSQL."""
    async with server_on(database, tmp_path) as made:
        yield made


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with await server.as_role(Role.ADMINISTRATOR) as client:
        yield client


@pytest.fixture
async def anyone(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client
