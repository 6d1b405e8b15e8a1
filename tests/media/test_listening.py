"""Real speech through the engine from every codec to every codec: what comes out is compared with what went in.

All 36 pairs talk at once, each direction of each. What is heard is decoded by FFmpeg, the judge that knows nothing of the engine, laid
on a time line by its timestamps, aligned with what was said, and compared in delay, level, band and similarity; without loss, and with
5 % of the packets lost on the way in.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import signal

from media.codec import Codec
from media.coding import encoder
from tests.media.phone import Heard, Phone, studio
from tests.support import audio

RATE = 16000
Sound = NDArray[np.float64]
_JUDGES = {Codec.PCMU: "pcm_mulaw", Codec.PCMA: "pcm_alaw", Codec.G722: "g722", Codec.OPUS: "libopus"}
PAIRS = list(itertools.product(Codec, repeat=2))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    text = "She sells sea shells by the sea shore. The quick brown fox jumps over sixteen lazy dogs."
    path = audio.make_speech(tmp_path_factory.mktemp("speech") / "speech.wav", text, sample_rate=RATE)
    return audio.load(path, sample_rate=RATE)[: 4 * RATE]


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


def compare(said: Sound, heard: Sound, one: Codec, other: Codec) -> Findings:
    wide = min(one.sample_rate, other.sample_rate) == RATE
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


async def heard_by_all(speech: Sound, loss: float) -> dict[tuple[Codec, Codec], Findings]:
    """Let all pairs talk at once."""
    dice = random.Random(2026)
    coded = {codec: packets_of(codec, speech) for codec in Codec}
    async with studio() as room, asyncio.TaskGroup() as group:
        tasks = {}
        legs = []
        for one, other in PAIRS:
            speaker, a = room.party(one)
            listener, b = room.party(other)
            room.engine.bridge(a, b)
            # An endpoint that is forgotten is closed.
            legs += [a, b]
            lost = frozenset(n for n in range(5, len(coded[one])) if dice.random() < loss)
            group.create_task(say(speaker, coded[one], lost))
            tasks[one, other] = group.create_task(listener.listen(len(speech) / RATE + 0.6))
        await asyncio.gather(*tasks.values())
        return {
            (one, other): compare(speech, judged(other, task.result()), one, other)
            for (one, other), task in tasks.items()
        }


def told(findings: dict[tuple[Codec, Codec], Findings], wrong: list[tuple[Codec, Codec]]) -> str:
    return "\n".join(f"{one} to {other}: {findings[one, other]}" for one, other in wrong)


@pytest.mark.parametrize(("loss", "likeness"), [(0.0, 0.95), (0.05, 0.85)])
async def test_speech_comes_out_as_it_went_in(speech: Sound, loss: float, likeness: float) -> None:
    findings = await heard_by_all(speech, loss)
    # The delay is what the buffer took when all began at once on a busy machine: it holds late packets, and shrinks later.
    wrong = [
        pair
        for pair, found in findings.items()
        # Opus keeps the sound of a voice more than the course of its wave.
        if not (
            -0.02 < found.delay < 0.4
            and abs(found.level) < 2.5
            and found.similarity > likeness - (0.1 if Codec.OPUS in pair else 0)
        )
    ]
    assert not wrong, told(findings, wrong)
    # Sound above the old telephone's band goes through where both legs can carry it, and is not made up where one cannot.
    wide = {pair: min(codec.sample_rate for codec in pair) == RATE for pair in PAIRS}
    wrong = [pair for pair, found in findings.items() if (found.upper < -6 if wide[pair] else found.upper > -15)]
    assert not wrong, told(findings, wrong)
