"""Registrations are stored in batches and come back after a restart."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import ManualClock
from core.database import Database
from pbx.registrations import RegistrationStore
from sip.address import Address
from sip.binding import Binding
from sip.message import Request
from sip.registrar import Registrar
from sip.uri import Uri
from tests.sip.network import Network, PhoneApplication


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
        instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>",
        reg_id="2",
        q=0.7,
    )


async def test_what_is_registered_comes_back(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    held = binding(clock, "sip:1001@10.0.0.7:5062;ob")
    store.note("1001", [held])
    await store.flush()
    assert await RegistrationStore(database, clock, node="node1").load() == {"1001": [held]}
    assert await RegistrationStore(database, clock, node="node2").load() == {}


@pytest.mark.parametrize(
    ("via", "way"),
    [("192.0.2.7:40000", Address("192.0.2.7", 5062)), ("10.0.0.7:5062", Address("192.0.2.7", 40000))],
)
async def test_a_phone_is_rung_after_a_restart_where_it_was_before_whether_behind_a_nat_or_not(
    database: Database, via: str, way: Address
) -> None:
    clock = ManualClock()
    request = Request.build(
        "REGISTER",
        "sip:ramal.example",
        via=f"SIP/2.0/UDP {via};branch=z9hG4bK1",
        from_="<sip:1001@ramal.example>;tag=1",
        to="<sip:1001@ramal.example>",
        call_id="abc",
        cseq=1,
        headers=[("Contact", "<sip:1001@192.0.2.7:5062>")],
    )
    registrar = Registrar()
    registrar.register("1001", request, ("192.0.2.7", 40000, "udp"), clock.now())
    before = RegistrationStore(database, clock, node="node1")
    before.note("1001", registrar.bindings("1001", clock.now()))
    await before.flush()
    held = await RegistrationStore(database, clock, node="node1").load()
    core = Network().add("192.0.2.1", PhoneApplication())
    assert [core.way_to(one) for one in held["1001"]] == [way]
    assert held["1001"] == registrar.bindings("1001", clock.now())


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


async def row_ids(database: Database) -> list[str]:
    async with database.reading() as session:
        return list(await session.scalars(text("SELECT id FROM registrations ORDER BY username, uri")))


async def test_a_refresh_moves_the_times_and_counts_of_its_row_and_a_change_makes_a_new_one(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    held = binding(clock, "sip:1001@10.0.0.7")
    store.note("1001", [held])
    await store.flush()
    before = await row_ids(database)
    clock.advance(200)
    held.expires_at, held.refreshed_at = clock.now() + timedelta(seconds=300), clock.now()
    held.call_id, held.cseq = "another", 8
    store.note("1001", [held])
    await store.flush()
    assert await row_ids(database) == before
    clock.advance(299)
    after = RegistrationStore(database, clock, node="node1")
    assert await after.load() == {"1001": [held]}
    moved = binding(clock, "sip:1001@10.0.0.7:5070")
    store.note("1001", [moved])
    await store.flush()
    assert await after.load() == {"1001": [moved]}
    assert await row_ids(database) != before


async def test_of_several_phones_the_one_that_leaves_is_forgotten_and_the_others_stay(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    phones = [binding(clock, f"sip:1001@10.0.0.{number}") for number in range(3)]
    store.note("1001", phones)
    await store.flush()
    for left in (phones[:2], phones[:2], phones[:1], phones[:1], []):
        store.note("1001", left)
        await store.flush()
        restarted = RegistrationStore(database, clock, node="node1")
        assert (await restarted.load()).get("1001", []) == left
        store = restarted if left else store


async def test_a_write_that_is_under_way_at_the_close_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1", pause=0.001)
    begun, go_on = asyncio.Event(), asyncio.Event()
    whole = database.transaction

    @contextlib.asynccontextmanager
    async def slow() -> AsyncIterator[AsyncSession]:
        async with whole() as session:
            begun.set()
            await go_on.wait()
            yield session

    monkeypatch.setattr(database, "transaction", slow)
    store.start()
    store.note("1001", [binding(clock, "sip:1001@10.0.0.7")])
    await begun.wait()
    store.note("1002", [binding(clock, "sip:1002@10.0.0.8")])
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    go_on.set()
    await closing
    assert set(await store.load()) == {"1001", "1002"}


async def test_a_write_that_is_broken_off_stays_noted(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    begun = asyncio.Event()

    @contextlib.asynccontextmanager
    async def stuck() -> AsyncIterator[AsyncSession]:
        begun.set()
        await asyncio.Event().wait()
        yield AsyncSession()

    store.note("1001", [binding(clock, "sip:1001@10.0.0.7")])
    with monkeypatch.context() as patch:
        patch.setattr(database, "transaction", stuck)
        flush = asyncio.create_task(store.flush())
        await begun.wait()
        flush.cancel()
        await asyncio.gather(flush, return_exceptions=True)
    await store.flush()
    assert "1001" in await store.load()


async def test_many_phones_are_written_and_read_in_batches(database: Database) -> None:
    clock = ManualClock()
    store = RegistrationStore(database, clock, node="node1")
    for number in range(4500):
        store.note(str(number), [binding(clock, f"sip:{number}@10.0.0.7")])
    await store.flush()
    assert len(await store.load()) == 4500
    clock.advance(301)
    assert await store.load() == {}
    assert await row_ids(database) == []
