"""What agents do in mid-call by star code, by the web app and from another phone, with real phones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from core.events import (
    CallAnswered,
    CallEnded,
    CallTransferred,
    ContactRequested,
    Disposition,
    LeadRequested,
    LegAnswered,
    LegHeld,
    LegResumed,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
    TransferKind,
    TransferResult,
)
from pbx.errors import CallStateError, InvalidEntryError, UnreachableError
from ramal.softphone.controller import SoftPhone
from tests.interop.conftest import NUMBER, TONES, PhoneFactory, Voices, customer_calls
from tests.support.ramal_server import RamalServer
from tests.support.tones import complete, loudness, read, seconds_of


async def test_star_5_and_6_note_the_customer_and_only_the_agent_hears_the_confirmation(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana = await phone("1001")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await customer.record(tmp_path / "customer-hears.wav")
    await incoming.record(tmp_path / "agent-hears.wav")
    await incoming.press("*5")
    lead = await server.fact(LeadRequested)
    await asyncio.sleep(1.0)
    await incoming.press("*6")
    await server.fact(ContactRequested, by_extension="1001")
    await asyncio.sleep(1.0)
    await customer.hang_up()
    await server.fact(CallEnded)

    assert lead.by_extension == "1001"
    assert lead.phone == "trunk"
    assert customer.digits == ""
    agent_heard = await complete(tmp_path / "agent-hears.wav")
    assert seconds_of(agent_heard, TONES["trunk"]) < agent_heard.size / 8000 - 1.0
    assert seconds_of(await complete(tmp_path / "customer-hears.wav"), TONES["1001"]) > 1.0


async def test_other_keys_reach_the_other_party(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices
) -> None:
    ana = await phone("1001")
    call = await ana.call("+79161234567", voices["1001"])
    outside = await trunk.incoming()
    await outside.answer()
    await call.confirmed()
    await call.press("42#")
    await outside.until(lambda: outside.digits == "42#", "get the keys")
    await call.hang_up()
    await server.fact(CallEnded)


async def test_star_1_switches_the_recording_off_and_on(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices
) -> None:
    ana = await phone("1001")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await incoming.press("*1")
    await server.fact(RecordingPaused, by_extension="1001")
    await asyncio.sleep(1.5)
    await incoming.press("*1")
    await server.fact(RecordingResumed, by_extension="1001")
    await asyncio.sleep(1.0)
    await customer.hang_up()
    stopped = await server.fact(RecordingStopped)
    await server.fact(CallEnded)
    said = read(server.recordings / stopped.location, 0)
    assert seconds_of(said, TONES["trunk"]) < said.size / 8000 - 1.2


async def test_star_2_consults_and_hanging_up_completes_the_transfer(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await incoming.press("*2")
    await asyncio.sleep(0.8)
    await customer.record(tmp_path / "music.wav")
    await incoming.press("1002#")
    second = await boris.incoming()
    assert "Ana" in second.remote
    await second.answer()
    await second.confirmed()
    await second.play(voices["1002"])
    await incoming.record(tmp_path / "consultation.wav")
    await asyncio.sleep(1.2)
    await incoming.hang_up()
    done = await server.fact(CallTransferred)
    await customer.record(tmp_path / "customer-hears.wav")
    await second.record(tmp_path / "1002-hears.wav")
    await asyncio.sleep(1.2)
    await second.hang_up()
    assert await customer.over() == 200
    await server.fact(CallEnded)

    assert (done.kind, done.result, done.to_number) == (TransferKind.ATTENDED, TransferResult.COMPLETED, "1002")
    assert seconds_of(await complete(tmp_path / "consultation.wav"), TONES["1002"]) > 0.6
    music = await complete(tmp_path / "music.wav")
    assert loudness(music) > 0.005
    # The music has notes of its own near the tones, but never for long.
    assert max(seconds_of(music, TONES["1001"]), seconds_of(music, TONES["1002"])) < 0.7
    assert seconds_of(await complete(tmp_path / "customer-hears.wav"), TONES["1002"]) > 0.6
    assert seconds_of(await complete(tmp_path / "1002-hears.wav"), TONES["trunk"]) > 0.6
    assert len(server.told(RecordingStarted)) == 1


async def test_star_2_again_brings_the_customer_back(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await incoming.press("*2")
    await asyncio.sleep(0.5)
    await incoming.press("1002#")
    second = await boris.incoming()
    await second.answer()
    await second.confirmed()
    await incoming.press("*2")
    await second.over()
    assert (await server.fact(CallTransferred)).result is TransferResult.FAILED
    await asyncio.sleep(4.0)
    await incoming.record(tmp_path / "back.wav")
    await asyncio.sleep(1.0)
    await incoming.hang_up()
    await customer.over()
    await server.fact(CallEnded)
    assert seconds_of(await complete(tmp_path / "back.wav"), TONES["trunk"]) > 0.5


async def test_the_web_app_holds_and_transfers(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    switch = server.exchange.switch
    ana, boris = await phone("1001"), await phone("1002")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    call_id = switch.calls()[0].id
    switch.hold(call_id, by_extension="1001")
    await server.fact(LegHeld, by_extension="1001")
    assert switch.call(call_id).state == "held"
    switch.resume(call_id)
    await server.fact(LegResumed, by_extension="1001")
    switch.hold(call_id, by_extension="1001")
    switch.transfer(call_id, "1002", TransferKind.ATTENDED)
    second = await boris.incoming()
    assert len(server.told(LegHeld)) == len(server.told(LegResumed)) == 2, "the transfer did not end the hold"
    with pytest.raises(CallStateError):
        switch.transfer(call_id, "1003", TransferKind.BLIND)
    await second.answer()
    await second.confirmed()
    await asyncio.sleep(0.3)
    switch.complete_transfer(call_id)
    await incoming.over()
    await second.record(tmp_path / "1002-hears.wav")
    await asyncio.sleep(1.0)
    switch.hang_up(call_id)
    await customer.over()
    await second.over()
    await server.fact(CallEnded)
    assert seconds_of(await complete(tmp_path / "1002-hears.wav"), TONES["trunk"]) > 0.5


async def test_a_colleague_who_is_held_during_a_consultation_hears_music_and_then_the_agent_again(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    server.exchange.switch.transfer(server.exchange.switch.calls()[0].id, "1002", TransferKind.ATTENDED)
    second = await boris.incoming()
    await second.answer()
    await second.confirmed()
    await asyncio.sleep(0.3)
    await incoming.hold()
    await server.fact(LegHeld, by_extension="1001")
    await second.record(tmp_path / "music.wav")
    await asyncio.sleep(1.5)
    await incoming.resume()
    await server.fact(LegResumed, by_extension="1001")
    await second.record(tmp_path / "again.wav")
    await asyncio.sleep(1.5)
    await incoming.hang_up()
    await customer.hang_up()
    await second.over()
    await server.fact(CallEnded)
    music = await complete(tmp_path / "music.wav")
    assert seconds_of(music, TONES["1001"]) < 0.5
    assert abs(music[4000:]).max() > 0.02, "there is no music"
    assert seconds_of(await complete(tmp_path / "again.wav"), TONES["1001"]) > 0.6


async def test_star_8_picks_up_a_colleagues_call(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    customer = await trunk.call(f"sip:{NUMBER}@{server.address}", voices["trunk"])
    ringing = await ana.incoming()
    await ringing.answer(180)
    await customer.until(lambda: customer.state == "ringing", "ring")
    picked = await boris.call("*81001", voices["1002"])
    await picked.confirmed()
    await customer.confirmed()
    await ringing.over()
    await picked.record(tmp_path / "1002-hears.wav")
    await asyncio.sleep(1.0)
    await picked.hang_up()
    await customer.over()
    await server.fact(CallEnded)
    assert (await server.fact(CallAnswered)).extension == "1002"
    assert seconds_of(await complete(tmp_path / "1002-hears.wav"), TONES["trunk"]) > 0.5
    alone = await boris.call("*8")
    assert await alone.over(15) == 480


async def test_click_to_call_rings_the_own_phone_first(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices
) -> None:
    switch = server.exchange.switch
    with pytest.raises(UnreachableError):
        switch.originate("1001", "+79161234567")
    ana = await phone("1001")
    with pytest.raises(InvalidEntryError):
        switch.originate("1001", "1001")
    view = switch.originate("1001", "89161234567")
    assert (view.direction, view.from_number, view.to_number) == ("outbound", "1001", "+79161234567")
    own = await ana.incoming()
    await own.answer()
    outside = await trunk.incoming()
    await outside.answer()
    await outside.confirmed()
    await server.fact(CallAnswered)
    assert len(server.told(LegAnswered)) == 2
    await outside.hang_up()
    await own.over()
    assert (await server.fact(CallEnded)).disposition is Disposition.ANSWERED
