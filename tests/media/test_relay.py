"""Two parties hear each other through the engine, and nobody else is heard."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from media.engine import Codec, FirstPacket
from tests.media.phone import Heard, Phone, Studio, pitch, studio, tone

pytestmark = pytest.mark.usefixtures("on_each_backend")


async def pump(room: Studio, speaker: Phone, listener: Phone, frames: int, hertz: float = 440.0) -> list[Heard]:
    """Let one speak to the other, packet by packet, and return what arrived."""
    del room
    voice = tone(hertz, frames * 0.02)
    heard = []
    for start in range(0, len(voice), 160):
        speaker.frame(voice[start : start + 160])
        heard.append(await listener.hear())
    return heard


def is_one_stream(heard: list[Heard]) -> bool:
    """Whether a receiver sees one source without a lost packet, with timestamps that only grow."""
    sequences = np.diff([packet.sequence for packet in heard]) & 0xFFFF
    timestamps = np.diff([packet.timestamp for packet in heard]) & 0xFFFFFFFF
    return (
        len({packet.ssrc for packet in heard}) == 1
        and bool((sequences == 1).all())
        and bool(((timestamps >= 160) & (timestamps < 0x10000)).all())
    )


async def test_each_hears_the_other() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        assert pitch(boris.samples(await pump(room, anna, boris, 50, 440))) == pytest.approx(440, abs=5)
        assert pitch(anna.samples(await pump(room, boris, anna, 50, 1000))) == pytest.approx(1000, abs=5)
        assert {event.endpoint_id for event in await room.event(FirstPacket, 2)} == {a.id, b.id}
        assert (a.statistics().packets_received, a.statistics().packets_sent) == (50, 50)


@pytest.mark.parametrize(("one", "other"), [(Codec.PCMU, Codec.PCMA), (Codec.PCMA, Codec.PCMU)])
async def test_legs_of_different_laws_understand_each_other(one: Codec, other: Codec) -> None:
    async with studio() as room:
        anna, a = room.party(one)
        boris, b = room.party(other)
        room.engine.bridge(a, b)
        heard = await pump(room, anna, boris, 50, 700)
        assert {packet.payload_type for packet in heard} == {other.payload_type}
        difference = boris.samples(heard).astype(int) - tone(700, 1.0)
        assert np.abs(difference).max() < 1000
        assert pitch(boris.samples(heard)) == pytest.approx(700, abs=5)


async def test_payload_is_untouched_between_legs_of_one_law() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        codes = bytes(range(160))
        anna.send(codes)
        assert (await boris.hear()).payload == codes


async def test_a_dynamic_payload_type_is_mapped() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        b.configure(remote=boris.address, codec=Codec.PCMU, payload_type=96)
        room.engine.bridge(a, b)
        anna.frame(tone(440, 0.02))
        assert (await boris.hear()).payload_type == 96


async def test_a_third_source_never_reaches_the_other_leg() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        intruder = Phone()
        room.phones.append(intruder)
        intruder.call(a)
        room.engine.bridge(a, b)
        anna.frame(tone(440, 0.02))
        await boris.hear()
        for _ in range(30):
            intruder.send(b"\x00" * 160)
        anna.send(b"\x11" * 160)
        heard = await boris.hear()
        assert heard.payload == b"\x11" * 160
        assert a.statistics().packets_rejected == 30


async def test_a_phone_behind_nat_is_found_by_its_packets_and_answered_there() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        a.configure(remote=("127.0.0.1", 9), codec=Codec.PCMU)
        room.engine.bridge(a, b)
        for number in range(10):
            anna.send(bytes([number]) * 160)
        heard = await boris.hear_many(7)
        assert [packet.payload[0] for packet in heard] == list(range(3, 10))
        boris.send(b"\x55" * 160)
        assert (await anna.hear()).payload == b"\x55" * 160


async def test_packets_out_of_order_do_not_pass_probation() -> None:
    async with studio() as room:
        anna, a = room.party()
        _, b = room.party()
        a.configure(remote=("127.0.0.1", 9), codec=Codec.PCMU)
        room.engine.bridge(a, b)
        for _ in range(20):
            anna.send(b"\x00" * 160)
            anna.sequence += 1
        anna.remote = (b.address, b.port)
        while a.statistics().packets_rejected < 20:
            await asyncio.sleep(0.01)
        assert a.statistics().packets_received == 0


async def test_the_signalled_address_takes_its_leg_back_from_an_intruder() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        intruder = Phone()
        room.phones.append(intruder)
        intruder.call(a)
        room.engine.bridge(a, b)
        for _ in range(4):
            intruder.send(b"\x00" * 160)
        assert (await boris.hear()).payload[0] == 0
        anna.send(b"\x11" * 160)
        assert (await boris.hear()).payload[0] == 0x11
        intruder.send(b"\x00" * 160)
        anna.send(b"\x12" * 160)
        assert (await boris.hear()).payload[0] == 0x12


async def test_without_latching_only_the_signalled_address_is_heard() -> None:
    async with studio() as room:
        anna, a = room.party()
        _, b = room.party()
        a.configure(remote=("127.0.0.1", 9), codec=Codec.PCMU, latching=False)
        room.engine.bridge(a, b)
        for _ in range(20):
            anna.send(b"\x00" * 160)
        while a.statistics().packets_rejected < 20:
            await asyncio.sleep(0.01)
        assert a.statistics().packets_received == 0


async def test_a_receiver_sees_one_stream_whoever_speaks_to_it() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party(Codec.PCMA)
        clara, c = room.party()
        room.engine.bridge(a, b)
        heard = await pump(room, anna, boris, 20)
        room.engine.bridge(c, b)
        heard += await pump(room, clara, boris, 20)
        room.engine.bridge(a, b)
        heard += await pump(room, anna, boris, 20)
        anna.ssrc, anna.sequence, anna.timestamp = 77, 30000, 5
        heard += await pump(room, anna, boris, 20)
        assert is_one_stream(heard)
        assert [index for index, packet in enumerate(heard) if packet.marker] == [0, 20, 40, 60]


async def test_loss_on_the_way_in_stays_visible_on_the_way_out() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        heard = await pump(room, anna, boris, 10)
        anna.sequence += 5
        anna.timestamp += 5 * 160
        heard += await pump(room, anna, boris, 10)
        gaps = np.diff([packet.sequence for packet in heard]) & 0xFFFF
        assert sorted(gaps)[-2:] == [1, 6]
        statistics = a.statistics()
        assert statistics.packets_lost == 5
        assert statistics.loss == pytest.approx(0.2)
        assert statistics.mos < 3.5


async def test_a_late_packet_of_the_bridge_before_is_dropped() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        await pump(room, anna, boris, 5)
        room.engine.unbridge(a)
        room.engine.bridge(a, b)
        anna.send(b"\x01" * 160)
        assert (await boris.hear()).payload[0] == 1
        anna.sequence -= 3
        anna.send(b"\x02" * 160)
        anna.sequence += 2
        anna.send(b"\x03" * 160)
        assert (await boris.hear()).payload[0] == 3


async def test_hold_lets_nothing_through_in_the_directions_it_names() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        await pump(room, anna, boris, 3)
        b.configure(remote=boris.address, codec=Codec.PCMU, send=False, receive=False)
        for _ in range(5):
            anna.send(b"\x01" * 160)
            boris.send(b"\x02" * 160)
        while a.statistics().packets_received < 8:
            await asyncio.sleep(0.01)
        b.configure(remote=boris.address, codec=Codec.PCMU)
        anna.send(b"\x03" * 160)
        assert (await boris.hear()).payload[0] == 3
        boris.send(b"\x04" * 160)
        assert (await anna.hear()).payload[0] == 4


async def test_header_extensions_and_padding_are_taken_off() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        header = bytes([0x80 | 0x20 | 0x10 | 1, 0, 0, 1]) + bytes(8) + bytes(4)
        extension = bytes([0xBE, 0xDE, 0, 1]) + bytes(4)
        anna.rtp.sendto(header + extension + b"\x42" * 160 + b"\x00\x00\x03", anna.remote)
        assert (await boris.hear()).payload == b"\x42" * 160


@pytest.mark.parametrize(
    "datagram",
    [
        b"\x80",
        b"\x00" * 172,
        b"\x8f" + b"\x00" * 20,
        b"\x90" + b"\x00" * 11 + b"\xbe\xde\xff\xff",
        b"\xa0" + b"\x00" * 11 + b"\xff",
        b"\xa0" + b"\x00" * 171,
        b"\x80\xc8" + b"\x00" * 6,
        b"\x81\xc9\x00\xff" + b"\x00" * 40,
    ],
)
async def test_a_malformed_datagram_is_dropped(datagram: bytes) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        anna.rtp.sendto(datagram, anna.remote)
        anna.send(b"\x07" * 160)
        assert (await boris.hear()).payload == b"\x07" * 160


async def test_a_stranger_at_another_host_is_never_heard_not_even_before_the_party() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        stranger, mover = Phone(ssrc=0x666, host="127.0.0.9"), Phone(ssrc=0x777, host="127.0.0.5")
        room.phones.extend([stranger, mover])
        a.configure(remote=anna.address, codec=Codec.PCMU, beside="127.0.0.5")
        room.engine.bridge(a, b)
        stranger.call(a)
        for _ in range(60):
            stranger.send(b"\x13" * 160)
        boris.send(b"\x55" * 160)
        assert not await stranger.listen(0.1)
        mover.call(a)
        for _ in range(5):
            mover.send(b"\x22" * 160)
        assert (await boris.hear()).payload == b"\x22" * 160
        assert a.statistics().packets_received <= 2
        boris.send(b"\x56" * 160)
        assert (await mover.hear()).payload == b"\x56" * 160


async def test_what_is_injected_never_reaches_the_other_leg_once_the_party_was_heard() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        intruders = [Phone(ssrc=anna.ssrc), Phone(ssrc=0x666)]
        room.phones.extend(intruders)
        anna.send(b"\x77" * 160)
        heard = [await boris.hear()]
        for _ in range(60):
            for intruder in intruders:
                intruder.call(a)
                # With a sequence of its own, and with what it saw of the stream it wants to break into.
                intruder.sequence = anna.sequence if intruder.ssrc == anna.ssrc else intruder.sequence
                intruder.send(b"\x13" * 160)
                intruder.rtp.sendto(b"\x80\x00" + b"\x13" * 170, (b.address, b.port))
            anna.send(b"\x77" * 160)
            heard.append(await boris.hear())
        assert {packet.payload for packet in heard} == {b"\x77" * 160}
        assert is_one_stream(heard)
        anna.close()
        for intruder in intruders:
            for _ in range(3):
                intruder.send(b"\x13" * 160)
        assert not await boris.listen(0.2)
        assert not await intruders[0].listen(0.1)


async def test_a_port_that_is_flooded_takes_a_thousand_packets_a_second_and_the_others_work() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        clara, c = room.party()
        dora, d = room.party()
        room.engine.bridge(a, b)
        room.engine.bridge(c, d)
        for _ in range(60):
            for _ in range(50):
                anna.send(b"\x11" * 160)
            clara.send(b"\x22" * 160)
            assert (await dora.hear()).payload == b"\x22" * 160
        figures = a.statistics()
        assert figures.packets_rejected > 0
        assert figures.packets_received + figures.packets_rejected <= 3000
        assert figures.packets_received >= 500
        assert boris.address != anna.address
