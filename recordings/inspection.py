"""Comparing the store with the list: files that no row knows, and rows whose file is gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import select

from core.database import Database
from recordings.errors import AudioMissingError, BadLocationError
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

    def __init__(self, database: Database, store: RecordingStore, node: str) -> None:
        self._database = database
        self._store = store
        self._node = node

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
        strays = tuple(sorted(files - known))
        if strays:
            log.warning("recordings_without_row", count=len(strays), first=strays[0])
        if gone:
            log.error("recordings_gone", count=len(gone), first=gone[0])
        return Findings(strays, tuple(gone), tuple(returned))

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
