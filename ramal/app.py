"""Wires the rooms together, and nothing else: what is started in which order, and closed in the reverse one."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog
from fastapi import FastAPI

from api.app import create_app
from api.services import Services
from api.settings import ApiSettings
from billing.service import Billing
from core.bus import EventBus
from core.call_events import CallEvents
from core.clock import SystemClock
from core.company import Company
from core.consumer import Consumer, ConsumerRunner, refuse_lost_journal
from core.database import Database
from core.email import EmailSender
from core.errors import StorageError
from core.journal import Journal
from core.migrate import migrate
from core.mqtt import EmbeddedBroker, MqttSender
from core.outbox import EMAIL, MQTT, OutboxDrain
from core.settings import Settings
from crm_bridge.consumer import CrmConsumer
from crm_bridge.embedded import EmbeddedCrm
from face_tracker.service import FaceService
from media.engine import Engine
from media.prompts import PromptStore
from pbx.agent_topics import AgentTopics
from pbx.call_trace import CallTraces
from pbx.cdrs.consumer import CdrConsumer
from pbx.cdrs.queries import CdrQueries
from pbx.config import PbxConfig
from pbx.exchange import Exchange
from pbx.live import CallView
from ramal import readiness
from ramal.adapters import CallerNames, CallParties, ColleagueAddresses
from ramal.certificates import CertificateWatch, prepare_tls
from ramal.data_folder import DataFolder
from ramal.doctor.inside import Examination
from ramal.metrics import watch
from ramal.pauses import LoopPauses, tune_garbage_collection
from ramal.web_server import PortTakenError, WebServer, listening_socket
from recordings.consumer import RecordingConsumer
from recordings.inspection import Inspection
from recordings.sealer import Sealer
from recordings.service import Recordings
from recordings.speech import VoskRecogniser
from recordings.storage import RecordingStore
from recordings.transcripts import TranscriptQueue, Transcripts
from sip.address import Address
from sip.bans import BanPolicy
from sip.config import SipConfig
from sip.guard import GuardConfig
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


@dataclass(slots=True, frozen=True)
class _Ground:
    """What every room stands on."""

    settings: Settings
    folder: DataFolder
    database: Database
    journal: Journal
    company: Company
    bus: EventBus
    clock: SystemClock


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Ramal]:
    """Give a running server; it is closed in good order whatever happens.

    Raises:
        RamalError: something it needs is missing, taken, damaged or newer; the message says what to do.
    """
    async with contextlib.AsyncExitStack() as stack:
        ground = await _lay_ground(settings, stack)
        # The port is taken first of all, so that a second copy ends before it has touched anything.
        listener = listening_socket(settings.listen, settings.web.port, setting="RAMAL_WEB_PORT")
        stack.callback(listener.close)
        secure_listener = _secure_listener(settings, stack)
        tls = await prepare_tls(settings, ground.folder, ground.clock)
        publisher, drains = await _start_mqtt(ground, stack)
        engine = _start_engine(ground, stack)
        tracer = _start_tracer(ground, stack)
        exchange, crm = _build_telephony(ground, engine, tracer, tls)
        billing = Billing.build(ground.database, ground.company, ground.clock)
        store, queue, sealer = _build_recordings(ground, crm, stack)
        faces = FaceService(
            ground.database,
            ground.clock,
            ground.bus,
            settings.faces,
            ground.folder.keys / "faces.key",
            lambda: ZoneInfo(ground.company.settings.timezone),
        )
        stack.push_async_callback(faces.close)
        cdrs = CdrQueries(ground.database)
        services = Services(
            database=ground.database,
            clock=ground.clock,
            bus=ground.bus,
            company=ground.company,
            billing=billing,
            crm=crm,
            faces=faces,
            cdrs=cdrs,
            traces=CallTraces(cdrs, ground.folder.trace, tracer.flush if tracer is not None else None),
            directory=exchange.directory,
            switch=exchange.switch,
            messages=exchange.watching.messages,
            trunks=exchange.trunks,
            bans=exchange.bans,
            recordings=Recordings(ground.database, store, ground.bus),
            transcripts=Transcripts(enabled=queue is not None),
        )
        consumers = _start_consumers(
            ground,
            stack,
            [CdrConsumer(), billing.consumer, CrmConsumer(crm, ground.company), RecordingConsumer(sealer.wake)],
        )
        events = CallEvents(ground.journal, ground.database, publisher)
        events.start()
        stack.push_async_callback(events.close)
        await exchange.start()
        stack.push_async_callback(exchange.close)
        services.sip_sockets = {
            "ws": exchange.sip.open_websockets(Address(settings.listen, settings.web.port, "ws")),
            "wss": exchange.sip.open_websockets(Address(settings.listen, settings.web_tls_port or 443, "wss")),
        }
        agents = AgentTopics(publisher, ground.bus, ground.clock, exchange.directory, exchange.switch.extensions)
        agents.start()
        stack.push_async_callback(agents.close)
        sealer.start()
        inspection = Inspection(ground.database, store, settings.node, sealer.wake)
        stack.push_async_callback(inspection.close)
        await inspection.start(functools.partial(_caught_up, ground.journal, consumers))
        await faces.start()
        app = create_app(services, ApiSettings(public_url=settings.web.public_url))
        password = await app.state.users.ensure_administrator()
        pauses = LoopPauses()
        pauses.start()
        stack.push_async_callback(pauses.close)
        ports = (settings.media.last_port - settings.media.first_port + 1) // 2
        readiness.watch_calls(services, ground.journal, exchange, engine, ports)
        readiness.watch_work(services, [*consumers, events], drains, sealer, queue)
        services.doctor = Examination(
            settings, ground.folder.root, services, exchange, [*consumers, events], pauses, tracer
        )
        watch(app.state.metrics, ground.journal, [*consumers, events], exchange, pauses, tracer)
        await _start_web(app, listener, secure_listener, tls, stack)
        tune_garbage_collection()
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
            sip=Address(settings.sip_address, settings.sip.port).host_port,
            data=str(settings.data),
        )
        if ramal.administrator_password is not None:
            # On standard output and not in the log: logs are kept and read by others.
            sys.stdout.write(f"Sign in at {settings.web_url} as admin, password {ramal.administrator_password}\n")
            sys.stdout.write("It is shown this once; change it after signing in.\n")
            sys.stdout.flush()
        await stopped.wait()
        log.info("ramal_stops")


async def _lay_ground(settings: Settings, stack: contextlib.AsyncExitStack) -> _Ground:
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
    return _Ground(settings, folder, database, journal, company, EventBus(), SystemClock())


async def _start_web(
    app: FastAPI,
    listener: socket.socket,
    secure_listener: socket.socket | None,
    tls: Tls,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Serve the web application over HTTP and HTTPS, and take renewed certificates over."""
    webs = [WebServer(app, listener)]
    if secure_listener is not None:
        webs.append(WebServer(app, secure_listener, tls=tls.web))
    for web in webs:
        await web.start()
        stack.push_async_callback(web.close)
    certificates = CertificateWatch(tls)
    certificates.start()
    stack.push_async_callback(certificates.close)


