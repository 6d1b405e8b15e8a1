"""The examination that the running server makes of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import structlog

from api.services import Services
from core.consumer import JournalFollower
from core.errors import RamalError
from core.settings import Settings
from pbx.exchange import Exchange
from ramal.doctor import (
    addresses,
    audio,
    certificates,
    models,
    ports,
    recent_calls,
    registrations,
    storage,
    trunks,
    work,
)
from ramal.doctor.findings import Finding, Severity
from ramal.pauses import LoopPauses
from sip.trace.tracer import Tracer

log = structlog.get_logger(__name__)

_OTHER_FILES: Final = 500
"""Files and sockets beside RTP: database, journal, recordings, the web app's clients."""


class Examination:
    """Looks the running server over, at most once at a time."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        services: Services,
        exchange: Exchange,
        followers: Sequence[JournalFollower],
        pauses: LoopPauses,
        tracer: Tracer | None,
        *,
        https: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._services = services
        self._exchange = exchange
        self._followers = followers
        self._pauses = pauses
        self._tracer = tracer
        self._https = https
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self) -> Sequence[Finding]:
        """Return what was found."""
        async with self._one_at_a_time:
            findings = addresses.examine(await asyncio.to_thread(addresses.gather, self._settings))
            findings += await asyncio.to_thread(
                certificate_findings, self._settings, self._folder, self._services.clock.now()
            )
            findings += ports.examine_taken(await asyncio.to_thread(self._silent_ports))
            findings += rtp_findings(self._settings, taken=0)
            findings += trunks.examine(
                await trunks.gather(
                    self._exchange.directory.snapshot, self._exchange.sip.locate, self._exchange.trunks.status
                ),
                self._settings.sip_hosts,
            )
            findings += registrations.examine(self._logins())
            findings += await self._audio()
            findings += storage.examine(await asyncio.to_thread(storage.gather, self._folder))
            findings += await asyncio.to_thread(models.examine, self._settings)
            findings += work.examine(await self._work())
            return findings

    def _silent_ports(self) -> list[ports.PortState]:
        sip = {(one.host, one.port) for one in self._exchange.sip.addresses if one.transport == "tls"}
        return ports.gather_silent(self._settings, sip, https=self._https)

    def _logins(self) -> list[registrations.LoginFacts]:
        facts = []
        for login in self._exchange.directory.snapshot.logins.values():
            lost = self._exchange.losses.of(login.username)
            contacts = len(self._exchange.sip.bindings(login.username))
            facts.append(
                registrations.LoginFacts(
                    login.username, login.extension, contacts, len(lost), lost[-1] if lost else None
                )
            )
        return facts

    async def _audio(self) -> list[Finding]:
        services = self._services
        try:
            calls = await recent_calls.gather(services.cdrs, services.traces, services.clock.now())
        except RamalError as error:
            return [
                Finding("audio", Severity.WARNING, "calls_unreadable", f"Recent calls cannot be read: {error.message}")
            ]
        return audio.examine(calls, addresses.rtp_ports(self._settings))

    async def _work(self) -> work.WorkFacts:
        services = self._services
        conditions = {
            name: await check() or "ok" for name, check in {**services.readiness, **services.conditions}.items()
        }
        try:
            await services.database.check()
        except RamalError as error:
            conditions["database"] = error.message
        return work.WorkFacts(
            conditions=conditions,
            lags={follower.name: follower.lag for follower in self._followers},
            longest_pause=self._pauses.longest,
            trace_dropped=self._tracer.dropped if self._tracer is not None else 0,
            kept_out=len(self._exchange.sip.core.guard.active()),
            open_files=work.open_file_limit(),
            files_needed=self._settings.media.last_port - self._settings.media.first_port + 1 + _OTHER_FILES,
        )


def certificate_findings(settings: Settings, folder: Path, now: datetime) -> list[Finding]:
    """Judge the certificate of the settings, or the one in the data folder where there is one already."""
    file = settings.tls.certificate or folder / "keys" / "tls.pem"
    if settings.tls.certificate is None and not file.exists():
        return []
    hosts = {settings.sip.advertised_address, urlsplit(settings.web.public_url).hostname or ""} - {""}
    return certificates.examine(certificates.gather(file, settings.tls.key), sorted(hosts), now)


def rtp_findings(settings: Settings, *, taken: int) -> list[Finding]:
    """Judge the RTP range."""
    media = settings.media
    return ports.examine_rtp(taken, media.first_port, media.last_port, ports.ephemeral_range(), settings.sip.max_calls)
