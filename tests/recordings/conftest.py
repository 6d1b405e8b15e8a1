"""A store of recordings in a folder, a list of them in a database, and those who work on both."""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.bus import EventBus, LiveEvent
from core.clock import ManualClock
from core.database import Database
from core.events import CallFact, RecordingStarted, RecordingStopped
from core.journal import Entry
from recordings.consumer import RecordingConsumer
from recordings.inspection import Inspection
from recordings.sealer import Sealer
from recordings.service import Recordings
from recordings.storage import RecordingStore
from recordings.values import RecordingView

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RATE = 8000
IDS = [f"019f0c6e-7a1b-7c3d-9e4f-{number:012x}" for number in range(10)]


def location(number: int = 0) -> str:
    return f"2026/03/02/{IDS[number]}.wav"


def stereo_wav(seconds: float = 2.0, *, left: float = 0.5, right: float = 0.25) -> bytes:
    """A stereo file: a tone of the customer's on the left, one of the agent's on the right."""
    times = np.arange(int(seconds * RATE)) / RATE
    samples = np.stack([left * np.sin(2 * np.pi * 440 * times), right * np.sin(2 * np.pi * 700 * times)], axis=1)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


@dataclass
class Archive:
    """The room of recordings with everything within reach."""

    database: Database
    folder: Path
    clock: ManualClock
    bus: EventBus
    store: RecordingStore
    sealer: Sealer
    service: Recordings
    consumer: RecordingConsumer
    inspection: Inspection
    told: list[LiveEvent] = field(default_factory=list)
    woken: list[None] = field(default_factory=list)
    sequence: int = 0

    async def journal(self, *facts: CallFact) -> None:
        """Let the consumer digest facts in one transaction."""
        entries = []
        for fact in facts:
            self.sequence += 1
            entries.append(Entry(self.sequence, fact))
        async with self.database.transaction() as session:
            await self.consumer.consume(session, "node-1", entries)

    def put(self, content: bytes, number: int = 0) -> Path:
        path = self.folder / location(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    async def recorded(self, content: bytes | None = None, number: int = 0, *, recovered: bool = False) -> Path:
        """Tell the journal of a whole recording, its file being there."""
        path = self.put(stereo_wav() if content is None else content, number)
        await self.journal(started(number), stopped(number, recovered=recovered))
        return path

    async def get(self, number: int = 0) -> RecordingView:
        async with self.database.reading() as session:
            return await self.service.get(session, IDS[number])


@pytest.fixture
async def archive(database: Database, tmp_path: Path) -> AsyncIterator[Archive]:
    folder = tmp_path / "recordings"
    clock, bus = ManualClock(START), EventBus()
    store = RecordingStore(folder)
    store.prepare()
    woken: list[None] = []
    told: list[LiveEvent] = []
    bus.listen(told.append)
    sealer = Sealer(database, store, bus, clock, "node-1")
    archive_ = Archive(
        database,
        folder,
        clock,
        bus,
        store,
        sealer,
        Recordings(database, store, bus),
        RecordingConsumer(lambda: woken.append(None)),
        Inspection(database, store, "node-1", lambda: woken.append(None)),
        told,
        woken,
    )
    yield archive_
    await archive_.inspection.close()
    await sealer.close()


def started(number: int = 0, *, at: datetime = START) -> RecordingStarted:
    return RecordingStarted(
        at=at,
        call_id=f"call-{number}",
        recording_id=IDS[number],
        location=location(number),
        channels=2,
        sample_rate=RATE,
    )


def stopped(number: int = 0, *, recovered: bool = False) -> RecordingStopped:
    return RecordingStopped(
        at=START + timedelta(seconds=2),
        call_id=f"call-{number}",
        recording_id=IDS[number],
        location=location(number),
        recovered=recovered,
    )
