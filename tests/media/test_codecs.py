"""Each codec alone: against FFmpeg as an independent judge, at its limits, and with rubbish."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from media.codec import DECODED_CODECS, Codec
from media.coding import decoder, encoder
from tests.media.phone import decode_g711
from tests.support import audio

Samples = NDArray[np.int16]
_REFERENCES = {Codec.PCMU: "pcm_mulaw", Codec.PCMA: "pcm_alaw", Codec.G722: "g722", Codec.OPUS: "libopus"}


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = "The quick brown fox jumps over the lazy dog. Sixteen shy sailors sit silently on the shore."
    return audio.make_speech(tmp_path_factory.mktemp("speech") / "speech.wav", text, sample_rate=16000)


def said(speech: Path, rate: int) -> Samples:
    samples = audio.load(speech, sample_rate=rate)
    return np.asarray(np.clip(samples, -1, 1) * 32767, dtype=np.int16)


def encoded(codec: Codec, samples: Samples, rate: int) -> list[bytes]:
    """Encode samples frame by frame."""
    machine = encoder(codec, sample_rate=rate)
    frame = machine.rate // 50
    return [machine.encode(samples[at : at + frame].tobytes()) for at in range(0, len(samples) // frame * frame, frame)]


def decoded(codec: Codec, packets: list[bytes], rate: int) -> Samples:
    machine = decoder(codec, sample_rate=rate)
    return np.frombuffer(b"".join([machine.decode(packet) for packet in packets]), dtype=np.int16)


def reference(codec: Codec, mode: Literal["r", "w"]) -> av.AudioCodecContext:
    """Return FFmpeg's decoder or encoder."""
    context = av.AudioCodecContext.create(_REFERENCES[codec], mode)
    assert isinstance(context, av.AudioCodecContext)
    return context


def reference_decoded(codec: Codec, packets: list[bytes], rate: int) -> Samples:
    """Decode with FFmpeg."""
    context = reference(codec, "r")
    context.sample_rate = 48000 if codec is Codec.OPUS else codec.sample_rate
    context.layout = "mono"
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    parts = []
    for payload in packets:
        packet = av.Packet(payload)
        for frame in context.decode(packet):
            parts += [out.to_ndarray().reshape(-1) for out in resampler.resample(frame)]
    parts += [out.to_ndarray().reshape(-1) for out in resampler.resample(None)]
    return np.concatenate(parts)


def reference_encoded(codec: Codec, samples: Samples, rate: int) -> list[bytes]:
    """Encode with FFmpeg, 20 ms a packet."""
    context = reference(codec, "w")
    context.sample_rate, context.layout, context.format = rate, "mono", "s16"
    context.time_base = Fraction(1, rate)
    packets = []
    size = rate // 50
    for at in range(0, len(samples) // size * size, size):
        frame = av.AudioFrame.from_ndarray(samples[at : at + size].reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, at
        packets += [bytes(packet) for packet in context.encode(frame)]
    return packets + [bytes(packet) for packet in context.encode(None)]


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA, Codec.G722])
def test_what_others_encode_is_decoded_to_the_bit_as_the_reference_does(speech: Path, codec: Codec) -> None:
    packets = reference_encoded(codec, said(speech, codec.sample_rate), codec.sample_rate)
    ours = decoded(codec, packets, codec.sample_rate)
    theirs = reference_decoded(codec, packets, codec.sample_rate)
    assert len(ours) > codec.sample_rate
    np.testing.assert_array_equal(ours, theirs)


def test_what_we_encode_as_g722_is_what_the_reference_encodes(speech: Path) -> None:
    samples = said(speech, 16000)
    ours, theirs = (
        b"".join(coded)
        for coded in (encoded(Codec.G722, samples, 16000), reference_encoded(Codec.G722, samples, 16000))
    )
    lengths = min(len(ours), len(theirs))
    back = [
        audio.similarity(
            samples / 32768, reference_decoded(Codec.G722, [coded[:lengths]], 16000) / 32768, sample_rate=16000
        )
        for coded in (ours, theirs)
    ]
    assert back[0] > 0.98
    assert back[0] > back[1] - 0.005


