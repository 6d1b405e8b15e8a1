"""What recordings make of the call journal: a row for each, from its start to the moment it may be sealed.

Sealing reads whole files, so it isn't done here: the row is left in state `sealing` and the sealer is woken once the transaction has
been committed. A replay changes nothing: rows are keyed by the recording's id, markers by their place in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from core.events import (
    CallFact,
    Fact,
    RecordingFailed,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    RecordingTrackBegan,
)
from core.journal import Entry
from recordings.errors import BadLocationError
from recordings.storage import checked_location
from recordings.tables import RecordingRow
from recordings.values import MarkerKind, RecordingState

log = structlog.get_logger(__name__)

_MOST_MARKERS: Final = 1000
_STOPPABLE: Final = frozenset({RecordingState.RECORDING, RecordingState.FAILED})


class RecordingConsumer:
    """Follows the journal for the recordings."""

    name = "recordings"
    facts: frozenset[type[Fact]] = frozenset(
        {
            RecordingStarted,
            RecordingTrackBegan,
            RecordingPaused,
            RecordingResumed,
            RecordingFailed,
            RecordingStopped,
        }
    )

    def __init__(self, wake_sealer: Callable[[], None]) -> None:
        self._wake_sealer = wake_sealer

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Write what these entries mean for the recordings."""
        for entry in entries:
            await self._digest(session, node, entry.sequence, entry.fact)

    async def _digest(self, session: AsyncSession, node: str, sequence: int, fact: CallFact) -> None:
        match fact:
            case RecordingStarted():
                row = await self._row(session, node, fact)
                row.location = _location(fact.location)
                if row.state == RecordingState.RECORDING:
                    row.channels, row.sample_rate = fact.channels, fact.sample_rate
            case RecordingTrackBegan():
                _add_track(await self._row(session, node, fact), sequence, fact)
            case RecordingPaused():
                row = await self._row(session, node, fact)
                _begin_pause(row, sequence, fact.at, fact.by_extension)
            case RecordingResumed():
                row = await self._row(session, node, fact)
                _end_pause(row, fact.at)
            case RecordingFailed():
                await self._failed(session, node, fact)
            case RecordingStopped():
                await self._stopped(session, node, fact)
            case _:
                return
        await session.flush()

    async def _failed(self, session: AsyncSession, node: str, fact: RecordingFailed) -> None:
        row = await session.get(RecordingRow, fact.recording_id)
        if row is None:
            # It never started: there is no file and there will be none.
            row = await self._row(session, node, fact)
            row.state = RecordingState.FAILED
        row.lost_seconds = max(row.lost_seconds, fact.lost_seconds)
        row.failure = fact.reason[:500]

    async def _stopped(self, session: AsyncSession, node: str, fact: RecordingStopped) -> None:
        row = await self._row(session, node, fact)
        row.location = row.location or _location(fact.location)
        if row.state not in _STOPPABLE or row.stopped_at is not None:
            return
        _end_pause(row, fact.at)
        row.stopped_at = fact.at
        row.recovered = fact.recovered
        row.state = RecordingState.SEALING
        _after_commit(session, self._wake_sealer)

    async def _row(
        self,
        session: AsyncSession,
        node: str,
        fact: RecordingStarted
        | RecordingTrackBegan
        | RecordingPaused
        | RecordingResumed
        | RecordingFailed
        | RecordingStopped,
    ) -> RecordingRow:
        row = await session.get(RecordingRow, fact.recording_id)
        if row is None:
            row = RecordingRow(
                id=fact.recording_id,
                call_id=fact.call_id,
                node=node,
                location="",
                state=RecordingState.RECORDING,
                lost_seconds=0.0,
                markers=[],
                tracks=[],
                started_at=fact.at,
            )
            session.add(row)
        return row


def _location(location: str) -> str:
    try:
        return checked_location(location)
    except BadLocationError as error:
        # The sealer will say that there is no file; nothing outside the store is ever touched.
        log.warning("recording_location_refused", error=str(error))
        return ""


def _add_track(row: RecordingRow, sequence: int, fact: RecordingTrackBegan) -> None:
    if any(track["sequence"] == sequence for track in row.tracks) or len(row.tracks) >= _MOST_MARKERS:
        return
    begun: dict[str, Any] = {
        "sequence": sequence,
        "channel": fact.channel,
        "start": _offset(row, fact.at),
        "leg_id": fact.leg_id,
        "number": fact.number[:64],
        "extension": fact.extension[:32],
    }
    row.tracks = [*row.tracks, begun]


def _begin_pause(row: RecordingRow, sequence: int, at: datetime, by_extension: str) -> None:
    if any(marker["sequence"] == sequence for marker in row.markers) or len(row.markers) >= _MOST_MARKERS:
        return
    if row.markers and row.markers[-1]["end"] is None:
        return
    begun: dict[str, Any] = {
        "kind": MarkerKind.PAUSE,
        "sequence": sequence,
        "start": _offset(row, at),
        "end": None,
        "by_extension": by_extension,
    }
    row.markers = [*row.markers, begun]


def _end_pause(row: RecordingRow, at: datetime) -> None:
    if row.markers and row.markers[-1]["end"] is None:
        row.markers = [*row.markers[:-1], {**row.markers[-1], "end": _offset(row, at)}]


def _offset(row: RecordingRow, at: datetime) -> float:
    return round(max(0.0, (at - row.started_at).total_seconds()), 3)


def _after_commit(session: AsyncSession, action: Callable[[], None]) -> None:
    def run(_session: Session) -> None:
        """Act, now that it is stored."""
        action()

    event.listen(session.sync_session, "after_commit", run, once=True)
