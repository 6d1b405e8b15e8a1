"""Real speech through the engine from every codec to every codec: what comes out is compared with what went in.

All 36 pairs talk at once, each direction of each: relayed or translated and recorded meanwhile, between encrypted legs, and in
conferences. What is heard is decoded by FFmpeg, the judge that knows nothing of the engine, laid on a time line by its timestamps,
aligned with what was said, and compared in delay, level, band and similarity; without loss, and with 5 % of the packets lost on the way
in. What was recorded is compared alike. Browsers are listened to in tests/interop/test_browser_calls.py.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from media.codec import DECODED_CODECS, Codec
from media.coding import encoder
from media.engine import Endpoint, Recording, RecordingClosed
from media.srtp import SrtpProfile
from tests.media.phone import Heard, Phone, Studio, studio
from tests.media.secure_phone import secure_party
from tests.support import audio

RATE = 16000
Sound = NDArray[np.float64]
_JUDGES = {Codec.PCMU: "pcm_mulaw", Codec.PCMA: "pcm_alaw", Codec.G722: "g722", Codec.OPUS: "libopus"}
PAIRS = list(itertools.product(DECODED_CODECS, repeat=2))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    text = "She sells sea shells by the sea shore. The quick brown fox jumps over sixteen lazy dogs."
    path = audio.make_speech(tmp_path_factory.mktemp("speech") / "speech.wav", text, sample_rate=RATE)
    return audio.load(path, sample_rate=RATE)[: 4 * RATE]


class Way(enum.Enum):
    """How two legs are joined."""

    BRIDGE = enum.auto()
    ENCRYPTED = enum.auto()
    CONFERENCE = enum.auto()


@dataclass
class Findings:
    """How what was heard compares with what was said."""

    delay: float
    """Seconds."""
    level: float
    """Decibels more than what was said had, both from 300 to 3400 Hz."""
    upper: float
    """The same from 4.5 to 7 kHz."""
    similarity: float


def packets_of(codec: Codec, sound: Sound) -> list[bytes]:
    machine = encoder(codec, sample_rate=codec.sample_rate)
    samples = sound if codec.sample_rate == RATE else signal.resample_poly(sound, 1, 2)
    coded = np.asarray(np.clip(samples, -1, 1) * 32767, dtype=np.int16)
    frame = machine.rate // 50
    return [machine.encode(coded[at : at + frame].tobytes()) for at in range(0, len(coded) - frame + 1, frame)]


async def say(phone: Phone, packets: list[bytes], lost: frozenset[int]) -> None:
    """Send packets at the pace of speech, but for the lost ones."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    step = phone.codec.clock_rate // 50
    for number, payload in enumerate(packets):
        if number in lost:
            phone.sequence += 1
            phone.timestamp += step
        else:
            phone.send(payload, step=step)
        due += 0.02
        await asyncio.sleep(max(0.0, due - loop.time()))


