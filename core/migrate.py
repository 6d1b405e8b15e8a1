"""Bringing a database to this version's tables, and refusing one that is newer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DatabaseError

from core.database import Database
from core.errors import StorageError

log = structlog.get_logger(__name__)

_FOLDER: Final = Path(__file__).parent / "migrations"


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
    except (DatabaseError, CommandError) as error:
        raise MigrationError(
            f"The database could not be brought to this version: {error}.",
            hint="Restore it from a backup and try again.",
        ) from error


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise MigrationError(
            f"The database was written by a newer version of Ramal (its revision is {current[:40]}).",
            hint="Start that version, or restore the backup made before the upgrade.",
        )
    if current != script.get_current_head():
        command.upgrade(config, "head")
        log.info("database_migrated", from_revision=current, to_revision=script.get_current_head())
