"""Consumers: each fact has its effect once, whatever dies in between."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.consumer import ConsumerRunner, refuse_lost_journal
from core.database import Base, Database
from core.errors import StorageError
from core.events import CallEnded, Disposition, Fact, MediaAlive
from core.journal import Entry, Journal
from tests.support.kept import kept_by


class Seen(Base):
    __tablename__ = "test_seen"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    call_id: Mapped[str] = mapped_column(String(36))


class Notes:
    name = "notes"
    facts: frozenset[type[Fact]] = frozenset({CallEnded})

    def __init__(self) -> None:
        self.fails_at: int | None = None

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        for entry in entries:
            session.add(Seen(sequence=entry.sequence, call_id=entry.fact.call_id))
            await session.flush()
            if entry.sequence == self.fails_at:
                raise RuntimeError("killed here")


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "journal", "n1")
    for index in range(10):
        fact = CallEnded(at=datetime(2026, 1, 1, tzinfo=UTC), call_id=f"c{index}", disposition=Disposition.BUSY)
        journal.append(fact)
    await journal.flushed()
    yield journal
    await journal.close()


async def seen(database: Database) -> list[int]:
    async with database.reading() as session:
        rows = await session.execute(Seen.__table__.select().order_by(Seen.sequence))
    return [row.sequence for row in rows]


@pytest.mark.parametrize("fails_at", range(1, 11))
async def test_a_failure_at_any_entry_neither_loses_nor_doubles(
    database: Database, journal: Journal, fails_at: int
) -> None:
    consumer = Notes()
    consumer.fails_at = fails_at
    runner = ConsumerRunner(journal, database, consumer, batch=4)
    with pytest.raises(RuntimeError):
        for _ in range(5):
            await runner.step()
    consumer.fails_at = None
    again = ConsumerRunner(journal, database, consumer, batch=4)
    while await again.step():
        pass
    assert await seen(database) == list(range(1, 11))


async def test_a_running_consumer_follows_new_facts(database: Database, journal: Journal) -> None:
    runner = ConsumerRunner(journal, database, Notes())
    runner.start()
    await runner.caught_up()
    fact = CallEnded(at=datetime(2026, 1, 1, tzinfo=UTC), call_id="late", disposition=Disposition.BUSY)
    journal.append(fact)
    await runner.caught_up()
    assert await seen(database) == list(range(1, 12))
    assert runner.lag == 0
    await runner.close()


async def test_facts_that_mean_nothing_are_passed_over_without_a_transaction(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = ConsumerRunner(journal, database, Notes())
    await runner.step()
    for _ in range(3):
        journal.append(MediaAlive(at=datetime(2026, 1, 1, tzinfo=UTC), call_id="c1"))
    await journal.flushed()
    with monkeypatch.context() as idle:
        idle.setattr(Database, "transaction", None)
        assert await runner.step() == 3
    assert runner.lag == 0
    assert await seen(database) == list(range(1, 11))
    again = ConsumerRunner(journal, database, Notes())
    assert await again.step() == 3


async def test_the_position_is_stored_now_and_then_even_where_nothing_means_anything(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.consumer._MOST_PASSED", 2)
    runner = ConsumerRunner(journal, database, Notes())
    await runner.step()
    for _ in range(3):
        journal.append(MediaAlive(at=datetime(2026, 1, 1, tzinfo=UTC), call_id="c1"))
    await journal.flushed()
    await runner.step()
    assert await ConsumerRunner(journal, database, Notes()).step() == 0


async def test_a_journal_that_was_lost_is_refused_before_new_facts_pass_for_old_ones(
    database: Database, journal: Journal, tmp_path: Path
) -> None:
    await refuse_lost_journal(journal, database)
    await ConsumerRunner(journal, database, Notes()).step()
    await refuse_lost_journal(journal, database)
    empty = Journal(tmp_path / "another", "n1")
    with pytest.raises(StorageError, match="holds 10 facts of the node “n1”"):
        await refuse_lost_journal(empty, database)
    another_node = Journal(tmp_path / "second", "n2")
    await refuse_lost_journal(another_node, database)
    await empty.close()
    await another_node.close()


async def test_facts_leave_the_memory_when_every_consumer_that_follows_has_digested_them(
    database: Database, journal: Journal
) -> None:
    class Slow(Notes):
        name = "slow"

        async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
            await slow.wait()

    def kept() -> int:
        return len([one for one in kept_by(journal) if isinstance(one, Entry)])

    slow = asyncio.Event()
    runners = [ConsumerRunner(journal, database, consumer) for consumer in (Slow(), Notes())]
    runners[0].start()
    await asyncio.sleep(0)
    assert kept() == 10
    slow.set()
    runners[1].start()
    for runner in runners:
        await runner.caught_up()
    assert kept() == 0
    assert await seen(database) == list(range(1, 11))
    for runner in runners:
        await runner.close()
