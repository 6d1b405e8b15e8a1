"""Transcripts: asked for when a recording is sealed, written by the recogniser one after another, kept and searched.

What waits is told by the database (state `waiting`). While the recogniser cannot work at all (no model, a broken one) everything waits; a
recording it gives up on three times is left without a transcript, and says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import unicodedata
import uuid
from typing import Final

import structlog
from sqlalchemy import Select, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from core.bus import EventBus
from core.clock import Clock
from core.database import Database, value_of
from core.errors import StorageError
from core.identifiers import new_id
from core.outbox import send_mqtt
from core.tasks import stopped
from recordings.errors import (
    AudioMissingError,
    RecordingInputError,
    RecordingNotFoundError,
    SpeechFailedError,
    SpeechUnavailableError,
    StoreUnavailableError,
)
from recordings.ports import TranscriptReader
from recordings.speech import OFF_HINT, Recogniser
from recordings.storage import RecordingStore
from recordings.tables import RecordingRow, TranscriptRow
from recordings.values import Page, Segment, Transcript, TranscriptState

log = structlog.get_logger(__name__)

_MOST_ATTEMPTS: Final = 3
_FIRST_PAUSE: Final = 5.0
_LONGEST_PAUSE: Final = 300.0
_LOOK_AGAIN: Final = 300.0
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200


class Transcripts:
    """Reading transcripts."""

    def __init__(self, *, enabled: bool) -> None:
        """Say whether speech recognition is on, for the hint where there is no transcript."""
        self._enabled = enabled

    async def of_recording(self, session: AsyncSession, recording_id: str) -> Transcript:
        """Return the transcript of a recording.

        Raises:
            RecordingNotFoundError: there is none; the hint says why where speech recognition is off.
        """
        row = await session.scalar(select(TranscriptRow).where(TranscriptRow.recording_id == recording_id[:64]))
        return self._shown(row, f"The recording {recording_id[:64]} has no transcript.")

    async def get(self, session: AsyncSession, transcript_id: str) -> Transcript:
        """Return one transcript.

        Raises:
            RecordingNotFoundError: there is none with this id.
        """
        row = await session.get(TranscriptRow, transcript_id[:64])
        return self._shown(row, f"There is no transcript with the id “{transcript_id[:64]}”.")

    async def find(self, session: AsyncSession, any_id: str) -> Transcript:
        """Return the transcript with this id, or of the recording with this id.

        Raises:
            RecordingNotFoundError: there is neither.
        """
        either = (TranscriptRow.id == any_id[:64]) | (TranscriptRow.recording_id == any_id[:64])
        row = await session.scalar(select(TranscriptRow).where(either))
        return self._shown(row, f"There is no transcript with the id “{any_id[:64]}”, and none of such a recording.")

    async def list(
        self,
        session: AsyncSession,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        call_id: str = "",
        search: str = "",
        calls: Select[str] | None = None,
    ) -> Page[Transcript]:
        """Return a page, newest first, of those in which `search` was said.

        `calls` is a query for the ids of the calls whose transcripts may be shown.

        Raises:
            RecordingInputError: the limit or cursor is wrong.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise RecordingInputError(f"“limit” must be from 1 to {MAX_LIMIT}.")
        query = select(TranscriptRow)
        if cursor:
            try:
                query = query.where(TranscriptRow.id < str(uuid.UUID(cursor)))
            except ValueError:
                raise RecordingInputError("“cursor” is not one of ours.") from None
        if call_id:
            query = query.where(TranscriptRow.call_id == call_id[:64])
        if search.strip():
            query = query.where(TranscriptRow.search_text.contains(_folded(search.strip()[:200]), autoescape=True))
        if calls is not None:
            query = query.where(TranscriptRow.call_id.in_(calls))
        rows = list(await session.scalars(query.order_by(TranscriptRow.id.desc()).limit(limit + 1)))
        more = len(rows) > limit
        rows = rows[:limit]
        return Page([value_of(row, Transcript) for row in rows], rows[-1].id if more else None)

    def _shown(self, row: TranscriptRow | None, message: str) -> Transcript:
        if row is None:
            raise RecordingNotFoundError(
                message, hint="" if self._enabled else f"Speech recognition is off. {OFF_HINT}"
            )
        return value_of(row, Transcript)


