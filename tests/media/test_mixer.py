"""A mixer: everybody hears everybody but themselves, as the matrix of gains says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from media.engine import Codec, Endpoint, Mixer, SpeakerChanged
from media.errors import InvalidGainError
from tests.media.phone import Phone, Samples, Studio, loudness, studio, tone
from tests.media.test_playing import write

VOICES = (440.0, 700.0, 1100.0, 1500.0)


def level(samples: Samples, hertz: float) -> float:
    """How loud a frequency (a multiple of 20 Hz) is in samples, as the amplitude of a sine: the mean of pieces of 50 ms."""
    pieces = samples[: len(samples) // 400 * 400].reshape(-1, 400)
    wave = np.exp(-2j * np.pi * hertz * np.arange(400) / 8000)
    return float(np.mean(2 * np.abs(pieces @ wave) / 400))


def parties(room: Studio, count: int) -> tuple[list[Phone], list[Endpoint], Mixer]:
    """Phones of both laws in one mixer."""
    mixer = room.engine.create_mixer()
    phones, endpoints = [], []
    for number in range(count):
        phone, endpoint = room.party(Codec.PCMA if number % 2 else Codec.PCMU)
        mixer.add(endpoint)
        phones.append(phone)
        endpoints.append(endpoint)
    return phones, endpoints, mixer


async def all_speak(phones: list[Phone], seconds: float = 1.2) -> list[Samples]:
    """Let each phone speak its tone, and return what each heard in the last half of it."""
    ears = asyncio.gather(*(phone.listen(seconds) for phone in phones))
    await asyncio.gather(
        *(phone.speak(tone(hertz, seconds, 0.2)) for phone, hertz in zip(phones, VOICES, strict=False))
    )
    heard = await ears
    return [phone.samples(packets)[-round(seconds * 4000) :] for phone, packets in zip(phones, heard, strict=True)]


async def test_each_hears_all_the_others_and_not_itself(on_each_backend: None) -> None:
    del on_each_backend
    async with studio() as room:
        phones, _endpoints, _mixer = parties(room, 3)
        for own, heard in enumerate(await all_speak(phones)):
            for other in range(3):
                amplitude = level(heard, VOICES[other])
                if other == own:
                    assert amplitude < 300
                else:
                    assert amplitude == pytest.approx(32767 * 0.2, rel=0.2)


async def test_a_party_hears_one_stream_through_mixer_and_bridge() -> None:
    async with studio() as room:
        phones, endpoints, mixer = parties(room, 2)
        await all_speak(phones, 0.4)
        mixer.close()
        room.engine.bridge(*endpoints)
        await asyncio.sleep(0.05)
        await phones[0].listen(0.1)
        phones[1].frame(tone(440, 0.02))
        relayed = await phones[0].hear()
        mixer = room.engine.create_mixer()
        for endpoint in endpoints:
            mixer.add(endpoint)
        mixed = await phones[0].hear()
        assert relayed.ssrc == mixed.ssrc
        assert mixed.sequence - relayed.sequence & 0xFFFF == 1
        assert 0 < (mixed.timestamp - relayed.timestamp & 0xFFFFFFFF) < 8000


async def test_whispering_is_heard_by_one_only_and_listening_by_none() -> None:
    async with studio() as room:
        phones, (customer, agent, supervisor), mixer = parties(room, 3)
        mixer.set_gain(supervisor, customer, 0.0)
        heard = await all_speak(phones)
        assert level(heard[0], VOICES[2]) < 300
        assert level(heard[1], VOICES[2]) > 3000
        mixer.set_gain(supervisor, agent, 0.0)
        heard = await all_speak(phones)
        assert level(heard[1], VOICES[2]) < 300
        assert min(level(heard[2], VOICES[0]), level(heard[2], VOICES[1])) > 3000
        assert min(level(heard[0], VOICES[1]), level(heard[1], VOICES[0])) > 3000
        mixer.set_gain(supervisor, customer, 1.0)
        mixer.set_gain(supervisor, agent, 0.5)
        heard = await all_speak(phones)
        assert level(heard[0], VOICES[2]) > 3000
        assert level(heard[1], VOICES[2]) == pytest.approx(32767 * 0.1, rel=0.25)


async def test_the_muted_are_heard_by_nobody_until_they_are_let_speak_again() -> None:
    async with studio() as room:
        phones, endpoints, mixer = parties(room, 3)
        mixer.mute(endpoints[0])
        heard = await all_speak(phones)
        assert max(level(heard[1], VOICES[0]), level(heard[2], VOICES[0])) < 300
        mixer.mute(endpoints[0], muted=False)
        heard = await all_speak(phones)
        assert min(level(heard[1], VOICES[0]), level(heard[2], VOICES[0])) > 3000


async def test_loud_voices_are_clipped_and_do_not_wrap_around() -> None:
    async with studio() as room:
        phones, _endpoints, _mixer = parties(room, 3)
        speaking = asyncio.gather(*(phone.speak(tone(440, 1.2, 0.95)) for phone in phones[:2]))
        heard = phones[2].samples(await phones[2].listen(1.2))[-4000:]
        await speaking
        # A sine that is cut off is nearly a square, whose fundamental is larger than itself; one that wraps around loses it.
        assert level(heard, 440) > 0.95 * 32767


async def test_the_one_who_speaks_is_told(tmp_path: Path) -> None:
    del tmp_path
    async with studio() as room:
        phones, endpoints, mixer = parties(room, 3)
        for speaker in (0, 2):
            saying = [
                phone.speak(tone(440, 1.0, 0.3 if index == speaker else 0.0)) for index, phone in enumerate(phones)
            ]
            await asyncio.gather(*saying)
        events = await room.event(SpeakerChanged, 2)
        assert events == [SpeakerChanged(mixer.id, endpoints[0].id), SpeakerChanged(mixer.id, endpoints[2].id)]


async def test_a_sound_for_all_is_heard_beside_the_voices(tmp_path: Path) -> None:
    async with studio() as room:
        phones, _endpoints, mixer = parties(room, 3)
        mixer.play(write(tmp_path / "chime.wav", tone(2500, 3.0, 0.2)))
        heard = await all_speak(phones)
        assert min(level(samples, 2500) for samples in heard) > 2000
        assert level(heard[0], VOICES[1]) > 2000


async def test_a_party_that_leaves_hears_nothing_and_is_heard_no_more() -> None:
    async with studio() as room:
        phones, endpoints, mixer = parties(room, 3)
        await all_speak(phones, 0.3)
        mixer.remove(endpoints[2])
        mixer.remove(endpoints[2])
        endpoints[1].close()
        await asyncio.sleep(0.1)
        await asyncio.gather(*(phone.listen(0.05) for phone in phones))
        for phone in phones:
            phone.frame(tone(440, 0.02))
        assert not await phones[2].listen(0.2)
        assert loudness(phones[0].samples(await phones[0].listen(0.3))) < 50
        mixer.close()
        mixer.close()
        mixer.add(endpoints[0])


async def test_voices_that_come_unevenly_are_heard_evenly() -> None:
    async with studio() as room:
        phones, _endpoints, _mixer = parties(room, 2)

        async def stutter() -> None:
            voice = tone(440, 3.0, 0.3)
            for start in range(0, len(voice), 640):
                for part in range(start, min(start + 640, len(voice)), 160):
                    phones[0].frame(voice[part : part + 160])
                await asyncio.sleep(0.08)

        speaking = asyncio.create_task(stutter())
        heard = phones[1].samples(await phones[1].listen(2.8))
        await speaking
        late = heard[len(heard) // 2 :]
        frames = late[: len(late) // 160 * 160].reshape(-1, 160)
        quiet = sum(loudness(frame) < 1000 for frame in frames)
        assert quiet <= 4


async def test_a_gain_has_to_be_possible() -> None:
    async with studio() as room:
        _phones, endpoints, mixer = parties(room, 2)
        with pytest.raises(InvalidGainError):
            mixer.set_gain(endpoints[0], endpoints[1], float("nan"))
        with pytest.raises(InvalidGainError):
            mixer.set_gain(endpoints[0], endpoints[1], 9.0)
