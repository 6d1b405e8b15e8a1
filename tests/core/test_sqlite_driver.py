"""SQLite's driver: a statement is one step between two threads, and rows are all there however many they are."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core import sqlite_driver
from core.database import Database

ROWS = 2_345
COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2345) SELECT i FROM n"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY)"))
    yield database
    await database.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the thread of the database was asked to do, in order."""
    asked: list[str] = []
    original = sqlite_driver.Connection._execute

    async def counted(self: sqlite_driver.Connection, function: Callable[..., Any], *arguments: Any) -> Any:
        asked.append(function.__name__)
        return await original(self, function, *arguments)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(sqlite_driver.Connection, "_execute", counted)
    return asked


async def test_a_transaction_takes_one_step_a_statement_and_one_to_begin_and_one_to_commit(
    database: Database, steps: list[str]
) -> None:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO notes VALUES (:id)"), [{"id": 1}, {"id": 2}])
        assert list(await session.scalars(text("SELECT id FROM notes ORDER BY id"))) == [1, 2]
    assert steps == ["_run", "executemany", "_run", "commit"]


async def test_what_a_reader_left_open_is_undone_before_the_connection_is_used_again(database: Database) -> None:
    async with database.reading() as session:
        await session.execute(text("INSERT INTO notes VALUES (7)"))
    async with database.transaction() as session:
        assert list(await session.scalars(text("SELECT id FROM notes"))) == []


async def test_all_rows_come_at_once_or_in_a_stream_however_many_they_are(database: Database) -> None:
    async with database.reading() as session:
        assert list(await session.scalars(text(COUNT))) == list(range(1, ROWS + 1))
        stream = await session.stream_scalars(text(COUNT), execution_options={"yield_per": 700})
        assert [number async for number in stream] == list(range(1, ROWS + 1))


async def test_a_stream_that_is_not_read_to_its_end_holds_nothing_up(database: Database) -> None:
    async with database.reading() as session:
        stream = await session.stream_scalars(text(COUNT), execution_options={"yield_per": 10})
        async for number in stream:
            if number == 15:
                break
        await stream.close()
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE notes"))


async def test_a_statement_that_fails_says_so_and_the_connection_goes_on(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO notes VALUES (1)"))
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO notes VALUES (1)"))
    async with database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM notes")) == 1
