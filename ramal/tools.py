"""What the command line does on a data folder without (or beside) a running server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from api.key_store import TokenStore
from api.permissions import Role
from billing.errors import RateImportError
from billing.service import Billing
from core.bus import EventBus
from core.clock import SystemClock
from core.company import Company
from core.database import Database
from core.errors import InvalidInputError, NotFoundError, StorageError
from core.migrate import migrate
from core.settings import Settings
from pbx.call_trace import CallTrace, CallTraces
from pbx.cdrs.queries import CdrQueries
from ramal.data_folder import TRACE_FOLDER
from recordings.service import Recordings
from recordings.storage import RecordingStore

LONGEST_LABEL: Final = 200
"""Characters of a token's label."""


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Give the node's database, at this version's tables.

    Raises:
        StorageError: there is no data folder, or the database cannot be used.
    """
    if not settings.database_url and not settings.data.is_dir():
        raise StorageError(
            f"There is no data folder {settings.data}.",
            hint="Name the right one with --data, or start the server first.",
        )
    database = Database(settings.effective_database_url)
    try:
        await migrate(database)
        yield database
    finally:
        await database.close()


async def create_token(settings: Settings, *, role: str, label: str, extension: str | None = None) -> str:
    """Make an API token and return its secret.

    Args:
        settings: of the server.
        role: what it may do.
        label: what it is for.
        extension: whose own calls it sees; a token for an agent sees none without.

    Raises:
        InvalidInputError: there is no such role, the label is empty or too long, or that is no extension's number.
    """
    if role not in list(Role):
        raise InvalidInputError(f"There is no role “{role[:40]}”.", hint=f"Roles are {', '.join(Role)}.")
    if not 1 <= len(label) <= LONGEST_LABEL or not label.isprintable():
        raise InvalidInputError(f"A label is one line of 1 to {LONGEST_LABEL} printable characters.")
    if extension is not None and not (extension.isascii() and extension.isdigit() and 2 <= len(extension) <= 8):
        raise InvalidInputError(f"“{extension[:40]}” is no extension's number: they have two to eight digits.")
    async with opened(settings) as database:
        _, secret = await TokenStore(database, SystemClock()).create(label=label, role=Role(role), extension=extension)
    return secret


async def list_recordings(settings: Settings, *, limit: int) -> list[dict[str, Any]]:
    """Return the newest recordings."""
    async with opened(settings) as database, database.reading() as session:
        page = await _recordings(settings, database).list(session, limit=limit)
        return [
            {
                "id": one.id,
                "call_id": one.call_id,
                "seconds": one.seconds,
                "channels": one.channels,
                "state": str(one.state),
                "started_at": one.started_at.isoformat(),
            }
            for one in page.items
        ]


async def export_recording(settings: Settings, recording_id: str, target: Path) -> int:
    """Copy a recording to `target`, which must not exist yet; return its bytes.

    Raises:
        NotFoundError: there is no such recording.
        InvalidInputError: the target exists or cannot be written.
    """
    async with opened(settings) as database:
        recordings = _recordings(settings, database)
        audio = await recordings.audio(recording_id)
        try:
            with target.open("xb") as file:
                async for chunk in recordings.read(audio):
                    file.write(chunk)
        except OSError as error:
            raise InvalidInputError(f"{target} cannot be written: {error.strerror}.") from error
        return audio.size


async def call_trace(settings: Settings, call: str) -> CallTrace:
    """Return the SIP messages of a call, given by its id or by the SIP Call-ID of one of its legs.

    Raises:
        TraceNotFoundError: none are kept.
    """
    async with opened(settings) as database:
        return await CallTraces(CdrQueries(database), settings.data / TRACE_FOLDER).find(call)


def write_new(target: Path, content: bytes) -> None:
    """Write a file that must not exist yet.

    Raises:
        InvalidInputError: it exists or cannot be written.
    """
    try:
        with target.open("xb") as file:
            file.write(content)
    except OSError as error:
        raise InvalidInputError(f"{target} cannot be written: {error.strerror}.") from error


async def import_rates(settings: Settings, file: Path, *, tariff: str) -> int:
    """Import a rate file into a tariff, made when missing; return how many rates.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: with the wrong lines, each on a line of its own.
    """
    try:
        data = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        raise NotFoundError(f"The rate file {file} cannot be read: {error.strerror}.") from error
    async with opened(settings) as database:
        company = Company(database)
        await company.load()
        billing = Billing.build(database, company, SystemClock())
        tariff_id = None
        if tariff != "default":
            known = {one.name: one.id for one in await billing.tariffs.all()}
            tariff_id = known.get(tariff) or (await billing.tariffs.create(tariff)).id
        try:
            return (await billing.rates.import_file(data, tariff_id)).added
        except RateImportError as error:
            raise InvalidInputError(error.told("\n       "), hint=error.hint) from error


def _recordings(settings: Settings, database: Database) -> Recordings:
    return Recordings(database, RecordingStore(settings.data / "recordings"), EventBus())
