"""The outermost layer: request ids, security headers, metrics, and the last word on errors."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import as_error, problem_response
from core.clock import Clock
from core.errors import RamalError
from core.identifiers import new_id

log = structlog.get_logger(__name__)

_CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        # Component libraries set sizes and positions in style attributes.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self' ws: wss:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class UnforeseenError(RamalError):
    """A fault in this program; its log line, found by the request id, tells more."""

    id = "api.unforeseen"


class GuardMiddleware:
    """Answers every exception that nothing inside answered, and adds what every answer carries."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; nothing but a problem ever leaves here for an exception."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        scope["ramal.request_id"] = request_id
        began = self._clock.monotonic()
        status = 0

        async def guarded(message: Message) -> None:
            """Put the headers of every answer in as it begins."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(MutableHeaders(scope=message), request_id, scope)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, guarded)
            except Exception as error:
                if status:
                    # Half an answer is out: the connection must break, so that nobody takes it for a whole one.
                    log.exception("request_broken_off", path=scope["path"])
                    raise
                known = as_error(error) or _unforeseen(error, scope)
                await problem_response(known, request_id=request_id)(scope, receive, guarded)
            finally:
                self._metrics.request(scope, status or 499, self._clock.monotonic() - began)


def _complete(headers: MutableHeaders, request_id: str, scope: Scope) -> None:
    headers["X-Request-Id"] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if scope["scheme"] == "https":
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if scope["path"].startswith("/api/"):
        headers.setdefault("Cache-Control", "no-store")


def _unforeseen(error: Exception, scope: Scope) -> RamalError:
    log.error("request_failed_unforeseen", path=scope["path"], method=scope["method"], exc_info=error)
    return UnforeseenError("Something went wrong inside the server.", hint="The server's log names the request id.")
