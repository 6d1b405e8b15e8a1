"""`ramal/agents/<extension>/state`: true after a start, told when it changes, and never behind for good."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from core.bus import EventBus
from core.clock import SystemClock
from core.company import Company, CompanySettings
from core.database import Database
from core.mqtt import MqttError, MqttMessage
from pbx.agent_topics import AgentTopics
from pbx.directory import Directory
from pbx.extension_states import ExtensionStates


class Broker:
    """Remembers what is published, or is away."""

    heard = True

    def __init__(self) -> None:
        self.messages: list[MqttMessage] = []
        self.away = False
        self.room: int | None = None
        """How many messages there may be before it goes away; None: any number."""

    async def publish(self, messages: Sequence[MqttMessage]) -> None:
        self.away = self.away or (self.room is not None and len(self.messages) >= self.room)
        if self.away:
            raise MqttError("away")
        self.messages.extend(messages)


class Desk:
    """An office with one extension, 1001."""

    def __init__(self, broker: Broker, directory: Directory, states: ExtensionStates, topics: AgentTopics) -> None:
        self.broker = broker
        self.directory = directory
        self.states = states
        self.topics = topics

    async def told(self, count: int) -> list[str]:
        async with asyncio.timeout(5):
            while len(self.broker.messages) < count:
                await asyncio.sleep(0.02)
        assert {(message.topic, message.retain) for message in self.broker.messages} == {
            ("ramal/agents/1001/state", True)
        }
        return [json.loads(message.body)["state"] for message in self.broker.messages]


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
    broker = Broker()
    topics = AgentTopics(broker, bus, SystemClock(), directory, states)
    yield Desk(broker, directory, states, topics)
    await topics.close()
    await database.close()


async def test_a_server_that_starts_says_what_everyone_does_and_then_what_changes(desk: Desk) -> None:
    desk.topics.start()
    assert await desk.told(1) == ["offline"]
    desk.states.registered("1001", present=True)
    assert await desk.told(2) == ["offline", "idle"]


async def test_a_new_extension_is_told_at_once_and_a_removed_one_is_forgotten(desk: Desk) -> None:
    desk.topics.start()
    await desk.told(1)
    made = await desk.directory.create_extension(number="1002", name="Boris", password="correct horse")
    async with asyncio.timeout(5):
        while len(desk.broker.messages) < 2:
            await asyncio.sleep(0.02)
    assert json.loads(desk.broker.messages[1].body)["state"] == "offline"
    await desk.directory.delete_extension(made.id)
    async with asyncio.timeout(5):
        while len(desk.broker.messages) < 3:
            await asyncio.sleep(0.02)
    assert desk.broker.messages[2] == MqttMessage("ramal/agents/1002/state", "", retain=True)


async def test_states_in_quick_succession_are_told_as_the_last_one(desk: Desk) -> None:
    desk.topics.start()
    for present in (True, False, True):
        desk.states.registered("1001", present=present)
    assert await desk.told(1) == ["idle"]


async def test_a_state_that_the_broker_misses_is_told_when_it_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx.agent_topics._AGAIN", 0.01)
    desk.broker.away = True
    desk.topics.start()
    await asyncio.sleep(0.3)
    desk.broker.away = False
    assert await desk.told(1) == ["offline"]


async def test_a_house_of_thousands_is_told_in_parts_between_which_calls_go_on(desk: Desk) -> None:
    for number in range(2000):
        desk.states.registered(f"{20_000 + number}", present=True)
    desk.topics.start()
    seen: set[int] = set()
    async with asyncio.timeout(5):
        while len(desk.broker.messages) < 2001:
            seen.add(len(desk.broker.messages))
            await asyncio.sleep(0)
    assert len(seen) >= 10
    assert len({message.topic for message in desk.broker.messages}) == 2001


async def test_what_a_broker_that_goes_away_in_between_has_missed_is_told_again(desk: Desk) -> None:
    for number in range(300):
        desk.states.registered(f"{20_000 + number}", present=True)
    desk.broker.room = 150
    desk.topics.start()
    async with asyncio.timeout(5):
        while not desk.broker.away:
            await asyncio.sleep(0.02)
    told = len(desk.broker.messages)
    assert 0 < told < 301
    desk.broker.away, desk.broker.room = False, None
    await desk.topics.close()
    assert len(desk.broker.messages) == 301
    assert len({message.topic for message in desk.broker.messages}) == 301
