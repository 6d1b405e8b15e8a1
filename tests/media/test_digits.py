"""Digits (RFC 4733): told once, relayed where they are wanted, and sent."""

from __future__ import annotations

import asyncio
import itertools
import struct

import numpy as np
import pytest

from media.engine import Codec, DigitReceived, PlaybackEnded
from media.errors import InvalidDigitError
from media.speech import speak
from tests.media.phone import TELEPHONE_EVENT, Heard, Phone, Samples, loudness, studio, tone

pytestmark = pytest.mark.usefixtures("on_each_backend")


def press(phone: Phone, code: int, *, steps: int = 5, ends: int = 3, lost: frozenset[int] = frozenset()) -> None:
    """Send a digit as a phone does; `lost` are packets, by their place, that the network drops."""
    timestamp = phone.timestamp
    packets = [(160 * (step + 1), False) for step in range(steps)] + [(160 * (steps + 1), True)] * ends
    for index, (duration, end) in enumerate(packets):
        phone.timestamp = timestamp
        payload = struct.pack("!BBH", code, 0x80 * end | 10, duration)
        if index in lost:
            phone.sequence += 1
        else:
            phone.send(payload, payload_type=TELEPHONE_EVENT, marker=index == 0, step=0)
    phone.timestamp = timestamp + 160 * (steps + 2)


def digits_of(packets: list[Heard]) -> dict[int, tuple[int, int]]:
    """By timestamp: the event and its last duration."""
    return {packet.timestamp: struct.unpack("!BxH", packet.payload) for packet in packets}


async def test_a_digit_is_told_once_with_its_duration() -> None:
    async with studio() as room:
        anna, a = room.party()
        for code in (1, 1, 11, 15):
            press(anna, code)
        told = await room.event(DigitReceived, 4)
        assert told == [DigitReceived(a.id, digit, 120) for digit in ("1", "1", "#", "D")]


async def test_every_loss_but_a_whole_digit_still_gives_one_digit() -> None:
    async with studio() as room:
        anna, _ = room.party()
        press(anna, 5, lost=frozenset({0}))
        press(anna, 6, lost=frozenset({5, 6}))
        press(anna, 7, lost=frozenset({5, 6, 7}))
        press(anna, 8, lost=frozenset({0, 1, 2, 3, 4}))
        press(anna, 9, ends=0)
        told = await room.event(DigitReceived, 5)
        assert [event.digit for event in told] == ["5", "6", "7", "8", "9"]


async def test_what_is_no_digit_is_not_told() -> None:
    async with studio() as room:
        anna, _ = room.party()
        press(anna, 16)
        anna.send(b"\x01", payload_type=TELEPHONE_EVENT)
        press(anna, 2)
        assert [event.digit for event in await room.event(DigitReceived)] == ["2"]


async def test_digits_are_relayed_under_the_peers_payload_type() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        b.configure(remote=boris.address, codec=Codec.PCMU, telephone_event=96)
        room.engine.bridge(a, b)
        press(anna, 3)
        heard = await boris.hear_many(8)
        assert {packet.payload_type for packet in heard} == {96}
        assert list(digits_of(heard).values()) == [(3, 960)]


async def test_digits_that_are_kept_back_leave_no_hole_in_the_stream() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        a.configure(remote=anna.address, telephone_event=TELEPHONE_EVENT, relay_digits=False)
        room.engine.bridge(a, b)
        anna.frame(tone(440, 0.02))
        press(anna, 10)
        anna.frame(tone(440, 0.02))
        first, second = await boris.hear_many(2)
        assert second.sequence == (first.sequence + 1) & 0xFFFF
        assert second.timestamp > first.timestamp
        assert [event.digit for event in await room.event(DigitReceived)] == ["*"]


async def test_a_peer_without_telephone_events_gets_none() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party(events=None)
        room.engine.bridge(a, b)
        press(anna, 4)
        anna.frame(tone(440, 0.02))
        assert (await boris.hear()).payload_type == 0


async def test_a_sent_digit_has_growing_durations_and_three_ends() -> None:
    async with studio() as room:
        anna, a = room.party()
        a.send_digit("5", 100)
        a.send_digit("a", 60)
        heard = await anna.hear_many(5 + 2 + 3 + 2)
        assert [packet.marker for packet in heard].count(True) == 2
        assert list(digits_of(heard).values()) == [(5, 800), (12, 480)]
        assert [packet.payload[1] >> 7 for packet in heard] == [0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1]
        assert [(b.sequence - a.sequence) & 0xFFFF for a, b in itertools.pairwise(heard)] == [1] * 11


