"""Every call has one record and one bill, whatever dies while they are made.

The consumers are killed before every single statement and every commit, after a commit whose answer is lost, and as a whole process
with SIGKILL. Each time they start again from what is stored; at the end the records and bills are those of a run in peace.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event

from billing.charges import ChargeStore
from billing.rate_book import RateBookCache
from billing.service import Billing
from billing.tables import ChargeLegRow, ChargeRow
from billing.values import Charge
from core.clock import ManualClock
from core.company import Company
from core.consumer import Consumer, ConsumerRunner, JournalPosition
from core.database import Database
from core.events import Direction, Disposition, TransferKind
from core.journal import Journal
from pbx.cdrs.consumer import CdrConsumer
from pbx.cdrs.queries import CdrFilter, CdrQueries
from pbx.cdrs.tables import CdrLegRow, CdrRow, CdrTransferRow
from pbx.cdrs.values import Cdr
from tests.support.facts import LANDLINE, MOBILE, OTHER_MOBILE, Story, outgoing_call

BATCH = 4


class KilledError(BaseException):
    """The process dies here: nothing may catch it and go on."""


def busy_day() -> Story:
    """Outbound calls, an attended transfer to a mobile, an unanswered call and one that a crash interrupted."""
    story = Story()
    outgoing_call(story, "a", LANDLINE, start=0, answer=5, end=70)
    outgoing_call(story, "b", MOBILE, start=2, answer=9, end=95)
    story.offered(3, "c", Direction.INBOUND, from_number=OTHER_MOBILE, to_number="+74950000000", trunk="carrier")
    story.outside(3, "c", "customer", OTHER_MOBILE, incoming=True)
    story.phone(4, "c", "1002", "1002")
    story.answered(10, "c", "1002", "customer")
    story.talking(10, "c", "1002", "1002")
    story.offered(20, "d", to_number=MOBILE, trunk="carrier")
    story.phone(20, "d", "1002-d", "1002", incoming=True)
    story.outside(20, "d", "consulted", MOBILE)
    story.answered(30, "d", "consulted", "1002-d")
    story.talking(30, "d", "consulted")
    story.moved(50, "consulted", from_call="d", to_call="c")
    story.transferred(50, "c", MOBILE, TransferKind.ATTENDED, new_leg="consulted", other_call="d")
    story.left(50, "d", "1002-d")
    story.ended(50, "d")
    story.left(50, "c", "1002")
    story.left(160, "c", "consulted", "customer")
    story.ended(160, "c")
    story.offered(60, "e")
    story.outside(60, "e", "silent", LANDLINE)
    story.left(80, "e", "silent", status=480)
    story.ended(80, "e", Disposition.NO_ANSWER, status=480)
    story.offered(90, "f")
    story.outside(90, "f", "cut", LANDLINE)
    story.answered(95, "f", "cut")
    story.ended(150, "f", Disposition.INTERRUPTED, recovered=True)
    story.facts.sort(key=lambda fact: fact.at)
    return story


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path / "journal", "n1")
    for fact in busy_day().facts:
        journal.append(fact)
    await journal.flushed()
    yield journal
    await journal.close()


async def set_rates(database: Database) -> None:
    rates = Billing.build(database, Company(database), ManualClock()).rates
    for kind, price in (("landline", "0.72"), ("mobile", "1.57")):
        line = f"prefix,kind,price_per_minute,currency\n7,{kind},{price},RUB\n"
        await rates.import_file(line.encode())


def new_consumers(database: Database) -> list[Consumer]:
    """Return consumers as a process that has just started has them."""
    return [CdrConsumer(), Billing.build(database, Company(database), ManualClock()).consumer]


async def results(database: Database) -> tuple[list[Cdr], list[Charge]]:
    """Return every record and every charge; a charge's id is made anew, so it is left out."""
    cdrs = await CdrQueries(database).page(CdrFilter(state=None), limit=500)
    charges = await ChargeStore(database, RateBookCache()).page(limit=500)
    return list(cdrs.items), sorted((replace(charge, id="") for charge in charges.items), key=lambda it: it.leg_id)


async def forget_results(database: Database) -> None:
    async with database.transaction() as session:
        for table in (CdrTransferRow, CdrLegRow, CdrRow, ChargeRow, ChargeLegRow, JournalPosition):
            await session.execute(delete(table))


