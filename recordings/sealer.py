"""The sealer: takes closed recordings one after another, measures each in a thread, and stores what it found.

What waits is told by the database alone (state `sealing`), so a seal that a killed process left unfinished is taken up at the next
start. A file that is gone or is no sound settles its row; a store or database that cannot be used at present leaves the row as it is, and
it is tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from sqlalchemy import delete, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from core.bus import EventBus
from core.clock import Clock
from core.database import Database
from core.errors import StorageError
from core.outbox import send_mqtt
from core.tasks import stopped
from recordings.errors import AudioMissingError, BadLocationError, DamagedAudioError, StoreUnavailableError
from recordings.sealing import Measured, measure
from recordings.storage import RecordingStore
from recordings.tables import RecordingRow, WaveformRow
from recordings.transcripts import TranscriptQueue
from recordings.values import RecordingState

log = structlog.get_logger(__name__)

_BATCH: Final = 50
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0
_LOOK_AGAIN: Final = 60.0
"""Seconds after which it looks for work even if nobody woke it."""


class Sealer:
    """Seals the recordings of one node."""

    def __init__(
        self,
        database: Database,
        store: RecordingStore,
        bus: EventBus,
        clock: Clock,
        node: str,
        *,
        transcripts: TranscriptQueue | None = None,
    ) -> None:
        """Prepare, without looking for work.

        Args:
            database: where recordings are listed.
            store: where they are kept.
            bus: is told `recording.sealed`.
            clock: the time of sealing.
            node: whose recordings these are.
            transcripts: takes sealed recordings to be written down, where speech recognition is on.
        """
        self._database = database
        self._store = store
        self._bus = bus
        self._clock = clock
        self._node = node
        self._transcripts = transcripts
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "sealer")
        self._task: asyncio.Task[None] | None = None
        self.failure: str | None = None
        """Why nothing can be sealed at present, or None."""

    def wake(self) -> None:
        """Say that there is work."""
        self._wake.set()

    async def step(self) -> int:
        """Seal what waits now, up to a batch; return how many were settled.

        Raises:
            StoreUnavailableError: the store cannot be used at present; the rest waits.
            SQLAlchemyError, StorageError: the database cannot.
            Exception: whatever else kept one of them from being sealed, when the others were.
        """
        async with self._database.reading() as session:
            waiting = (
                await session.execute(
                    select(RecordingRow.id, RecordingRow.location, RecordingRow.sha256)
                    .where(RecordingRow.state == RecordingState.SEALING, RecordingRow.node == self._node)
                    .order_by(RecordingRow.id)
                    .limit(_BATCH)
                )
            ).all()
        trouble: Exception | None = None
        for recording_id, location, sha256 in waiting:
            try:
                await self._seal(recording_id, location, sha256)
            except Exception as error:
                # It may be this one file alone; the others are not to wait for it.
                if not isinstance(error, StoreUnavailableError | StorageError | SQLAlchemyError | OSError):
                    log.exception("recording_not_measured", recording_id=recording_id)
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return len(waiting)

    def start(self) -> None:
        """Begin to seal in the background, first of all what was left unfinished."""
        self._task = asyncio.create_task(self._follow(), name="sealer")

    async def close(self) -> None:
        """Stop; what is not sealed waits for the next start."""
        await stopped(self._task)
        self._task = None
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _seal(self, recording_id: str, location: str, sha256: str) -> None:
        loop = asyncio.get_running_loop()
        try:
            measured = await loop.run_in_executor(self._thread, measure, self._store, location)
        except (AudioMissingError, BadLocationError) as error:
            # A store that is not mounted looks as empty as one whose files are lost.
            await loop.run_in_executor(self._thread, self._store.check)
            await self._settle(recording_id, RecordingState.MISSING, str(error))
        except DamagedAudioError as error:
            await self._settle(recording_id, RecordingState.FAILED, str(error))
        else:
            if sha256 and sha256 != measured.sha256:
                # It was sealed before and went missing: what came back is not what was recorded.
                await self._settle(recording_id, RecordingState.FAILED, f"The file {location} came back changed.")
            else:
                await self._store_measured(recording_id, measured)

    async def _settle(self, recording_id: str, state: RecordingState, reason: str) -> None:
        log.error("recording_not_sealed", recording_id=recording_id, state=state, error=reason)
        async with self._database.transaction() as session:
            row = await self._waiting_row(session, recording_id)
            if row is None:
                return
            row.state = state
            row.failure = reason[:500]
            event = await _announce(session, row)
        event(self._bus)

    async def _store_measured(self, recording_id: str, measured: Measured) -> None:
        async with self._database.transaction() as session:
            row = await self._waiting_row(session, recording_id)
            if row is None:
                return
            row.recovered = row.recovered or measured.torn_seconds > 0
            row.state = RecordingState.RECOVERED if row.recovered else RecordingState.SEALED
            row.seconds, row.bytes, row.sha256 = measured.seconds, measured.bytes, measured.sha256
            row.channels, row.sample_rate, row.format = measured.channels, measured.sample_rate, measured.format
            row.lost_seconds = max(row.lost_seconds, measured.torn_seconds)
            row.sealed_at = self._clock.now()
            await session.execute(delete(WaveformRow).where(WaveformRow.recording_id == recording_id))
            channels, stretches = measured.peaks.shape
            session.add(
                WaveformRow(
                    recording_id=recording_id, channels=channels, stretches=stretches, peaks=measured.peaks.tobytes()
                )
            )
            if self._transcripts is not None:
                await self._transcripts.request(session, row.id, row.call_id)
            event = await _announce(session, row)
        log.info("recording_sealed", call_id=row.call_id, recording_id=row.id, seconds=row.seconds, state=row.state)
        event(self._bus)
        if self._transcripts is not None:
            self._transcripts.wake()

    async def _waiting_row(self, session: AsyncSession, recording_id: str) -> RecordingRow | None:
        """Return the row if it still waits: another may have settled or deleted it meanwhile."""
        row = await session.get(RecordingRow, recording_id, with_for_update=True)
        return row if row is not None and row.state == RecordingState.SEALING else None

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._wake.clear()
            try:
                sealed = await self.step()
            except Exception as error:
                # Nothing may end the sealing for good: what waits is tried again.
                self.failure = str(error)
                log.warning("sealing_waits", error=self.failure, retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self.failure = None
            pause = _FIRST_PAUSE
            if sealed < _BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _LOOK_AGAIN)


async def _announce(session: AsyncSession, row: RecordingRow) -> Callable[[EventBus], None]:
    """Queue the MQTT message of a settled recording; return what tells the live listeners after the commit."""
    payload = {
        "id": row.id,
        "call_id": row.call_id,
        "state": row.state,
        "seconds": row.seconds,
        "channels": row.channels,
        "lost_seconds": row.lost_seconds,
    }
    await send_mqtt(session, f"ramal/calls/{row.call_id}/recording_{row.state}", payload)
    call_id, kind = row.call_id, f"recording.{row.state}"

    def tell(bus: EventBus) -> None:
        """Publish it."""
        bus.publish(kind, payload, call_id=call_id)

    return tell