def judged(codec: Codec, heard: list[Heard]) -> Sound:
    """Decode what was heard, and lay it out by its timestamps at 16 kHz; what did not come is silence."""
    context: Any = None
    if codec in _JUDGES:
        context = av.AudioCodecContext.create(_JUDGES[codec], "r")
        context.sample_rate, context.layout = (48000 if codec is Codec.OPUS else codec.sample_rate), "mono"
    rate = 48000 if codec is Codec.OPUS else codec.sample_rate
    first = heard[0].timestamp
    line = np.zeros((heard[-1].timestamp - first & 0xFFFFFFFF) * rate // codec.clock_rate + rate)
    for packet in heard:
        at = (packet.timestamp - first & 0xFFFFFFFF) * rate // codec.clock_rate
        if context is None:
            samples = np.frombuffer(packet.payload, ">i2") / 32768
        else:
            frames = [frame.to_ndarray() for frame in context.decode(av.Packet(packet.payload))]
            samples = np.concatenate([frame.reshape(-1) for frame in frames])
            samples = samples / 32768 if samples.dtype == np.int16 else samples
        line[at : at + len(samples)] = samples[: len(line) - at]
    return np.asarray(signal.resample_poly(line, RATE // 1000, rate // 1000), dtype=np.float64)


def band_db(sound: Sound, low: float, high: float) -> float:
    """Energy of a band in decibels."""
    spectrum = np.abs(np.fft.rfft(sound)) ** 2
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    return float(10 * np.log10(spectrum[(hertz > low) & (hertz < high)].sum() + 1e-12))


def compare(said: Sound, heard: Sound, one: Codec, other: Codec, *, wide: bool = True) -> Findings:
    wide = wide and min(one.sample_rate, other.sample_rate) == RATE
    sections = signal.butter(8, 7000 if wide else 3400, fs=RATE, output="sos")
    said_in_band = np.asarray(signal.sosfiltfilt(sections, said))
    heard_in_band = np.asarray(signal.sosfiltfilt(sections, heard))
    delay = audio.offset_of(said_in_band, heard_in_band, sample_rate=RATE)
    start = max(0, round(delay * RATE))
    aligned = heard[start : start + len(said)]
    return Findings(
        delay,
        band_db(aligned, 300, 3400) - band_db(said[: len(aligned)], 300, 3400),
        band_db(aligned, 4500, 7000) - band_db(said[: len(aligned)], 4500, 7000),
        audio.similarity(said_in_band, heard_in_band, sample_rate=RATE, window_seconds=0.1),
    )


def join(room: Studio, way: Way, a: Endpoint, b: Endpoint) -> list[object]:
    """Let two hear each other; what has to be kept until the end is returned."""
    if way is not Way.CONFERENCE:
        room.engine.bridge(a, b)
        return [a, b]
    mixer = room.engine.create_mixer()
    mixer.add(a)
    mixer.add(b)
    return [a, b, mixer]


def party(room: Studio, way: Way, codec: Codec, number: int) -> tuple[Phone, Endpoint]:
    if way is Way.ENCRYPTED:
        return secure_party(room, list(SrtpProfile)[number % 3], codec)
    return room.party(codec)


async def heard_by_all(
    speech: Sound, loss: float, way: Way = Way.BRIDGE, folder: Path | None = None
) -> dict[tuple[Codec, Codec], Findings]:
    """Let all pairs talk at once; where there is a folder, record what is said into a file for each pair."""
    dice = random.Random(2026)
    coded = {codec: packets_of(codec, speech) for codec in DECODED_CODECS}
    async with studio() as room, asyncio.TaskGroup() as group:
        tasks = {}
        kept: list[object] = []
        recordings: list[Recording] = []
        for number, (one, other) in enumerate(PAIRS):
            speaker, a = party(room, way, one, number)
            listener, b = party(room, way, other, number + 1)
            # An endpoint that is forgotten is closed.
            kept += join(room, way, a, b)
            if folder is not None:
                recordings.append(room.engine.create_recording(folder / f"{number}.wav", sample_rate=RATE))
                recordings[-1].attach(a, 0)
                recordings[-1].attach(b, 1)
            lost = frozenset(n for n in range(5, len(coded[one])) if dice.random() < loss)
            group.create_task(say(speaker, coded[one], lost))
            tasks[one, other] = group.create_task(listener.listen(len(speech) / RATE + 0.6))
        await asyncio.gather(*tasks.values())
        for recording in recordings:
            recording.close()
        await room.event(RecordingClosed, count=len(recordings))
        mixed = way is Way.CONFERENCE
        return {
            (one, other): compare(speech, judged(other, task.result()), one, other, wide=not mixed)
            for (one, other), task in tasks.items()
        }


def told(findings: dict[tuple[Codec, Codec], Findings], wrong: list[tuple[Codec, Codec]]) -> str:
    return "\n".join(f"{one} to {other}: {findings[one, other]}" for one, other in wrong)


WEATHER = [(0.0, 0.95), (0.05, 0.85)]
"""Share of packets that are lost, and how alike speech has to be all the same."""


def check(findings: dict[tuple[Codec, Codec], Findings], likeness: float, *, mixed: bool = False) -> None:
    """See that what was heard is what was said, with its band where both legs carry it.

    A mix has 8 kHz, and sounds before anybody speaks.
    """
    latest, louder = (1.0, 3.5) if mixed else (0.4, 2.5)
    # The delay is what the buffer took when all began at once on a busy machine: it holds late packets, and shrinks later.
    wrong = [
        pair
        for pair, found in findings.items()
        # Opus keeps the sound of a voice more than the course of its wave.
        if not (
            -0.02 < found.delay < latest
            and abs(found.level) < louder
            and found.similarity > likeness - (0.1 if Codec.OPUS in pair else 0)
        )
    ]
    assert not wrong, told(findings, wrong)
    # Sound above the old telephone's band goes through where both legs can carry it, and is not made up where one cannot.
    wide = {pair: not mixed and min(codec.sample_rate for codec in pair) == RATE for pair in PAIRS}
    wrong = [pair for pair, found in findings.items() if (found.upper < -6 if wide[pair] else found.upper > -15)]
    assert not wrong, told(findings, wrong)


@pytest.mark.parametrize(("loss", "likeness"), WEATHER)
async def test_speech_comes_out_as_it_went_in_and_is_recorded_so(
    speech: Sound, tmp_path: Path, loss: float, likeness: float
) -> None:
    check(await heard_by_all(speech, loss, folder=tmp_path), likeness)
    recorded = {
        (one, other): compare(speech, audio.load(tmp_path / f"{number}.wav", sample_rate=RATE), one, one)
        for number, (one, other) in enumerate(PAIRS)
    }
    wrong = [
        pair
        for pair, found in recorded.items()
        # A file keeps what was lost of G.711 as silence: it is not made up where it cannot be asked for.
        if not (-0.1 < found.delay < 0.6 and abs(found.level) < 2.5 and found.similarity > likeness - 0.1)
    ]
    assert not wrong, told(recorded, wrong)


@pytest.mark.parametrize(("loss", "likeness"), WEATHER)
async def test_speech_comes_out_of_encrypted_legs_as_it_went_in(speech: Sound, loss: float, likeness: float) -> None:
    check(await heard_by_all(speech, loss, Way.ENCRYPTED), likeness)


@pytest.mark.parametrize(("loss", "likeness"), WEATHER)
async def test_speech_comes_out_of_a_conference_as_it_went_in(speech: Sound, loss: float, likeness: float) -> None:
    check(await heard_by_all(speech, loss, Way.CONFERENCE), likeness, mixed=True)
