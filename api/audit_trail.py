"""The audit trail: who wrote what and who listened to which recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import select
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.key_store import Principal
from api.permissions import Action, Resource
from api.tables import AuditEntry
from core.clock import Clock
from core.database import Database
from core.identifiers import new_id

log = structlog.get_logger(__name__)

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_WATCHED: Final = frozenset({Action.LISTEN, Action.TRACE})
"""Reading that is noted."""
_LISTENED_AGAIN: Final = timedelta(minutes=10)
_MOST_LISTENERS: Final = 10_000
_MOST_NAMES: Final = 40


@dataclass(slots=True)
class AuditNote:
    """What a request is about; its handler may add to it. It is written when the request has ended."""

    resource: str
    action: str
    target: str | None = None
    """The id of the thing, when it is one."""
    details: dict[str, Any] = field(default_factory=dict)


class AuditTrail:
    """Writes and reads the trail."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._listened: dict[tuple[str, str], datetime] = {}

    async def write(
        self, scope: Scope, principal: Principal | None, note: AuditNote, status: int, *, actor: str = ""
    ) -> None:
        """Add an entry for a request that was answered with `status`."""
        async with self._database.transaction() as session:
            session.add(
                AuditEntry(
                    id=new_id(),
                    at=self._clock.now(),
                    actor_id=principal.id if principal else None,
                    actor=(principal.name if principal else actor)[:200],
                    role=principal.role.value if principal else None,
                    resource=note.resource,
                    action=note.action,
                    target=note.target[:64] if note.target else None,
                    method=scope["method"],
                    path=scope["path"][:255],
                    status=status,
                    source=client_address(scope)[:64],
                    details=note.details,
                )
            )

    async def list(
        self,
        *,
        limit: int,
        before: str | None = None,
        actor_id: str | None = None,
        resource: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[AuditEntry]:
        """Return entries, the newest first, older than the one with the id `before`."""
        query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
        for condition in (
            None if before is None else AuditEntry.id < before,
            None if actor_id is None else AuditEntry.actor_id == actor_id,
            None if resource is None else AuditEntry.resource == resource,
            None if target is None else AuditEntry.target == target,
            None if since is None else AuditEntry.at >= since,
            None if until is None else AuditEntry.at < until,
        ):
            if condition is not None:
                query = query.where(condition)
        async with self._database.reading() as session:
            return (await session.scalars(query)).all()

    def is_news(self, principal: Principal, note: AuditNote) -> bool:
        """Tell whether this listening is to be noted: a player asks for one recording in many ranges."""
        now = self._clock.now()
        key = (principal.id, note.target or "")
        last = self._listened.get(key)
        if last is not None and now - last < _LISTENED_AGAIN:
            return False
        if len(self._listened) >= _MOST_LISTENERS:
            self._listened.clear()
        self._listened[key] = now
        return True


class AuditMiddleware:
    """Notes every write of one who is signed in, refused ones too, and every listening."""

    def __init__(self, app: ASGIApp, trail: AuditTrail) -> None:
        self._app = app
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, then write the note that its handler's permission left in the scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watch(message: Message) -> None:
            """Take note of the status as it passes."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            await self._note(scope, status)

    async def _note(self, scope: Scope, status: int) -> None:
        principal: Principal | None = scope.get("ramal.principal")
        note: AuditNote | None = scope.get("ramal.audit")
        if principal is None or note is None:
            return
        if scope["method"] in _READING:
            if note.action not in _WATCHED or status >= 400 or not self._trail.is_news(principal, note):
                return
        elif names := _field_names(scope):
            note.details.setdefault("fields", names)
        try:
            await self._trail.write(scope, principal, note, status)
        except Exception:
            # The write itself is done and must be answered as such.
            log.exception("audit_entry_lost", actor=principal.name, path=scope["path"])


def note_of(resource: Resource, action: Action, target: str | None) -> AuditNote:
    """Return the note of a request on a resource."""
    return AuditNote(resource.value, action.value, target)


def client_address(scope: Scope) -> str:
    """Return the address the request came from."""
    client = scope.get("client")
    return str(client[0]) if client else "local"


def _field_names(scope: Scope) -> list[str]:
    """Return the names of the body's fields; values may be secrets."""
    body: bytes = scope.get("ramal.body", b"")
    if not body.startswith(b"{"):
        return []
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [str(name)[:64] for name in list(content)[:_MOST_NAMES]]
