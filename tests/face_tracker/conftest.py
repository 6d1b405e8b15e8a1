"""A short film made of one well-known public photograph, and the service on an empty database."""

from collections.abc import AsyncIterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from core.bus import EventBus
from core.clock import SystemClock
from core.database import Database
from core.settings import FacesSettings
from face_tracker.service import FaceService
from ramal.demo.clip import make_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "door.mp4")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/faces.sqlite3")
    await database.create_all()
    yield database
    await database.close()


@pytest.fixture
async def service(database: Database, tmp_path: Path) -> AsyncIterator[FaceService]:
    service = FaceService(
        database, SystemClock(), EventBus(), FacesSettings(), tmp_path / "keys" / "faces.key", lambda: ZoneInfo("UTC")
    )
    yield service
    await service.close()
