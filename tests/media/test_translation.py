"""Legs without a common codec understand each other: each pair, digits, changes in mid-call, and packets that never come."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from media.codec import DECODED_CODECS, Codec
from media.engine import DigitReceived, PlaybackEnded
from tests.media.phone import Phone, loudness, pitch, studio, tone

_TRANSLATED = [pair for pair in itertools.permutations(DECODED_CODECS, 2) if set(pair) != {Codec.PCMU, Codec.PCMA}]


@pytest.mark.parametrize(("one", "other"), _TRANSLATED)
async def test_what_one_says_is_heard_by_the_other_in_its_own_codec(one: Codec, other: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(one)
        boris, b = room.party(other)
        room.engine.bridge(a, b)
        speaking = asyncio.create_task(anna.speak(tone(700, 0.7)))
        heard = await boris.hear_many(28)
        await speaking
        assert {packet.payload_type for packet in heard} == {other.payload_type}
        assert len({packet.ssrc for packet in heard}) == 1
        assert set(np.diff([packet.sequence for packet in heard]) & 0xFFFF) == {1}
        steps = {later.timestamp - earlier.timestamp & 0xFFFFFFFF for earlier, later in itertools.pairwise(heard)}
        assert steps == {other.clock_rate // 50}
        samples = boris.samples(heard)[1600:]
        assert pitch(samples) == pytest.approx(700, abs=8)
        assert loudness(samples) == pytest.approx(loudness(tone(700, 1.0)), rel=0.2)


@pytest.mark.parametrize("packet_ms", [10, 40])
async def test_what_is_coded_anew_comes_in_packets_as_long_as_the_party_wants(packet_ms: int) -> None:
    async with studio() as room:
        anna, a = room.party(Codec.G722)
        boris, b = room.party(Codec.PCMA)
        b.pack(packet_ms)
        room.engine.bridge(a, b)
        speaking = asyncio.create_task(anna.speak(tone(700, 0.7)))
        heard = await boris.hear_many(560 // packet_ms)
        await speaking
        assert {len(packet.payload) for packet in heard} == {8 * packet_ms}
        assert set(np.diff([packet.sequence for packet in heard]) & 0xFFFF) == {1}
        steps = {later.timestamp - earlier.timestamp & 0xFFFFFFFF for earlier, later in itertools.pairwise(heard)}
        assert steps == {8 * packet_ms}
        assert pitch(boris.samples(heard)[1600:]) == pytest.approx(700, abs=8)


@pytest.mark.parametrize("packet_ms", [10, 60])
async def test_what_is_relayed_stays_as_long_as_it_comes(packet_ms: int) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        b.pack(packet_ms)
        room.engine.bridge(a, b)
        for number in range(5):
            anna.send(bytes([number]) * 160)
        assert [packet.payload for packet in await boris.hear_many(5)] == [bytes([number]) * 160 for number in range(5)]


@pytest.mark.parametrize("codec", [Codec.G722, Codec.OPUS, Codec.L16_WIDE])
async def test_legs_of_one_codec_are_relayed_untouched_with_their_clock(codec: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(codec)
        boris, b = room.party(codec)
        b.configure(remote=boris.address, codec=codec, payload_type=99)
        room.engine.bridge(a, b)
        step = codec.clock_rate // 50
        for number in range(10):
            anna.send(bytes([number]) * 80, step=step)
        heard = await boris.hear_many(10)
        assert [packet.payload for packet in heard] == [bytes([number]) * 80 for number in range(10)]
        assert {packet.payload_type for packet in heard} == {99}
        assert {later.timestamp - earlier.timestamp for earlier, later in itertools.pairwise(heard)} == {step}


async def hear_each_other(anna: Phone, boris: Phone, seconds: float = 0.5) -> bool:
    """Let both speak, each at a pitch of its own, and tell whether each hears the other's."""
    async with asyncio.TaskGroup() as group:
        to_boris = group.create_task(boris.listen(seconds))
        to_anna = group.create_task(anna.listen(seconds))
        group.create_task(anna.speak(tone(500, seconds)))
        group.create_task(boris.speak(tone(1200, seconds)))
    pitches = pitch(boris.samples(to_boris.result())[800:]), pitch(anna.samples(to_anna.result())[800:])
    return abs(pitches[0] - 500) < 8 and abs(pitches[1] - 1200) < 8