def test_what_we_encode_as_opus_is_understood_by_the_reference(speech: Path) -> None:
    samples = said(speech, 16000)
    heard = reference_decoded(Codec.OPUS, encoded(Codec.OPUS, samples, 16000), 16000)
    assert audio.similarity(samples / 32768, heard / 32768, sample_rate=16000, window_seconds=0.1) > 0.9


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_opus_is_decoded_at_each_rate(speech: Path, rate: int) -> None:
    packets = reference_encoded(Codec.OPUS, said(speech, 16000), 16000)
    heard = decoded(Codec.OPUS, packets, rate)
    wanted = said(speech, rate)
    assert len(heard) == len(packets) * rate // 50
    assert audio.similarity(wanted / 32768, heard / 32768, sample_rate=rate, window_seconds=0.1) > 0.9


@pytest.mark.parametrize("codec", [Codec.L16, Codec.L16_WIDE])
def test_linear_samples_go_through_unchanged_in_network_order(speech: Path, codec: Codec) -> None:
    samples = said(speech, codec.sample_rate)
    packets = encoded(codec, samples, 48000)
    assert packets[10] == samples[10 * len(packets[0]) // 2 :][: len(packets[0]) // 2].astype(">i2").tobytes()
    np.testing.assert_array_equal(decoded(codec, packets, 8000), samples[: len(packets) * codec.sample_rate // 50])


@pytest.mark.parametrize("codec", [Codec.PCMU, Codec.PCMA])
def test_all_256_codes_of_g711_have_the_values_of_the_recommendation(codec: Codec) -> None:
    codes = bytes(range(256))
    np.testing.assert_array_equal(decoded(codec, [codes], 8000), decode_g711(codes, codec))


@pytest.mark.parametrize("codec", DECODED_CODECS)
def test_loud_and_abrupt_sound_stays_within_bounds(codec: Codec) -> None:
    rate = codec.sample_rate
    square = np.where(np.arange(rate) // (rate // 200) % 2, 32767, -32768).astype(np.int16)
    heard = decoded(codec, encoded(codec, square, rate), rate)
    assert audio.level_dbfs(heard / 32768) == pytest.approx(0, abs=5)


@pytest.mark.parametrize("codec", DECODED_CODECS)
def test_rubbish_is_decoded_to_something_or_nothing(codec: Codec) -> None:
    dice = random.Random(4)
    machine = decoder(codec)
    for _ in range(2000):
        payload = dice.randbytes(dice.choice([0, 1, 2, 3, 20, 160, 161, 1200, 1460, 5000]))
        assert len(machine.decode(payload)) <= 2 * machine.rate * 120 // 1000
        machine.recover(payload, machine.rate // 50)
        machine.conceal(machine.rate // 50)


@pytest.mark.parametrize("codec", DECODED_CODECS)
def test_a_packet_longer_than_120_ms_is_refused(codec: Codec) -> None:
    one = encoded(codec, np.zeros(codec.sample_rate // 50, np.int16), codec.sample_rate)[0]
    assert decoder(codec).decode(one * 7) == b"" if codec is not Codec.OPUS else True
    assert decoder(codec).decode(one) != b""


def test_a_lost_opus_packet_is_recovered_from_the_next_one(speech: Path) -> None:
    packets = encoded(Codec.OPUS, said(speech, 16000), 16000)
    whole = decoded(Codec.OPUS, packets, 16000).astype(float)
    recovering, guessing = decoder(Codec.OPUS), decoder(Codec.OPUS)
    errors = np.zeros(2)
    for number, packet in enumerate(packets[:-1]):
        lost = number % 10 == 9
        ways = (
            recovering.recover(packets[number + 1], 320) if lost else recovering.decode(packet),
            guessing.conceal(320) if lost else guessing.decode(packet),
        )
        wanted = whole[number * 320 : number * 320 + 320]
        if lost:
            errors += [np.sum((np.frombuffer(way, np.int16) - wanted) ** 2) for way in ways]
    assert errors[0] < 0.5 * errors[1]