async def test_the_engine_understands_the_digits_it_sends() -> None:
    async with studio() as room:
        one, two = room.engine.create_endpoint(), room.engine.create_endpoint()
        one.configure(remote=(two.address, two.port), telephone_event=TELEPHONE_EVENT)
        two.configure(remote=(one.address, one.port), telephone_event=TELEPHONE_EVENT)
        for digit in "0123456789*#":
            one.send_digit(digit, 60)
        told = await room.event(DigitReceived, 12)
        assert told == [DigitReceived(two.id, digit, 60) for digit in "0123456789*#"]
        assert not [event for event in room.events if isinstance(event, PlaybackEnded)]


@pytest.mark.parametrize("digit", ["", "12", "x", "é", "\0"])
async def test_what_is_no_digit_cannot_be_sent(digit: str) -> None:
    async with studio() as room:
        _, a = room.party()
        with pytest.raises(InvalidDigitError, match="not a digit"):
            a.send_digit(digit)


def keys_as_tones(keys: str, *, on: float = 0.08, off: float = 0.08, level: float = 0.2) -> Samples:
    """Keys as dual tones, by the frequencies of ITU-T Q.23."""
    rows, columns = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
    parts = []
    for key in keys:
        index = "123A456B789C*0#D".index(key)
        parts += [tone(rows[index // 4], on, level) + tone(columns[index % 4], on, level), tone(440, off, 0.0)]
    return np.concatenate(parts)


async def test_keys_in_the_voice_are_told_once_with_their_length_and_kept_from_the_peer() -> None:
    async with studio() as room:
        anna, a = room.party(events=None)
        boris, b = room.party()
        a.listen(digits=True)
        room.engine.bridge(a, b)
        listening = asyncio.create_task(boris.listen(2.8))
        await anna.speak(keys_as_tones("159D*0#") + tone(440, 1.12, 0.0))
        digits = await room.event(DigitReceived, 7)
        assert [event.digit for event in digits if isinstance(event, DigitReceived)] == list("159D*0#")
        assert all(60 <= event.duration_ms <= 110 for event in digits if isinstance(event, DigitReceived))
        heard = boris.samples(await listening)
        loud = sum(loudness(heard[start : start + 160]) > 1000 for start in range(0, len(heard), 160))
        assert loud <= 2 * 7


async def test_speech_is_not_taken_for_keys() -> None:
    sentence = "Seven, eight and nine: please hold the line, our colleagues will be with you in a moment or two."
    sound = np.concatenate([speak(sentence, "en"), speak("Nove, oito, sete. Aguarde um momento, por favor.", "pt-BR")])
    speech = np.asarray(sound * 32767, dtype=np.int16)
    async with studio() as room:
        anna, a = room.party(events=None)
        a.listen(digits=True)
        for start in range(0, len(speech) - 159, 160):
            anna.frame(speech[start : start + 160])
            if start % 16000 == 0:
                await asyncio.sleep(0.05)
        anna.frame(tone(440, 0.02, 0.0))
        await asyncio.sleep(0.2)
        assert a.statistics().packets_received > 400
        assert not [event for event in room.events if isinstance(event, DigitReceived)]


async def test_a_party_without_telephone_events_is_sent_digits_as_tones() -> None:
    async with studio() as room:
        one, two = room.engine.create_endpoint(), room.engine.create_endpoint()
        one.configure(remote=(two.address, two.port))
        two.configure(remote=(one.address, one.port))
        two.listen(digits=True)
        for digit in "0123456789*#ABCD":
            one.send_digit(digit, 80)
        told = await room.event(DigitReceived, 16)
        assert [event.digit for event in told if isinstance(event, DigitReceived)] == list("0123456789*#ABCD")


async def test_what_a_line_sends_as_tones_reaches_a_phone_as_events_when_it_is_passed_on() -> None:
    async with studio() as room:
        anna, a = room.party(events=None)
        boris, b = room.party()
        a.listen(digits=True)
        room.engine.bridge(a, b)
        await anna.speak(np.concatenate([keys_as_tones("7", on=0.2), tone(440, 0.3, 0.0)]))
        (digit,) = await room.event(DigitReceived)
        assert isinstance(digit, DigitReceived)
        b.send_digit(digit.digit, digit.duration_ms)
        events = [packet for packet in await boris.listen(0.6) if packet.payload_type == TELEPHONE_EVENT]
        ((event, samples),) = digits_of(events).values()
        assert event == 7
        assert 1400 <= samples <= 1700
