"""What makes rows out of the journal, exactly once.

A consumer's position is stored in the same transaction as its effects, so a killed process or a database that was away neither
loses nor doubles anything: it goes on where it was. An entry that cannot be digested stops its consumer, which tries again and says so;
it is never skipped.
"""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Sequence
from typing import Final, Protocol, cast

import structlog
from sqlalchemy import BigInteger, String, Table, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Database
from core.errors import RamalError, StorageError
from core.events import Fact
from core.journal import Entry, Journal
from core.tasks import stopped

log = structlog.get_logger(__name__)

_BATCH: Final = 2_000
_REST: Final = 40.0
"""A transaction costs nearly the same for one entry as for a hundred, so between two of them a consumer that keeps up rests this many
times as long as the last one took: alone it is quick, under load it works in large batches and takes a fortieth of the time."""
_REST_AN_ENTRY: Final = 0.005
"""Seconds of rest for each entry of the last batch, at least: so that a flood of facts gathers, however quick the database is."""
_LONGEST_REST: Final = 1.0
_LATE: Final = 0.05
"""Seconds that a loop may be late before a consumer rests once more."""
_MOST_PASSED: Final = 50_000
"""Entries that may be passed over before the position is stored all the same: so many are looked at again after a restart."""
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 30.0


class JournalPosition(Base):
    """How far a consumer has got in a node's journal."""

    __tablename__ = "journal_positions"

    consumer: Mapped[str] = mapped_column(String(64), primary_key=True)
    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


_POSITIONS: Final = cast(Table, JournalPosition.__table__)
_STORE: Final = (
    update(_POSITIONS)
    .where(_POSITIONS.c.consumer == bindparam("of_consumer"), _POSITIONS.c.node == bindparam("of_node"))
    .values(sequence=bindparam("reached"))
)


