"""Rows from the journal: one a recording, with its pauses and losses, once however often it is read."""

from datetime import timedelta

import pytest

from core.consumer import ConsumerRunner
from core.events import (
    CallFact,
    RecordingFailed,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingTrackBegan,
)
from core.journal import Journal
from recordings.values import Marker, MarkerKind, RecordingState
from tests.recordings.conftest import IDS, RATE, START, Archive, location, started, stopped


def paused(seconds: float) -> RecordingPaused:
    return RecordingPaused(
        at=START + timedelta(seconds=seconds), call_id="call-0", recording_id=IDS[0], by_extension="1001"
    )


def resumed(seconds: float) -> RecordingResumed:
    return RecordingResumed(at=START + timedelta(seconds=seconds), call_id="call-0", recording_id=IDS[0])


def failed(lost: float, reason: str = "No space left on device") -> RecordingFailed:
    return RecordingFailed(at=START, call_id="call-0", recording_id=IDS[0], reason=reason, lost_seconds=lost)


async def test_a_recording_is_listed_while_the_call_goes_on(archive: Archive) -> None:
    await archive.journal(started())
    recording = await archive.get()
    assert (recording.state, recording.call_id, recording.location) == (RecordingState.RECORDING, "call-0", location())
    assert (recording.channels, recording.sample_rate, recording.started_at) == (2, RATE, START)
    assert archive.woken == []


async def test_a_stopped_recording_waits_to_be_sealed_and_wakes_the_sealer(archive: Archive) -> None:
    await archive.journal(started(), stopped())
    recording = await archive.get()
    assert (recording.state, recording.stopped_at) == (RecordingState.SEALING, START + timedelta(seconds=2))
    assert len(archive.woken) == 1


async def test_the_sealer_sleeps_on_when_the_transaction_is_undone(archive: Archive) -> None:
    async def fail_after_all() -> None:
        async with archive.database.transaction() as session:
            from core.journal import Entry

            await archive.consumer.consume(session, "node-1", [Entry(1, started()), Entry(2, stopped())])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_after_all()
    assert archive.woken == []


async def test_each_party_of_a_recording_by_parties_has_its_channel_once(archive: Archive) -> None:
    began = [
        RecordingTrackBegan(
            at=START + timedelta(seconds=channel), call_id="call-0", recording_id=IDS[0], channel=channel, leg_id=f"leg-{channel}",
            number=f"100{channel}", extension="x" * 100,
        )
        for channel in range(2)
    ]  # fmt: skip
    await archive.journal(started(), *began, stopped())
    archive.sequence = 0
    await archive.journal(started(), *began, stopped())
    tracks = (await archive.get()).tracks
    assert [(one.channel, one.start, one.leg_id, one.number) for one in tracks] == [
        (0, 0.0, "leg-0", "1000"),
        (1, 1.0, "leg-1", "1001"),
    ]
    assert {len(one.extension) for one in tracks} == {32}


async def test_pauses_are_marked_in_seconds_from_the_start(archive: Archive) -> None:
    await archive.journal(started(), paused(0.5), paused(0.7), resumed(1.25), resumed(1.3), paused(1.5), stopped())
    assert (await archive.get()).markers == (
        Marker(MarkerKind.PAUSE, 0.5, 1.25, "1001"),
        Marker(MarkerKind.PAUSE, 1.5, 2.0, "1001"),
    )


async def test_lost_audio_is_told_with_its_reason(archive: Archive) -> None:
    await archive.journal(started(), failed(0.0), failed(3.5), stopped())
    recording = await archive.get()
    assert (recording.lost_seconds, recording.failure) == (3.5, "No space left on device")
    assert recording.state is RecordingState.SEALING


async def test_a_recording_that_never_began_has_failed(archive: Archive) -> None:
    await archive.journal(failed(0.0, reason="x" * 900))
    recording = await archive.get()
    assert (recording.state, recording.location, len(recording.failure)) == (RecordingState.FAILED, "", 500)


async def test_reading_the_journal_again_changes_nothing(archive: Archive) -> None:
    facts: list[CallFact] = [started(), paused(0.5), failed(1.0), resumed(1.0), stopped()]
    await archive.journal(*facts)
    archive.put(b"")
    before = await archive.get()
    archive.sequence = 0
    await archive.journal(*facts)
    assert await archive.get() == before
    await archive.recorded(number=1)
    await archive.sealer.step()
    sealed = await archive.get(1)
    await archive.journal(started(1), stopped(1))
    assert await archive.get(1) == sealed


@pytest.mark.parametrize("hostile", ["../../etc/passwd", "/etc/passwd", "a//b.wav", "s3://else/x.wav", ""])
async def test_a_location_that_leads_elsewhere_is_not_kept(archive: Archive, hostile: str) -> None:
    bad = RecordingStarted(
        at=START, call_id="call-0", recording_id=IDS[0], location=hostile, channels=2, sample_rate=RATE
    )
    await archive.journal(bad)
    assert (await archive.get()).location == ""


async def test_a_crash_between_two_batches_neither_loses_nor_doubles(
    archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, "node-1")
    for number in range(3):
        journal.append(started(number))
        journal.append(stopped(number))
    await journal.flushed()
    await ConsumerRunner(journal, archive.database, archive.consumer, batch=3).step()
    await journal.close()
    reopened = Journal(folder, "node-1")
    runner = ConsumerRunner(reopened, archive.database, archive.consumer, batch=3)
    while await runner.step():
        pass
    await reopened.close()
    assert [(await archive.get(number)).state for number in range(3)] == [RecordingState.SEALING] * 3
