"""What `ramal route test` does: asks the running server, or decides by the database when none runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import msgspec

from api.key_store import TokenStore
from api.permissions import Role
from core.clock import SystemClock
from core.company import Company
from core.database import Database
from core.errors import InvalidInputError
from core.settings import Settings
from pbx import route_test, snapshot
from pbx.entries import Trunk
from pbx.route_test import Grounds
from ramal.own_address import told_address
from ramal.tools import opened
from sip.address import Address
from sip.name_service import NameService, SystemDns

_ANY: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
_TOKEN_LIFE: Final = timedelta(minutes=1)
_NOT_RUNNING: Final = "no server answers on this machine: how trunks and phones stand is not known"


async def explain_route(settings: Settings, number: str, *, from_extension: str, trunk: str) -> dict[str, Any]:
    """Return what would become of a call, as `POST /api/v1/routes/test` tells it.

    Raises:
        InvalidInputError: there is no such extension or trunk, or the number holds what no phone dials.
    """
    async with opened(settings) as database:
        told = await _ask(settings, database, number, from_extension, trunk)
        return told if told is not None else await _decide(settings, database, number, from_extension, trunk)


async def _ask(
    settings: Settings, database: Database, number: str, from_extension: str, trunk: str
) -> dict[str, Any] | None:
    """Ask the running server; None when there is none."""
    host = "127.0.0.1" if settings.listen in _ANY else settings.listen
    store = TokenStore(database, SystemClock())
    token, secret = await store.create(label="ramal route test", role=Role.ADMINISTRATOR, life=_TOKEN_LIFE)
    body = {"number": number, "from_extension": from_extension or None, "trunk": trunk or None}
    address = f"[{host}]" if ":" in host else host
    try:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            answer = await client.post(
                f"http://{address}:{settings.web.port}/api/v1/routes/test",
                json=body,
                headers={"Authorization": f"Bearer {secret}"},
            )
    except httpx.HTTPError:
        return None
    finally:
        await store.delete(token.id)
    if answer.status_code == 422:
        raise InvalidInputError(_problem(answer.json()))
    # Whatever else answers there is not the server of this data folder.
    return dict(answer.json()) if answer.status_code == 200 else None


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


def _problem(problem: dict[str, Any]) -> str:
    errors = problem.get("errors") or []
    return str(errors[0].get("message") if errors else problem.get("detail") or "The server refuses the question.")
