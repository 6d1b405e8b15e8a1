"""Bans outlive a restart, and what the command line writes is taken over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from core.bus import EventBus, LiveEvent
from core.clock import ManualClock
from core.database import Database
from pbx.ban_records import BanRecords
from pbx.bans import BanKeeper
from pbx.errors import EntryExistsError, UnknownEntryError
from sip.address import Address
from sip.bans import Ban, BanPolicy, InvalidAddressError
from sip.guard import Guard, GuardConfig

HOST = "203.0.113.9"
SCANNER = Address(HOST, 5090)


class Office:
    """A guard and its keeper, with what they told."""

    def __init__(self, database: Database, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.bus = EventBus()
        self.events: list[LiveEvent] = []
        self.bus.listen(self.events.append)
        self.guard = Guard(GuardConfig(bans=BanPolicy(failures=2)), self.clock, is_known=lambda _source: False)
        self.keeper = BanKeeper(database, self.clock, self.bus, self.guard)
        self.records = BanRecords(database, self.clock)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.kind, event.payload["network"]) for event in self.events]


async def test_a_ban_outlives_a_restart_and_so_does_its_growth(database: Database) -> None:
    first = Office(database)
    for _ in range(2):
        first.guard.failed(SCANNER, "1001")
    await first.keeper.flush()
    assert first.told == [("ban.made", HOST)]
    second = Office(database, first.clock)
    await second.keeper.load()
    assert not second.guard.admits(SCANNER)
    second.clock.advance(601)
    assert second.guard.admits(SCANNER)
    for _ in range(2):
        second.guard.failed(SCANNER, "1001")
    (ban,) = second.keeper.active()
    assert (ban.offences, ban.until - ban.since) == (2, timedelta(seconds=2400))


async def test_a_lifted_ban_is_forgotten_in_the_database_too(database: Database) -> None:
    office = Office(database)
    await office.keeper.ban(HOST, 60, "noise")
    assert [ban.network for ban in await office.records.bans()] == [HOST]
    await office.keeper.lift(HOST)
    assert await office.records.bans() == []
    assert office.told == [("ban.made", HOST), ("ban.lifted", HOST)]
    for unknown in (HOST, "nonsense"):
        with pytest.raises(UnknownEntryError):
            await office.keeper.lift(unknown)


async def test_the_allow_list_lifts_bans_and_prevents_them_until_it_is_taken_back(database: Database) -> None:
    office = Office(database)
    await office.keeper.ban(HOST, 60, "noise")
    made = await office.keeper.allow("203.0.113.77/24", "office")
    assert made.network == "203.0.113.0/24"
    assert office.guard.admits(SCANNER)
    assert await office.records.bans() == []
    with pytest.raises(EntryExistsError):
        await office.keeper.allow("203.0.113.0/24", "again")
    with pytest.raises(InvalidAddressError):
        await office.keeper.allow("everybody", "")
    later = Office(database)
    await later.keeper.load()
    for _ in range(9):
        later.guard.failed(SCANNER, "1001")
    assert later.keeper.active() == []
    await later.keeper.disallow(made.id)
    assert await later.keeper.allowed() == []
    for _ in range(2):
        later.guard.failed(SCANNER, "1001")
    assert [ban.network for ban in later.keeper.active()] == [HOST]
    with pytest.raises(UnknownEntryError):
        await later.keeper.disallow(made.id)


async def test_what_others_write_is_taken_over_and_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbx.bans._LOOK_SECONDS", 0.01)
    office = Office(database)
    await office.keeper.load()
    office.keeper.start()
    try:
        now = office.clock.now()
        ban = Ban(HOST, now, now + timedelta(seconds=60), 1, "by the command line")
        await office.records.save({HOST: ban})
        async with asyncio.timeout(5):
            while office.guard.admits(SCANNER):
                await asyncio.sleep(0.01)
        await office.records.save({HOST: None})
        async with asyncio.timeout(5):
            while not office.guard.admits(SCANNER):
                await asyncio.sleep(0.01)
    finally:
        await office.keeper.close()
    assert office.told == [("ban.made", HOST), ("ban.lifted", HOST)]


async def test_a_ban_is_stored_in_the_background_and_at_the_close(database: Database) -> None:
    office = Office(database)
    await office.keeper.load()
    office.keeper.start()
    office.guard.ban(HOST, 60, "noise")
    await office.keeper.close()
    assert [ban.network for ban in await office.records.bans()] == [HOST]


async def test_a_database_that_is_away_costs_no_ban(database: Database) -> None:
    office = Office(database)
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE sip_bans RENAME TO hidden"))
    await office.keeper.ban(HOST, 60, "noise")
    assert not office.guard.admits(SCANNER)
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE hidden RENAME TO sip_bans"))
    await office.keeper.flush()
    assert [ban.network for ban in await office.records.bans()] == [HOST]


async def test_bans_that_count_no_more_are_removed(database: Database) -> None:
    office = Office(database)
    await office.keeper.ban(HOST, 60, "noise")
    await office.records.forget_before(office.clock.now() + timedelta(seconds=61))
    assert await office.records.bans() == []
