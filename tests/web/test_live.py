"""A live call on the page of an agent, with real phones: seen, held, noted, transferred, ended."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from ramal.demo.company import COLLEAGUE, CUSTOMER_NUMBER, DESK, MOBILE
from tests.web.conftest import Shop, Visits

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_agent_handles_a_call_from_the_page(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("desk")
    await expect(page.get_by_text("No calls right now")).to_be_visible()
    customer, _desk = await shop.customer_calls()
    row = page.get_by_role("table", name="Live calls").locator("tbody tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text(CUSTOMER_NUMBER)
    await expect(row).to_contain_text("Talking")
    await expect(row).to_contain_text("REC")

    await row.get_by_role("button", name="Put on hold").click()
    await expect(row).to_contain_text("On hold")
    await row.get_by_role("button", name="Take off hold").click()
    await expect(row).to_contain_text("Talking")
    await row.get_by_role("button", name="Stop recording").click()
    await expect(row).not_to_contain_text("REC")
    await row.get_by_role("button", name="Record", exact=True).click()
    await expect(row).to_contain_text("REC")

    await row.get_by_role("button", name="Save the caller").click()
    await page.get_by_role("menuitem", name="Make a lead").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("textbox", name="Phone")).to_have_value(CUSTOMER_NUMBER)
    await dialog.get_by_role("textbox", name="Name").fill("Bread for tomorrow")
    await dialog.get_by_role("textbox", name="Note").fill("Twenty loaves")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The lead was saved.")).to_be_visible()
    live = (await shop.api.get("calls"))["items"][0]
    lead = (await shop.api.get("leads", call_id=live["id"]))["items"][0]
    assert (lead["name"], lead["note"], lead["phones"]) == ("Bread for tomorrow", "Twenty loaves", [CUSTOMER_NUMBER])

    await row.get_by_role("button", name="Transfer").click()
    await page.get_by_role("combobox", name="Transfer to").fill("works")
    await page.get_by_role("option", name=COLLEAGUE).click()
    await page.get_by_role("dialog").get_by_role("button", name="Transfer", exact=True).click()
    colleague = await shop.colleague.incoming(20)
    await colleague.answer()
    await colleague.confirmed()

    manager = await visits.sign_in("manager")
    call = manager.get_by_role("table", name="Live calls").locator("tbody tr")
    await expect(call).to_contain_text(COLLEAGUE)
    await call.get_by_role("button", name="Hang up").click()
    await manager.get_by_role("dialog").get_by_role("button", name="Hang up").click()
    await customer.over()
    await expect(manager.get_by_text("No calls right now")).to_be_visible()


async def test_an_agent_makes_the_caller_a_contact_and_takes_back_a_transfer(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("desk")
    customer, desk = await shop.customer_calls()
    row = page.get_by_role("table", name="Live calls").locator("tbody tr")
    await row.get_by_role("button", name="Save the caller").click()
    await page.get_by_role("menuitem", name="Make a contact").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("textbox", name="Name").fill("Padaria do Porto")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The contact was saved.")).to_be_visible()

    await row.get_by_role("button", name="Transfer").click()
    await page.get_by_role("combobox", name="Transfer to").fill("works")
    await page.get_by_role("option", name=COLLEAGUE).click()
    await dialog.get_by_text("Attended").click()
    await dialog.get_by_role("button", name="Transfer", exact=True).click()
    colleague = await shop.colleague.incoming(20)
    await colleague.answer()
    await colleague.confirmed()
    await row.get_by_role("button", name="Take back").click()
    await colleague.over()
    await expect(row).to_contain_text("Talking")
    live = (await shop.api.get("calls"))["items"][0]
    assert {leg["number"] for leg in live["legs"]} >= {CUSTOMER_NUMBER, DESK}
    await desk.hang_up()
    await customer.over()
    await shop.ramal.caught_up()
    names = [one["name"] for one in (await shop.api.get("contacts", search="Padaria"))["items"]]
    assert "Padaria do Porto" in names


async def test_a_number_is_called_from_the_page(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("desk")
    await page.get_by_role("combobox", name="Number to call").fill(MOBILE)
    await page.get_by_role("button", name="Call", exact=True).click()
    own = await shop.desk.incoming(20)
    await own.answer()
    other = await shop.customer.incoming(20)
    await other.answer()
    await other.confirmed()
    row = page.get_by_role("table", name="Live calls").locator("tbody tr")
    await expect(row).to_contain_text("Talking")
    await expect(row).to_contain_text(MOBILE)
    await own.hang_up()
    await other.over()
    await expect(page.get_by_text("No calls right now")).to_be_visible()


async def test_a_transfer_to_nowhere_says_why_and_the_call_stays(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("desk")
    customer, desk = await shop.customer_calls()
    row = page.get_by_role("table", name="Live calls").locator("tbody tr")
    await row.get_by_role("button", name="Transfer").click()
    dialog = page.get_by_role("dialog")
    await page.get_by_role("combobox", name="Transfer to").fill("not a number")
    await dialog.get_by_role("button", name="Transfer", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(row).to_contain_text("Talking")
    await desk.hang_up()
    await customer.over()


async def test_an_agent_forwards_the_own_calls_and_is_left_in_peace(visits: Visits, shop: Shop) -> None:
    page = await visits.sign_in("desk")
    dialog = page.get_by_role("dialog")
    await page.get_by_role("button", name="Forwarding").click()
    await dialog.get_by_role("textbox", name="When busy, forward to").fill(DESK)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("circles")
    await dialog.get_by_role("textbox", name="When busy, forward to").fill(COLLEAGUE)
    await dialog.get_by_role("switch", name="Do not disturb").click()
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Do not disturb").click()
    own = next(one for one in (await shop.api.get("extensions"))["items"] if one["number"] == DESK)
    assert (own["do_not_disturb"], own["forward_busy_to"], own["call_waiting"]) == (True, COLLEAGUE, True)
    await dialog.get_by_role("textbox", name="When busy, forward to").fill("")
    await dialog.get_by_role("switch", name="Do not disturb").click()
    await dialog.get_by_role("textbox", name="Forward all calls to").fill(COLLEAGUE)
    await dialog.get_by_role("button", name="Save").click()
    await page.get_by_role("button", name=f"Forwarded to {COLLEAGUE}").click()
    await dialog.get_by_role("textbox", name="Forward all calls to").fill("")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("button", name="Forwarding")).to_be_visible()
    own = next(one for one in (await shop.api.get("extensions"))["items"] if one["number"] == DESK)
    assert [own[name] for name in ("forward_to", "forward_busy_to", "do_not_disturb", "call_waiting")] == [
        None,
        None,
        False,
        True,
    ]
