"""Drives a WebSocket of the application inside the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI


class Socket:
    """The client's end."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_server: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.reading = asyncio.Event()
        self.reading.set()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.reading.wait()
        await self.from_server.put(message)

    async def next_json(self) -> dict[str, Any]:
        message = await self.next()
        assert message["type"] == "websocket.send", message
        content: dict[str, Any] = json.loads(message["text"])
        return content

    async def next(self) -> MutableMapping[str, Any]:
        return await asyncio.wait_for(self.from_server.get(), 10)

    async def close_code(self) -> int:
        while (message := await self.next())["type"] != "websocket.close":
            pass
        return int(message["code"])


@contextlib.asynccontextmanager
async def connect(app: FastAPI, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Socket]:
    socket = Socket()
    path, _, query = path.partition("?")
    given = {"host": "ramal.test"} | {name.lower(): value for name, value in (headers or {}).items()}
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        "client": ("192.0.2.7", 50_000),
        "server": ("ramal.test", 80),
        "subprotocols": [],
    }
    socket.to_server.put_nowait({"type": "websocket.connect"})
    serving = asyncio.create_task(app(scope, socket.to_server.get, socket.send))
    try:
        accepted = await socket.next()
        assert accepted["type"] == "websocket.accept", accepted
        yield socket
    finally:
        socket.reading.set()
        socket.to_server.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(serving, 10)
