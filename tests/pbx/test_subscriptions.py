"""Subscriptions are stored in batches and come back after a crash."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from core.clock import ManualClock
from core.database import Database
from pbx.subscriptions import SubscriptionStore
from sip.stored_subscription import StoredSubscription


def stored(clock: ManualClock, call_id: str = "c1", seconds: float = 600) -> StoredSubscription:
    return StoredSubscription(
        call_id=call_id,
        local_tag="ours",
        remote_tag="theirs",
        local="<sip:1002@pbx>;tag=ours",
        remote="<sip:1003@pbx>;tag=theirs",
        target="sip:1003@192.0.2.7:5062",
        routes=("<sip:edge.example.com;lr>",),
        source=("192.0.2.7", 5062, "udp"),
        remote_cseq=7,
        package="dialog",
        resource="1002",
        watcher="1003",
        event="dialog;id=9",
        uri="sip:1002@pbx",
        expires_at=clock.now() + timedelta(seconds=seconds),
    )


async def test_what_is_watched_comes_back_on_the_same_node(database: Database) -> None:
    clock = ManualClock()
    store = SubscriptionStore(database, clock, node="node1")
    store.kept(stored(clock))
    await store.flush()
    assert await SubscriptionStore(database, clock, node="node1").load() == [stored(clock)]
    assert await SubscriptionStore(database, clock, node="node2").load() == []


async def test_the_last_word_counts(database: Database) -> None:
    clock = ManualClock()
    store = SubscriptionStore(database, clock, node="node1")
    store.kept(stored(clock))
    await store.flush()
    store.kept(stored(clock, seconds=900))
    store.kept(stored(clock, "c2"))
    store.ended("c2", "ours")
    store.ended("unknown", "ours")
    await store.flush()
    assert await store.load() == [stored(clock, seconds=900)]
    store.ended("c1", "ours")
    await store.close()
    assert await store.load() == []


async def test_what_has_run_out_or_cannot_be_read_is_removed(database: Database) -> None:
    clock = ManualClock()
    store = SubscriptionStore(database, clock, node="node1")
    store.kept(stored(clock, seconds=60))
    store.kept(stored(clock, "c2"))
    store.kept(stored(clock, "x" * 300))
    await store.flush()
    async with database.transaction() as session:
        await session.execute(text("UPDATE sip_subscriptions SET body = '{}' WHERE call_id = 'c2'"))
    clock.advance(61)
    assert await store.load() == []
    await store.flush()
    async with database.reading() as session:
        assert (await session.execute(text("SELECT count(*) FROM sip_subscriptions"))).scalar() == 0


async def test_a_database_that_is_away_loses_nothing(database: Database) -> None:
    clock = ManualClock()
    store = SubscriptionStore(database, clock, node="node1")
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE sip_subscriptions RENAME TO away"))
    store.kept(stored(clock))
    await store.flush()
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE away RENAME TO sip_subscriptions"))
    await store.flush()
    assert len(await store.load()) == 1
