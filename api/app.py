"""Makes the web application out of the rooms' services."""

from __future__ import annotations

import asyncio
import functools
from typing import Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from api import (
    activities,
    audit,
    bans,
    calls,
    cameras,
    cdrs,
    companies,
    company,
    conferences,
    contacts,
    deals,
    devices,
    doctor,
    extensions,
    health,
    leads,
    live,
    messages,
    metrics,
    numbers,
    openapi,
    problems,
    rates,
    recordings,
    routes,
    session,
    sip_socket,
    tariffs,
    tokens,
    traces,
    transcripts,
    trunks,
    users,
    visitors,
    visits,
)
from api.audit_trail import AuditMiddleware, AuditTrail
from api.bodies import BodyMiddleware
from api.errors import FieldError, InvalidFieldsError
from api.guard import GuardMiddleware
from api.idempotency import IdempotencyMiddleware
from api.key_store import SessionStore, TokenStore
from api.metrics import Metrics
from api.passwords import Passwords
from api.security import AuthenticationMiddleware, Authenticator
from api.services import Services
from api.settings import VERSION, ApiSettings
from api.user_store import UserStore
from api.web_app import WebApp

PREFIX: Final = "/api/v1"
_RESOURCES: Final = (
    session,
    traces,
    calls,
    messages,
    cdrs,
    recordings,
    transcripts,
    tariffs,
    rates,
    leads,
    contacts,
    companies,
    conferences,
    deals,
    activities,
    visits,
    visitors,
    cameras,
    extensions,
    devices,
    trunks,
    numbers,
    routes,
    bans,
    users,
    tokens,
    company,
    audit,
    doctor,
)
_IMPORTS: Final = (f"{PREFIX}/rates/import",)


def create_app(services: Services, settings: ApiSettings | None = None) -> FastAPI:
    """Return the ASGI application that serves the API, the live events and the web app.

    Args:
        services: what the rooms give.
        settings: of the web interface; None: the defaults.
    """
    settings = settings or ApiSettings()
    app = FastAPI(
        title="Ramal",
        version=settings.version,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    _furnish(app, services, settings)
    problems.install(app)
    _include_version_one(app)
    app.add_api_route(f"{PREFIX}/openapi.json", _show_openapi, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(sip_socket.router)
    app.router.default = WebApp(settings.web_dist)
    app.openapi = lambda: openapi_description(settings.version)  # type: ignore[method-assign]  # FastAPI's documented way
    _surround(app, services, settings)
    _warm_up(app)
    return app


@functools.cache
def openapi_description(version: str = VERSION) -> dict[str, Any]:
    """Return the OpenAPI description, made once; no server is needed for it."""
    app = FastAPI(title="Ramal", version=version, generate_unique_id_function=_operation_id)
    _include_version_one(app)
    return openapi.describe(app)


def _include_version_one(app: FastAPI) -> None:
    # Each router goes into the application directly: FastAPI analyses every route anew at each level of inclusion.
    for resource in _RESOURCES:
        app.include_router(resource.router, prefix=PREFIX, dependencies=[Depends(_check_query)])
    app.include_router(live.router, prefix=PREFIX)


def _furnish(app: FastAPI, services: Services, settings: ApiSettings) -> None:
    """Put what handlers need into the application's state."""
    state = app.state
    database, clock = services.database, services.clock
    hashing = Passwords(memory_kib=settings.argon2_memory_kib, passes=settings.argon2_passes)
    state.services = services
    state.settings = settings
    state.metrics = Metrics(settings.version)
    state.users = UserStore(database, clock, hashing)
    state.sessions = SessionStore(database, clock, idle=settings.session_idle, life=settings.session_life)
    state.tokens = TokenStore(database, clock)
    state.trail = AuditTrail(database, clock)
    state.authenticator = Authenticator(state.sessions, state.tokens, public_url=settings.public_url)
    state.live_clients = set()
    state.query_parameters = {}
    state.openapi = None


def _surround(app: FastAPI, services: Services, settings: ApiSettings) -> None:
    """Lay the middleware around the application; the last one added is the outermost."""
    state = app.state
    app.add_middleware(AuditMiddleware, trail=state.trail)
    app.add_middleware(
        IdempotencyMiddleware, database=services.database, clock=services.clock, life=settings.idempotency_life
    )
    app.add_middleware(
        BodyMiddleware,
        most=settings.max_body_bytes,
        imports=dict.fromkeys(_IMPORTS, settings.max_import_bytes),
        seconds=settings.body_seconds,
    )
    app.add_middleware(AuthenticationMiddleware, authenticator=state.authenticator)
    app.add_middleware(GuardMiddleware, metrics=state.metrics, clock=services.clock)


def _warm_up(app: FastAPI) -> None:
    """Have FastAPI analyse every route now: at the first request it would hold up the event loop, calls and all."""
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []})


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _show_openapi(request: Request) -> Response:
    """Return the OpenAPI description; the first time it is made, in a thread, for it takes its time, and then kept as it is sent."""
    state = request.app.state
    if state.openapi is None:
        state.openapi = await asyncio.to_thread(lambda: JSONResponse(request.app.openapi()).body)
    return Response(state.openapi, media_type="application/json")


def _query_parameters(route: APIRoute) -> frozenset[str]:
    """Return the names of the query parameters that a route knows, by itself or through its dependencies."""
    names: set[str] = set()
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        names.update(field.alias for field in dependant.query_params)
        waiting += dependant.dependencies
    return frozenset(names)


def _check_query(request: Request) -> None:
    """Refuse query parameters that the operation does not know: a misspelt filter would show too much.

    Neither may one hold NUL: no text that is stored does, and PostgreSQL does not even look for it.
    """
    if not request.query_params:
        return
    route: APIRoute = request.scope["route"]
    remembered: dict[str, frozenset[str]] = request.app.state.query_parameters
    known = remembered.get(route.name)
    if known is None:
        known = remembered[route.name] = _query_parameters(route)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        rules = [FieldError(f"query.{name[:64]}", "There is no such parameter") for name in unknown[:5]]
        hint = f"Known are: {', '.join(sorted(known))}." if known else "This address takes none."
        raise InvalidFieldsError(f"There is no query parameter “{unknown[0][:64]}”.", hint=hint, errors=rules)
    holding = [name for name, value in request.query_params.multi_items() if "\0" in value]
    if holding:
        rules = [FieldError(f"query.{name}", "It must not hold NUL") for name in dict.fromkeys(holding)]
        raise InvalidFieldsError(f"The query parameter “{holding[0]}” holds NUL.", errors=rules)
