"""The examination from the command line: asks the running server, or checks what can be checked without one."""

from __future__ import annotations

import asyncio
from typing import Final

from core.clock import SystemClock
from core.database import Database
from core.errors import RamalError
from core.settings import Settings
from pbx import snapshot
from pbx.call_trace import CallTraces
from pbx.cdrs.queries import CdrQueries
from ramal.data_folder import TRACE_FOLDER
from ramal.doctor import addresses, audio, models, ports, recent_calls, storage, trunks
from ramal.doctor.findings import Finding, Severity, ok
from ramal.doctor.inside import certificate_findings, rtp_findings
from ramal.errors import ServerFailedError, ServerRefusedError
from ramal.running_server import Question, ask, base_url, is_running
from ramal.tools import opened
from sip.name_service import NameService, SystemDns

_SUBJECT: Final = "server"
_PATIENCE: Final = 30.0
"""Seconds: the server may have to read the trace of some calls."""


async def examine(settings: Settings) -> list[Finding]:
    """Return what is found of the server with these settings, running or not."""
    if is_running(settings.data):
        return await _ask_server(settings)
    message = f"No server runs on the data folder {settings.data}; what only a running one knows was not looked at."
    findings = [Finding(_SUBJECT, Severity.NOTE, "not_running", message, "Start it with ramal serve.")]
    findings += ports.examine(await asyncio.to_thread(ports.gather, settings))
    findings += rtp_findings(settings, taken=await asyncio.to_thread(ports.gather_rtp, settings))
    findings += addresses.examine(await asyncio.to_thread(addresses.gather, settings))
    findings += certificate_findings(settings, settings.data, SystemClock().now())
    if settings.database_url or (settings.data / "ramal.sqlite3").exists():
        findings += await _examine_database(settings)
    return findings + storage.examine(storage.gather(settings.data)) + models.examine(settings)


async def _ask_server(settings: Settings) -> list[Finding]:
    """Return what the running server finds, asked over its API."""
    base = base_url(settings)
    question = Question("GET", "doctor", "ramal doctor", patience=_PATIENCE)
    try:
        async with opened(settings) as database:
            answer = await ask(settings, database, question)
    except RamalError as error:
        return [Finding(_SUBJECT, Severity.PROBLEM, _code(error), error.message, error.hint, base)]
    found = [
        Finding(one["subject"], Severity(one["severity"]), one["code"], one["message"], one["advice"], one["about"])
        for one in answer["findings"]
    ]
    return [ok(_SUBJECT, "running", f"The server runs and answers at {base}."), *found]


def _code(error: RamalError) -> str:
    match error:
        case ServerFailedError():
            return "server_silent"
        case ServerRefusedError():
            return "server_refused"
        case _:
            return "database_unusable"


async def _examine_database(settings: Settings) -> list[Finding]:
    """Look at trunks and recent calls without a server."""
    try:
        async with opened(settings) as database:
            async with database.reading() as session:
                directory = await snapshot.load(session)
            names = NameService(SystemClock(), SystemDns(settings.sip.dns))
            try:
                facts = await trunks.gather(directory, names.locate)
            finally:
                names.close()
            return [*trunks.examine(facts, settings.sip_hosts), *await _audio(settings, database)]
    except RamalError as error:
        return [Finding("database", Severity.PROBLEM, "database_unusable", error.message, error.hint)]


async def _audio(settings: Settings, database: Database) -> list[Finding]:
    cdrs = CdrQueries(database)
    traces = CallTraces(cdrs, settings.data / TRACE_FOLDER)
    calls = await recent_calls.gather(cdrs, traces, SystemClock().now())
    return audio.examine(calls, addresses.rtp_ports(settings))
