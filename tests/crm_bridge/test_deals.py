"""Deals: a title, a stage, an amount, and whose they are."""

from decimal import Decimal

import pytest

from crm_bridge.errors import CrmInputError, CrmNotFoundError
from crm_bridge.values import ContactDraft, DealChanges, DealDraft, DealStage
from tests.crm_bridge.conftest import Desk


async def test_a_deal_keeps_its_amount_exactly(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        contact = await desk.crm.contacts.create(session, ContactDraft(name="Ana"))
        deal = await desk.crm.deals.create(
            session, DealDraft(title="Dress", amount=Decimal("1999.99"), contact_id=contact.id)
        )
    async with desk.database.reading() as session:
        stored = await desk.crm.deals.get(session, deal.id)
    assert (stored.amount, stored.currency, stored.stage) == (Decimal("1999.99"), "RUB", DealStage.NEW)


@pytest.mark.parametrize("amount", ["-1", "NaN", "Infinity", "1e13", "0.0000001"])
async def test_an_amount_that_cannot_be_money_is_refused(desk: Desk, amount: str) -> None:
    async with desk.database.reading() as session:
        with pytest.raises(CrmInputError, match="amount"):
            await desk.crm.deals.create(session, DealDraft(title="Dress", amount=Decimal(amount)))


async def test_a_won_deal_is_closed_and_found_by_its_stage(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        deal = await desk.crm.deals.create(session, DealDraft(title="Платье"))
        await desk.crm.deals.create(session, DealDraft(title="Shoes"))
        won = await desk.crm.deals.update(session, deal.id, DealChanges(stage="won", note="paid"))
        assert (won.open, won.note) == (False, "paid")
        assert [found.id for found in (await desk.crm.deals.list(session, stage="won")).items] == [deal.id]
        assert [found.id for found in (await desk.crm.deals.list(session, search="ПЛАТЬ")).items] == [deal.id]


async def test_an_amount_needs_a_currency(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        deal = await desk.crm.deals.create(session, DealDraft(title="Dress"))
    with pytest.raises(CrmInputError, match="currency"):
        async with desk.database.transaction() as session:
            await desk.crm.deals.update(session, deal.id, DealChanges(amount=Decimal(5)))
    with pytest.raises(CrmInputError, match="currency"):
        async with desk.database.transaction() as session:
            await desk.crm.deals.update(session, deal.id, DealChanges(amount=Decimal(5), currency="rub"))


async def test_a_deleted_contact_leaves_its_deals(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        contact = await desk.crm.contacts.create(session, ContactDraft(name="Ana"))
        deal = await desk.crm.deals.create(session, DealDraft(title="Dress", contact_id=contact.id))
        await desk.crm.contacts.delete(session, contact.id)
    async with desk.database.transaction() as session:
        assert (await desk.crm.deals.get(session, deal.id)).contact_id is None
        await desk.crm.deals.delete(session, deal.id)
        with pytest.raises(CrmNotFoundError):
            await desk.crm.deals.get(session, deal.id)
