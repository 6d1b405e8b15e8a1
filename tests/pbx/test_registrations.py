"""Registrations are stored in batches and come back after a restart."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from core.clock import ManualClock
from core.database import Database
from pbx.registrations import RegistrationStore
from sip.registrar import Binding
from sip.uri import Uri


def binding(clock: ManualClock, uri: str, seconds: float = 300) -> Binding:
    return Binding(
        uri=Uri.parse(uri),
        source=("192.0.2.7", 5062, "udp"),
        expires_at=clock.now() + timedelta(seconds=seconds),
        refreshed_at=clock.now(),
        user_agent="Phone 1.0",
        call_id="abc",
        cseq=7,
        path=("<sip:edge.example.com;lr>",),
    )


async def test_what_is_registered_comes_back(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    held = binding(clock, "sip:1001@10.0.0.7:5062;ob")
    store.note("1001", [held])
    await store.flush()
    assert await RegistrationStore(database, clock, node="node1").load() == {"1001": [held]}
    assert await RegistrationStore(database, clock, node="node2").load() == {}


async def test_the_last_word_counts_and_a_leaving_phone_is_forgotten(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    store.note("1001", [binding(clock, "sip:1001@10.0.0.7")])
    store.note("1002", [binding(clock, "sip:1002@10.0.0.8")])
    await store.flush()
    store.note("1001", [binding(clock, "sip:1001@10.0.0.9")])
    store.note("1001", [])
    await store.flush()
    assert list(await store.load()) == ["1002"]


async def test_expired_ones_do_not_come_back(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    store.note("1001", [binding(clock, "sip:1001@10.0.0.7", 60)])
    await store.flush()
    clock.advance(61)
    assert await store.load() == {}


async def test_what_cannot_be_read_any_more_is_left_out(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    store.note("1001", [binding(clock, "sip:1001@10.0.0.7")])
    await store.flush()
    async with database.transaction() as session:
        await session.execute(text("UPDATE registrations SET uri = 'nonsense'"))
    assert await store.load() == {}


async def test_changes_are_written_in_the_background_and_at_the_close(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1", pause=3600)
    store.start()
    store.note("1001", [binding(clock, "sip:1001@10.0.0.7")])
    await store.close()
    assert "1001" in await store.load()


async def test_a_database_that_is_away_costs_no_registration(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE registrations RENAME TO hidden"))
    store.note("1001", [binding(clock, "sip:1001@10.0.0.7")])
    await store.flush()
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE hidden RENAME TO registrations"))
    await store.flush()
    assert "1001" in await store.load()
