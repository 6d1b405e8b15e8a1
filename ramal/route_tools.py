"""What `ramal route test` does: asks the running server, or decides by the database when none runs."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from core.clock import SystemClock
from core.company import Company
from core.database import Database
from core.settings import Settings
from pbx import route_test, snapshot
from pbx.entries import Trunk
from pbx.route_test import Grounds
from ramal.own_address import told_address
from ramal.running_server import Question, ask, is_running
from ramal.tools import opened
from sip.address import Address
from sip.name_service import NameService, SystemDns

_NOT_RUNNING: Final = "no server runs on this data folder: how trunks and phones stand is not known"


async def explain_route(settings: Settings, number: str, *, from_extension: str, trunk: str) -> dict[str, Any]:
    """Return what would become of a call, as `POST /api/v1/routes/test` tells it.

    Raises:
        InvalidInputError: there is no such extension or trunk, or the number holds what no phone dials.
        ServerRefusedError: the server that runs does not tell.
        ServerFailedError: it cannot now, or is silent.
    """
    async with opened(settings) as database:
        if not is_running(settings.data):
            return await _decide(settings, database, number, from_extension, trunk)
        body = {"number": number, "from_extension": from_extension or None, "trunk": trunk or None}
        return await ask(settings, database, Question("POST", "routes/test", "ramal route test", body))


async def _decide(
    settings: Settings, database: Database, number: str, from_extension: str, trunk: str
) -> dict[str, Any]:
    clock = SystemClock()
    company = Company(database)
    await company.load()
    async with database.reading() as session:
        entries = await snapshot.load(session)
    names = NameService(clock, SystemDns(settings.sip.dns))

    async def servers(wanted: Trunk) -> list[Address]:
        """Return where the trunk's hosts lead."""
        return [server for target in wanted.targets for server in await names.locate(target)]

    grounds = Grounds(
        entries,
        company.settings.country,
        told_address(settings),
        lambda: clock.now().astimezone(ZoneInfo(company.settings.timezone)),
        lambda wanted: "",
        servers,
        None,
    )
    told = await route_test.explain(grounds, number, from_extension=from_extension, trunk=trunk)
    result: dict[str, Any] = msgspec.to_builtins(told)
    result["lines"] = [_NOT_RUNNING, *result["lines"]]
    return result
