"""RTCP (RFC 3550): what we report, what we learn, and whom we believe."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from media.engine import Endpoint, MediaTimeout
from media.quality import EndpointStatistics, estimate_mos
from tests.media.phone import Heard, Phone, studio, tone

NTP_EPOCH = 2_208_988_800
_REPORT_PATIENCE = 15.0


async def report_to(phone: Phone) -> bytes:
    """Wait for a report on the phone's RTCP port."""
    loop = asyncio.get_running_loop()
    data, _ = await asyncio.wait_for(loop.sock_recvfrom(phone.rtcp, 2048), _REPORT_PATIENCE)
    return data


def receiver_report(
    about: int, *, lost: int = 0, jitter: int = 0, last: int = 0, delay: int = 0, ssrc: int = 9
) -> bytes:
    """An RR with one block."""
    return struct.pack("!BBHIIIIIII", 0x81, 201, 7, ssrc, about, 64 << 24 | lost, 1000, jitter, last, delay)


def middle_of_now() -> int:
    """Seconds since 1900 in 16.16."""
    return int((time.time() + NTP_EPOCH) * 65536) & 0xFFFFFFFF


async def connected(endpoint: Endpoint, phone: Phone, other: Endpoint, speaker: Phone) -> Heard:
    """Have one packet go from speaker to phone, and return it."""
    del endpoint, other
    phone.frame(tone(440, 0.02))
    speaker.frame(tone(440, 0.02))
    return await phone.hear()


async def test_reports_tell_what_was_sent_and_received() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        anna.sequence = 65530
        for index in range(20):
            if index == 10:
                anna.sequence += 4
                anna.timestamp += 4 * 160
            anna.frame(tone(440, 0.02))
            boris.frame(tone(440, 0.02))
            await asyncio.sleep(0.005)
        sender = struct.pack("!BBHIIIIII", 0x80, 200, 6, anna.ssrc, 100, 0x80000000, 0, 20, 3200)
        anna.rtcp.sendto(sender, (a.address, a.port + 1))
        heard = await anna.hear()
        report = await report_to(anna)
        first, kind, length, ssrc = struct.unpack_from("!BBHI", report)
        assert (first, kind, length, ssrc) == (0x81, 200, 12, heard.ssrc)
        seconds, _, _, packets, octets = struct.unpack_from("!IIIII", report, 8)
        assert abs(seconds - NTP_EPOCH - time.time()) < 60
        assert (packets, octets) == (20, 3200)
        about, loss, highest, jitter, last, since = struct.unpack_from("!IIIIII", report, 28)
        assert (about, loss & 0xFFFFFF) == (anna.ssrc, 4)
        assert loss >> 24 == 4 * 256 // 24
        assert highest & 0xFFFF == (anna.sequence - 1) & 0xFFFF
        assert highest >> 16 == 1
        assert 0 < jitter < 8000
        assert last == 100 << 16 | 0x8000
        assert 0 < since < 6 * 65536
        assert report[53] == 202
        assert report[56:60] == report[4:8]


async def test_one_who_only_listens_sends_receiver_reports() -> None:
    async with studio() as room:
        anna, _ = room.party()
        anna.frame(tone(440, 0.02))
        assert (await report_to(anna))[:4] == struct.pack("!BBH", 0x81, 201, 7)


