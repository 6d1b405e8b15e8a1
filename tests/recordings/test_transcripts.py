"""Transcripts: asked for at sealing, written one after another, read and searched; plain hints where speech recognition is off."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from recordings.errors import RecordingInputError, RecordingNotFoundError, SpeechFailedError, SpeechUnavailableError
from recordings.sealer import Sealer
from recordings.transcripts import TranscriptQueue, Transcripts
from recordings.values import Segment, Transcript, TranscriptState
from tests.recordings.conftest import IDS, Archive

SAID = [
    Segment(0, 0.2, 1.0, "Добрый день", 0.9),
    Segment(1, 1.1, 1.9, "Loja Aurora", 0.8),
]


@dataclass
class Listener:
    """Stands where a recogniser stands, and hears what the test says."""

    model: str = "test-model"
    heard: Sequence[Segment] = tuple(SAID)
    refusals: list[Exception] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    rests: int = 0

    async def transcribe(self, audio: Path, seconds: float) -> list[Segment]:
        self.files.append(audio.read_bytes())
        assert seconds == 2.0
        if self.refusals:
            raise self.refusals.pop(0)
        return list(self.heard)

    async def rest(self) -> None:
        self.rests += 1


@dataclass
class Notebook:
    texts: dict[str, str] = field(default_factory=dict)

    async def attach_transcript(self, session: AsyncSession, call_id: str, text: str) -> bool:
        self.texts[call_id] = text
        return True


@dataclass
class Studio:
    archive: Archive
    listener: Listener
    queue: TranscriptQueue
    sealer: Sealer
    notebook: Notebook
    transcripts: Transcripts

    async def sealed(self, number: int = 0) -> None:
        await self.archive.recorded(number=number)
        await self.sealer.step()

    async def get(self, number: int = 0) -> Transcript:
        async with self.archive.database.reading() as session:
            return await self.transcripts.of_recording(session, IDS[number])


@pytest.fixture
async def studio(archive: Archive) -> AsyncIterator[Studio]:
    listener, notebook = Listener(), Notebook()
    queue = TranscriptQueue(
        archive.database, archive.store, archive.bus, archive.clock, listener, "node-1", reader=notebook
    )
    sealer = Sealer(archive.database, archive.store, archive.bus, archive.clock, "node-1", transcripts=queue)
    yield Studio(archive, listener, queue, sealer, notebook, Transcripts(enabled=True))
    await sealer.close()
    await queue.close()


async def test_a_sealed_recording_is_written_down(studio: Studio) -> None:
    await studio.sealed()
    assert (await studio.get()).state is TranscriptState.WAITING
    assert await studio.queue.step()
    transcript = await studio.get()
    assert (transcript.state, transcript.model, transcript.call_id) == (TranscriptState.DONE, "test-model", "call-0")
    assert transcript.segments == tuple(SAID)
    assert studio.listener.files[0][:4] == b"RIFF"
    assert studio.notebook.texts == {"call-0": "<: Добрый день\n>: Loja Aurora"}
    assert [event.kind for event in studio.archive.told] == ["recording.sealed", "transcript.done"]
    assert not await studio.queue.step()


async def test_a_transcript_is_found_by_what_was_said(studio: Studio) -> None:
    await studio.sealed(0)
    await studio.queue.step()
    await studio.sealed(1)
    async with studio.archive.database.reading() as session:
        found = await studio.transcripts.list(session, search="добрый ДЕНЬ")
        every = await studio.transcripts.list(session, limit=1)
        rest = await studio.transcripts.list(session, limit=1, cursor=every.next_cursor)
        of_call = await studio.transcripts.list(session, call_id="call-1")
        assert await studio.transcripts.get(session, found.items[0].id) == found.items[0]
        with pytest.raises(RecordingInputError):
            await studio.transcripts.list(session, limit=0)
        with pytest.raises(RecordingInputError):
            await studio.transcripts.list(session, cursor="x")
    assert [transcript.recording_id for transcript in found.items] == [IDS[0]]
    assert [page.items[0].recording_id for page in (every, rest, of_call)] == [IDS[1], IDS[0], IDS[1]]


async def test_everything_waits_while_the_model_cannot_be_used(studio: Studio) -> None:
    studio.listener.refusals = [SpeechUnavailableError("The model is broken.")] * 5
    await studio.sealed()
    for _ in range(5):
        with pytest.raises(SpeechUnavailableError):
            await studio.queue.step()
    assert (await studio.get()).state is TranscriptState.WAITING
    await studio.queue.step()
    assert (await studio.get()).state is TranscriptState.DONE


async def test_a_recording_is_given_up_after_three_attempts_and_the_others_go_on(studio: Studio) -> None:
    studio.listener.refusals = [SpeechFailedError("It hung.")] * 3
    await studio.sealed(0)
    for _ in range(3):
        await studio.queue.step()
    assert ((await studio.get()).state, (await studio.get()).failure) == (TranscriptState.FAILED, "It hung.")
    await studio.sealed(1)
    await studio.queue.step()
    assert (await studio.get(1)).state is TranscriptState.DONE


async def test_a_lost_file_gets_no_transcript(studio: Studio) -> None:
    await studio.archive.recorded()
    await studio.sealer.step()
    for path in studio.archive.folder.rglob("*.wav"):
        path.unlink()
    await studio.queue.step()
    assert (await studio.get()).state is TranscriptState.FAILED


async def test_the_recogniser_rests_when_there_is_nothing_to_do(studio: Studio) -> None:
    await studio.sealed()
    with studio.archive.bus.subscribe() as events:
        studio.queue.start()
        async for event in events:
            assert event.kind == "transcript.done"
            break
    await studio.queue.close()
    assert studio.listener.rests >= 1


async def test_where_speech_recognition_is_off_the_hint_says_how_to_switch_it_on(archive: Archive) -> None:
    await archive.recorded()
    await archive.sealer.step()
    async with archive.database.reading() as session:
        with pytest.raises(RecordingNotFoundError) as raised:
            await Transcripts(enabled=False).of_recording(session, IDS[0])
    assert "RAMAL_SPEECH_VOSK_MODEL" in raised.value.hint
