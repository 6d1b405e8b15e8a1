"""`/api/v1/session`: sign in, see who one is, change the own password, sign out."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.audit_trail import AuditNote, AuditTrail, client_address
from api.errors import ApiError, WrongCredentialsError
from api.fields import Input, Output
from api.key_store import Principal, SessionStore
from api.passwords import LONGEST, SHORTEST
from api.permissions import Action, Resource, Role, Scope, scope_of
from api.security import COOKIE, CurrentPrincipal
from api.user_store import UserStore

_RESOURCE: Final = "session"

router = APIRouter(prefix="/session", tags=["session"])


class Credentials(Input):
    """User name and password."""

    username: Annotated[str, Field(min_length=1, max_length=64, examples=["admin"])]
    password: Annotated[str, Field(min_length=1, max_length=LONGEST, examples=["correct horse battery"])]


class PasswordChange(Input):
    """A new password for the one who is signed in."""

    current_password: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    new_password: Annotated[str, Field(min_length=SHORTEST, max_length=LONGEST)]


class SessionOut(Output):
    """Who is signed in, and what they may do."""

    user_id: str = Field(description="The user's id, or the token's.")
    username: str = Field(description="The user's name for signing in, or the token's label.")
    name: str
    role: Role
    extension: str | None = Field(description="The own extension.")
    language: str | None = Field(description="Chosen language of the web app: `en`, `pt-BR` or `ru`.")
    permissions: dict[str, dict[str, str]] = Field(
        description="By resource and action: `own` or `all`; what is not listed is not allowed.",
        examples=[{"cdrs": {"read": "own"}}],
    )


@router.post("", status_code=201)
async def sign_in(credentials: Credentials, request: Request, response: Response) -> SessionOut:
    """Sign in; the answer sets the session's cookie."""
    users: UserStore = request.app.state.users
    sessions: SessionStore = request.app.state.sessions
    address = client_address(request.scope)
    note = AuditNote(_RESOURCE, "sign_in")
    try:
        user = await users.sign_in(credentials.username, credentials.password, address)
    except ApiError as error:
        trail: AuditTrail = request.app.state.trail
        # Throttled attempts are left out: they would let a stranger fill the trail.
        if isinstance(error, WrongCredentialsError):
            await trail.write(request.scope, None, note, error.http_status, actor=credentials.username)
        raise
    secret = await sessions.create(user, source=address, user_agent=request.headers.get("user-agent", ""))
    principal = await sessions.find(secret)
    if principal is None:
        raise WrongCredentialsError("This user was switched off just now.")
    request.scope["ramal.principal"] = principal
    request.scope["ramal.audit"] = note
    settings = request.app.state.settings
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(settings.session_life.total_seconds()),
        path="/",
        # Behind a proxy that ends TLS only the page's own origin tells that it came by HTTPS.
        secure=request.url.scheme == "https" or request.headers.get("origin", "").startswith("https:"),
        httponly=True,
        samesite="strict",
    )
    return await _shown(users, principal)


@router.get("")
async def get_session(principal: CurrentPrincipal, request: Request) -> SessionOut:
    """Show who is signed in."""
    return await _shown(request.app.state.users, principal)


@router.delete("", status_code=204)
async def sign_out(principal: CurrentPrincipal, request: Request, response: Response) -> None:
    """Sign out; the cookie is worth nothing from now on."""
    request.scope["ramal.audit"] = AuditNote(_RESOURCE, "sign_out")
    if principal.session_id:
        await request.app.state.sessions.end(principal.session_id)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.post("/password", status_code=204)
async def change_password(change: PasswordChange, principal: CurrentPrincipal, request: Request) -> None:
    """Change the own password; every session of the user ends, this one too."""
    request.scope["ramal.audit"] = AuditNote(_RESOURCE, "change_password")
    users: UserStore = request.app.state.users
    if principal.kind != "user":
        raise WrongCredentialsError("A token has no password.")
    await users.sign_in(principal.name, change.current_password, client_address(request.scope))
    await users.change(principal.id, {"password": change.new_password})


async def _shown(users: UserStore, principal: Principal) -> SessionOut:
    user = await users.get(principal.id) if principal.kind == "user" else None
    return SessionOut(
        user_id=principal.id,
        username=principal.name,
        name=user.name if user else principal.name,
        role=principal.role,
        extension=principal.extension or None,
        language=user.language if user else None,
        permissions=_permissions(principal.role),
    )


def _permissions(role: Role) -> dict[str, dict[str, str]]:
    """Return the role's column of the permission table, for a web app that hides what is not allowed."""
    granted: dict[str, dict[str, str]] = {}
    for resource in Resource:
        actions = {action.value: scope_of(role, resource, action) for action in Action}
        allowed = {name: reach.value for name, reach in actions.items() if reach is not Scope.NONE}
        if allowed:
            granted[resource.value] = allowed
    return granted
