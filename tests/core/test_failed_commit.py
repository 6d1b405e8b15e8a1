"""A commit that the database refuses: the work is undone and the next one goes through."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.database import Database


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Database]:
    """A database in which a page without its book is refused, but only at the commit."""
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE books (id INTEGER PRIMARY KEY)"))
        reference = "INTEGER REFERENCES books (id) DEFERRABLE INITIALLY DEFERRED"
        await session.execute(text(f"CREATE TABLE pages (book {reference})"))
    yield database
    async with database.transaction() as session:
        await session.execute(text("DROP TABLE pages"))
        await session.execute(text("DROP TABLE books"))


async def pages(database: Database) -> int:
    async with database.reading() as session:
        count: int = await session.scalar(text("SELECT count(*) FROM pages"))
        return count


async def test_a_refused_commit_is_undone_and_leaves_the_connection_usable(books: Database) -> None:
    for _ in range(3):
        with pytest.raises(IntegrityError):
            async with books.transaction() as session:
                await session.execute(text("INSERT INTO pages VALUES (1)"))
    assert await pages(books) == 0
    async with books.transaction() as session:
        await session.execute(text("INSERT INTO books VALUES (1)"))
        await session.execute(text("INSERT INTO pages VALUES (1)"))
    assert await pages(books) == 1
