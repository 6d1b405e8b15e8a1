"""Recordings as they are asked for: listed, played by ranges, verified, deleted."""

import asyncio
import shutil
from datetime import timedelta

import pytest

from recordings.errors import (
    AudioMissingError,
    RangeNotSatisfiableError,
    RecordingInputError,
    RecordingNotFoundError,
    StoreUnavailableError,
)
from recordings.ranges import byte_range
from recordings.service import Audio
from recordings.values import RecordingState
from tests.recordings.conftest import IDS, START, Archive, started, stereo_wav, stopped


async def read(archive: Archive, audio: Audio, *span: int) -> bytes:
    return b"".join([block async for block in archive.service.read(audio, *span)])


async def test_recordings_are_listed_from_the_newest_in_pages(archive: Archive) -> None:
    for number in range(5):
        await archive.journal(started(number, at=START + timedelta(hours=number)))
    await archive.journal(stopped(4))
    async with archive.database.reading() as session:
        first = await archive.service.list(session, limit=2)
        second = await archive.service.list(session, limit=2, cursor=first.next_cursor)
        third = await archive.service.list(session, limit=2, cursor=second.next_cursor)
        sealing = await archive.service.list(session, state="sealing")
        of_call = await archive.service.of_call(session, "call-2")
        in_between = await archive.service.list(
            session, since=START + timedelta(hours=1), until=START + timedelta(hours=3)
        )
    listed = [recording.id for page in (first, second, third) for recording in page.items]
    assert listed == list(reversed(IDS[:5]))
    assert third.next_cursor is None
    assert [recording.id for recording in sealing.items] == [IDS[4]]
    assert [recording.id for recording in of_call] == [IDS[2]]
    assert [recording.id for recording in in_between.items] == [IDS[2], IDS[1]]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1000}, {"cursor": "'; --"}, {"state": "lost"}])
async def test_a_wrong_page_is_refused(archive: Archive, wrong: dict[str, object]) -> None:
    async with archive.database.reading() as session:
        with pytest.raises(RecordingInputError):
            await archive.service.list(session, **wrong)  # type: ignore[arg-type]


async def test_a_recording_is_played_whole_and_in_pieces(archive: Archive) -> None:
    content = stereo_wav(4.0)
    await archive.recorded(content)
    await archive.sealer.step()
    audio = await archive.service.audio(IDS[0])
    assert (audio.size, audio.media_type) == (len(content), "audio/wav")
    assert audio.etag == f'"{(await archive.get()).sha256}"'
    assert audio.file_name == "2026-03-02_09-00-00_call-0.wav"
    assert await read(archive, audio) == content
    assert await read(archive, audio, 100, 70_000) == content[100:70_100]
    assert await read(archive, audio, len(content) - 10) == content[-10:]
    assert await read(archive, audio, len(content) - 10, 500) == content[-10:]


async def test_a_player_that_goes_away_leaves_no_file_open(archive: Archive) -> None:
    await archive.recorded(stereo_wav(8.0))
    audio = await archive.service.audio(IDS[0])
    blocks = archive.service.read(audio)
    await anext(blocks)
    await blocks.aclose()


async def test_a_recording_can_be_heard_while_the_call_goes_on(archive: Archive) -> None:
    archive.put(stereo_wav(1.0))
    await archive.journal(started())
    audio = await archive.service.audio(IDS[0])
    assert audio.etag == ""
    assert len(await read(archive, audio)) == audio.size


async def test_a_file_that_is_gone_is_told_before_anything_is_sent(archive: Archive) -> None:
    path = await archive.recorded()
    await archive.sealer.step()
    audio = await archive.service.audio(IDS[0])
    path.unlink()
    with pytest.raises(AudioMissingError):
        await read(archive, audio)
    with pytest.raises(AudioMissingError):
        await archive.service.audio(IDS[0])


