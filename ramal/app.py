"""Wires the rooms together, and nothing else: what is started in which order, and closed in the reverse one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog

from api.app import create_app
from api.services import Services
from api.settings import ApiSettings
from billing.service import Billing
from core.call_events import CallEvents
from core.consumer import Consumer, ConsumerRunner
from core.journal import Journal
from core.mqtt import MqttPublisher
from core.settings import Settings
from crm_bridge.consumer import CrmConsumer
from crm_bridge.embedded import EmbeddedCrm
from face_tracker.service import FaceService
from pbx.agent_topics import AgentTopics
from pbx.call_trace import CallTraces
from pbx.cdrs.consumer import CdrConsumer
from pbx.cdrs.queries import CdrQueries
from pbx.exchange import Exchange
from ramal import readiness
from ramal.certificates import prepare_tls
from ramal.doctor.inside import Examination
from ramal.ground import Ground, lay_ground, start_engine, start_mqtt, start_tracer, start_ways
from ramal.huge_pages import gather_memory
from ramal.metrics import watch
from ramal.own_address import told_address
from ramal.pauses import LoopPauses, tune_garbage_collection
from ramal.telephony import build_recordings, build_telephony
from ramal.web_front import secure_listener, start_web
from ramal.web_server import listening_socket
from recordings.consumer import RecordingConsumer
from recordings.inspection import Inspection
from recordings.sealer import Sealer
from recordings.service import Recordings
from recordings.storage import RecordingStore
from recordings.transcripts import Transcripts
from sip.address import Address
from sip.trace.tracer import Tracer
from sip.transport.tls import Tls

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Ramal:
    """A running server, as the demo and the tests see it."""

    settings: Settings
    services: Services
    exchange: Exchange
    journal: Journal
    consumers: list[ConsumerRunner]
    tls: Tls
    administrator_password: str | None
    """The password of the user `admin`, when it was made just now."""

    async def caught_up(self) -> None:
        """Wait until every fact in the journal has had its effects."""
        await _caught_up(self.journal, self.consumers)


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Ramal]:
    """Give a running server; it is closed in good order whatever happens.

    Raises:
        RamalError: something it needs is missing, taken, damaged or newer; the message says what to do.
    """
    async with contextlib.AsyncExitStack() as stack:
        ground = await lay_ground(settings, stack)
        # The port is taken first of all, so that a second copy ends before it has touched anything.
        listener = listening_socket(settings.listen, settings.web.port, setting="RAMAL_WEB_PORT")
        stack.callback(listener.close)
        secure = secure_listener(settings, stack)
        tls = await prepare_tls(settings, ground.folder, ground.clock)
        publisher, drains = await start_mqtt(ground, stack)
        engine = start_engine(ground, stack)
        tracer = start_tracer(ground, stack)
        ways = start_ways(ground, stack)
        exchange, crm = build_telephony(ground, engine, tracer, tls, ways)
        if not settings.database_url:
            # A database in the data folder has one server, and no command writes customers.
            crm.known_numbers.start()
            stack.push_async_callback(crm.known_numbers.close)
        store, queue, sealer = build_recordings(ground, crm, stack)
        recordings = Recordings(ground.database, store, ground.bus)
        transcripts = Transcripts(enabled=queue is not None)
        services = _build_services(ground, exchange, crm, tracer, recordings, transcripts)
        stack.push_async_callback(services.faces.close)
        consumers, events = _follow_journal(ground, services, sealer, publisher, stack)
        followers = [*consumers, events]
        https = secure is not None
        await _open_doors(ground, exchange, services, publisher, stack, https=https)
        sealer.start()
        await _inspect_recordings(ground, store, sealer, consumers, stack)
        app = create_app(services, ApiSettings(public_url=settings.web.public_url))
        password = await app.state.users.ensure_administrator()
        pauses = LoopPauses()
        stack.push_async_callback(pauses.close)
        readiness.watch_calls(services, ground.journal, exchange, engine, settings.media.pairs)
        readiness.watch_work(services, followers, drains, sealer, queue)
        services.doctor = Examination(
            settings, ground.folder.root, services, exchange, followers, pauses, tracer, https=https
        )
        watch(app.state.metrics, ground.journal, followers, exchange, engine, pauses, tracer)
        await start_web(app, listener, secure, tls, stack)
        tune_garbage_collection()
        # From now on: what the start itself held up is no call's delay.
        pauses.start()
        yield Ramal(settings, services, exchange, ground.journal, consumers, tls, password)


async def serve(settings: Settings) -> None:
    """Run the server until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running(settings) as ramal:
        loop.add_signal_handler(signal.SIGHUP, ramal.tls.reload)
        log.info(
            "ramal_runs",
            web=settings.web_url,
            sip=Address(told_address(settings), settings.sip.port).host_port,
            data=str(settings.data),
        )
        if ramal.administrator_password is not None:
            # On standard output and not in the log: logs are kept and read by others.
            sys.stdout.write(f"Sign in at {settings.web_url} as admin, password {ramal.administrator_password}\n")
            sys.stdout.write("It is shown this once; change it after signing in.\n")
            sys.stdout.flush()
        await asyncio.to_thread(gather_memory)
        await stopped.wait()
        log.info("ramal_stops")


