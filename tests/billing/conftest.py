"""Billing with the rates of a demo company: 0.72 a minute to landlines and 1.57 to mobiles in Russia, in minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest

from billing.service import Billing
from billing.values import Charge, RateDraft
from core.clock import ManualClock
from core.company import Company
from core.database import Database
from core.journal import Entry
from core.phone_numbers import NumberKind
from tests.support.facts import START, Story, in_batches

LANDLINE_RATE = RateDraft(
    prefix="7", kind=NumberKind.LANDLINE, price_per_minute=Decimal("0.72"), currency="RUB", description="Russia"
)
MOBILE_RATE = RateDraft(
    prefix="7", kind=NumberKind.MOBILE, price_per_minute=Decimal("1.57"), currency="RUB", description="Russia, mobile"
)


@dataclass
class Room:
    """Billing, and what a test does with it."""

    database: Database
    billing: Billing

    async def digest(self, facts: Story | Sequence[Entry], *, batch: int = 500, node: str = "n1") -> None:
        """Feed the consumer as its runner does, in transactions of `batch` entries."""
        entries = facts.entries() if isinstance(facts, Story) else facts
        for part in in_batches(entries, batch):
            async with self.database.transaction() as session:
                await self.billing.consumer.consume(session, node, part)

    async def charges(self) -> list[Charge]:
        """Return every charge, in the order of the answers."""
        page = await self.billing.charges.page(limit=1000)
        return sorted(page.items, key=lambda charge: charge.started_at)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def bare(database: Database, clock: ManualClock) -> Room:
    """Billing without any rate."""
    return Room(database, Billing.build(database, Company(database), clock))


@pytest.fixture
async def room(bare: Room) -> Room:
    """Billing with the demo company's rates."""
    await bare.billing.rates.create(LANDLINE_RATE)
    await bare.billing.rates.create(MOBILE_RATE)
    return bare
