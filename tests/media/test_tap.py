"""Taps: what a party says, read in Python while the call goes on; who reads too slowly loses sound, and nobody else anything."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.codec import DECODED_CODECS
from media.engine import Codec, MediaTimeout, Tap
from media.errors import InvalidEndpointError
from tests.media.phone import PATIENCE, loudness, pitch, studio, tone


async def gathered(tap: Tap, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Read until so much sound has come."""
    sound = bytearray()
    async with asyncio.timeout(PATIENCE):
        while len(sound) < seconds * tap.sample_rate * 2:
            sound += tap.read()
            await asyncio.sleep(0.02)
    return np.frombuffer(sound, np.int16)


@pytest.mark.parametrize("codec", DECODED_CODECS)
@pytest.mark.parametrize("rate", [8000, 16000])
async def test_what_a_party_says_is_read_while_its_peer_hears_it(
    codec: Codec, rate: int, on_each_backend: None
) -> None:
    async with studio() as room:
        anna, a = room.party(codec)
        boris, b = room.party(codec)
        room.engine.bridge(a, b)
        tap = a.tap(sample_rate=rate, seconds=5)
        speaking = asyncio.create_task(anna.speak(tone(700, 1.5)))
        sound = await gathered(tap, 1.4)
        heard = await boris.hear_many(30)
        await speaking
    voiced = sound[int(0.6 * rate) :][: rate // 2]
    assert abs(pitch(voiced) * rate / 8000 - 700) < 10
    assert abs(pitch(boris.samples(heard)[2400:]) - 700) < 10
    assert tap.lost_seconds == 0


async def test_only_the_party_itself_is_in_its_tap_and_silence_takes_its_time() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        tap = a.tap(sample_rate=8000)
        loop = asyncio.get_running_loop()
        began = loop.time()
        speaking = asyncio.create_task(boris.speak(tone(900, 1)))
        sound = await gathered(tap, 0.8)
        assert loop.time() - began > 0.7
        assert loudness(sound) < 20
        await speaking
        await anna.hear_many(20)


async def test_a_slow_reader_loses_sound_and_the_call_nothing() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        tap = a.tap(sample_rate=8000, seconds=0.25)
        speaking = asyncio.create_task(anna.speak(tone(700, 1.5)))
        heard = await boris.hear_many(75)
        await speaking
        assert [one.sequence - heard[0].sequence & 0xFFFF for one in heard] == list(range(75))
        async with asyncio.timeout(PATIENCE):
            while tap.lost_seconds < 0.8:
                await asyncio.sleep(0.02)
        # What had room is the oldest, and all of it; then there is room again.
        assert 0.22 <= len(tap.read()) / 16000 <= 0.52
        before = tap.lost_seconds
        assert len(await gathered(tap, 0.2)) >= 1600
        assert tap.lost_seconds == before


async def test_a_tap_in_a_conference_hears_one_party_alone() -> None:
    async with studio() as room:
        mixer = room.engine.create_mixer()
        voices = {}
        for hertz in (500, 900, 1300):
            phone, endpoint = room.party()
            mixer.add(endpoint)
            voices[hertz] = (phone, endpoint.tap(sample_rate=8000, seconds=3), endpoint)
        async with asyncio.TaskGroup() as group:
            for hertz, (phone, _tap, _endpoint) in voices.items():
                group.create_task(phone.speak(tone(hertz, 1.2)))
        for hertz, (_phone, tap, _endpoint) in voices.items():
            sound = await gathered(tap, 1.0)
            assert abs(pitch(sound[3200:7200]) - hertz) < 10


async def test_a_tap_ends_with_its_endpoint_and_with_the_next_one() -> None:
    async with studio() as room:
        anna, a = room.party()
        first = a.tap()
        second = a.tap(sample_rate=8000)
        await anna.speak(tone(700, 0.3))
        assert first.ended
        pieces = asyncio.create_task(_all(second))
        await asyncio.sleep(0.3)
        a.close()
        sound = await asyncio.wait_for(pieces, PATIENCE)
        assert loudness(sound) > 1000
        assert second.ended
        second.close()
        second.close()
        assert not [event for event in room.events if isinstance(event, MediaTimeout)]


async def _all(tap: Tap) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.frombuffer(b"".join([piece async for piece in tap.pieces()]), np.int16)


@pytest.mark.parametrize(("rate", "seconds"), [(44100, 1.0), (16000, 0.0), (16000, 1e9), (8000, float("nan"))])
async def test_a_tap_that_cannot_be_is_refused(rate: int, seconds: float) -> None:
    async with studio() as room:
        _, a = room.party()
        with pytest.raises(InvalidEndpointError):
            a.tap(sample_rate=rate, seconds=seconds)
