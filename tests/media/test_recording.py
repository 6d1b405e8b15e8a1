"""Stereo recordings: who speaks when and on which side, without a gap across transfers, silence kept in real time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.codec import DECODED_CODECS
from media.engine import Codec, Recording, RecordingClosed, RecordingFailed
from media.errors import RecordingFileError
from media.recording_file import repair
from tests.media.phone import PATIENCE, Phone, Samples, Studio, loudness, pitch, studio, tone


async def closed(room: Studio, recording: Recording) -> tuple[Samples, Samples]:
    """Close a recording and read its two sides."""
    recording.close()
    await room.told_of(RecordingClosed(recording.id))
    samples, rate = soundfile.read(recording.path, dtype="int16")
    assert rate == 8000
    assert len(samples) / 8000 == pytest.approx(recording.seconds)
    assert not [event for event in room.events if isinstance(event, RecordingFailed)]
    return samples[:, 0], samples[:, 1]


def voice_at(side: Samples, hertz: float) -> tuple[float, float]:
    """From when to when a pitch is heard on one side, in seconds."""
    window = 400
    heard = []
    for start in range(0, len(side) - window + 1, 80):
        part = side[start : start + window]
        if loudness(part) > 1000 and pitch(part) == pytest.approx(hertz, abs=40):
            heard.append(start / 8000)
    assert heard, f"{hertz} Hz is not heard"
    return heard[0], heard[-1] + window / 8000


@pytest.mark.parametrize("codec", DECODED_CODECS)
async def test_customers_are_left_and_agents_right(tmp_path: Path, codec: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(codec)
        boris, b = room.party()
        room.engine.bridge(a, b)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        recording.attach(b, 1)
        await asyncio.gather(anna.speak(tone(440, 1.5)), boris.speak(tone(1000, 1.5)))
        left, right = await closed(room, recording)
        assert pitch(left[1600:9600]) == pytest.approx(440, abs=3)
        assert pitch(right[1600:9600]) == pytest.approx(1000, abs=3)
        assert loudness(left[1600:9600]) == pytest.approx(loudness(tone(440, 1)), rel=0.05)
        assert left.min() < -9000


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.G722, Codec.OPUS])
async def test_a_recording_of_16_khz_takes_every_codec(tmp_path: Path, codec: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(codec)
        recording = room.engine.create_recording(tmp_path / "call.wav", sample_rate=16000)
        recording.attach(a, 0)
        await anna.speak(tone(1000, 1.5))
        recording.close()
        await room.event(RecordingClosed)
        samples, rate = soundfile.read(recording.path, dtype="int16")
        assert rate == 16000
        assert len(samples) / rate == pytest.approx(recording.seconds, abs=0.01)
        assert repair(recording.path).sample_rate == 16000
        assert pitch(samples[4000:20000, 0]) * 2 == pytest.approx(1000, abs=3)
        assert loudness(samples[4000:20000, 0]) == pytest.approx(loudness(tone(1000, 1)), rel=0.1)


async def test_a_change_of_codec_stays_in_one_file_without_a_gap(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party(Codec.PCMU)
        recording = room.engine.create_recording(tmp_path / "call.wav", sample_rate=16000)
        recording.attach(a, 0)
        for codec in (Codec.PCMU, Codec.G722, Codec.OPUS, Codec.PCMA):
            phone = Phone(codec)
            phone.remote = anna.remote
            room.phones.append(phone)
            a.configure(remote=phone.address, codec=codec)
            await phone.speak(tone(1000, 0.8))
        recording.close()
        await room.event(RecordingClosed)
        samples, _ = soundfile.read(recording.path, dtype="int16")
        left = samples[:, 0]
        levels = [loudness(left[at : at + 640]) for at in range(3200, 16000 * 3, 640)]
        assert sum(level < 2000 for level in levels) <= 3
        assert pitch(left[3200:48000]) * 2 == pytest.approx(1000, abs=3)


async def test_lost_packets_of_a_wideband_party_are_hidden_in_its_recording(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party(Codec.G722)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        voice = tone(400, 1.2)
        for number in range(60):
            anna.frame(voice[number * 160 : number * 160 + 160])
            if number % 10 == 5:
                anna.sequence += 1
                anna.timestamp += 160
            await asyncio.sleep(0.02)
        left, _ = await closed(room, recording)
        assert min(loudness(left[at : at + 160]) for at in range(1600, 8000, 160)) > 1500


async def test_a_gap_that_began_in_a_stretch_which_is_written_already_is_hidden_from_where_the_next_one_begins(
    tmp_path: Path,
) -> None:
    async with studio() as room:
        anna, a = room.party(Codec.G722)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        # Stretches are a second long: the end of every third one falls into the last 40 ms of a gap of 100 ms.
        for number in range(0, 240, 6):
            anna.frame(tone(400, 1.0)[:160])
            anna.sequence += 5
            anna.timestamp += 800
            await asyncio.sleep(0.12 if number else 0.1)
        left, _ = await closed(room, recording)
        assert len(left) > 4.5 * 8000
        assert loudness(left) > 300


async def test_both_sides_stay_aligned_and_silence_keeps_its_time(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party(Codec.PCMA)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        recording.attach(b, 1)
        await anna.speak(tone(440, 0.6))
        await asyncio.sleep(0.8)
        anna.timestamp += 6400
        await asyncio.gather(anna.speak(tone(600, 0.6)), boris.speak(tone(1000, 0.6)))
        left, right = await closed(room, recording)
        first = voice_at(left, 440)
        second, other = voice_at(left, 600), voice_at(right, 1000)
        assert first[1] - first[0] == pytest.approx(0.6, abs=0.06)
        assert second[0] - first[1] == pytest.approx(0.8, abs=0.1)
        assert second[0] == pytest.approx(other[0], abs=0.06)
        assert loudness(left[int((first[1] + 0.05) * 8000) : int((second[0] - 0.05) * 8000)]) < 20


async def test_packets_out_of_order_lost_and_late_find_their_place(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        await asyncio.sleep(0.1)
        voice = tone(440, 1.0)
        frames = np.split(voice, 50)
        sequence, timestamp = anna.sequence, anna.timestamp
        arriving: dict[int, list[int]] = {10: [], 11: [], 12: [], 13: [13, 12, 11, 10], 30: [], 41: [], 42: [41, 42]}
        for turn in range(50):
            for index in arriving.get(turn, [turn]):
                anna.sequence, anna.timestamp = sequence + index, timestamp + 160 * index
                anna.frame(frames[index])
            await asyncio.sleep(0.02)
        left, _ = await closed(room, recording)
        start = int(np.argmax(np.abs(left) > 500))
        heard = left[start : start + 8000 - 160]
        expected = np.array(voice)
        expected[30 * 160 : 31 * 160] = 0
        onset = int(np.argmax(np.abs(expected) > 500))
        difference = np.abs(heard[: 7000 - onset].astype(int) - expected[onset:7000])
        assert difference.max() < 700


async def test_a_transfer_leaves_no_gap(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        clara, c = room.party(Codec.PCMA)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        recording.attach(b, 1)
        talking = asyncio.create_task(anna.speak(tone(440, 1.6)))
        await boris.speak(tone(800, 0.8))
        recording.detach(b)
        b.close()
        recording.attach(c, 1)
        await clara.speak(tone(1200, 0.8))
        await talking
        left, right = await closed(room, recording)
        before, after, customer = voice_at(right, 800), voice_at(right, 1200), voice_at(left, 440)
        assert after[0] - before[1] == pytest.approx(0, abs=0.08)
        assert customer[1] - customer[0] == pytest.approx(1.6, abs=0.08)
        inside = left[int((customer[0] + 0.06) * 8000) : int((customer[1] - 0.06) * 8000)]
        assert min(loudness(part) for part in np.array_split(inside, 40)) > 3000


async def test_two_agents_on_one_side_are_mixed(tmp_path: Path) -> None:
    async with studio() as room:
        boris, b = room.party()
        clara, c = room.party(Codec.PCMA)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(b, 1)
        recording.attach(c, 1)
        await asyncio.gather(boris.speak(tone(500, 1.0)), clara.speak(tone(1500, 1.0)))
        left, right = await closed(room, recording)
        spectrum = np.abs(np.fft.rfft(right[800:7200]))
        strongest = sorted(int(i) * 8000 / 6400 for i in np.argsort(spectrum)[-2:])
        assert strongest == pytest.approx([500, 1500], abs=3)
        assert loudness(left) == 0


async def test_loud_voices_that_meet_do_not_wrap_around(tmp_path: Path) -> None:
    async with studio() as room:
        boris, b = room.party()
        clara, c = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(b, 1)
        recording.attach(c, 1)
        loud = np.full(4000, 30000, dtype=np.int16)
        await asyncio.gather(boris.speak(loud), clara.speak(loud))
        _, right = await closed(room, recording)
        assert right.max() == 32767
        assert right.min() >= 0


async def test_a_pause_keeps_nothing_but_the_time(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        await anna.speak(tone(440, 0.6))
        recording.pause()
        await anna.speak(tone(900, 0.6))
        recording.resume()
        await anna.speak(tone(1400, 0.6))
        left, _ = await closed(room, recording)
        before, after = voice_at(left, 440), voice_at(left, 1400)
        assert after[0] - before[1] == pytest.approx(0.6, abs=0.1)
        assert loudness(left[int((before[1] + 0.03) * 8000) : int((after[0] - 0.03) * 8000)]) < 20


async def test_an_endpoint_that_is_attached_elsewhere_moves(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        first = room.engine.create_recording(tmp_path / "first.wav")
        second = room.engine.create_recording(tmp_path / "second.wav")
        first.attach(a, 0)
        await anna.speak(tone(440, 0.4))
        second.attach(a, 1)
        first.detach(a)
        await anna.speak(tone(900, 0.4))
        assert voice_at((await closed(room, first))[0], 440)[1] < 0.55
        assert voice_at((await closed(room, second))[1], 900)[0] > 0.3


async def test_the_file_is_playable_while_it_grows(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        async with asyncio.timeout(PATIENCE):
            while not recording.path.exists() or not recording.path.read_bytes().startswith(b"RIFF"):
                await asyncio.sleep(0.01)
        assert soundfile.info(recording.path).frames == 0
        await anna.speak(tone(440, 2.6))
        frames = soundfile.info(recording.path).frames
        assert 4000 < frames < 2.7 * 8000
        left, _ = await closed(room, recording)
        assert len(left) > frames


async def test_closing_the_engine_finishes_its_recordings(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        await anna.speak(tone(440, 0.5))
        room.engine.close()
        assert RecordingClosed(recording.id) in room.events
    samples, _ = soundfile.read(tmp_path / "call.wav", dtype="int16")
    assert pitch(samples[800:3200, 0]) == pytest.approx(440, abs=5)


async def test_mono_recordings_mix_everybody(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav", channels=1)
        recording.attach(a, 0)
        await anna.speak(tone(440, 0.4))
        recording.close()
        await room.event(RecordingClosed)
        samples, _ = soundfile.read(recording.path, dtype="int16")
        assert samples.ndim == 1
        assert voice_at(samples, 440)
        with pytest.raises(ValueError, match="channel"):
            recording.attach(a, 1)


async def test_a_recording_is_never_laid_over_another(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(b"precious")
    async with studio() as room:
        recording = room.engine.create_recording(path)
        (failed,) = await room.event(RecordingFailed)
        assert (failed.recording_id, failed.reason) == (recording.id, "File exists")
        recording.close()
        await room.event(RecordingClosed)
        with pytest.raises(RecordingFileError, match="48000"):
            room.engine.create_recording(tmp_path / "x.wav", sample_rate=48000)
    assert path.read_bytes() == b"precious"


async def test_a_recording_makes_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "2026" / "11" / "call.wav"
    async with studio() as room:
        recording = room.engine.create_recording(path)
        recording.close()
        await room.event(RecordingClosed)
    assert soundfile.info(path).channels == 2


async def test_a_folder_that_cannot_be_had_is_told_and_what_was_said_is_kept_once_it_can(tmp_path: Path) -> None:
    in_the_way = tmp_path / "recordings"
    in_the_way.write_bytes(b"")
    async with studio() as room:
        recording = room.engine.create_recording(in_the_way / "call.wav")
        (failed,) = await room.event(RecordingFailed)
        assert failed.reason == "Not a directory"
        in_the_way.unlink()
        recording.close()
        await room.event(RecordingClosed)
    assert soundfile.info(in_the_way / "call.wav").channels == 2


async def test_a_closed_recording_takes_no_more(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        await closed(room, recording)
        recording.close()
        recording.attach(a, 0)
        recording.pause()
        await anna.speak(tone(440, 0.1))
        assert recording.seconds < 5
        assert len(await room.event(RecordingClosed)) == 1
