"""Reads request bodies whole, and no more of them than the address takes."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BadRequestError, BodyTooLargeError, BodyTooSlowError

_UNKNOWN_CLIENT: Final = 64 << 10
"""What one who is not signed in may send: enough for a sign-in."""
_UNKNOWN_CLIENT_SECONDS: Final = 20.0


class BodyMiddleware:
    """Bounds bodies and leaves them in the scope as `ramal.body`."""

    def __init__(self, app: ASGIApp, *, most: int, imports: dict[str, int], seconds: float) -> None:
        """Prepare.

        Args:
            app: what comes next.
            most: bytes that ordinary addresses take.
            imports: bytes that other addresses take, by path.
            seconds: how long a body may be under way; one who is not signed in has 20 of them at most.
        """
        self._app = app
        self._most = most
        self._imports = imports
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body and hand it on in one piece.

        Raises:
            BodyTooLargeError: it is longer than the address takes.
            BodyTooSlowError: it did not come whole in time.
        """
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        most, seconds = self._imports.get(scope["path"], self._most), self._seconds
        if scope.get("ramal.principal") is None:
            most, seconds = min(most, _UNKNOWN_CLIENT), min(seconds, _UNKNOWN_CLIENT_SECONDS)
        try:
            body = await asyncio.wait_for(_read(scope, receive, most), seconds)
        except TimeoutError as error:
            raise BodyTooSlowError("The body did not come whole in time.", headers={"Connection": "close"}) from error
        scope["ramal.body"] = body
        handed = False

        async def replay() -> Message:
            """Give the body that was read already, then what the client sends after it."""
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


async def _read(scope: Scope, receive: Receive, most: int) -> bytes:
    announced = Headers(scope=scope).get("content-length", "0")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequestError("The connection was closed in mid-request.")
        part = message.get("body", b"")
        length += len(part)
        if length > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(most: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The body is longer than {most} bytes, which is the most this address takes.")
