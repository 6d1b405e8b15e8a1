"""Bringing a database to this version's tables, and refusing one that is newer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select
from sqlalchemy.exc import DatabaseError

from core.database import Database
from core.errors import StorageError

log = structlog.get_logger(__name__)

_FOLDER: Final = Path(__file__).parent / "migrations"
_VERSION_TABLE: Final = Table("alembic_version", MetaData(), Column("version_num", String(32)))


class MigrationError(StorageError):
    """The database is newer than this program, damaged, or cannot be changed."""

    id = "core.migration"


async def migrate(database: Database) -> None:
    """Bring the database to the newest tables; a new one is filled from nothing.

    Raises:
        MigrationError: it is newer than this program, or a step failed (that step is undone).
        StorageError: it cannot be reached or is damaged.
    """
    await database.check()
    try:
        async with database.engine.connect() as connection:
            await connection.run_sync(_upgrade)
            await connection.commit()
    except DatabaseError as error:
        raise _failed(error) from error


def revisions() -> list[str]:
    """Return the ids of all migrations, oldest first: they are the names of the files."""
    return sorted(file.stem for file in (_FOLDER / "versions").glob("[0-9]*.py"))


def _upgrade(connection: Connection) -> None:
    current, known = _current_revision(connection), revisions()
    if current is not None and current not in known:
        raise MigrationError(
            f"The database was written by a newer version of Ramal (its revision is {current[:40]}).",
            hint="Start that version, or restore the backup made before the upgrade.",
        )
    if current != known[-1]:
        _run_migrations(connection)
        log.info("database_migrated", from_revision=current, to_revision=known[-1])


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_VERSION_TABLE.name):
        return None
    revision: str | None = connection.scalar(select(_VERSION_TABLE.c.version_num))
    return revision


def _run_migrations(connection: Connection) -> None:
    # Alembic is loaded where something is to be done, which is at few starts.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise _failed(error) from error


def _failed(error: Exception) -> MigrationError:
    return MigrationError(
        f"The database could not be brought to this version: {error}.", hint="Restore it from a backup and try again."
    )
