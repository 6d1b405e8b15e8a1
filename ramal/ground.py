"""What every room of a server stands on: data folder, database, journal, broker, media engine, the trace of SIP messages."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from core.bus import EventBus
from core.clock import SystemClock
from core.company import Company
from core.consumer import refuse_lost_journal
from core.database import Database
from core.email import EmailSender
from core.errors import StorageError
from core.journal import Journal
from core.migrate import migrate
from core.mqtt import EmbeddedBroker, MqttSender
from core.outbox import EMAIL, MQTT, OutboxDrain
from core.settings import Settings
from media.engine import Backend, Engine
from media.full_ice import IceServers, IceWays
from ramal.data_folder import DataFolder
from ramal.own_address import numeric_addresses
from sip.trace.tracer import Tracer


@dataclass(slots=True, frozen=True)
class Ground:
    """What every room stands on."""

    settings: Settings
    folder: DataFolder
    database: Database
    journal: Journal
    company: Company
    bus: EventBus
    clock: SystemClock


async def lay_ground(settings: Settings, stack: contextlib.AsyncExitStack) -> Ground:
    """Open data folder, database and journal.

    Raises:
        RamalError: one of them is missing, damaged, newer or lost; the message says what to do.
    """
    folder = DataFolder(settings.data)
    stack.callback(folder.close)
    database = Database(settings.effective_database_url)
    stack.push_async_callback(database.close)
    await migrate(database)
    company = Company(database)
    await company.load()
    journal = Journal(folder.journal, settings.node)
    stack.push_async_callback(journal.close)
    await refuse_lost_journal(journal, database)
    return Ground(settings, folder, database, journal, company, EventBus(), SystemClock())


async def start_mqtt(
    ground: Ground, stack: contextlib.AsyncExitStack
) -> tuple[EmbeddedBroker | MqttSender, list[OutboxDrain]]:
    """Start the broker or the connection to one, and the two drains of the outbox."""
    settings = ground.settings
    publisher: EmbeddedBroker | MqttSender
    if settings.mqtt.embedded:
        mqtt = settings.mqtt
        publisher = EmbeddedBroker(settings.mqtt_address, mqtt.port, username=mqtt.username, password=mqtt.password)
        await publisher.start()
    else:
        publisher = MqttSender(settings.mqtt)
        publisher.start()
    stack.push_async_callback(publisher.close)
    drains = [OutboxDrain(ground.database, MQTT, publisher, ground.clock)]
    if settings.email.host:
        drains.append(OutboxDrain(ground.database, EMAIL, EmailSender(settings.email), ground.clock))
    for drain in drains:
        drain.start()
        stack.push_async_callback(drain.close)
    return publisher, drains


def start_engine(ground: Ground, stack: contextlib.AsyncExitStack) -> Engine:
    """Start the media engine.

    Raises:
        EngineUnavailableError: it cannot start here.
    """
    settings = ground.settings
    engine = Engine(
        addresses=numeric_addresses(settings.sip_hosts),
        port_range=(settings.media.first_port, settings.media.last_port),
        advertised_address=settings.sip.advertised_address,
        media_timeout=float(settings.media.silence_seconds),
        backend=Backend[settings.media.backend.upper()],
    )
    engine.start(asyncio.get_running_loop())
    stack.callback(engine.close)
    return engine


def start_ways(ground: Ground, stack: contextlib.AsyncExitStack) -> IceWays | None:
    """Make ways for browsers ready, where the engine's own address cannot be reached by them."""
    media = ground.settings.media
    if media.ice == "lite":
        return None
    servers = IceServers(
        stun=media.stun,
        turn=media.turn,
        turn_username=media.turn_username,
        turn_password=media.turn_password,
        turn_transport=media.turn_transport,
        relay_only=media.ice == "relay",
    )
    ways = IceWays(servers)
    ways.start()
    stack.push_async_callback(ways.close)
    return ways


def start_tracer(ground: Ground, stack: contextlib.AsyncExitStack) -> Tracer | None:
    """Begin to keep the SIP messages of calls, unless that is switched off.

    Raises:
        StorageError: the trace's folder cannot be used.
    """
    trace = ground.settings.trace
    if not trace.enabled:
        return None
    try:
        tracer = Tracer(ground.folder.trace, most_bytes=trace.megabytes << 20, most_seconds=trace.days * 86_400)
    except OSError as error:
        raise StorageError(f"The folder {ground.folder.trace} cannot be used: {error.strerror}.") from error
    tracer.start()
    stack.push_async_callback(asyncio.to_thread, tracer.close)
    return tracer