async def in_peace(database: Database, journal: Journal) -> tuple[list[Cdr], list[Charge]]:
    """Return what a run without any fault gives, and forget it again."""
    await set_rates(database)
    for consumer in new_consumers(database):
        runner = ConsumerRunner(journal, database, consumer, batch=BATCH)
        while await runner.step():
            pass
    expected = await results(database)
    assert [len(part) for part in expected] == [6, 4]
    assert [str(charge.amount) for charge in expected[1]] == ["1.44", "3.14", "4.71", "0.72"]
    await forget_results(database)
    return expected


class Killer:
    """Dies before the statement or commit of the given number."""

    def __init__(self, database: Database) -> None:
        self.dies_at: int | None = None
        self._count = 0
        self._engine = database.engine.sync_engine
        event.listen(self._engine, "before_cursor_execute", self._tick)
        event.listen(self._engine, "commit", self._tick)

    def arm(self, dies_at: int | None) -> None:
        self.dies_at, self._count = dies_at, 0

    def _tick(self, *_arguments: Any) -> None:
        self._count += 1
        if self._count == self.dies_at:
            raise KilledError


async def test_dying_before_any_statement_or_commit_of_any_batch_changes_nothing(
    database: Database, journal: Journal
) -> None:
    expected = await in_peace(database, journal)
    killer = Killer(database)
    deaths = 0
    for index in range(len(new_consumers(database))):
        working = True
        while working:
            dies_at = 1
            while True:
                runner = ConsumerRunner(journal, database, new_consumers(database)[index], batch=BATCH)
                killer.arm(dies_at)
                try:
                    working = bool(await runner.step())
                except KilledError:
                    dies_at, deaths = dies_at + 1, deaths + 1
                    continue
                break
    killer.arm(None)
    assert deaths > 150
    assert await results(database) == expected


class LosesAnswers(Database):
    """A database whose commits succeed, but whose every other answer gets lost on the way."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.commits = 0

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with super().transaction() as session:
            yield session
        self.commits += 1
        if self.commits % 2:
            raise ConnectionResetError("the answer to the commit is lost")


async def test_a_commit_whose_answer_is_lost_is_not_repeated(
    database: Database, database_url: str, journal: Journal
) -> None:
    expected = await in_peace(database, journal)
    losing = LosesAnswers(database_url)
    for consumer in new_consumers(losing):
        runner = ConsumerRunner(journal, losing, consumer, batch=BATCH)
        working = True
        while working:
            with contextlib.suppress(ConnectionResetError):
                working = bool(await runner.step())
    await losing.close()
    assert losing.commits > 20
    assert await results(database) == expected


async def test_losing_all_positions_and_reading_the_whole_journal_again_changes_nothing(
    database: Database, journal: Journal
) -> None:
    expected = await in_peace(database, journal)
    for batch in (BATCH, 7, 1):
        async with database.transaction() as session:
            await session.execute(delete(JournalPosition))
        for consumer in new_consumers(database):
            runner = ConsumerRunner(journal, database, consumer, batch=batch)
            while await runner.step():
                pass
        assert await results(database) == expected


CHILD = """
import asyncio, sys
from pathlib import Path
from billing.service import Billing
from core.clock import SystemClock
from core.company import Company
from core.consumer import ConsumerRunner
from core.database import Database
from core.journal import Journal
from pbx.cdrs.consumer import CdrConsumer

async def main(url, folder):
    database, journal = Database(url), Journal(Path(folder), "n1")
    for consumer in (CdrConsumer(), Billing.build(database, Company(database), SystemClock()).consumer):
        runner = ConsumerRunner(journal, database, consumer, batch=3)
        while await runner.step():
            print("step", flush=True)
    print("done", flush=True)
    await journal.close()
    await database.close()

asyncio.run(main(*sys.argv[1:]))
"""


async def run_and_kill(url: str, folder: Path, may_kill: Callable[[int], bool]) -> bool:
    """Run the consumers in a process and kill it when told to; return whether it came to its end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, url, str(folder), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    steps = 0
    done = False
    async for line in child.stdout:
        if line.strip() == b"done":
            done = True
        steps += 1
        if not done and may_kill(steps):
            child.send_signal(signal.SIGKILL)
            break
    await child.wait()
    assert done is (child.returncode == 0)
    return done


async def test_a_killed_process_goes_on_where_it_was(
    database: Database, database_url: str, journal: Journal, tmp_path: Path
) -> None:
    expected = await in_peace(database, journal)
    lives = 1
    while not await run_and_kill(database_url, tmp_path / "journal", lambda steps: steps >= 8):
        lives += 1
        assert lives < 20
    assert lives >= 3
    assert await results(database) == expected
