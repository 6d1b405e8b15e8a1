"""A phone in headless Chromium: JsSIP and the browser's own media, whose microphone plays a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, async_playwright

from tests.support.ramal_process import PASSWORD, RamalProcess, ramal_process

_WEB = Path(__file__).parents[2] / "web"
_PAGE = Path(__file__).with_name("browser_page.js")
_CHROMIUM = "/usr/bin/chromium"


def bundle(folder: Path) -> Path:
    """JsSIP as one script for a page."""
    if not (_WEB / "node_modules" / "jssip").exists():
        pytest.skip("the web app's packages are not installed")
    file = folder / "jssip.js"
    entry = folder / "entry.mjs"
    entry.write_text(f'import JsSIP from "{_WEB}/node_modules/jssip/lib/JsSIP.js"; globalThis.JsSIP = JsSIP;\n')
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    rolldown = _WEB / "node_modules" / ".bin" / "rolldown"
    command = [str(part) for part in (rolldown, entry, "-f", "iife", "-o", file, "--log-level", "silent")]
    subprocess.run(command, check=True, env={**os.environ, "PATH": path}, stdout=subprocess.DEVNULL, cwd=_WEB)
    return file


class BrowserPhone:
    """One page with one phone."""

    def __init__(self, page: Page, script: Path, url: str, web: str, user: str, password: str) -> None:
        self.page = page
        self._script = script
        self._start = {"url": url, "user": user, "password": password}
        self._web = web
        self._events: deque[dict[str, Any]] = deque(maxlen=500)

    async def load(self) -> None:
        """Open the page, or open it again, and register."""
        await self.page.goto(self._web)
        await self.page.evaluate(self._script.read_text())
        await self.page.evaluate(_PAGE.read_text() + "; null")
        await self.do("start", **self._start)
        await self.wait_for("registered")

    async def do(self, command: str, **values: Any) -> Any:
        """Call a function of `browser_page.js`."""
        return await self.page.evaluate("([name, values]) => window.phone[name](values)", [command, values])

    async def wait_for(self, kind: str, seconds: float = 15, **values: Any) -> dict[str, Any]:
        """Take and return the oldest event of this kind."""
        seen: list[dict[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    self._events.extend(await self.do("events"))
                    while self._events:
                        event = self._events.popleft()
                        seen.append(event)
                        if event["event"] == kind and values.items() <= event.items():
                            return event
                    await asyncio.sleep(0.05)
        raise AssertionError(f"the browser saw no {kind}, but: {seen}")

    async def hear(self, seconds: float) -> NDArray[np.float64]:
        """Return what is heard from now on, at 8 kHz."""
        await self.do("heard")
        await asyncio.sleep(seconds)
        return np.asarray(await self.do("heard"), dtype=np.float64)


@contextlib.asynccontextmanager
async def chromium_page(folder: Path, microphone: Path) -> AsyncIterator[Page]:
    """Give a page of a fresh Chromium whose microphone plays a file over and over."""
    flags = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        "--allow-loopback-in-peer-connection",
        "--autoplay-policy=no-user-gesture-required",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ]
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            str(folder / "chromium"), executable_path=_CHROMIUM, headless=True, args=flags, bypass_csp=True
        )
        try:
            yield context.pages[0] if context.pages else await context.new_page()
        finally:
            await context.close()


@contextlib.asynccontextmanager
async def server_with_browser(
    folder: Path, microphone: Path, **settings: str
) -> AsyncIterator[tuple[RamalProcess, BrowserPhone]]:
    """Give a server with the extensions 1001 and 1002, and a browser that is registered as the first."""
    async with ramal_process(folder, **settings) as server, chromium_page(folder, microphone) as page:
        await server.start()
        async with server.api() as api:
            for number in ("1001", "1002"):
                await api.post("extensions", number=number, name=f"Desk {number}", password=PASSWORD)
        web = f"127.0.0.1:{server.web_port}"
        browser = BrowserPhone(page, bundle(folder), f"ws://{web}/sip", f"http://{web}/healthz", "1001", PASSWORD)
        await browser.load()
        yield server, browser
