"""Serves the built web app: its files, and its first page for every address that the app itself knows."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Final

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from api.errors import MethodNotAllowedError, NoSuchPathError

_SERVER_PATHS: Final = ("/api", "/metrics", "/healthz", "/readyz", "/sip")
_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Ramal</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}</style>
<h1>Ramal is running</h1>
<p>The web app has not been built yet. In the project's folder, run <code>make web</code>, then load this page again.</p>
<p>The API answers under <code>/api/v1/</code>; its description is at <a href="/api/v1/openapi.json">/api/v1/openapi.json</a>.</p>
</html>
"""


class WebApp:
    """The ASGI application behind every path that is not the server's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a file, the first page, or a problem for a path under the API.

        Raises:
            NoSuchPathError: nothing is there.
            MethodNotAllowedError: files are only read.
        """
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        path: str = scope["path"]
        if any(path == one or path.startswith(f"{one}/") for one in _SERVER_PATHS):
            raise NoSuchPathError(
                "There is nothing at this address.", hint="/api/v1/openapi.json lists all addresses of the API."
            )
        if scope["method"] not in {"GET", "HEAD"}:
            raise MethodNotAllowedError("Pages are only read.", headers={"Allow": "GET, HEAD"})
        response = await asyncio.to_thread(self._answer, path)
        await response(scope, receive, send)

    def _answer(self, path: str) -> Response:
        file = self._file(path)
        if file is not None:
            # The build names files under assets/ by their content: they never change.
            lasting = path.startswith("/assets/")
            caching = "public, max-age=31536000, immutable" if lasting else "no-cache"
            return FileResponse(file, headers={"Cache-Control": caching})
        if path.startswith("/assets/"):
            raise NoSuchPathError("There is no such file.", hint="Load the page again: the web app was updated.")
        if "." in path.rpartition("/")[2]:
            # No page of the app has a dot in its name: who asks for `/openapi.json` or `/robots.txt` wants that or nothing.
            raise NoSuchPathError("There is no such file.", hint="/api/v1/openapi.json lists all addresses of the API.")
        first = self._folder / "index.html"
        if not first.is_file():
            return HTMLResponse(_NOT_BUILT, headers={"Cache-Control": "no-store"})
        return FileResponse(first, headers={"Cache-Control": "no-cache"})

    def _file(self, path: str) -> Path | None:
        """Return the file of a path, or None when there is none inside the folder."""
        try:
            file = (self._folder / path.lstrip("/")).resolve()
            inside = file.is_relative_to(self._folder) and stat.S_ISREG(file.stat().st_mode)
        except (OSError, ValueError):
            return None
        return file if inside else None
