"""More extensions than a page of the list holds: each is found, chosen and shown all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from ramal.demo.company import COLLEAGUE, DESK
from tests.web.conftest import Shop, Visits

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def many(shop: Shop) -> AsyncIterator[None]:
    """Extensions that stand before all others in the list, more than a page of them."""
    directory = shop.ramal.services.directory
    made = [
        await directory.create_extension(number=str(number), name="Market stall", password="correct-horse-9")
        for number in range(100_000, 100_052)
    ]
    yield
    for one in made:
        await directory.delete_extension(one.id)


@pytest.mark.usefixtures("many")
async def test_an_agent_of_a_large_house_finds_every_colleague_and_the_own_forwarding(visits: Visits) -> None:
    page = await visits.sign_in("desk")
    await expect(page.get_by_role("button", name="Forwarding")).to_be_visible()
    await page.get_by_role("combobox", name="Number to call").fill("WORKS")
    await expect(page.get_by_role("option", name=COLLEAGUE)).to_be_visible()


@pytest.mark.usefixtures("many")
async def test_an_administrator_of_a_large_house_finds_and_chooses_every_extension(visits: Visits) -> None:
    page = await visits.sign_in("boss", "/setup/extensions")
    rows = page.get_by_role("table", name="Extensions").locator("tbody tr")
    await page.get_by_role("searchbox", name="Number or name").fill("works")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text(COLLEAGUE)

    await page.get_by_role("link", name="Users").click()
    await page.get_by_role("button", name="New user").click()
    await page.get_by_role("dialog").get_by_role("combobox", name="Extension").fill(DESK)
    await expect(page.get_by_role("option", name=f"{DESK} Sales desk")).to_be_visible()
