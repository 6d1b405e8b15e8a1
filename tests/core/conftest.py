"""A database for the ground's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite3")
    await database.create_all()
    yield database
    await database.close()
