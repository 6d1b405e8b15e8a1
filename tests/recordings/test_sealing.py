"""Sealing: what a file holds is measured once; damaged, torn and vanished files and a full disk each end in the right state."""

import hashlib
import shutil
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import SQLAlchemyError

from core.outbox import OutboxMessage
from recordings.errors import RecordingNotFoundError, StoreUnavailableError
from recordings.sealer import Sealer
from recordings.storage import MARKER, RecordingStore
from recordings.tables import RecordingRow
from recordings.values import RecordingState
from tests.recordings.conftest import IDS, RATE, Archive, location, started, stereo_wav, stopped


async def test_a_closed_recording_is_sealed_with_what_it_holds(archive: Archive) -> None:
    path = await archive.recorded(stereo_wav(2.5))
    archive.clock.advance(10)
    assert await archive.sealer.step() == 1
    recording = await archive.get()
    assert (recording.state, recording.seconds, recording.channels) == (RecordingState.SEALED, 2.5, 2)
    assert (recording.sample_rate, recording.format, recording.bytes) == (RATE, "wav", path.stat().st_size)
    assert recording.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (recording.sealed_at, recording.lost_seconds) == (archive.clock.now(), 0.0)


async def test_those_who_look_on_are_told_of_a_sealed_recording(archive: Archive) -> None:
    await archive.recorded()
    await archive.sealer.step()
    assert [(event.kind, event.call_id) for event in archive.told] == [("recording.sealed", "call-0")]
    async with archive.database.reading() as session:
        topics = list(await session.scalars(select(OutboxMessage.address)))
    assert topics == ["ramal/calls/call-0/recording_sealed"]


async def test_sealing_again_changes_nothing(archive: Archive) -> None:
    await archive.recorded()
    await archive.sealer.step()
    sealed = await archive.get()
    archive.clock.advance(60)
    assert await archive.sealer.step() == 0
    assert await archive.get() == sealed


async def test_the_waveform_shows_each_channel_as_loud_as_it_is(archive: Archive) -> None:
    await archive.recorded(stereo_wav(3.0, left=0.5, right=0.25))
    await archive.sealer.step()
    async with archive.database.reading() as session:
        waveform = await archive.service.waveform(session, IDS[0])
    assert waveform.seconds == 3.0
    assert [len(channel) for channel in waveform.peaks] == [1000, 1000]
    left, right = waveform.peaks
    assert 0.48 < max(left) <= 0.51
    assert 0.23 < max(right) <= 0.26


async def test_a_recording_that_goes_on_has_no_waveform_yet(archive: Archive) -> None:
    await archive.journal(started())
    async with archive.database.reading() as session:
        with pytest.raises(RecordingNotFoundError, match="once the call has ended"):
            await archive.service.waveform(session, IDS[0])


async def test_a_recording_left_by_a_killed_process_is_recovered(archive: Archive) -> None:
    await archive.recorded(recovered=True)
    await archive.sealer.step()
    assert (await archive.get()).state is RecordingState.RECOVERED


async def test_a_torn_file_is_recovered_with_what_is_left(archive: Archive) -> None:
    await archive.recorded(stereo_wav(2.0)[: 44 + RATE * 4])
    await archive.sealer.step()
    recording = await archive.get()
    assert (recording.state, recording.seconds, recording.lost_seconds) == (RecordingState.RECOVERED, 1.0, 1.0)


async def test_a_file_torn_in_the_middle_of_a_sample_is_recovered(archive: Archive) -> None:
    await archive.recorded(stereo_wav(2.0)[: 44 + RATE * 4 - 3])
    await archive.sealer.step()
    recording = await archive.get()
    assert recording.state is RecordingState.RECOVERED
    assert recording.seconds == pytest.approx(1.0, abs=0.001)


async def test_a_call_without_a_word_is_sealed_too(archive: Archive) -> None:
    await archive.recorded(stereo_wav(0.0))
    await archive.sealer.step()
    async with archive.database.reading() as session:
        waveform = await archive.service.waveform(session, IDS[0])
    assert (await archive.get()).state is RecordingState.SEALED
    assert waveform.peaks == ((), ())


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\xff\xff\xff\xffWAVE", b"\x00" * 4096, b"no sound at all" * 99]
)
async def test_a_file_that_is_no_sound_has_failed(archive: Archive, content: bytes) -> None:
    await archive.recorded(content)
    assert await archive.sealer.step() == 1
    recording = await archive.get()
    assert recording.state is RecordingState.FAILED
    assert location() in recording.failure
    assert [event.kind for event in archive.told] == ["recording.failed"]


