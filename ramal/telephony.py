"""Call control and recordings, built from the settings of the node."""

from __future__ import annotations

import contextlib

import structlog

from crm_bridge.embedded import EmbeddedCrm
from media.engine import Engine
from media.full_ice import IceWays
from media.prompts import PromptStore
from pbx.config import PbxConfig
from pbx.exchange import Exchange
from pbx.live import CallView
from ramal.adapters import CallerNames, CallParties, ColleagueAddresses
from ramal.ground import Ground
from ramal.own_address import told_address
from recordings.errors import SpeechUnavailableError
from recordings.sealer import Sealer
from recordings.speech import VoskRecogniser
from recordings.storage import RecordingStore
from recordings.transcripts import TranscriptQueue
from sip.address import Address
from sip.bans import BanPolicy
from sip.config import SipConfig
from sip.guard import GuardConfig
from sip.trace.tracer import Tracer
from sip.transport.tls import Tls

log = structlog.get_logger(__name__)


def build_telephony(
    ground: Ground, engine: Engine, tracer: Tracer | None, tls: Tls, ways: IceWays | None = None
) -> tuple[Exchange, EmbeddedCrm]:
    """Build exchange and CRM; the doors are opened later."""
    prompts = PromptStore(ground.folder.prompts)
    missing = prompts.check()
    if missing:
        log.warning("prompts_are_tones", hint=missing)

    def find_call(call_id: str) -> CallView:
        """Return a live call."""
        return exchange.switch.call(call_id)

    crm = EmbeddedCrm(
        ground.database,
        ground.company,
        ground.bus,
        ground.clock,
        colleagues=ColleagueAddresses(),
        live_calls=CallParties(find_call),
    )
    exchange = Exchange(
        _pbx_config(ground),
        _sip_config(ground, tls),
        database=ground.database,
        journal=ground.journal,
        bus=ground.bus,
        company=ground.company,
        engine=engine,
        prompts=prompts,
        clock=ground.clock,
        callers=CallerNames(crm),
        tracer=tracer,
        ways=ways,
    )
    return exchange, crm


def _pbx_config(ground: Ground) -> PbxConfig:
    settings, sip = ground.settings, ground.settings.sip
    return PbxConfig(
        node=settings.node,
        domain=told_address(settings),
        recordings=ground.folder.recordings,
        max_calls=sip.max_calls,
        voice_from_anywhere=settings.media.voice_from_anywhere,
        media_timeout=float(settings.media.silence_seconds),
        unsolicited_mwi=sip.unsolicited_mwi,
    )


def _sip_config(ground: Ground, tls: Tls) -> SipConfig:
    settings = ground.settings
    sip = settings.sip
    plain = [Address(host, sip.port, transport) for host in settings.sip_hosts for transport in ("udp", "tcp")]
    secure = [Address(host, settings.sip_tls_port, "tls") for host in settings.sip_hosts if settings.sip_tls_port]
    return SipConfig(
        listen=tuple(plain if sip.tls_port is None else plain + secure),
        listen_where_free=tuple(secure if sip.tls_port is None else ()),
        tls=tls,
        advertised_host=sip.advertised_address,
        realm=sip.realm,
        dns_servers=sip.dns,
        secret=ground.folder.secret("sip-nonces"),
        session_expires=sip.session_seconds,
        min_session_expires=sip.min_session_seconds,
        proxy_challenge=sip.proxy_challenge,
        trusted=sip.trusted,
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
    )


def build_recordings(
    ground: Ground, crm: EmbeddedCrm, stack: contextlib.AsyncExitStack
) -> tuple[RecordingStore, TranscriptQueue | None, Sealer]:
    """Build what becomes of recordings: their files, their transcripts where a model is configured, and the sealer."""
    store = RecordingStore(ground.folder.recordings)
    model = ground.settings.speech.vosk_model
    queue = None
    if model is not None:
        recogniser = VoskRecogniser(model)
        check_speech_model(recogniser)
        queue = TranscriptQueue(
            ground.database, store, ground.bus, ground.clock, recogniser, ground.settings.node, reader=crm.calls
        )
        queue.start()
        stack.push_async_callback(queue.close)
    sealer = Sealer(ground.database, store, ground.bus, ground.clock, ground.settings.node, transcripts=queue)
    stack.push_async_callback(sealer.close)
    return store, queue, sealer


def check_speech_model(recogniser: VoskRecogniser) -> None:
    """Log a model that cannot be used now, and not after the first call only; calls go on without it."""
    try:
        recogniser.check()
    except SpeechUnavailableError as error:
        log.warning("speech_model_unusable", error=error.message, hint=error.hint)
