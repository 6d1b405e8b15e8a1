"""JsSIP as a peer: the phone of browsers in a process of its own, on Node, over WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_SCRIPT = Path(__file__).with_name("jssip_phone.mjs")


class JsSipPhone:
    """One phone; it registers when it is entered."""

    def __init__(self, url: str, user: str, password: str, *, domain: str = "127.0.0.1") -> None:
        self._start = {"url": url, "user": user, "password": password, "domain": domain}
        self._events: deque[dict[str, Any]] = deque(maxlen=1000)
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        # Where the system has no Node that is new enough, the set-up puts one beside Python.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = await asyncio.create_subprocess_exec(
            "node", str(_SCRIPT), stdin=pipe, stdout=pipe, env={**os.environ, "PATH": path}
        )
        self._reading = asyncio.create_task(self._read())
        self.do("start", **self._start)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.do("stop")
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    def do(self, command: str, **values: Any) -> None:
        """Give a command: `options`, `call` (to), `answer`, `hang_up`, `drop` (the WebSocket), `stop`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **values}).encode() + b"\n")

    async def wait_for(self, kind: str, *, timeout: float = 10) -> dict[str, Any]:
        """Take and return the oldest event of this kind."""

        def take() -> dict[str, Any] | None:
            found = next((event for event in self._events if event["event"] == kind), None)
            if found is not None:
                self._events.remove(found)
            return found

        try:
            async with asyncio.timeout(timeout), self._news:
                event = await self._news.wait_for(take)
        except TimeoutError:
            raise AssertionError(f"JsSIP saw no {kind} in {timeout:g} s, but: {list(self._events)}") from None
        assert event is not None
        return event

    async def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ConnectionError):
            async for line in self._process.stdout:
                async with self._news:
                    self._events.append(json.loads(line))
                    self._news.notify_all()