def _build_services(
    ground: Ground,
    exchange: Exchange,
    crm: EmbeddedCrm,
    tracer: Tracer | None,
    recordings: Recordings,
    transcripts: Transcripts,
) -> Services:
    """Gather what the API speaks to."""
    cdrs = CdrQueries(ground.database)
    return Services(
        database=ground.database,
        clock=ground.clock,
        bus=ground.bus,
        company=ground.company,
        billing=Billing.build(ground.database, ground.company, ground.clock),
        crm=crm,
        faces=FaceService(
            ground.database,
            ground.clock,
            ground.bus,
            ground.settings.faces,
            ground.folder.keys / "faces.key",
            lambda: ZoneInfo(ground.company.settings.timezone),
        ),
        cdrs=cdrs,
        traces=CallTraces(cdrs, ground.folder.trace, tracer.flush if tracer is not None else None),
        directory=exchange.directory,
        switch=exchange.switch,
        messages=exchange.watching.messages,
        mailboxes=exchange.watching.mailboxes,
        trunks=exchange.trunks,
        bans=exchange.bans,
        recordings=recordings,
        transcripts=transcripts,
    )


def _follow_journal(
    ground: Ground, services: Services, sealer: Sealer, publisher: MqttPublisher, stack: contextlib.AsyncExitStack
) -> tuple[list[ConsumerRunner], CallEvents]:
    """Begin to make rows and messages of the journal's facts."""
    consumers: list[Consumer] = [
        CdrConsumer(),
        services.billing.consumer,
        CrmConsumer(services.crm, ground.company),
        RecordingConsumer(sealer.wake),
    ]
    runners = [ConsumerRunner(ground.journal, ground.database, consumer) for consumer in consumers]
    events = CallEvents(ground.journal, ground.database, publisher)
    for follower in (*runners, events):
        follower.start()
        stack.push_async_callback(follower.close)
    return runners, events


async def _open_doors(
    ground: Ground,
    exchange: Exchange,
    services: Services,
    publisher: MqttPublisher,
    stack: contextlib.AsyncExitStack,
    *,
    https: bool,
) -> None:
    """Let phones, carriers, browsers and cameras in."""
    settings = ground.settings
    secure = Address(settings.listen, settings.web_tls_port or 443, "wss")
    await exchange.start()
    stack.push_async_callback(exchange.close)
    services.sip_sockets = {
        "ws": exchange.sip.open_websockets(Address(settings.listen, settings.web.port, "ws")),
        "wss": exchange.sip.open_websockets(secure, listens=https),
    }
    agents = AgentTopics(publisher, ground.bus, ground.clock, exchange.directory, exchange.switch.extensions)
    agents.start()
    stack.push_async_callback(agents.close)
    await services.faces.start()


async def _inspect_recordings(
    ground: Ground,
    store: RecordingStore,
    sealer: Sealer,
    consumers: list[ConsumerRunner],
    stack: contextlib.AsyncExitStack,
) -> None:
    """Look once whether the index of recordings and their files agree, as soon as the journal has had its effects."""
    inspection = Inspection(ground.database, store, ground.settings.node, sealer.wake)
    stack.push_async_callback(inspection.close)
    await inspection.start(functools.partial(_caught_up, ground.journal, consumers))


async def _caught_up(journal: Journal, consumers: list[ConsumerRunner]) -> None:
    await journal.flushed()
    await asyncio.gather(*(consumer.caught_up() for consumer in consumers))
