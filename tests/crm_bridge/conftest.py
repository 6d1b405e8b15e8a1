"""An embedded CRM on an empty database, with everything it tells the world within reach."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.bus import EventBus, LiveEvent
from core.clock import ManualClock
from core.company import CompanySettings
from core.database import Database
from core.events import (
    CallAnswered,
    CallEnded,
    CallFact,
    CallOffered,
    Direction,
    Disposition,
)
from core.journal import Entry
from core.outbox import EMAIL, MQTT, OutboxMessage
from crm_bridge.consumer import CrmConsumer
from crm_bridge.embedded import EmbeddedCrm
from crm_bridge.ports import CallParty

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CUSTOMER = "+79161234567"
LINE = "+74951112233"


@dataclass
class OneCompany:
    settings: CompanySettings = field(
        default_factory=lambda: CompanySettings(
            name="Loja Aurora", country="RU", notify_emails=("boss@aurora.example",)
        )
    )


class Addresses:
    """Knows where extension 1001 is written to."""

    async def email_addresses(self, session: AsyncSession, responsible: str) -> Sequence[str]:
        return ["ana@aurora.example"] if responsible == "1001" else []


@dataclass
class LiveCallList:
    parties: dict[str, CallParty] = field(default_factory=dict)

    def customer_of(self, call_id: str) -> CallParty | None:
        return self.parties.get(call_id)


@dataclass
class Desk:
    """The CRM and what stands around it."""

    database: Database
    crm: EmbeddedCrm
    consumer: CrmConsumer
    company: OneCompany
    clock: ManualClock
    live: LiveCallList
    told: list[LiveEvent]
    sequence: int = 0

    async def journal(self, *facts: CallFact) -> None:
        """Let the consumer digest facts in one transaction."""
        entries = []
        for fact in facts:
            self.sequence += 1
            entries.append(Entry(self.sequence, fact))
        async with self.database.transaction() as session:
            await self.consumer.consume(session, "node-1", entries)

    async def outbox(self, channel: str) -> list[OutboxMessage]:
        async with self.database.reading() as session:
            rows = await session.scalars(
                select(OutboxMessage).where(OutboxMessage.channel == channel).order_by(OutboxMessage.order)
            )
            return list(rows)

    async def topics(self) -> list[str]:
        return [message.address for message in await self.outbox(MQTT)]

    async def letters(self) -> list[tuple[str, str]]:
        return [(message.address, message.subject) for message in await self.outbox(EMAIL)]


@pytest.fixture
def desk(database: Database) -> Desk:
    company, clock, bus, live = OneCompany(), ManualClock(START), EventBus(), LiveCallList()
    told: list[LiveEvent] = []
    bus.listen(told.append)
    crm = EmbeddedCrm(database, company, bus, clock, colleagues=Addresses(), live_calls=live)
    return Desk(database, crm, CrmConsumer(crm, company), company, clock, live, told)


def offered(
    call_id: str = "call-1",
    number: str = CUSTOMER,
    *,
    direction: Direction = Direction.INBOUND,
    name: str = "",
    at: datetime = START,
) -> CallOffered:
    inbound = direction is Direction.INBOUND
    return CallOffered(
        at=at,
        call_id=call_id,
        direction=direction,
        from_number=number if inbound else "1001",
        to_number=LINE if inbound else number,
        dialled=LINE if inbound else number,
        from_name=name,
        from_extension="" if inbound else "1001",
        trunk="carrier",
    )


def answered(call_id: str = "call-1", extension: str = "1001", *, at: datetime = START) -> CallAnswered:
    return CallAnswered(at=at + timedelta(seconds=5), call_id=call_id, leg_id="leg-1", extension=extension)


def ended(
    call_id: str = "call-1", disposition: Disposition = Disposition.ANSWERED, *, at: datetime = START
) -> CallEnded:
    return CallEnded(at=at + timedelta(seconds=65), call_id=call_id, disposition=disposition)
