"""The fixture `database`: an empty database with all tables, once on SQLite and once on PostgreSQL."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Base, Database
from tests.support.postgres import postgres_url

__all__ = ["database", "database_url", "postgres_url"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that may hold another test's rows."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/ramal.sqlite3"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with every table that is declared so far, all of them empty."""
    database = Database(database_url)
    await database.create_all()
    if not database.is_sqlite:
        names = ", ".join(f'"{table.name}"' for table in Base.metadata.sorted_tables)
        async with database.engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {names}"))
    yield database
    await database.close()
