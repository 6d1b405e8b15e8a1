"""Who asks, and whether they may: cookies and bearer tokens, cross-site writes, and the permission of each path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.audit_trail import AuditNote, note_of
from api.errors import CrossSiteError, FieldError, ForbiddenError, InvalidFieldsError, NotSignedInError
from api.key_store import Principal, SessionStore, TokenStore
from api.permissions import Action, Resource, scope_of
from api.permissions import Scope as Reach

COOKIE: Final = "ramal_session"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_API: Final = "/api/"


class Authenticator:
    """Finds out who a request comes from."""

    def __init__(self, sessions: SessionStore, tokens: TokenStore, *, public_url: str = "") -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._public_host = urlsplit(public_url).netloc.casefold()

    async def identify(self, headers: Headers, *, token: str | None = None) -> Principal | None:
        """Return who asks, or None where no key was shown.

        Args:
            headers: of the request.
            token: a token from the query string; only the event WebSocket takes one there.

        Raises:
            NotSignedInError: a key was shown that opens nothing.
        """
        authorization = headers.get("authorization")
        if authorization is not None:
            kind, _, token = authorization.partition(" ")
            if kind.casefold() != "bearer":
                raise NotSignedInError("This kind of Authorization is not understood.")
        if token is not None:
            principal = await self._tokens.find(token.strip())
            if principal is None:
                raise NotSignedInError(
                    "This token is unknown or expired.", hint="`ramal token create` makes a new one."
                )
            return principal
        secret = read_cookie(headers)
        return None if secret is None else await self._sessions.find(secret)

    def require_same_site(self, headers: Headers) -> None:
        """Refuse what another site's page does with this user's cookie.

        Browsers send `Origin` with every cross-site write and every WebSocket; programs that send none hold no cookie of a user.

        Raises:
            CrossSiteError: the page is another site's.
        """
        origin = headers.get("origin")
        if origin is not None:
            host = urlsplit(origin).netloc.casefold() if origin != "null" else ""
            allowed = host and host in {headers.get("host", "").casefold(), self._public_host}
        else:
            allowed = headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
        if not allowed:
            raise CrossSiteError(
                "Another site's page may not write here.",
                hint="If a proxy changes the host name, set `web.public_url` to the address that browsers use.",
            )


def read_cookie(headers: Headers) -> str | None:
    """Return the session's secret from the Cookie header, or None."""
    text = headers.get("cookie")
    if not text or COOKIE not in text:
        return None
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None


class AuthenticationMiddleware:
    """Puts the principal into the scope as `ramal.principal`; None where nobody signed in."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Identify the request under `/api/`, and refuse cross-site writes."""
        if scope["type"] == "http" and scope["path"].startswith(_API):
            headers = Headers(scope=scope)
            # A bearer token is no cookie: no other site's page can make a browser send it.
            if scope["method"] not in _SAFE and "authorization" not in headers:
                self._authenticator.require_same_site(headers)
            scope["ramal.principal"] = await self._authenticator.identify(headers)
        await self._app(scope, receive, send)


@dataclass(slots=True, frozen=True)
class Access:
    """A permission that was granted to a request."""

    principal: Principal
    reach: Reach
    note: AuditNote
    """What the audit trail will say; handlers add the id of what they made."""

    @property
    def extension(self) -> str | None:
        """The extension to which everything shown must belong; None: no limit."""
        return self.principal.extension if self.reach is Reach.OWN else None

    @property
    def reads_own_calls_only(self) -> bool:
        """Whether the one who asks may see the own calls only, whatever else is asked for."""
        return scope_of(self.principal.role, Resource.CDRS, Action.READ) is not Reach.ALL

    def extension_or_own(self, named: str | None, missing: str) -> str:
        """Return the extension that a body names as `from`, else the own one of the one who asks.

        Raises:
            InvalidFieldsError: none is named, and there is no own one; `missing` says in words what to name.
        """
        extension = named or self.principal.extension
        if not extension:
            rule = FieldError("body.from", "Field required: you have no extension of your own")
            raise InvalidFieldsError(missing, errors=[rule])
        return extension

    def require_extension(self, extension: str) -> None:
        """Refuse what is done for an extension that is not the own one.

        Raises:
            ForbiddenError: it belongs to somebody else.
        """
        if self.extension is not None and self.extension != extension:
            raise ForbiddenError(f"Your extension is {self.extension}; you cannot do this for {extension}.")


def permit(resource: Resource, action: Action) -> Any:
    """Return the dependency that grants the action to those whom the permission table allows it.

    A path parameter that ends in `_id` becomes the target in the audit trail.
    """

    def granted(request: Request) -> Access:
        """Take note of what is done, and return who may do it and how far."""
        target = next((value for name, value in request.path_params.items() if name.endswith("_id")), None)
        note = note_of(resource, action, target)
        request.scope["ramal.audit"] = note
        principal = current(request)
        return Access(principal, reach_of(principal, resource, action), note)

    return Depends(granted)


def reach_of(principal: Principal, resource: Resource, action: Action) -> Reach:
    """Return how far the principal's permission reaches.

    Raises:
        ForbiddenError: it has none, or only for an extension of its own and there is none.
    """
    reach = scope_of(principal.role, resource, action)
    if reach is Reach.NONE:
        raise ForbiddenError(f"The role “{principal.role.value}” may not {action.value} {resource.value}.")
    if reach is Reach.OWN and not principal.extension:
        raise ForbiddenError(
            "You have no extension, so there is nothing of yours here.",
            hint="An administrator can give your user an extension.",
        )
    return reach


def current(request: Request) -> Principal:
    """Return who is signed in.

    Raises:
        NotSignedInError: nobody is.
    """
    principal: Principal | None = request.scope.get("ramal.principal")
    if principal is None:
        raise NotSignedInError
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current)]
