"""How often a consumer looks: at once when little happens, in large batches under load."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from core.consumer import ConsumerRunner
from core.database import Database
from core.events import CallEnded, Disposition, Fact
from core.journal import Entry, Journal


class Counting:
    name = "counting"
    facts: frozenset[type[Fact]] = frozenset({CallEnded})

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        self.batches.append(len(entries))


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "journal", "n1")
    yield journal
    await journal.close()


async def test_many_small_groups_are_digested_in_few_transactions(journal: Journal, tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    await database.create_all()
    counting = Counting()
    runner = ConsumerRunner(journal, database, counting)
    runner.start()
    for index in range(200):
        journal.append(
            CallEnded(at=datetime(2026, 1, 1, tzinfo=UTC), call_id=f"c{index}", disposition=Disposition.BUSY)
        )
        await journal.flushed()
    await runner.caught_up()
    await runner.close()
    await database.close()
    assert sum(counting.batches) == 200
    assert len(counting.batches) < 100
    assert runner.failure is None


class Resting(ConsumerRunner):
    """Notes its rests instead of sleeping; the loop is late as often as told."""

    def __init__(self, *arguments: Any, late: list[float]) -> None:
        super().__init__(*arguments)
        self._late = late
        self.rests: list[float] = []

    async def _sleep(self, seconds: float) -> float:
        self.rests.append(seconds)
        return self._late.pop(0) if self._late else 0.0


@pytest.mark.parametrize(("late", "rests"), [([0.0], 1), ([0.01], 1), ([0.2], 2), ([0.2, 0.2], 2)])
async def test_a_consumer_rests_once_more_while_the_loop_is_late(
    journal: Journal, tmp_path: Path, late: list[float], rests: int
) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    await database.create_all()
    runner = Resting(journal, database, Counting(), late=late)
    journal.append(CallEnded(at=datetime(2026, 1, 1, tzinfo=UTC), call_id="c", disposition=Disposition.BUSY))
    await journal.flushed()
    runner.start()
    await runner.caught_up()
    while len(runner.rests) < rests:
        await asyncio.sleep(0)
    await runner.close()
    await database.close()
    assert len(runner.rests) == rests
    assert runner.rests[1:] == [1.0] * (rests - 1)