async def test_a_codec_changes_in_mid_call_and_back() -> None:
    async with studio() as room:
        anna, a = room.party(Codec.OPUS)
        boris, b = room.party(Codec.PCMA)
        room.engine.bridge(a, b)
        assert await hear_each_other(anna, boris)
        for codec in (Codec.PCMA, Codec.G722, Codec.OPUS):
            phone = Phone(codec)
            phone.remote = anna.remote
            room.phones.append(phone)
            a.configure(remote=phone.address, codec=codec, telephone_event=101)
            assert await hear_each_other(phone, boris)


async def test_a_peer_of_another_codec_takes_the_place_of_the_first() -> None:
    async with studio() as room:
        anna, a = room.party(Codec.OPUS)
        boris, b = room.party(Codec.PCMU)
        carla, c = room.party(Codec.G722)
        room.engine.bridge(a, b)
        assert await hear_each_other(anna, boris)
        room.engine.bridge(a, c)
        assert await hear_each_other(anna, carla)


async def test_a_party_that_falls_silent_leaves_silence_and_is_heard_again() -> None:
    async with studio() as room:
        anna, a = room.party(Codec.OPUS)
        boris, b = room.party(Codec.PCMU)
        room.engine.bridge(a, b)
        await anna.speak(tone(700, 0.4))
        await boris.listen(0.6)
        assert await boris.listen(0.3) == []
        speaking = asyncio.create_task(anna.speak(tone(700, 0.4)))
        heard = await boris.hear_many(15)
        await speaking
        assert heard[0].marker
        assert pitch(boris.samples(heard)[1000:]) == pytest.approx(700, abs=10)


async def test_a_prompt_takes_the_place_of_a_translated_voice_until_it_ends(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = room.party(Codec.G722)
        boris, b = room.party(Codec.OPUS)
        room.engine.bridge(a, b)
        soundfile.write(tmp_path / "prompt.wav", tone(1500, 0.4), 8000)
        speaking = asyncio.create_task(anna.speak(tone(500, 1.4)))
        await boris.hear_many(10)
        b.play(tmp_path / "prompt.wav")
        await boris.hear_many(4)
        assert pitch(boris.samples(await boris.hear_many(14))) == pytest.approx(1500, abs=20)
        await room.event(PlaybackEnded)
        await boris.hear_many(10)
        assert pitch(boris.samples(await boris.hear_many(10))) == pytest.approx(500, abs=20)
        await speaking


def event(digit: int, duration: int, *, end: bool) -> bytes:
    return bytes([digit, (0x80 if end else 0) | 10]) + duration.to_bytes(2, "big")


async def test_digits_keep_their_length_between_clocks() -> None:
    async with studio() as room:
        anna, a = room.party(Codec.OPUS)
        boris, b = room.party(Codec.PCMU)
        room.engine.bridge(a, b)
        for units in (960, 1920, 4800):
            anna.send(event(5, units, end=units == 4800), payload_type=101, step=0)
        assert await room.event(DigitReceived) == [DigitReceived(a.id, "5", 100)]
        heard = [packet for packet in await boris.listen(0.4) if packet.payload_type == 101]
        assert {packet.payload[0] for packet in heard} == {5}
        assert [int.from_bytes(packet.payload[2:], "big") for packet in heard if packet.payload[1] & 0x80] == [800] * 3


async def test_digits_to_an_opus_party_count_its_clock() -> None:
    async with studio() as room:
        boris, b = room.party(Codec.OPUS)
        b.send_digit("7", 100)
        heard = await boris.hear_many(7)
        assert [int.from_bytes(packet.payload[2:], "big") for packet in heard] == [
            960,
            1920,
            2880,
            3840,
            4800,
            4800,
            4800,
        ]
        assert {packet.timestamp for packet in heard} == {heard[0].timestamp}


@pytest.mark.parametrize("other", [Codec.PCMU, Codec.PCMA])
async def test_comfort_noise_is_passed_on_between_legs_that_are_relayed(other: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(Codec.PCMU)
        boris, b = room.party(other)
        room.engine.bridge(a, b)
        anna.frame(tone(440, 0.02))
        anna.send(bytes([40, 127]), payload_type=13)
        heard = await boris.hear_many(2)
        assert (heard[1].payload_type, heard[1].payload) == (13, bytes([40, 127]))


async def test_comfort_noise_is_made_for_a_leg_of_another_codec() -> None:
    async with studio() as room:
        anna, a = room.party(Codec.PCMU)
        boris, b = room.party(Codec.L16)
        room.engine.bridge(a, b)
        await anna.speak(tone(440, 0.2))
        anna.send(bytes([40]), payload_type=13)
        heard = boris.samples(await boris.hear_many(60))[-3200:]
        assert 20 * np.log10(loudness(heard) / 32768) == pytest.approx(-40, abs=2)
