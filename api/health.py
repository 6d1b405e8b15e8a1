"""`/healthz`: the process answers. `/readyz`: it can do its work."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.services import Rooms, Services
from core.errors import StorageError

_NO_STORE: Final = {"Cache-Control": "no-store"}

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """Tell that the process is alive; a watchdog restarts it when it doesn't answer."""
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


@router.get("/readyz")
async def readyz(rooms: Rooms) -> Response:
    """Tell whether calls can be sent here.

    200 with `ok`, or with `degraded` where calls are taken but something behind them waits; 503 with `not ready`. Each part says how
    it is; why stands in the log, for this address is open to all.
    """
    vital = {"database": await _database(rooms)}
    for name, check in rooms.readiness.items():
        vital[name] = await check() or "ok"
    conditions = {name: await check() or "ok" for name, check in rooms.conditions.items()}
    ready = all(state == "ok" for state in vital.values())
    well = all(state == "ok" for state in conditions.values())
    status = ("ok" if well else "degraded") if ready else "not ready"
    return JSONResponse({"status": status, "parts": vital | conditions}, 200 if ready else 503, headers=_NO_STORE)


async def _database(rooms: Services) -> str:
    try:
        await rooms.database.check()
    except StorageError:
        return "cannot be used; the log tells why"
    return "ok"
