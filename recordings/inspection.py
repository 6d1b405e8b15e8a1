"""Comparing the store with the list: files that no row knows, and rows whose file is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from core.database import Database
from core.errors import StorageError
from core.tasks import stopped
from recordings.errors import AudioMissingError, BadLocationError, StoreUnavailableError
from recordings.storage import RecordingStore, checked_location
from recordings.tables import RecordingRow
from recordings.values import RecordingState

log = structlog.get_logger(__name__)

_BATCH: Final = 500
_WITH_FILE: Final = (RecordingState.SEALED, RecordingState.RECOVERED)


@dataclass(slots=True, frozen=True)
class Findings:
    """What a check of the store found: locations without a row, ids whose file is gone, ids whose file came back."""

    strays: tuple[str, ...]
    gone: tuple[str, ...]
    returned: tuple[str, ...]


class Inspection:
    """Checks one node's store against the list of recordings."""

    def __init__(self, database: Database, store: RecordingStore, node: str, wake_sealer: Callable[[], None]) -> None:
        self._database = database
        self._store = store
        self._node = node
        self._wake_sealer = wake_sealer
        self._task: asyncio.Task[None] | None = None

    async def start(self, caught_up: Callable[[], Awaitable[None]]) -> None:
        """Begin, and compare in the background once the journal has been digested; a store that is not there is told, no more.

        Calls are taken all the same: what the list says of the store is not worth a caller who is not answered.

        Args:
            caught_up: waits until the list has everything that the journal tells.
        """
        try:
            await self.begin()
        except StoreUnavailableError as error:
            log.warning("recordings_unavailable", error=str(error))
        self._task = asyncio.create_task(self._compare(caught_up), name="inspection")

    async def close(self) -> None:
        """Stop comparing."""
        await stopped(self._task)
        self._task = None

    async def begin(self) -> None:
        """Create the store where nothing was ever recorded; else see that it is there.

        Raises:
            StoreUnavailableError: it is not, or cannot be created.
        """
        async with self._database.reading() as session:
            known = await session.scalar(
                select(RecordingRow.id)
                .where(RecordingRow.node == self._node, RecordingRow.sealed_at.is_not(None))
                .limit(1)
            )
        await asyncio.to_thread(self._store.prepare if known is None else self._store.check)

    async def run(self) -> Findings:
        """Mark rows whose file is gone as missing, have files that came back sealed again, and tell of stray files.

        Raises:
            StoreUnavailableError: the store is not there; then nothing is marked.
        """
        await asyncio.to_thread(self._store.check)
        files = await asyncio.to_thread(lambda: set(self._store.list()))
        known, gone, returned = set[str](), list[str](), list[str]()
        after = ""
        while rows := await self._rows(after):
            after = rows[-1].id
            known.update(row.location for row in rows)
            gone += [row.id for row in rows if row.state in _WITH_FILE and row.location not in files]
            returned += [row.id for row in rows if row.state == RecordingState.MISSING and row.location in files]
        # What was taken from the list of files before the rows were read may have got its row or gone with it since.
        gone = [recording_id for recording_id in gone if not await self._is_there(recording_id)]
        await self._mark(gone, RecordingState.MISSING, "The file is gone from the store.")
        await self._mark(returned, RecordingState.SEALING, "")
        if returned:
            self._wake_sealer()
        strays = tuple(sorted(files - known))
        if strays:
            log.warning("recordings_without_row", count=len(strays), first=strays[0])
        if gone:
            log.error("recordings_gone", count=len(gone), first=gone[0])
        return Findings(strays, tuple(gone), tuple(returned))

    async def _compare(self, caught_up: Callable[[], Awaitable[None]]) -> None:
        await caught_up()
        try:
            await self.run()
        except (StoreUnavailableError, StorageError, SQLAlchemyError) as error:
            log.warning("recordings_not_compared", error=str(error))

    async def _rows(self, after: str) -> list[RecordingRow]:
        async with self._database.reading() as session:
            return list(
                await session.scalars(
                    select(RecordingRow)
                    .where(RecordingRow.node == self._node, RecordingRow.id > after)
                    .order_by(RecordingRow.id)
                    .limit(_BATCH)
                )
            )

    async def _is_there(self, recording_id: str) -> bool:
        async with self._database.reading() as session:
            row = await session.get(RecordingRow, recording_id)
        if row is None:
            return True
        try:
            await asyncio.to_thread(self._store.size, checked_location(row.location))
        except (AudioMissingError, BadLocationError):
            return False
        return True

    async def _mark(self, recording_ids: list[str], state: RecordingState, reason: str) -> None:
        for first in range(0, len(recording_ids), _BATCH):
            async with self._database.transaction() as session:
                for row in await session.scalars(
                    select(RecordingRow).where(RecordingRow.id.in_(recording_ids[first : first + _BATCH]))
                ):
                    row.state = state
                    row.failure = reason
