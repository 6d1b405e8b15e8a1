"""`GET /api/v1/events`: what happens, as it happens, over a WebSocket.

Each message is one JSON object: `sequence` (per connection), `at`, `kind` (`call.answered`), `call_id` and `payload`. One who reads too
slowly is dropped with 4409 and must load the present state anew; nothing that matters is told here alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.errors import ApiError
from api.key_store import Principal
from api.permissions import Action, Resource, Role, scope_of
from api.permissions import Scope as Reach
from api.security import Authenticator, reach_of
from api.services import services_of
from api.settings import ApiSettings
from core.bus import LiveEvent, SubscriberTooSlowError, Subscription

NOT_SIGNED_IN: Final = 4401
FORBIDDEN: Final = 4403
TOO_SLOW: Final = 4409
TOO_MANY: Final = 1013
_RECHECK_SECONDS: Final = 60
_POLL_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 2.0
_MOST_CALLS: Final = 200
_EXTENSION_FIELDS: Final = ("extension", "extensions", "from_extension", "by_extension")

router = APIRouter()


class _Over(Exception):  # noqa: N818 - not an error: the end of a connection with its close code
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.websocket("/events")
async def events(websocket: WebSocket) -> None:
    """Send live events until the client goes, its session ends, or it reads too slowly."""
    # Browsers cannot read the status of a refused handshake, so a refusal is a close code.
    await websocket.accept()
    try:
        await _serve(websocket)
    except* _Over as over:
        first = next(_leaves(over))
        with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
            await asyncio.wait_for(websocket.close(first.code, first.reason), _CLOSE_SECONDS)
    except* WebSocketDisconnect:
        pass


async def _serve(websocket: WebSocket) -> None:
    metrics = websocket.app.state.metrics
    settings: ApiSettings = websocket.app.state.settings
    clients: set[WebSocket] = websocket.app.state.live_clients
    principal = await _principal(websocket)
    if len(clients) >= settings.live_clients:
        raise _Over(TOO_MANY, "too many clients; try again later")
    clients.add(websocket)
    metrics.live_clients.set(len(clients))
    try:
        with services_of(websocket).bus.subscribe(settings.live_queue) as subscription:
            async with asyncio.TaskGroup() as group:
                group.create_task(_send(websocket, subscription, LiveFilter(principal)))
                group.create_task(_receive(websocket))
                group.create_task(_watch(websocket, subscription, principal))
    finally:
        clients.discard(websocket)
        metrics.live_clients.set(len(clients))


async def _principal(websocket: WebSocket) -> Principal:
    authenticator: Authenticator = websocket.app.state.authenticator
    token = websocket.query_params.get("token")
    try:
        if token is None and "authorization" not in websocket.headers:
            authenticator.require_same_site(websocket.headers)
        principal = await authenticator.identify(websocket.headers, token=token)
        if principal is None:
            raise _Over(NOT_SIGNED_IN, "not signed in")
        reach_of(principal, Resource.EVENTS, Action.READ)
    except ApiError as error:
        code = NOT_SIGNED_IN if error.http_status == 401 else FORBIDDEN
        raise _Over(code, error.message[:120]) from error
    return principal


async def _send(websocket: WebSocket, subscription: Subscription, allowed: LiveFilter) -> None:
    sequence = 0
    clock = services_of(websocket).clock
    hello = LiveEvent("hello", {"role": allowed.principal.role.value})
    await websocket.send_text(_message(0, clock.now(), hello))
    try:
        async for event in subscription:
            if allowed.passes(event):
                sequence += 1
                await websocket.send_text(_message(sequence, clock.now(), event))
    except SubscriberTooSlowError:
        _drop(websocket)


async def _receive(websocket: WebSocket) -> None:
    """Read and forget what the client says; this is how its going is noticed."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))


async def _watch(websocket: WebSocket, subscription: Subscription, principal: Principal) -> None:
    """End the connection of one who no longer may listen, or now as somebody else, or whose socket takes nothing any more."""
    checked = 0.0
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        if subscription.overflowed:
            _drop(websocket)
        checked += _POLL_SECONDS
        if checked >= _RECHECK_SECONDS:
            checked = 0.0
            if await _principal(websocket) != principal:
                raise _Over(FORBIDDEN, "your role or extension was changed; connect again")


def _drop(websocket: WebSocket) -> None:
    websocket.app.state.metrics.live_dropped.inc()
    raise _Over(TOO_SLOW, "events came faster than you read them; load the present state anew")


def _message(sequence: int, at: datetime, event: LiveEvent) -> str:
    return json.dumps(
        {
            "sequence": sequence,
            "at": _plain(at),
            "kind": event.kind,
            "call_id": event.call_id or None,
            "payload": event.payload,
        },
        ensure_ascii=False,
        default=_plain,
    )


def _plain(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else str(value)


def _leaves(group: BaseExceptionGroup[_Over]) -> Iterator[_Over]:
    for one in group.exceptions:
        if isinstance(one, BaseExceptionGroup):
            yield from _leaves(one)
        else:
            yield one


class LiveFilter:
    """Which events a principal gets: by the resource they are about, and for agents only their own calls.

    A call is an agent's own from the first event that names the agent's extension, and stays it when it is over: its recording and
    transcript are ready later.
    """

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self._calls: OrderedDict[str, None] = OrderedDict()

    def passes(self, event: LiveEvent) -> bool:
        """Tell whether the event is for the principal."""
        subject = event.kind.partition(".")[0]
        if subject in _PERSONAL:
            return _names(event.payload, self.principal.extension)
        resource = _RESOURCES.get(subject)
        if resource is None:
            return self.principal.role is not Role.AGENT
        reach = scope_of(self.principal.role, resource, Action.READ)
        if reach is Reach.OWN:
            return self._is_own(event)
        return reach is Reach.ALL

    def _is_own(self, event: LiveEvent) -> bool:
        named = _names(event.payload, self.principal.extension)
        if not event.call_id:
            return named
        if named:
            self._calls[event.call_id] = None
            if len(self._calls) > _MOST_CALLS:
                self._calls.popitem(last=False)
        return event.call_id in self._calls


def _names(payload: Mapping[str, Any], extension: str) -> bool:
    """Tell whether a payload, or a leg in it, is about the extension."""
    if not extension:
        return False
    for name in _EXTENSION_FIELDS:
        value = payload.get(name)
        if value == extension or (isinstance(value, list | tuple) and extension in value):
            return True
    return any(leg.get("extension") == extension for leg in payload.get("legs", ()))


_PERSONAL: Final = frozenset({"card"})
"""Subjects of events that are for the screens of the extensions they name, and for nobody else."""

_RESOURCES: Final = {
    "call": Resource.CALLS,
    "leg": Resource.CALLS,
    "transfer": Resource.CALLS,
    "message": Resource.MESSAGES,
    "recording": Resource.RECORDINGS,
    "transcript": Resource.TRANSCRIPTS,
    "cdr": Resource.CDRS,
    "charge": Resource.CDRS,
    "lead": Resource.LEADS,
    "contact": Resource.CONTACTS,
    "company": Resource.COMPANIES,
    "deal": Resource.DEALS,
    "activity": Resource.ACTIVITIES,
    "extension": Resource.EXTENSIONS,
    "trunk": Resource.TRUNKS,
    "conference": Resource.CONFERENCES,
    "ban": Resource.BANS,
    "visit": Resource.VISITS,
    "visitor": Resource.VISITORS,
    "camera": Resource.CAMERAS,
}
"""The first word of an event's kind, and the resource whose readers get it."""
