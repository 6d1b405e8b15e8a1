"""Keys between parties that take them by different ways, with real phones (pjsua2)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import soundfile

from core.events import CallEnded
from media.events import DigitReceived
from ramal.softphone.controller import PhoneCall, SoftPhone
from sip.session_events import DigitReceived as KeyByInfo
from tests.interop.conftest import PhoneFactory
from tests.interop.test_call_endings import talk
from tests.media.test_digits import keys_as_tones
from tests.support.ramal_server import RamalServer
from tests.support.scripted_phone import scripted_phone
from tests.support.tones import complete, seconds_of, share, write_tone


async def talking(server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, way: str) -> tuple[PhoneCall, PhoneCall]:
    """Let an agent call out by a trunk that takes keys in a way."""
    directory = server.exchange.directory
    await directory.update_trunk(directory.snapshot.trunks["carrier"].id, dtmf=way)
    call = await (await phone("1001")).call("+79161234567")
    outside = await trunk.incoming()
    await outside.answer()
    await call.confirmed()
    await outside.confirmed()
    return call, outside


async def test_a_trunk_that_wants_info_gets_keys_by_info(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, tmp_path: Path
) -> None:
    call, outside = await talking(server, phone, trunk, "info")
    await call.press("42#")
    await outside.until(lambda: outside.digits == "42#", "get the keys")
    await outside.play(write_tone(tmp_path / "low.wav", 440))
    await outside.press("15")
    await call.until(lambda: call.digits == "15", "get the keys")
    await call.hang_up()
    await server.fact(CallEnded)


async def test_a_line_without_anything_else_gives_and_gets_keys_as_tones(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, tmp_path: Path
) -> None:
    call, outside = await talking(server, phone, trunk, "inband")
    await outside.record(tmp_path / "line-hears.wav")
    keys = tmp_path / "keys.wav"
    soundfile.write(keys, keys_as_tones("159D", on=0.1, off=0.1), 8000, subtype="PCM_16")
    await outside.play(keys, loop=False)
    await call.until(lambda: call.digits == "159D", "get the keys")
    await call.play(write_tone(tmp_path / "low.wav", 440))
    await asyncio.sleep(0.5)
    await call.press("7")
    await asyncio.sleep(0.7)
    await call.hang_up()
    await server.fact(CallEnded)
    heard = await complete(tmp_path / "line-hears.wav")
    frames = [heard[start : start + 400] for start in range(0, len(heard) - 399, 400)]
    tones = [frame for frame in frames if share(frame, 852) + share(frame, 1209) > 0.45]
    assert 2 <= len(tones) <= 8
    assert seconds_of(heard, 440) > 0.5


async def test_a_key_that_is_told_by_event_and_by_info_is_passed_on_once(server: RamalServer) -> None:
    directory, switch = server.exchange.directory, server.exchange.switch
    await directory.update_extension(directory.snapshot.extensions["1002"].id, dtmf="info")
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        call, other = await talk(ana, "1002", boris)
        callers_endpoint = 2
        call.session.send_key("5", 230)
        first = await other.event(KeyByInfo)
        switch.media_event(DigitReceived(callers_endpoint, "5", 230))
        switch.media_event(DigitReceived(callers_endpoint, "6", 90))
        second = await other.event(KeyByInfo, count=2)
        call.session.send_key("6", 90)
        call.session.send_key("7", 100)
        third = await other.event(KeyByInfo, count=3)
        call.session.hang_up()
        await server.fact(CallEnded)
    told = [(key.digit, key.duration_ms) for key in (first, second, third)]
    assert told == [("5", 230), ("6", 90), ("7", 100)]
