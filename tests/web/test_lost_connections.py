"""What the page does when the network or the session goes away, and when it comes back."""

from __future__ import annotations

import asyncio
import secrets

import pytest
from playwright.async_api import Route, WebSocketRoute, expect

from tests.web.conftest import Past, Shop, Visits

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_is_clicked_without_a_network_is_refused_at_once_and_not_done_later(
    visits: Visits, shop: Shop
) -> None:
    page = await visits.sign_in("desk")
    customer, desk = await shop.customer_calls()
    row = page.get_by_role("table", name="Live calls").locator("tbody tr")
    await expect(row).to_contain_text("Talking")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))

    await page.context.set_offline(True)
    await row.get_by_role("button", name="Put on hold").click()
    await expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    await expect(row.get_by_role("button", name="Put on hold")).to_be_enabled()
    sent.clear()
    async with page.expect_response(lambda response: response.url.endswith("/calls?limit=50")):
        await page.context.set_offline(False)
    assert [url for url in sent if url.endswith("/hold")] == []
    await expect(row).to_contain_text("Talking")
    await desk.hang_up()
    await customer.over()


async def test_what_happened_while_the_connection_was_lost_is_shown_once_it_is_back(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("manager", "/live")
    sockets: list[WebSocketRoute] = []
    name = f"Called in the dark {secrets.token_hex(4)}"

    async def connect(socket: WebSocketRoute) -> None:
        # No event of the lead ever comes: the server is not connected again.
        if sockets:
            await shop.api.post("leads", name=name, phones=["+79165550000"])
        else:
            socket.connect_to_server()
        sockets.append(socket)

    await page.route_web_socket("**/api/v1/events", connect)
    await page.goto("/leads")
    await expect(page.get_by_role("heading", name="Leads")).to_be_visible()
    await expect(page.locator(".mantine-Skeleton-root")).to_have_count(0)
    async with asyncio.timeout(20):
        while not sockets:
            await asyncio.sleep(0.05)
    await sockets[0].close()
    await expect(page.get_by_role("link", name=name)).to_be_visible()


async def test_who_signs_in_after_an_expired_session_sees_nothing_of_the_one_before(
    visits: Visits, shop: Shop, past: Past
) -> None:
    page = await visits.sign_in("manager", "/calls")
    await expect(page.locator(f"a[href$='{past.outgoing}']")).to_be_visible()
    await page.context.clear_cookies()
    await page.get_by_role("link", name="Contacts").click()
    await expect(page.get_by_label("User name")).to_be_visible()

    unanswered = asyncio.Event()

    async def wait(route: Route) -> None:
        await unanswered.wait()
        await route.continue_()

    await page.route("**/api/v1/cdrs?*", wait)
    await page.get_by_label("User name").fill("desk")
    await page.locator("input[type=password]").fill(shop.passwords["desk"])
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Calls", exact=True).click()
    await expect(page.get_by_role("heading", name="Calls", exact=True)).to_be_visible()
    await expect(page.get_by_role("table", name="Calls").get_by_role("link")).to_have_count(0)
    unanswered.set()
    await expect(page.locator(f"a[href$='{past.outgoing}']")).to_be_visible()
