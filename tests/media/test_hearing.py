"""The jitter buffer, concealment and comfort noise of one stream, with time injected."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.codec import DECODED_CODECS, Codec
from media.coding import Hearing, encoder
from tests.media.phone import tone
from tests.support import audio

Samples = NDArray[np.int16]


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = "The quick brown fox jumps over the lazy dog. Sixteen shy sailors sit silently on the shore, and one sings."
    return audio.make_speech(tmp_path_factory.mktemp("speech") / "speech.wav", text, sample_rate=16000)


@dataclass
class Sent:
    """A packet on its way."""

    at: float
    timestamp: int
    payload: bytes
    noise: bool = False


def stream(codec: Codec, samples: Samples, *, first_timestamp: int = 0xFFFF_FF00) -> list[Sent]:
    """The packets of samples at the codec's rate, 20 ms each."""
    machine = encoder(codec, sample_rate=codec.sample_rate)
    frame = machine.rate // 50
    return [
        Sent(
            0.02 * number,
            (first_timestamp + number * codec.clock_rate // 50) & 0xFFFF_FFFF,
            machine.encode(samples[at : at + frame].tobytes()),
        )
        for number, at in enumerate(range(0, len(samples) - frame + 1, frame))
    ]


def heard(
    codec: Codec, packets: Sequence[Sent], rate: int, *, delay: Callable[[], float] = lambda: 0.0, seconds: float = 0.0
) -> tuple[Samples, Hearing]:
    """Deliver packets after their delays to a listener who takes a frame each 20 ms, until `seconds` are over."""
    hearing = Hearing(rate)
    arrivals = sorted(
        ((packet.at + delay(), number) for number, packet in enumerate(packets)), key=lambda item: item[0]
    )
    frames = []
    waiting = iter([*arrivals, (1e9, -1)])
    due, number = next(waiting)
    end = seconds or packets[-1].at + 0.5
    for tick in range(round((end - 0.005) / 0.02)):
        now = 0.005 + 0.02 * tick
        while due <= now:
            packet = packets[number]
            if packet.noise:
                hearing.noise(packet.timestamp, packet.payload, due, 1)
            else:
                hearing.packet(codec.number, packet.timestamp, packet.payload, due, 1)
            due, number = next(waiting)
        frames.append(np.frombuffer(hearing.frame(), np.int16))
    return np.concatenate(frames), hearing


def said(speech: Path, rate: int) -> Samples:
    return np.asarray(audio.load(speech, sample_rate=rate) * 32767, dtype=np.int16)


@pytest.mark.parametrize("codec", DECODED_CODECS)
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_every_codec_is_heard_at_every_rate(speech: Path, codec: Codec, rate: int) -> None:
    sound, hearing = heard(codec, stream(codec, said(speech, codec.sample_rate)), rate)
    lower = min(rate, codec.sample_rate)
    wanted, got = said(speech, rate) / 32768, sound / 32768
    assert audio.similarity(wanted, got, sample_rate=rate, window_seconds=0.1) > (0.85 if lower < rate else 0.9)
    assert audio.level_dbfs(got) == pytest.approx(audio.level_dbfs(wanted), abs=1.5)
    assert hearing.delay_ms <= 45


def test_without_loss_and_jitter_nothing_is_made_up(speech: Path) -> None:
    sound, hearing = heard(Codec.PCMU, stream(Codec.PCMU, said(speech, 8000)), 8000, seconds=3.0)
    assert (hearing.concealed_ms, hearing.removed_ms, hearing.late_packets) == (0, 0, 0)
    assert audio.offset_of(said(speech, 8000)[:16000] / 32768, sound / 32768) < 0.04


@pytest.mark.parametrize(
    ("codec", "likeness"),
    [(Codec.PCMU, 0.85), (Codec.PCMA, 0.85), (Codec.G722, 0.85), (Codec.OPUS, 0.85), (Codec.L16_WIDE, 0.85)],
)
def test_speech_with_five_percent_loss_stays_the_same_speech(speech: Path, codec: Codec, likeness: float) -> None:
    dice = random.Random(7)
    packets = [packet for packet in stream(codec, said(speech, codec.sample_rate)) if dice.random() > 0.05]
    sound, _ = heard(codec, packets, 8000)
    wanted = said(speech, 8000) / 32768
    assert audio.similarity(wanted, sound / 32768) > likeness
    assert audio.level_dbfs(sound / 32768) == pytest.approx(audio.level_dbfs(wanted), abs=1.5)


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA, Codec.G722, Codec.L16_WIDE])
def test_a_lost_packet_of_a_tone_goes_unheard(codec: Codec) -> None:
    samples = np.repeat(tone(200, 2.0), codec.sample_rate // 8000)
    packets = stream(codec, samples)
    del packets[50]
    sound, hearing = heard(codec, packets, 8000, seconds=2.0)
    pieces = [float(np.sqrt(np.mean(sound[at : at + 160].astype(float) ** 2))) for at in range(4000, 14000, 160)]
    assert min(pieces) > 0.8 * max(pieces)
    assert hearing.concealed_ms == 20


def test_lost_opus_packets_are_recovered_from_those_behind_them(speech: Path) -> None:
    packets = stream(Codec.OPUS, np.tile(said(speech, 16000), 2))
    kept = [packet for number, packet in enumerate(packets) if number % 20 != 19]
    _, hearing = heard(Codec.OPUS, kept, 16000, seconds=kept[-1].at)
    assert hearing.concealed_ms <= 40
    assert hearing.delay_ms < 70


def test_a_long_loss_fades_to_silence_and_speech_comes_back(speech: Path) -> None:
    packets = stream(Codec.PCMU, tone(300, 3.0))
    sound, hearing = heard(Codec.PCMU, packets[:50] + packets[65:], 8000, seconds=3.0)
    loudness = [
        float(np.sqrt(np.mean(sound[at : at + 160].astype(float) ** 2))) for at in range(0, len(sound) - 160, 160)
    ]
    quiet = [number for number, level in enumerate(loudness[10:140]) if level < 20]
    assert 5 <= len(quiet) <= 14
    assert loudness[100] > 5000
    assert 200 <= hearing.concealed_ms <= 320


def test_the_buffer_grows_with_jitter_and_shrinks_when_it_is_over(speech: Path) -> None:
    dice = random.Random(5)
    samples = np.tile(said(speech, 8000), 6)[: 8000 * 30]
    packets = stream(Codec.PCMU, samples)
    rough = packets[50 * 4 : 50 * 10]
    waits = {packet.timestamp: dice.uniform(0, 0.08) for packet in rough}
    order = iter(packets)
    delays: list[int] = []
    hearing = Hearing(8000)
    arrivals = sorted(
        (packet.at + waits.get(packet.timestamp, 0.0), packet.timestamp, packet.payload) for packet in order
    )
    at = 0
    for tick in range(50 * 30):
        now = 0.005 + 0.02 * tick
        while at < len(arrivals) and arrivals[at][0] <= now:
            hearing.packet(0, arrivals[at][1], arrivals[at][2], arrivals[at][0], 1)
            at += 1
        hearing.frame()
        delays.append(hearing.delay_ms)
    assert max(delays[50:190]) < 45
    assert 50 < max(delays[300:500]) < 160
    assert delays[-1] < 70
    assert hearing.removed_ms > 20


def test_jitter_within_the_buffer_is_not_heard(speech: Path) -> None:
    dice = random.Random(3)
    samples = np.tile(said(speech, 8000), 2)
    sound, hearing = heard(Codec.PCMU, stream(Codec.PCMU, samples), 8000, delay=lambda: dice.uniform(0, 0.05))
    assert audio.similarity(samples / 32768, sound / 32768) > 0.95
    assert hearing.late_packets < 10


@pytest.mark.parametrize("drift", [-300e-6, 300e-6])
def test_a_senders_clock_that_runs_off_is_followed(drift: float) -> None:
    packets = stream(Codec.PCMU, tone(440, 60.0))
    for packet in packets:
        packet.at *= 1 + drift
    _, hearing = heard(Codec.PCMU, packets, 8000, seconds=59.0)
    assert hearing.delay_ms < 90
    assert hearing.concealed_ms < 120


def test_packets_out_of_order_and_twice_are_played_once_in_order(speech: Path) -> None:
    packets = stream(Codec.PCMU, said(speech, 8000))
    shuffled = [
        packet for pair in zip(packets[1::2], packets[::2], strict=False) for packet in (pair[0], pair[1], pair[1])
    ]
    for number, packet in enumerate(shuffled):
        packet.at = 0.02 * (number // 3 * 2 + 1)
    sound, _ = heard(Codec.PCMU, shuffled, 8000)
    assert audio.similarity(said(speech, 8000) / 32768, sound / 32768) > 0.95


def test_comfort_noise_fills_a_pause_with_its_level() -> None:
    packets = stream(Codec.PCMU, tone(440, 1.0))
    resumed = stream(Codec.PCMU, tone(440, 1.0), first_timestamp=(packets[0].timestamp + 8000 * 3) & 0xFFFF_FFFF)
    for packet in resumed:
        packet.at += 3.0
    end = (packets[-1].timestamp + 160) & 0xFFFF_FFFF
    pause = [Sent(1.0, end, bytes([50, 140, 120]), noise=True)]
    sound, hearing = heard(Codec.PCMU, [*packets, *pause, *resumed], 8000, seconds=4.0)
    noise = sound[8000 + 1600 : 8000 * 3 - 400] / 32768
    assert audio.level_dbfs(noise) == pytest.approx(-50, abs=1.5)
    assert audio.level_dbfs(sound[8000 * 3 + 1600 : 8000 * 4 - 800] / 32768) > -20
    assert hearing.concealed_ms <= 20


def test_a_party_that_stops_is_silent_and_heard_at_once_when_it_goes_on() -> None:
    hearing = Hearing(8000)
    packets = stream(Codec.PCMU, tone(440, 1.0))
    for packet in packets:
        hearing.packet(0, packet.timestamp, packet.payload, packet.at, 1)
        hearing.frame()
    for _ in range(20):
        hearing.frame()
    assert hearing.frame() == b""
    hearing.packet(0, packets[-1].timestamp + 8000 * 60, packets[0].payload, 61.0, 1)
    assert any(np.frombuffer(hearing.frame(), np.int16).any() for _ in range(4))


def test_a_change_of_codec_or_source_goes_on_in_the_same_sound() -> None:
    hearing = Hearing(16000)
    frames = []
    for number, (codec, source) in enumerate([(Codec.PCMU, 1), (Codec.G722, 1), (Codec.OPUS, 1), (Codec.OPUS, 2)]):
        samples = np.repeat(tone(440, 1.0), codec.sample_rate // 8000)
        for packet in stream(codec, samples, first_timestamp=12345 * number):
            hearing.packet(codec.number, packet.timestamp, packet.payload, packet.at + number, source)
            frames.append(hearing.frame())
    silent = sum(not np.frombuffer(frame, np.int16).any() for frame in frames)
    assert silent < 12


@pytest.mark.parametrize("codec", DECODED_CODECS)
def test_hostile_times_and_payloads_do_no_harm(codec: Codec) -> None:
    dice = random.Random(11)
    hearing = Hearing(16000)
    good = stream(codec, np.repeat(tone(440, 1.0), codec.sample_rate // 8000))
    for number in range(5000):
        kind = codec.number if dice.random() < 0.9 else dice.randrange(6)
        payload = dice.choice(good).payload if dice.random() < 0.5 else dice.randbytes(dice.randrange(1461))
        hearing.packet(
            kind, dice.choice([number * 160, dice.randrange(1 << 32)]), payload, number * 0.01, dice.randrange(3)
        )
        if dice.random() < 0.1:
            hearing.noise(dice.randrange(1 << 32), dice.randbytes(dice.randrange(40)), number * 0.01, 1)
        if dice.random() < 0.5:
            hearing.frame()
    for number, packet in enumerate(good):
        hearing.packet(codec.number, packet.timestamp, packet.payload, 100 + 0.02 * number, 9)
        frame = hearing.frame()
    assert audio.level_dbfs(np.frombuffer(frame, np.int16) / 32768) > -25