async def test_a_missing_file_is_told_and_the_others_are_sealed(archive: Archive) -> None:
    (await archive.recorded(number=0)).unlink()
    await archive.recorded(number=1)
    await archive.sealer.step()
    assert (await archive.get(0)).state is RecordingState.MISSING
    assert (await archive.get(1)).state is RecordingState.SEALED


async def test_recordings_wait_while_their_folder_has_vanished(archive: Archive, tmp_path: Path) -> None:
    await archive.recorded()
    archive.folder.rename(tmp_path / "away")
    with pytest.raises(StoreUnavailableError, match="not at"):
        await archive.sealer.step()
    assert (await archive.get()).state is RecordingState.SEALING
    (tmp_path / "away").rename(archive.folder)
    await archive.sealer.step()
    assert (await archive.get()).state is RecordingState.SEALED


async def test_an_empty_mount_point_is_not_taken_for_lost_files(archive: Archive) -> None:
    await archive.recorded()
    shutil.rmtree(archive.folder)
    archive.folder.mkdir()
    with pytest.raises(StoreUnavailableError, match=MARKER):
        await archive.sealer.step()
    assert (await archive.get()).state is RecordingState.SEALING


async def test_one_file_that_cannot_be_read_does_not_hold_up_the_rest(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    await archive.recorded(number=0)
    await archive.recorded(number=1)
    opened = archive.store._files.open

    def refuse(path: str, *arguments: object, **named: object) -> object:
        if path.endswith(location(0)):
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(archive.store._files, "open", refuse)
    with pytest.raises(StoreUnavailableError, match="Permission denied"):
        await archive.sealer.step()
    assert (await archive.get(0)).state is RecordingState.SEALING
    assert (await archive.get(1)).state is RecordingState.SEALED


async def test_a_full_disk_while_sealing_loses_nothing(archive: Archive) -> None:
    if not archive.database.is_sqlite:
        pytest.skip("the disk of the PostgreSQL server is not ours to fill")

    async def ask(pragma: str) -> int:
        async with archive.database.engine.connect() as connection:
            return int(await connection.scalar(text(f"PRAGMA {pragma}")) or 0)

    for number in range(10):
        await archive.recorded(number=number)
    # The limit holds for the connection: let there be only one.
    await archive.database.engine.dispose()
    await ask(f"max_page_count = {await ask('page_count')}")
    with pytest.raises(SQLAlchemyError, match="full"):
        await archive.sealer.step()
    states = [(await archive.get(number)).state for number in range(10)]
    assert states.count(RecordingState.SEALING) == 10 - len(archive.told)
    await ask("max_page_count = 1000000")
    await archive.sealer.step()
    assert {(await archive.get(number)).state for number in range(10)} == {RecordingState.SEALED}
    assert len(archive.told) == 10


async def test_an_unfinished_seal_is_taken_up_at_the_next_start(archive: Archive) -> None:
    await archive.recorded()
    successor = Sealer(archive.database, archive.store, archive.bus, archive.clock, "node-1")
    sealed = archive.bus.subscribe()
    with sealed as events:
        successor.start()
        async for event in events:
            assert event.kind == "recording.sealed"
            break
    await successor.close()
    assert (await archive.get()).state is RecordingState.SEALED


async def test_another_nodes_recordings_are_left_to_it(archive: Archive) -> None:
    await archive.recorded()
    async with archive.database.transaction() as session:
        await session.execute(update(RecordingRow).values(node="node-2"))
    assert await archive.sealer.step() == 0


async def test_a_store_elsewhere_is_sealed_alike(archive: Archive) -> None:
    store = RecordingStore("memory://recordings-of-test")
    store.prepare()
    with store._files.open(f"{store._root}/{location()}", "wb") as file:
        file.write(stereo_wav(1.0))
    await archive.journal(started(), stopped())
    sealer = Sealer(archive.database, store, archive.bus, archive.clock, "node-1")
    await sealer.step()
    await sealer.close()
    assert ((await archive.get()).state, (await archive.get()).seconds) == (RecordingState.SEALED, 1.0)
    with store.local_file(location()) as copy:
        assert copy.read_bytes() == stereo_wav(1.0)
    assert not copy.exists()
    assert list(store.list()) == [location()]
    store.delete(location())