async def test_round_trip_loss_and_jitter_are_learnt_from_the_partys_report() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        heard = await connected(a, anna, b, boris)
        last = (middle_of_now() - 65536 * 3 // 2) & 0xFFFFFFFF
        report = receiver_report(heard.ssrc, lost=7, jitter=80, last=last, delay=65536 + 65536 // 4)
        anna.rtcp.sendto(report, (a.address, a.port + 1))
        while (statistics := a.statistics()).round_trip_ms is None:
            await asyncio.sleep(0.01)
        assert statistics.round_trip_ms == pytest.approx(250, abs=100)
        assert (statistics.reported_lost, statistics.reported_jitter_ms) == (7, 10.0)


async def test_rtcp_on_the_rtp_port_is_answered_there() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        heard = await connected(a, anna, b, boris)
        anna.rtp.sendto(receiver_report(heard.ssrc, lost=3), anna.remote)
        while a.statistics().reported_lost != 3:
            await asyncio.sleep(0.01)
        report, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(anna.rtp, 2048), _REPORT_PATIENCE)
        assert report[1] == 200


@pytest.mark.parametrize(
    "report",
    [
        b"",
        b"\x81\xc9",
        receiver_report(1)[:-1],
        b"\x9f\xc8\x00\x06" + bytes(24),
        b"\x81\xc9\xff\xff" + bytes(40),
        receiver_report(0x55555555, lost=9),
    ],
)
async def test_reports_that_are_malformed_or_about_others_teach_nothing(report: bytes) -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        heard = await connected(a, anna, b, boris)
        anna.rtcp.sendto(report, (a.address, a.port + 1))
        anna.rtcp.sendto(receiver_report(heard.ssrc, lost=1), (a.address, a.port + 1))
        while not (lost := a.statistics().reported_lost):
            await asyncio.sleep(0.01)
        assert lost == 1


async def test_a_round_trip_that_cannot_be_is_not_believed() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.bridge(a, b)
        heard = await connected(a, anna, b, boris)
        future = (middle_of_now() + 65536 * 50) & 0xFFFFFFFF
        anna.rtcp.sendto(receiver_report(heard.ssrc, lost=1, last=future), (a.address, a.port + 1))
        while not a.statistics().reported_lost:
            await asyncio.sleep(0.01)
        assert a.statistics().round_trip_ms is None


async def test_silence_is_told_once_and_again_after_a_sign_of_life() -> None:
    async with studio(media_timeout=1.0) as room:
        anna, a = room.party()
        (first,) = await room.event(MediaTimeout)
        assert isinstance(first, MediaTimeout)
        assert first.endpoint_id == a.id
        assert first.silent_seconds >= 1.0
        await asyncio.sleep(1.5)
        assert len(await room.event(MediaTimeout)) == 1
        anna.frame(tone(440, 0.02))
        assert len(await room.event(MediaTimeout, 2)) == 2
        a.configure(remote=anna.address)
        assert len(await room.event(MediaTimeout, 3)) == 3


async def test_a_party_on_hold_may_be_silent() -> None:
    async with studio(media_timeout=0.5) as room:
        anna, a = room.party()
        boris, b = room.party()
        room.engine.create_endpoint()
        a.configure(remote=anna.address, receive=False)
        b.configure(remote=None)
        clara, c = room.party()
        await room.event(MediaTimeout)
        await asyncio.sleep(1.2)
        assert {event.endpoint_id for event in room.events if isinstance(event, MediaTimeout)} == {c.id}
        assert boris.address != clara.address


def test_mos_falls_with_loss_jitter_and_delay() -> None:
    best = estimate_mos(loss=0, jitter_ms=0, round_trip_ms=0)
    assert best == pytest.approx(4.4, abs=0.05)
    assert estimate_mos(loss=0, jitter_ms=0, round_trip_ms=None) == best
    assert estimate_mos(loss=0.01, jitter_ms=0, round_trip_ms=0) < 4.0
    assert estimate_mos(loss=0.05, jitter_ms=0, round_trip_ms=0) < 2.6
    assert estimate_mos(loss=1, jitter_ms=0, round_trip_ms=0) == 1.0
    assert estimate_mos(loss=0, jitter_ms=0, round_trip_ms=300) < best
    assert estimate_mos(loss=0, jitter_ms=0, round_trip_ms=5000) == 1.0
    assert estimate_mos(loss=0, jitter_ms=100, round_trip_ms=0) < best
    assert estimate_mos(loss=-1, jitter_ms=0, round_trip_ms=0) == best


def test_statistics_of_silence_are_not_bad() -> None:
    nothing = EndpointStatistics(0, 0, 0, 0, 0.0, None, 0, 0.0, None, None)
    assert nothing.loss == 0
    assert nothing.mos > 4.3


async def test_jitter_follows_the_arrival() -> None:
    async with studio() as room:
        anna, a = room.party()
        for index in range(60):
            anna.frame(tone(440, 0.02))
            await asyncio.sleep(0.05 if index % 2 else 0.001)
        statistics = a.statistics()
        assert 5 < statistics.jitter_ms < 60
        assert statistics.first_packet_at is not None
        assert statistics.last_packet_at is not None
        assert 0 < statistics.last_packet_at - statistics.first_packet_at < 30
        assert abs(time.monotonic() - statistics.last_packet_at) < 30
