"""pjsua2 as a peer that watches presence and mailbox and writes texts, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from tests.support.ports import free_port

_PROCESS = Path(__file__).with_name("buddy_process.py")


class BuddyPhone:
    """What the phone tells, and how it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.events: list[dict[str, Any]] = []
        self._process = process
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    def last(self, kind: str) -> dict[str, Any]:
        """Return the last event of a kind; empty when there was none."""
        return next((event for event in reversed(self.events) if event["event"] == kind), {})

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
        """Wait until something holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"pjsua2 was not told in time: {what}; it told {self.events}") from None

    def do(self, name: str, **values: str) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": name, **values}).encode() + b"\n")

    async def close(self) -> None:
        """End the phone."""
        with contextlib.suppress(ConnectionError):
            self.do("quit")
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.events.append(json.loads(line))
            self._news.set()


@contextlib.asynccontextmanager
async def buddy_phone(server: str, username: str, password: str, *, watches: str = "") -> AsyncIterator[BuddyPhone]:
    """Run the phone until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_PROCESS), server, username, password, str(free_port()), watches,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    phone = BuddyPhone(process)
    try:
        yield phone
    finally:
        await phone.close()
