"""Migrations lead to the tables as declared, on both databases, and a newer database is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from core.database import Database
from core.migrate import MigrationError, migrate, revisions
from ramal.tables import all_tables

FOLDER = Path(__file__).parents[2] / "core" / "migrations"


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    if not database.is_sqlite:
        async with database.engine.begin() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    yield database
    await database.close()


def differences(connection: Connection) -> list[object]:
    tables = all_tables()

    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        return not (kind == "table" and (name or "").startswith("test_"))

    context = MigrationContext.configure(connection, opts={"include_object": ours})
    return list(compare_metadata(context, tables))


async def test_migrating_an_empty_database_gives_the_tables_as_declared(empty: Database) -> None:
    await migrate(empty)
    async with empty.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def test_a_migration_is_named_by_its_file_and_follows_the_one_before() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    steps = list(ScriptDirectory.from_config(config).walk_revisions())
    assert [step.revision for step in reversed(steps)] == revisions()


async def test_migrating_twice_changes_nothing(empty: Database) -> None:
    await migrate(empty)
    await migrate(empty)


async def test_a_database_of_a_newer_version_is_refused_with_what_to_do(empty: Database) -> None:
    await migrate(empty)
    async with empty.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    with pytest.raises(MigrationError, match=r"newer version.*9999_future.*backup"):
        await migrate(empty)