async def test_a_file_cut_off_while_it_is_read_is_an_error(archive: Archive) -> None:
    path = await archive.recorded()
    audio = await archive.service.audio(IDS[0])
    path.write_bytes(b"RIFF")
    with pytest.raises(AudioMissingError, match="shorter"):
        await read(archive, audio)


async def test_an_unknown_recording_is_not_found(archive: Archive) -> None:
    for unknown in ("", "../etc", "x" * 1000, IDS[9]):
        with pytest.raises(RecordingNotFoundError):
            await archive.service.audio(unknown)


async def test_a_changed_file_does_not_pass_for_the_sealed_one(archive: Archive) -> None:
    path = await archive.recorded()
    with pytest.raises(RecordingNotFoundError, match="not sealed"):
        await archive.service.verify(IDS[0])
    await archive.sealer.step()
    assert await archive.service.verify(IDS[0])
    path.write_bytes(stereo_wav(2.0, left=0.1))
    assert not await archive.service.verify(IDS[0])


async def test_a_deleted_recording_leaves_nothing(archive: Archive) -> None:
    path = await archive.recorded()
    with pytest.raises(RecordingInputError, match="not sealed"):
        await archive.service.delete(IDS[0])
    await archive.sealer.step()
    await archive.service.delete(IDS[0])
    assert not path.exists()
    with pytest.raises(RecordingNotFoundError):
        await archive.get()
    async with archive.database.reading() as session:
        with pytest.raises(RecordingNotFoundError):
            await archive.service.waveform(session, IDS[0])


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-", (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("Bytes=10-19", (10, 10)),
        ("bytes=990-5000", (990, 10)),
        ("bytes=-10", (990, 10)),
        ("bytes=-5000", (0, 1000)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("items=0-1", None),
        ("bytes=" + "9" * 40 + "-", None),
    ],
)
def test_a_range_is_read_as_the_rfc_says(header: str | None, span: tuple[int, int] | None) -> None:
    assert byte_range(header, 1000) == span


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_cannot_be_satisfied(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError) as raised:
        byte_range(header, 1000)
    assert raised.value.size == 1000
    assert raised.value.http_status == 416


async def test_a_stray_file_and_a_lost_one_are_found(archive: Archive) -> None:
    await archive.inspection.begin()
    lost = await archive.recorded(number=0)
    await archive.recorded(number=1)
    await archive.sealer.step()
    content = lost.read_bytes()
    lost.unlink()
    stray = archive.put(stereo_wav(1.0), 7)
    findings = await archive.inspection.run()
    assert findings.gone == (IDS[0],)
    assert [name.endswith(stray.name) for name in findings.strays] == [True]
    assert (await archive.get(0)).state is RecordingState.MISSING
    assert (await archive.get(1)).state is RecordingState.SEALED
    lost.write_bytes(content)
    assert (await archive.inspection.run()).returned == (IDS[0],)
    await archive.sealer.step()
    assert (await archive.get(0)).state is RecordingState.SEALED


async def test_a_lost_file_that_comes_back_changed_is_not_sealed(archive: Archive) -> None:
    path = await archive.recorded()
    await archive.sealer.step()
    path.unlink()
    await archive.inspection.run()
    path.write_bytes(stereo_wav(1.0))
    await archive.inspection.run()
    await archive.sealer.step()
    recording = await archive.get()
    assert recording.state is RecordingState.FAILED
    assert "changed" in recording.failure


async def test_a_server_without_its_recordings_starts_and_marks_nothing(archive: Archive) -> None:
    await archive.recorded()
    await archive.sealer.step()
    shutil.rmtree(archive.folder)
    archive.folder.mkdir()
    caught_up = asyncio.Event()

    async def catch_up() -> None:
        caught_up.set()

    await archive.inspection.start(catch_up)
    await caught_up.wait()
    with pytest.raises(StoreUnavailableError, match="not at"):
        await archive.inspection.run()
    assert (await archive.get()).state is RecordingState.SEALED
