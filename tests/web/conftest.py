"""A shop that runs: a whole server with phones and users, and a browser that looks at its web app."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright, expect

from api.key_store import TokenStore
from api.permissions import Role
from api.settings import WEB_DIST
from core.clock import SystemClock
from core.settings_reader import load_settings
from ramal.app import Ramal, running
from ramal.demo.calls import free_udp_port, phones
from ramal.demo.company import COMPANY_NUMBER, MOBILE, TRUNK_ADDRESS, Api, create_company, create_users
from ramal.softphone.controller import PhoneCall, SoftPhone, SoftPhoneError
from tests.support.ports import free_port
from tests.support.tones import write_tone

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)
ADMINISTRATOR_PASSWORD = "lanterns over the river"
PATIENCE_MS = 15_000
"""How long a page may take: the machine may have much else to do."""
WIDE = (1360, 860)
PHONE = (390, 844)


@dataclass(slots=True)
class Shop:
    """A running server with everything within reach."""

    ramal: Ramal
    api: Api
    passwords: dict[str, str]
    """By user name."""
    desk: SoftPhone
    colleague: SoftPhone
    customer: SoftPhone
    voice: Path

    @property
    def url(self) -> str:
        """Where the web app is."""
        return self.ramal.settings.web_url

    async def customer_calls(self) -> tuple[PhoneCall, PhoneCall]:
        """Let the customer call the company and the desk answer; return both ends."""
        sip = f"{self.ramal.settings.sip_address}:{self.ramal.settings.sip.port}"
        customer = await self.customer.call(f"sip:{COMPANY_NUMBER}@{sip}", self.voice)
        desk = await self.desk.incoming(20)
        await desk.answer()
        await desk.confirmed()
        await customer.confirmed()
        await desk.play(self.voice)
        return customer, desk

    async def hang_up(self) -> None:
        """End what calls there are, so that the next test begins with none."""
        for phone in (self.desk, self.colleague, self.customer):
            for call in [one for one in phone.calls if not one.ended]:
                with contextlib.suppress(SoftPhoneError):
                    await call.hang_up()
        async with asyncio.timeout(20):
            while (await self.api.get("calls"))["items"]:
                await asyncio.sleep(0.1)


@dataclass(slots=True)
class Past:
    """Calls that are over: one in, recorded, and one out to a mobile, billed."""

    incoming: str
    outgoing: str


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """The demo's company on an empty server, with its phones registered."""
    if not (WEB_DIST / "index.html").exists():
        pytest.fail("The web app is not built: call `make web`.")
    settings = load_settings(
        environment={"RAMAL_PORT_BASE": str(free_port(count=4))}, data=tmp_path_factory.mktemp("shop") / "data"
    )
    async with contextlib.AsyncExitStack() as stack:
        ramal = await stack.enter_async_context(running(settings))
        _row, token = await TokenStore(ramal.services.database, SystemClock()).create(
            label="tests", role=Role.ADMINISTRATOR
        )
        api = await stack.enter_async_context(Api.open(settings.web_url, token))
        trunk_port = free_udp_port(TRUNK_ADDRESS)
        sip_passwords = await create_company(api, trunk_port)
        passwords = await create_users(api)
        await api.post(
            "users", username="boss", name="Marina Costa", role="administrator", password=ADMINISTRATOR_PASSWORD
        )
        desk, colleague, customer = await stack.enter_async_context(phones(settings, sip_passwords, trunk_port))
        voice = write_tone(tmp_path_factory.mktemp("voice") / "tone.wav", 440.0)
        yield Shop(ramal, api, {**passwords, "boss": ADMINISTRATOR_PASSWORD}, desk, colleague, customer, voice)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def past(shop: Shop) -> Past:
    """Two calls that were made, recorded, sealed and billed."""
    customer, desk = await shop.customer_calls()
    # Long enough that it is still being played when a slow browser is asked to pause.
    await asyncio.sleep(10)
    await desk.hang_up()
    await customer.over()
    call = await shop.desk.call(MOBILE, shop.voice)
    answered = await shop.customer.incoming(20)
    await answered.answer()
    await call.confirmed()
    await asyncio.sleep(1.5)
    await call.hang_up()
    await answered.over()
    await shop.ramal.caught_up()
    records = (await shop.api.get("cdrs"))["items"]
    newest = {record["direction"]: record for record in reversed(records)}
    async with asyncio.timeout(20):
        while True:
            recording = await shop.api.get(f"recordings/{newest['inbound']['recording_id']}")
            if recording["state"] == "sealed":
                break
            await asyncio.sleep(0.2)
    return Past(newest["inbound"]["id"], newest["outbound"]["id"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, headless."""
    expect.set_options(timeout=PATIENCE_MS)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(CHROMIUM_ARGUMENTS))
        yield chromium
        await chromium.close()


class Visits:
    """Opens pages as users, and keeps what went wrong in them."""

    def __init__(self, browser: Browser, shop: Shop) -> None:
        self._browser = browser
        self._shop = shop
        self._contexts: list[BrowserContext] = []
        self.troubles: list[str] = []
        """Exceptions in the pages, and what the security policy has stopped."""

    async def open(self, path: str = "/", *, size: tuple[int, int] = WIDE, locale: str = "en-US") -> Page:
        """Open a page in a browser that knows nothing yet."""
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=locale, base_url=self._shop.url
        )
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on("console", self._heard)
        await page.goto(path)
        return page

    async def sign_in(
        self, username: str, path: str = "/", *, size: tuple[int, int] = WIDE, locale: str = "en-US"
    ) -> Page:
        """Open a page and sign in by its form."""
        page = await self.open(path, size=size, locale=locale)
        await page.locator("input[autocomplete=username]").fill(username)
        await page.locator("input[type=password]").fill(self._shop.passwords[username])
        await page.keyboard.press("Enter")
        await page.locator("main h1").wait_for()
        return page

    async def close(self) -> None:
        """Close all pages."""
        for context in self._contexts:
            await context.close()

    def _heard(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.troubles.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def visits(browser: Browser, shop: Shop) -> AsyncIterator[Visits]:
    """A way to open pages; a page with an error in it fails the test. Calls that the test leaves are hung up."""
    opened = Visits(browser, shop)
    yield opened
    await opened.close()
    await shop.hang_up()
    assert opened.troubles == []