def _secure_listener(settings: Settings, stack: contextlib.AsyncExitStack) -> socket.socket | None:
    """Listen for HTTPS; a port that nobody chose does not keep the server from starting."""
    if not settings.web_tls_port:
        return None
    try:
        listener = listening_socket(settings.listen, settings.web_tls_port, setting="RAMAL_WEB_TLS_PORT")
    except PortTakenError as error:
        if settings.web.tls_port is not None:
            raise
        log.warning("https_does_not_listen", problem=error.message, hint=error.hint)
        return None
    stack.callback(listener.close)
    return listener


async def _start_mqtt(
    ground: _Ground, stack: contextlib.AsyncExitStack
) -> tuple[EmbeddedBroker | MqttSender, list[OutboxDrain]]:
    """Start the broker or the connection to one, and the two drains of the outbox."""
    settings = ground.settings
    publisher: EmbeddedBroker | MqttSender
    if settings.mqtt.embedded:
        publisher = EmbeddedBroker(settings.listen, settings.mqtt.port)
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


def _start_engine(ground: _Ground, stack: contextlib.AsyncExitStack) -> Engine:
    settings = ground.settings
    engine = Engine(
        address=settings.listen,
        port_range=(settings.media.first_port, settings.media.last_port),
        advertised_address=settings.sip_address,
        media_timeout=float(settings.media.silence_seconds),
    )
    engine.start(asyncio.get_running_loop())
    stack.callback(engine.close)
    return engine


