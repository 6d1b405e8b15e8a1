"""`ramal/agents/<extension>/state`: true after a start, told when it changes, and never behind for good."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from core.bus import EventBus
from core.clock import SystemClock
from core.company import Company, CompanySettings
from core.database import Database
from core.errors import StorageError
from core.outbox import OutboxMessage
from pbx.agent_topics import AgentTopics
from pbx.directory import Directory
from pbx.extension_states import ExtensionStates


class Desk:
    """An office with one extension, 1001."""

    def __init__(self, database: Database, states: ExtensionStates, topics: AgentTopics) -> None:
        self.database = database
        self.states = states
        self.topics = topics

    async def told(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while True:
                async with self.database.reading() as session:
                    rows = (await session.scalars(select(OutboxMessage).order_by(OutboxMessage.order))).all()
                if len(rows) >= count:
                    assert {(row.address, row.retain) for row in rows} == {("ramal/agents/1001/state", True)}
                    return [json.loads(row.body)["state"] for row in rows]
                await asyncio.sleep(0.02)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    await database.create_all()
    company = Company(database)
    await company.save(CompanySettings())
    directory = Directory(database, company, SystemClock(), realm="ramal")
    await directory.create_extension(number="1001", name="Ana", password="correct horse")
    bus = EventBus()
    states = ExtensionStates(bus)
    topics = AgentTopics(database, bus, SystemClock(), directory, states)
    yield Desk(database, states, topics)
    await topics.close()
    await database.close()


async def test_a_server_that_starts_says_what_everyone_does_and_then_what_changes(desk: Desk) -> None:
    desk.topics.start()
    assert await desk.told(1) == ["offline"]
    desk.states.registered("1001", present=True)
    assert await desk.told(2) == ["offline", "idle"]


async def test_states_in_quick_succession_are_told_as_the_last_one(desk: Desk) -> None:
    desk.topics.start()
    for present in (True, False, True):
        desk.states.registered("1001", present=present)
    assert await desk.told(1) == ["idle"]


async def test_a_state_that_the_database_does_not_take_is_told_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise StorageError("away")

    monkeypatch.setattr("pbx.agent_topics._AGAIN", 0.01)
    with monkeypatch.context() as away:
        away.setattr(desk.database, "transaction", refuse)
        desk.topics.start()
        await asyncio.sleep(0.3)
    assert await desk.told(1) == ["offline"]
