"""`/healthz`: the process answers. `/readyz`: it can do its work."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.services import Rooms
from core.errors import StorageError

_NO_STORE: Final = {"Cache-Control": "no-store"}

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """Tell that the process is alive; a watchdog restarts it when it doesn't answer."""
    return JSONResponse({"status": "ok"}, headers=_NO_STORE)


@router.get("/readyz")
async def readyz(rooms: Rooms) -> Response:
    """Tell whether calls can be sent here: 200, or 503 with each part that is not ready and why."""
    parts: dict[str, str] = {}
    try:
        await rooms.database.check()
        parts["database"] = "ok"
    except StorageError:
        parts["database"] = "cannot be used; the log tells why"
    for name, check in rooms.readiness.items():
        parts[name] = await check() or "ok"
    ready = all(state == "ok" for state in parts.values())
    content = {"status": "ok" if ready else "not ready", "parts": parts}
    return JSONResponse(content, 200 if ready else 503, headers=_NO_STORE)