def _start_tracer(ground: _Ground, stack: contextlib.AsyncExitStack) -> Tracer | None:
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


def _build_telephony(ground: _Ground, engine: Engine, tracer: Tracer | None, tls: Tls) -> tuple[Exchange, EmbeddedCrm]:
    """Build exchange and CRM; the doors are opened later."""
    settings = ground.settings
    prompts = PromptStore(ground.folder.prompts)
    missing = prompts.check()
    if missing:
        log.warning("prompts_are_tones", hint=missing)

    def find_call(call_id: str) -> CallView:
        return exchange.switch.call(call_id)

    crm = EmbeddedCrm(
        ground.database,
        ground.company,
        ground.bus,
        ground.clock,
        colleagues=ColleagueAddresses(),
        live_calls=CallParties(find_call),
    )
    sip = settings.sip
    plain = [Address(host, sip.port, transport) for host in settings.sip_hosts for transport in ("udp", "tcp")]
    secure = [Address(host, settings.sip_tls_port, "tls") for host in settings.sip_hosts if settings.sip_tls_port]
    exchange = Exchange(
        PbxConfig(
            node=settings.node,
            domain=settings.sip_address,
            recordings=ground.folder.recordings,
            max_calls=sip.max_calls,
            media_timeout=float(settings.media.silence_seconds),
            unsolicited_mwi=sip.unsolicited_mwi,
        ),
        SipConfig(
            listen=tuple(plain if sip.tls_port is None else plain + secure),
            listen_where_free=tuple(secure if sip.tls_port is None else ()),
            tls=tls,
            advertised_host=sip.advertised_address,
            realm=sip.realm,
            dns_servers=sip.dns,
            secret=ground.folder.secret("sip-nonces"),
            session_expires=sip.session_seconds,
            min_session_expires=sip.min_session_seconds,
            guard=GuardConfig(
                bans=BanPolicy(
                    failures=sip.ban_failures,
                    first_seconds=sip.ban_seconds,
                    longest_seconds=sip.ban_longest_seconds,
                ),
                requests_per_second=sip.stranger_rate,
                burst=sip.stranger_burst,
                drop_scanners=sip.ignore_scanners,
                spared=sip.spared_networks,
            ),
        ),
        database=ground.database,
        journal=ground.journal,
        bus=ground.bus,
        company=ground.company,
        engine=engine,
        prompts=prompts,
        clock=ground.clock,
        callers=CallerNames(crm),
        tracer=tracer,
    )
    return exchange, crm


def _build_recordings(
    ground: _Ground, crm: EmbeddedCrm, stack: contextlib.AsyncExitStack
) -> tuple[RecordingStore, TranscriptQueue | None, Sealer]:
    store = RecordingStore(ground.folder.recordings)
    model = ground.settings.speech.vosk_model
    queue = None
    if model is not None:
        recogniser = VoskRecogniser(model)
        queue = TranscriptQueue(
            ground.database, store, ground.bus, ground.clock, recogniser, ground.settings.node, reader=crm.calls
        )
        queue.start()
        stack.push_async_callback(queue.close)
    sealer = Sealer(ground.database, store, ground.bus, ground.clock, ground.settings.node, transcripts=queue)
    stack.push_async_callback(sealer.close)
    return store, queue, sealer


async def _caught_up(journal: Journal, consumers: list[ConsumerRunner]) -> None:
    await journal.flushed()
    await asyncio.gather(*(consumer.caught_up() for consumer in consumers))


def _start_consumers(
    ground: _Ground, stack: contextlib.AsyncExitStack, consumers: list[Consumer]
) -> list[ConsumerRunner]:
    runners = []
    for consumer in consumers:
        runner = ConsumerRunner(ground.journal, ground.database, consumer)
        runner.start()
        stack.push_async_callback(runner.close)
        runners.append(runner)
    return runners
