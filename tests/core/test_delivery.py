"""MQTT and e-mail against real peers: the embedded broker, Mosquitto, and an SMTP server."""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from core.call_events import CallEvents
from core.clock import SystemClock
from core.database import Database
from core.email import EmailError, EmailSender
from core.events import LegRinging, MediaAlive
from core.journal import Journal
from core.mqtt import AVAILABILITY_TOPIC, EmbeddedBroker, MqttError, MqttSender
from core.outbox import EMAIL, MQTT, MessageRefusedError, OutboxDrain, send_email, send_mqtt
from core.settings import EmailSettings, MqttSettings

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@dataclass(slots=True)
class RunningBroker:
    """A broker, and how the server publishes there."""

    settings: MqttSettings
    publisher: EmbeddedBroker | MqttSender


@contextlib.asynccontextmanager
async def embedded() -> AsyncIterator[RunningBroker]:
    settings = MqttSettings(port=free_port())
    broker = EmbeddedBroker("127.0.0.1", settings.port)
    await broker.start()
    yield RunningBroker(settings, broker)
    await broker.close()


@contextlib.asynccontextmanager
async def mosquitto(folder: Path, port: int = 0) -> AsyncIterator[RunningBroker]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    assert program is not None, "mosquitto is installed by make test"
    port = port or free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stderr=subprocess.DEVNULL)
    settings = MqttSettings(embedded=False, port=port)
    sender = MqttSender(settings)
    yield RunningBroker(settings, sender)
    await sender.close()
    process.terminate()
    process.wait(10)


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunningBroker]:
    async with embedded() if request.param == "embedded" else mosquitto(tmp_path) as running:
        yield running


async def connected(settings: MqttSettings) -> aiomqtt.Client:
    client = aiomqtt.Client("127.0.0.1", settings.port)
    for _ in range(100):
        try:
            return await client.__aenter__()
        except aiomqtt.MqttError:
            await asyncio.sleep(0.05)
    raise AssertionError("the broker did not start")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_message_arrives_with_its_id_and_the_server_is_online(
    broker: RunningBroker, database: Database
) -> None:
    client = await connected(broker.settings)
    await client.subscribe("ramal/#", qos=1)
    async with database.transaction() as session:
        await send_mqtt(session, "ramal/calls/c1/call_ended", {"name": "José"})
    assert await OutboxDrain(database, MQTT, broker.publisher, SystemClock()).step() == 1
    heard = await received(client, 2)
    assert heard[AVAILABILITY_TOPIC] == b"online"
    payload = json.loads(heard["ramal/calls/c1/call_ended"])
    assert payload["name"] == "José"
    assert len(payload["message_id"]) == 36
    await client.__aexit__(None, None, None)


async def received(client: aiomqtt.Client, count: int) -> dict[str, bytes]:
    """Return so many messages by topic, in the order of their arrival."""
    heard: dict[str, bytes] = {}
    async with asyncio.timeout(10):
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            heard[str(message.topic)] = message.payload
            if len(heard) == count:
                break
    return heard


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_the_facts_of_a_call_are_published_in_their_order_and_not_again_after_a_restart(
    broker: RunningBroker, database: Database, tmp_path: Path
) -> None:
    client = await connected(broker.settings)
    await client.subscribe("ramal/calls/#", qos=1)
    journal = Journal(tmp_path / "journal", "node1")
    for number in range(25):
        journal.append(LegRinging(at=NOON, call_id=f"c{number}", leg_id="l"))
    journal.append(MediaAlive(at=NOON, call_id="c25"))
    await journal.flushed()
    assert await CallEvents(journal, database, broker.publisher, batch=20).step() == 20
    again = CallEvents(journal, database, broker.publisher)
    assert await again.step() == 6
    assert (again.lag, await again.step()) == (0, 0)
    heard = await received(client, 25)
    assert list(heard) == [f"ramal/calls/c{number}/leg_ringing" for number in range(25)]
    assert json.loads(heard["ramal/calls/c7/leg_ringing"]) == {
        "event": "leg_ringing",
        "at": "2026-05-01T12:00:00Z",
        "call_id": "c7",
        "leg_id": "l",
        "node": "node1",
        "sequence": 8,
        "message_id": "node1-8",
    }
    await client.__aexit__(None, None, None)
    await journal.close()


async def test_facts_wait_for_a_broker_that_is_away(database: Database, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "node1")
    journal.append(LegRinging(at=NOON, call_id="c", leg_id="l"))
    await journal.flushed()
    events = CallEvents(journal, database, MqttSender(MqttSettings(embedded=False, port=free_port())))
    with pytest.raises(MqttError):
        await events.step()
    assert events.lag == 1
    await journal.close()


async def test_a_broker_that_is_away_is_named_and_the_message_kept(database: Database) -> None:
    async with database.transaction() as session:
        await send_mqtt(session, "ramal/x", {})
    settings = MqttSettings(embedded=False, port=free_port())
    drain = OutboxDrain(database, MQTT, MqttSender(settings), SystemClock())
    with pytest.raises(MqttError, match=f"127.0.0.1:{settings.port} does not answer"):
        await drain.step()
    assert await drain.waiting() == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_taken_broker_port_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(MqttError, match="RAMAL_MQTT_PORT"):
            await EmbeddedBroker("127.0.0.1", taken.getsockname()[1]).start()