class Consumer(Protocol):
    """One that turns facts into rows."""

    name: str
    """A stable name: the position is stored under it."""
    facts: frozenset[type[Fact]]
    """The kinds of facts that mean something to it; it is told of no others."""

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Write what these entries mean, in the given transaction; never commit and never wait for a network."""
        ...


async def refuse_lost_journal(journal: Journal, database: Database) -> None:
    """See that the journal goes at least as far as what the database has taken from it.

    One that was lost or restored from an older backup would number new facts as old ones, and they would pass for digested.

    Raises:
        StorageError: it ends before that.
    """
    async with database.reading() as session:
        digested = await session.scalar(
            select(func.max(JournalPosition.sequence)).where(JournalPosition.node == journal.node)
        )
    if (digested or 0) > journal.last_sequence:
        raise StorageError(
            f"The database holds {digested} facts of the node “{journal.node}”, but its call journal ends after "
            f"{journal.last_sequence}: it was lost, or is another node's.",
            hint="Restore the folder journal/ that belongs to this database, or give the node a new name (RAMAL_NODE).",
        )


class JournalFollower(abc.ABC):
    """Follows one node's journal in the background, batch after batch, and never skips an entry."""

    def __init__(self, journal: Journal, name: str, *, batch: int) -> None:
        self._journal = journal
        self.batch = batch
        """The most entries of one step."""
        self._task: asyncio.Task[None] | None = None
        self._attends = False
        self._progress = asyncio.Condition()
        self.name = name
        """A stable name: the position is stored under it."""
        self.position = 0
        """The last sequence whose effects are stored."""
        self.failure: str | None = None
        """Why it stands still, or None."""

    @property
    def lag(self) -> int:
        """How many entries wait."""
        return self._journal.last_sequence - self.position

    @abc.abstractmethod
    async def step(self) -> int:
        """Digest one batch; return how many entries it had."""

    async def _reached(self, position: int) -> None:
        async with self._progress:
            self.position = position
            self._progress.notify_all()
        if self._attends:
            self._journal.taken(self.name, position)

    def attend(self) -> None:
        """Have the journal keep in memory what is still to be digested here, until `close`; who reads now and then needs the file."""
        self._attends = True
        self._journal.taken(self.name, self.position)

    def start(self) -> None:
        """Begin to follow the journal in the background."""
        self.attend()
        self._task = asyncio.create_task(self._follow(), name=f"consumer-{self.name}")

    async def caught_up(self) -> None:
        """Wait until everything that is in the journal now has had its effect."""
        wanted = self._journal.last_sequence
        async with self._progress:
            await self._progress.wait_for(lambda: self.position >= wanted)

    async def close(self) -> None:
        """Stop following; what is under way is undone and will be taken up at the next start."""
        await stopped(self._task)
        self._task = None
        if self._attends:
            self._attends = False
            self._journal.left(self.name)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                digested = await self.step()
            except RamalError as error:
                # Something it needs is away, as its message says.
                self.failure = error.message
                log.warning("consumer_waits", consumer=self.name, position=self.position, error=error.message)
            except Exception as error:
                # Whatever it is (a database away, a bug in the consumer), nothing may be skipped and the server goes on.
                self.failure = f"{type(error).__name__}: {error}"
                log.exception("consumer_failed", consumer=self.name, position=self.position, retry_in=pause)
            else:
                self.failure = None
                pause = _FIRST_PAUSE
                if digested < self.batch:
                    rest = max(_REST * (loop.time() - began), _REST_AN_ENTRY * digested)
                    await self._rest(min(rest, _LONGEST_REST))
                    await self._journal.wait_beyond(self.position)
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _rest(self, seconds: float) -> None:
        if await self._sleep(seconds) > _LATE:
            # Calls wait for the loop already: their rows can come later, and more of them at once.
            await self._sleep(_LONGEST_REST)

    async def _sleep(self, seconds: float) -> float:
        """Sleep, and return how many seconds later the loop was."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        return loop.time() - due


class ConsumerRunner(JournalFollower):
    """Feeds one consumer from one node's journal.

    Facts that mean nothing to it cost no transaction: they are passed over in memory, and looked at again after a restart.
    """

    def __init__(self, journal: Journal, database: Database, consumer: Consumer, *, batch: int = _BATCH) -> None:
        super().__init__(journal, consumer.name, batch=batch)
        self._database = database
        self._consumer = consumer
        self._position_known = False
        self._stored = 0
        """The position in the database, once known."""

    async def step(self) -> int:
        """Digest one batch in one transaction; return how many entries it had."""
        if self._position_known and (passed := await self._pass_over()):
            return passed
        # Whatever goes wrong, the position may have been stored or not: the next step asks the database.
        known, self._position_known = self._position_known, False
        node = self._journal.node
        async with self._database.transaction() as session:
            position = self.position if known else (await stored_position(session, self.name, node)).sequence
            entries = self._journal.read(position, self.batch)
            if entries:
                told = [entry for entry in entries if type(entry.fact) in self._consumer.facts]
                if told:
                    await self._consumer.consume(session, node, told)
                position = entries[-1].sequence
                await store_position(session, self.name, node, position)
        self._stored = position
        await self._reached(position)
        self._position_known = True
        return len(entries)

    async def _pass_over(self) -> int:
        """Step over a batch without a transaction, if nothing in it means anything; return how many entries it had."""
        entries = self._journal.read(self.position, self.batch)
        if not entries or entries[-1].sequence - self._stored > _MOST_PASSED:
            return 0
        facts = self._consumer.facts
        if any(type(entry.fact) in facts for entry in entries):
            return 0
        await self._reached(entries[-1].sequence)
        return len(entries)


async def stored_position(session: AsyncSession, consumer: str, node: str) -> JournalPosition:
    """Return how far a consumer has got; its row is made at the first time."""
    row = await session.get(JournalPosition, (consumer, node))
    if row is None:
        row = JournalPosition(consumer=consumer, node=node, sequence=0)
        session.add(row)
        await session.flush()
    return row


async def store_position(session: AsyncSession, consumer: str, node: str, sequence: int) -> None:
    """Note how far a consumer has got; `stored_position` was asked before."""
    await (await session.connection()).execute(_STORE, {"of_consumer": consumer, "of_node": node, "reached": sequence})
