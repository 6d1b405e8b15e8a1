"""Recordings as they are asked for: listed, looked up, played in ranges of bytes, drawn, verified, deleted."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Select, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.bus import EventBus
from core.database import Database, value_of
from recordings.errors import AudioMissingError, RecordingInputError, RecordingNotFoundError
from recordings.sealing import checksum
from recordings.storage import RecordingStore
from recordings.tables import RecordingRow, TranscriptRow, WaveformRow
from recordings.values import PLAYABLE, Page, RecordingState, RecordingView, Waveform

log = structlog.get_logger(__name__)

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200
_BLOCK: Final = 1 << 16
_MEDIA_TYPES: Final = {"wav": "audio/wav", "flac": "audio/flac", "ogg": "audio/ogg"}


@dataclass(slots=True, frozen=True)
class Audio:
    """A recording's file, ready to be sent. `etag` is empty while it still grows."""

    recording: RecordingView
    size: int
    media_type: str
    etag: str
    file_name: str


class Recordings:
    """What the API and others ask about recordings."""

    def __init__(self, database: Database, store: RecordingStore, bus: EventBus) -> None:
        self._database = database
        self._store = store
        self._bus = bus

    async def get(self, session: AsyncSession, recording_id: str) -> RecordingView:
        """Return one recording.

        Raises:
            RecordingNotFoundError: there is none with this id.
        """
        return value_of(await self._row(session, recording_id), RecordingView)

    async def of_call(self, session: AsyncSession, call_id: str) -> list[RecordingView]:
        """Return the recordings of a call, oldest first."""
        rows = await session.scalars(
            select(RecordingRow).where(RecordingRow.call_id == call_id[:64]).order_by(RecordingRow.id)
        )
        return [value_of(row, RecordingView) for row in rows]

    async def list(
        self,
        session: AsyncSession,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        call_id: str = "",
        state: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        calls: Select[str] | None = None,
    ) -> Page[RecordingView]:
        """Return a page, newest first; every given filter must hold. `since` is included, `until` is not.

        `calls` is a query for the ids of the calls whose recordings may be shown.

        Raises:
            RecordingInputError: the limit, cursor or state is wrong.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise RecordingInputError(f"“limit” must be from 1 to {MAX_LIMIT}.")
        query = select(RecordingRow)
        if cursor:
            query = query.where(RecordingRow.id < _cursor(cursor))
        if call_id:
            query = query.where(RecordingRow.call_id == call_id[:64])
        if state:
            query = query.where(RecordingRow.state == _state(state))
        if since is not None:
            query = query.where(RecordingRow.started_at >= since)
        if until is not None:
            query = query.where(RecordingRow.started_at < until)
        if calls is not None:
            query = query.where(RecordingRow.call_id.in_(calls))
        rows = list(await session.scalars(query.order_by(RecordingRow.id.desc()).limit(limit + 1)))
        more = len(rows) > limit
        rows = rows[:limit]
        return Page([value_of(row, RecordingView) for row in rows], rows[-1].id if more else None)

    async def waveform(self, session: AsyncSession, recording_id: str) -> Waveform:
        """Return the waveform of a sealed recording.

        Raises:
            RecordingNotFoundError: there is no such recording, or it is not sealed.
        """
        recording = await self._row(session, recording_id)
        row = await session.get(WaveformRow, recording_id)
        if row is None:
            raise RecordingNotFoundError(
                f"The recording {recording_id} has no waveform: it is {recording.state}.",
                hint="It is drawn once the call has ended." if recording.state == RecordingState.RECORDING else "",
            )
        peaks = tuple(
            tuple(round(peak / 255, 4) for peak in row.peaks[channel * row.stretches : (channel + 1) * row.stretches])
            for channel in range(row.channels)
        )
        return Waveform(recording_id, recording.seconds or 0.0, peaks)

    async def audio(self, recording_id: str) -> Audio:
        """Find the file of a recording.

        Raises:
            RecordingNotFoundError: there is no such recording.
            AudioMissingError: it has no file, or the file is gone.
            StoreUnavailableError: the store cannot be used at present.
        """
        async with self._database.reading() as session:
            recording = await self.get(session, recording_id)
        if recording.state not in PLAYABLE or not recording.location:
            raise AudioMissingError(f"The recording {recording.id} is {recording.state}: {recording.failure}")
        size = await asyncio.to_thread(self._store.size, recording.location)
        suffix = recording.format or recording.location.rpartition(".")[2]
        return Audio(
            recording=recording,
            size=size,
            media_type=_MEDIA_TYPES.get(suffix, "application/octet-stream"),
            etag=f'"{recording.sha256}"' if recording.sha256 else "",
            file_name=f"{recording.started_at:%Y-%m-%d_%H-%M-%S}_{recording.call_id}.{suffix}",
        )

    async def read(self, audio: Audio, start: int = 0, length: int | None = None) -> AsyncGenerator[bytes]:
        """Give `length` bytes of the file from `start` (by default all) in blocks; the file is closed at the end in any case.

        Raises:
            AudioMissingError: the file has gone meanwhile.
            StoreUnavailableError: the store cannot be used at present.
        """
        left = audio.size - start if length is None else min(length, audio.size - start)
        with ExitStack() as stack:
            file = await asyncio.to_thread(stack.enter_context, self._store.open(audio.recording.location))
            await asyncio.to_thread(file.seek, start)
            while left > 0:
                block = await asyncio.to_thread(file.read, min(_BLOCK, left))
                if not block:
                    raise AudioMissingError(f"The recording {audio.recording.id} has become shorter while it was read.")
                left -= len(block)
                yield block

    async def verify(self, recording_id: str) -> bool:
        """Tell whether a sealed recording's file still has the checksum that was taken.

        Raises:
            RecordingNotFoundError: there is no such recording, or it is not sealed.
            AudioMissingError: its file is gone.
            StoreUnavailableError: the store cannot be used at present.
        """
        async with self._database.reading() as session:
            recording = await self.get(session, recording_id)
        if not recording.sha256:
            raise RecordingNotFoundError(f"The recording {recording.id} is not sealed: it is {recording.state}.")
        return await asyncio.to_thread(checksum, self._store, recording.location) == recording.sha256

    async def delete(self, recording_id: str) -> None:
        """Delete a recording with its waveform and transcript: first the rows, then the file.

        A kill in between leaves a file without a row, which the next check of the store tells of.

        Raises:
            RecordingNotFoundError: there is no such recording.
            RecordingInputError: the call goes on, or the file is being sealed.
            StoreUnavailableError: the store cannot be used at present; the rows are gone, the file is not.
        """
        async with self._database.transaction() as session:
            row = await self._row(session, recording_id)
            if row.state in (RecordingState.RECORDING, RecordingState.SEALING):
                raise RecordingInputError("The recording is not sealed yet.", hint="Delete it when the call has ended.")
            location, call_id = row.location, row.call_id
            await session.execute(delete(WaveformRow).where(WaveformRow.recording_id == row.id))
            await session.execute(delete(TranscriptRow).where(TranscriptRow.recording_id == row.id))
            await session.delete(row)
        if location:
            await asyncio.to_thread(self._store.delete, location)
        log.info("recording_deleted", call_id=call_id, recording_id=recording_id)
        self._bus.publish("recording.deleted", {"id": recording_id}, call_id=call_id)

    async def _row(self, session: AsyncSession, recording_id: str) -> RecordingRow:
        row = await session.get(RecordingRow, recording_id[:64])
        if row is None:
            raise RecordingNotFoundError(f"There is no recording with the id “{recording_id[:64]}”.")
        return row


def _state(text: str) -> RecordingState:
    try:
        return RecordingState(text)
    except ValueError:
        raise RecordingInputError(f"“state” must be one of: {', '.join(RecordingState)}.") from None


def _cursor(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise RecordingInputError(
            "“cursor” is not one of ours.", hint="Give the `next_cursor` of the page before."
        ) from None