class TranscriptQueue:
    """Has the recogniser write down what waits, in the background."""

    def __init__(
        self,
        database: Database,
        store: RecordingStore,
        bus: EventBus,
        clock: Clock,
        recogniser: Recogniser,
        node: str,
        *,
        reader: TranscriptReader | None = None,
    ) -> None:
        """Prepare, without loading the model.

        Args:
            database: where transcripts are kept.
            store: where the recordings are.
            bus: is told `transcript.done`.
            clock: the time of writing.
            recogniser: does the work.
            node: whose recordings these are.
            reader: is handed each transcript in the transaction that stores it.
        """
        self._database = database
        self._store = store
        self._bus = bus
        self._clock = clock
        self._recogniser = recogniser
        self._node = node
        self._reader = reader
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.failure: str | None = None
        """Why nothing is written down at present, or None."""

    def wake(self) -> None:
        """Say that there is work."""
        self._wake.set()

    async def request(self, session: AsyncSession, recording_id: str, call_id: str) -> None:
        """Ask for a transcript in the caller's transaction; one that was asked for already stays as it is."""
        if await session.scalar(select(TranscriptRow.id).where(TranscriptRow.recording_id == recording_id)) is None:
            session.add(
                TranscriptRow(
                    id=new_id(),
                    recording_id=recording_id,
                    call_id=call_id,
                    state=TranscriptState.WAITING,
                    attempts=0,
                    segments=[],
                    created_at=self._clock.now(),
                )
            )

    async def step(self) -> bool:
        """Write down the oldest that waits; tell whether there was one.

        Raises:
            SpeechUnavailableError: the recogniser cannot work at present.
            StoreUnavailableError: the recordings cannot be read at present.
        """
        async with self._database.reading() as session:
            found = (
                await session.execute(
                    select(TranscriptRow.id, RecordingRow.location, RecordingRow.seconds)
                    .join(RecordingRow, RecordingRow.id == TranscriptRow.recording_id)
                    .where(TranscriptRow.state == TranscriptState.WAITING, RecordingRow.node == self._node)
                    .order_by(TranscriptRow.attempts, TranscriptRow.id)
                    .limit(1)
                )
            ).first()
        if found is None:
            return False
        transcript_id, location, seconds = found
        try:
            segments = await self._listen(location, seconds or 0.0)
        except (SpeechFailedError, AudioMissingError) as error:
            await self._gave_up(transcript_id, str(error), final=isinstance(error, AudioMissingError))
        else:
            await self._keep(transcript_id, segments)
        return True

    def start(self) -> None:
        """Begin to work in the background."""
        self._task = asyncio.create_task(self._follow(), name="transcripts")

    async def close(self) -> None:
        """Stop; what is under way begins anew at the next start."""
        await stopped(self._task)
        self._task = None
        await self._recogniser.rest()

    async def _listen(self, location: str, seconds: float) -> list[Segment]:
        with contextlib.ExitStack() as stack:
            audio = await asyncio.to_thread(stack.enter_context, self._store.local_file(location))
            return await self._recogniser.transcribe(audio, seconds)

    async def _keep(self, transcript_id: str, segments: list[Segment]) -> None:
        async with self._database.transaction() as session:
            row = await session.get(TranscriptRow, transcript_id)
            if row is None:
                return
            row.state = TranscriptState.DONE
            row.model = self._recogniser.model
            row.failure = ""
            row.segments = [
                {
                    "channel": segment.channel,
                    "start": segment.start,
                    "end": segment.end,
                    "text": segment.text,
                    "confidence": segment.confidence,
                }
                for segment in segments
            ]
            row.search_text = _folded("\n".join(segment.text for segment in segments))
            row.finished_at = self._clock.now()
            payload = {
                "id": row.id,
                "recording_id": row.recording_id,
                "call_id": row.call_id,
                "segments": len(segments),
            }
            await send_mqtt(session, f"ramal/calls/{row.call_id}/transcript_done", payload)
            if self._reader is not None:
                text = "\n".join(f"{_SPEAKERS.get(segment.channel, '?')}: {segment.text}" for segment in segments)
                await self._reader.attach_transcript(session, row.call_id, text)
            call_id = row.call_id
        log.info("transcript_done", call_id=call_id, transcript_id=transcript_id, segments=len(segments))
        self._bus.publish("transcript.done", payload, call_id=call_id)

    async def _gave_up(self, transcript_id: str, reason: str, *, final: bool) -> None:
        log.warning("transcript_failed", transcript_id=transcript_id, error=reason)
        async with self._database.transaction() as session:
            row = await session.get(TranscriptRow, transcript_id)
            if row is None:
                return
            row.attempts += 1
            row.failure = reason[:500]
            if final or row.attempts >= _MOST_ATTEMPTS:
                row.state = TranscriptState.FAILED

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._wake.clear()
            try:
                worked = await self.step()
            except Exception as error:
                # Nothing may end the work for good: what waits is tried again.
                self.failure = str(error)
                if not isinstance(error, _PASSING):
                    log.exception("transcripts_failed")
                log.warning("transcripts_wait", error=self.failure, retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self.failure = None
            pause = _FIRST_PAUSE
            if not worked:
                await self._recogniser.rest()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK_AGAIN)


_PASSING: Final = (SpeechUnavailableError, StoreUnavailableError, StorageError, SQLAlchemyError, OSError)
"""Troubles that pass by themselves."""
_SPEAKERS: Final = {0: "<", 1: ">"}
"""Customers are on the left channel, agents on the right."""


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
