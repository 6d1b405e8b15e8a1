"""A recording outlives its process, its disk and itself: kill -9, a full disk, a file that may grow no further."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.engine import RecordingClosed, RecordingFailed
from media.errors import RecordingFileError
from media.recording_file import repair
from tests.media.phone import Phone, loudness, pitch, studio, tone

HEADER = 44

RECORDER = """
import asyncio, sys
from pathlib import Path
from tests.media.phone import studio, tone

async def main():
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(Path(sys.argv[1]))
        recording.attach(a, 0)
        print("recording", flush=True)
        await anna.speak(tone(440, 60))

asyncio.run(main())
"""


def recorded_until_killed(path: Path, seconds: float) -> float:
    """Record in a process of its own and kill it without warning; returns how long it recorded, at least."""
    process = subprocess.Popen([sys.executable, "-c", RECORDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while "recording\n" not in process.stdout.readline():
        assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    return seconds


@pytest.mark.parametrize("seconds", [0.05, 3.5])
def test_a_killed_process_leaves_a_playable_file_up_to_the_last_seconds(tmp_path: Path, seconds: float) -> None:
    path = tmp_path / "call.wav"
    least = recorded_until_killed(path, seconds) - 1.5
    samples, _ = soundfile.read(path, dtype="int16")
    assert len(samples) / 8000 >= least
    repaired = repair(path)
    assert (repaired.channels, repaired.sample_rate) == (2, 8000)
    assert repaired.seconds >= len(samples) / 8000
    samples, _ = soundfile.read(path, dtype="int16")
    assert len(samples) / 8000 == repaired.seconds
    assert not repair(path).changed
    if seconds > 1:
        assert pitch(samples[2400:12000, 0]) == pytest.approx(440, abs=3)


def damaged(path: Path, data: bytes, *, promised: int, channels: int = 2) -> Path:
    """A file whose header promises other than it holds."""
    soundfile.write(path, np.zeros((promised, channels), dtype=np.int16), 8000)
    header = path.read_bytes()[:HEADER]
    path.write_bytes(header + data)
    return path


@pytest.mark.parametrize("promised", [0, 5, 100, 100000])
def test_repair_goes_by_what_is_there_and_cuts_half_a_frame(tmp_path: Path, promised: int) -> None:
    path = damaged(tmp_path / "call.wav", b"\x10\x20" * 200 + b"\x33\x44\x55", promised=promised)
    repaired = repair(path)
    assert repaired.seconds == 100 / 8000
    samples, _ = soundfile.read(path, dtype="int16")
    assert samples.shape == (100, 2)
    assert (samples == 0x2010).all()


@pytest.mark.parametrize("content", [b"", b"RIFF\0\0", bytes(HEADER)])
def test_a_file_that_ends_before_its_header_does_becomes_an_empty_recording(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    assert repair(path).seconds == 0
    assert soundfile.info(path).frames == 0


def test_a_header_that_was_never_written_is_made_for_the_samples_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(bytes(HEADER) + b"\x01\x02" * 8000)
    assert repair(path, channels=1).seconds == 1.0
    assert soundfile.info(path).channels == 1


@pytest.mark.parametrize("content", [b"ID3" + bytes(100), b"RIFF" + bytes(100)])
def test_what_is_no_recording_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.mp3"
    path.write_bytes(content)
    with pytest.raises(RecordingFileError, match="no recording"):
        repair(path)
    assert path.read_bytes() == content
    with pytest.raises(RecordingFileError, match="No such file"):
        repair(tmp_path / "missing.wav")


@pytest.fixture
def growth() -> Iterator[None]:
    """Give the process its right to let files grow back."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, ignored)


def limit_growth(size: int) -> None:
    """Let no file of this process grow beyond a size: the nearest to a full disk that needs no right."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))


async def speak_steps(phone: Phone, levels: int) -> None:
    """Speak a new pitch each second."""
    for step in range(levels):
        await phone.speak(tone(500 + 100 * step, 1.0))


@pytest.mark.usefixtures("growth")
async def test_a_short_trouble_of_the_disk_costs_nothing(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        limit_growth(20000)
        speaking = asyncio.create_task(speak_steps(anna, 4))
        assert await room.event(RecordingFailed) == [RecordingFailed(recording.id, "File too large", 0.0)]
        limit_growth(resource.RLIM_INFINITY)
        await speaking
        recording.close()
        await room.event(RecordingClosed)
        assert len(await room.event(RecordingFailed)) == 1
        left = soundfile.read(recording.path, dtype="int16")[0][:, 0]
        for step in range(4):
            assert pitch(left[8000 * step + 1600 : 8000 * step + 6400]) == pytest.approx(500 + 100 * step, abs=5)


@pytest.mark.usefixtures("growth")
async def test_a_disk_that_stays_full_costs_audio_but_neither_the_call_nor_what_was_written(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        speaking = asyncio.create_task(speak_steps(anna, 4))
        await asyncio.sleep(2.5)
        limit_growth(os.path.getsize(recording.path))
        await speaking
        recording.close()
        await room.told_of(RecordingClosed(recording.id))
        failures = [event for event in room.events if isinstance(event, RecordingFailed)]
        assert failures[-1].reason == "File too large"
        assert 1 < failures[-1].lost_seconds < 4
        written, _ = soundfile.read(recording.path, dtype="int16")
        assert len(written) / 8000 + failures[-1].lost_seconds == pytest.approx(recording.seconds, abs=0.05)
        assert pitch(written[1600:6400, 0]) == pytest.approx(500, abs=5)
        assert len(await boris.hear_many(200)) == 200


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 96 kB, which is three seconds of stereo."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


async def test_when_space_returns_the_recording_goes_on_with_its_times_true(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(60000))
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(small_disk / "call.wav")
        recording.attach(a, 0)
        speaking = asyncio.create_task(speak_steps(anna, 2))
        failed = (await room.event(RecordingFailed))[0]
        assert isinstance(failed, RecordingFailed)
        assert failed.reason == "No space left on device"
        ballast.unlink()
        await speaking
        recording.close()
        await room.told_of(RecordingClosed(recording.id))
        left = soundfile.read(recording.path, dtype="int16")[0][:, 0]
        assert pitch(left[1600:6400]) == pytest.approx(500, abs=5)
        assert pitch(left[9600:14400]) == pytest.approx(600, abs=5)
        assert loudness(left[1600:14400]) > 3000


@pytest.mark.usefixtures("growth")
async def test_what_a_long_trouble_cost_is_a_silent_hole_and_what_follows_stays_in_time(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        limit_growth(20000)
        await anna.speak(tone(500, 12.0))
        limit_growth(resource.RLIM_INFINITY)
        await anna.speak(tone(900, 1.5))
        recording.close()
        await room.told_of(RecordingClosed(recording.id))
        first, last = (event for event in room.events if isinstance(event, RecordingFailed))
        assert (first.lost_seconds, first.reason) == (0.0, "File too large")
        assert 1 < last.lost_seconds < 5
        left = soundfile.read(recording.path, dtype="int16")[0][:, 0]
        silent = sum(loudness(part) < 20 for part in np.split(left[: len(left) // 80 * 80], len(left) // 80)) / 100
        # Of the first stretch that is given up, a part may have been written.
        assert last.lost_seconds - 1 < silent < last.lost_seconds + 0.1
        assert pitch(left[int(12.3 * 8000) : int(13.2 * 8000)]) == pytest.approx(900, abs=5)
        assert pitch(left[int(10.5 * 8000) : int(11.5 * 8000)]) == pytest.approx(500, abs=5)