async def test_an_embedded_broker_with_a_password_lets_nobody_in_without_it() -> None:
    port = free_port()
    broker = EmbeddedBroker("127.0.0.1", port, username="shop", password="open sesame")
    await broker.start()
    try:
        for username, password in ((None, None), ("shop", None), ("shop", "wrong"), ("other", "open sesame")):
            with pytest.raises(aiomqtt.MqttError):
                async with aiomqtt.Client("127.0.0.1", port, username=username, password=password):
                    pass
        async with aiomqtt.Client("127.0.0.1", port, username="shop", password="open sesame") as client:
            await client.subscribe(AVAILABILITY_TOPIC)
            assert (await anext(aiter(client.messages))).payload == b"online"
    finally:
        await broker.close()


class Inbox(Message):
    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[str] = []

    def handle_message(self, message) -> None:  # type: ignore[no-untyped-def]
        self.subjects.append(message["Subject"])


async def test_an_email_reaches_the_mail_server(database: Database) -> None:
    inbox = Inbox()
    server = Controller(inbox, "127.0.0.1", free_port())
    server.start()
    try:
        async with database.transaction() as session:
            await send_email(session, "owner@example.com", "Новый лид", "+79161234567")
        settings = EmailSettings(host="127.0.0.1", port=server.port, encryption="none")
        assert await OutboxDrain(database, EMAIL, EmailSender(settings), SystemClock()).step() == 1
    finally:
        server.stop()
    assert len(inbox.subjects) == 1


async def test_a_mail_server_that_is_away_keeps_the_email(database: Database) -> None:
    async with database.transaction() as session:
        await send_email(session, "owner@example.com", "s", "b")
    settings = EmailSettings(host="127.0.0.1", port=free_port(), encryption="none")
    drain = OutboxDrain(database, EMAIL, EmailSender(settings), SystemClock())
    with pytest.raises(EmailError):
        await drain.step()
    assert await drain.waiting() == 1


class Doorman(Inbox):
    """A mail server that knows no `ghost` and cannot take for `full` at present."""

    async def handle_RCPT(self, _server, _session, envelope, address, _options) -> str:  # type: ignore[no-untyped-def]  # noqa: N802
        if address.startswith("ghost"):
            return "550 5.1.1 no such user"
        if address.startswith("full"):
            return "452 4.2.2 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"


async def test_an_address_that_does_not_exist_does_not_stop_the_emails_behind_it(database: Database) -> None:
    inbox = Doorman()
    server = Controller(inbox, "127.0.0.1", free_port())
    server.start()
    try:
        async with database.transaction() as session:
            for address in ("ghost@example.com", "no address at all\n", "full@example.com", "owner@example.com"):
                await send_email(session, address, address.strip(), "b")
        settings = EmailSettings(host="127.0.0.1", port=server.port, encryption="none")
        drain = OutboxDrain(database, EMAIL, EmailSender(settings), SystemClock())
        with pytest.raises(MessageRefusedError, match=r"full@example.com .*mailbox full"):
            await drain.step()
        assert await drain.waiting() == 1
    finally:
        server.stop()
    assert inbox.subjects == ["owner@example.com"]


async def test_a_topic_that_no_broker_takes_does_not_stop_the_messages_behind_it(
    broker: RunningBroker, database: Database
) -> None:
    client = await connected(broker.settings)
    async with database.transaction() as session:
        await send_mqtt(session, "ramal/#", {})
        await send_mqtt(session, "ramal/x", {})
    drain = OutboxDrain(database, MQTT, broker.publisher, SystemClock())
    assert await drain.step() == 2
    assert (drain.sent, await drain.waiting()) == (1, 0)
    await client.__aexit__(None, None, None)


async def test_the_server_is_online_before_it_has_anything_to_say_and_offline_when_it_leaves(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as running:
        client = await connected(running.settings)
        await client.subscribe(AVAILABILITY_TOPIC, qos=1)
        sender = MqttSender(running.settings)
        sender.start()
        said = aiter(client.messages)
        async with asyncio.timeout(10):
            assert (await anext(said)).payload == b"online"
            await sender.close()
            assert (await anext(said)).payload == b"offline"
        await client.__aexit__(None, None, None)


async def test_a_broker_that_goes_and_comes_back_gets_everything_in_order(tmp_path: Path, database: Database) -> None:
    settings = MqttSettings(embedded=False, port=free_port())
    sender = MqttSender(settings)
    drain = OutboxDrain(database, MQTT, sender, SystemClock())

    async def write(*topics: str) -> None:
        async with database.transaction() as session:
            for topic in topics:
                await send_mqtt(session, topic, {}, retain=True)

    async with mosquitto(tmp_path, settings.port):
        await write("ramal/1")
        await (await connected(settings)).__aexit__(None, None, None)
        assert await drain.step() == 1
    await write("ramal/2", "ramal/3")
    with pytest.raises(MqttError):
        await drain.step()
    await write("ramal/4")
    async with mosquitto(tmp_path, settings.port):
        client = await connected(settings)
        await client.subscribe("ramal/+", qos=1)
        assert await drain.step() == 3
        heard: list[str] = []
        async with asyncio.timeout(10):
            async for message in client.messages:
                if str(message.topic) != AVAILABILITY_TOPIC:
                    heard.append(str(message.topic))
                if len(heard) == 3:
                    break
        assert heard == ["ramal/2", "ramal/3", "ramal/4"]
        await client.__aexit__(None, None, None)
        await sender.close()
