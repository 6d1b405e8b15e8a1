"""Calls between real phones (pjsua2) through a whole server: what each party hears, and what the journal tells."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.events import (
    CallAnswered,
    CallEnded,
    CallOffered,
    CallTransferred,
    Direction,
    Disposition,
    LegCreated,
    LegEnded,
    LegHeld,
    LegMoved,
    LegQuality,
    LegResumed,
    MediaAlive,
    RecordingStarted,
    RecordingStopped,
    TransferKind,
    TransferResult,
)
from ramal.softphone.controller import PhoneCall, SoftPhone
from tests.interop.conftest import TONES, PhoneFactory
from tests.support.baresip import Baresip
from tests.support.ramal_server import PASSWORD, RamalServer
from tests.support.tones import complete, loudness, read, seconds_of

Voices = dict[str, Path]


async def connect(caller: SoftPhone, callee: SoftPhone, voices: Voices, folder: Path) -> tuple[PhoneCall, PhoneCall]:
    """Let one phone call the other; both speak their tone and write down what they hear."""
    name, other = caller.setup.username, callee.setup.username
    call = await caller.call(other, voices[name])
    incoming = await callee.incoming()
    await incoming.answer()
    await call.confirmed()
    await incoming.confirmed()
    await incoming.play(voices[other])
    await call.record(folder / f"{name}-hears.wav")
    await incoming.record(folder / f"{other}-hears.wav")
    return call, incoming


async def test_two_phones_call_each_other_and_hear_each_other(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call, incoming = await connect(ana, boris, voices, tmp_path)
    await server.fact(MediaAlive)
    await asyncio.sleep(2.2)
    await call.hang_up()
    assert await incoming.over() == 200
    end = await server.fact(CallEnded)
    await server.quiet()

    assert "Ana" in incoming.remote
    assert end.disposition is Disposition.ANSWERED
    assert (await server.fact(CallAnswered)).extension == "1002"
    assert len(server.told(LegEnded)) == 2
    assert seconds_of(await complete(tmp_path / "1001-hears.wav"), TONES["1002"]) > 1.0
    assert seconds_of(await complete(tmp_path / "1002-hears.wav"), TONES["1001"]) > 1.0
    assert server.engine.statistics().ports_in_use == 0
    for measured in server.told(LegQuality):
        (sample,) = measured.samples
        assert (sample.loss, sample.seconds > 2, sample.mos > 4) == (0.0, True, True)
    assert len(server.told(LegQuality)) == 2


async def test_a_held_party_hears_music_and_then_the_other_again(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call, incoming = await connect(ana, boris, voices, tmp_path)
    await call.hold()
    await server.fact(LegHeld, by_extension="1001")
    assert server.exchange.switch.calls()[0].state == "held"
    await incoming.record(tmp_path / "music.wav")
    await asyncio.sleep(1.5)
    await call.resume()
    await server.fact(LegResumed, by_extension="1001")
    await incoming.record(tmp_path / "again.wav")
    await asyncio.sleep(1.5)
    await incoming.hang_up()
    await call.over()
    await server.quiet()

    music = await complete(tmp_path / "music.wav")
    assert seconds_of(music, TONES["1001"]) < 0.5
    assert abs(music[4000:]).max() > 0.02, "there is no music"
    assert seconds_of(await complete(tmp_path / "again.wav"), TONES["1001"]) > 0.8


async def test_a_customer_calls_in_and_is_recorded_left_with_the_agent_right(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana = await phone("1001")
    call = await trunk.call(f"sip:+74951112233@{server.address}", voices["trunk"])
    incoming = await ana.incoming()
    await incoming.answer()
    await call.confirmed()
    await incoming.play(voices["1001"])
    await call.record(tmp_path / "customer-hears.wav")
    await server.fact(RecordingStarted)
    await asyncio.sleep(1.5)
    await call.hang_up()
    stopped = await server.fact(RecordingStopped)
    end = await server.fact(CallEnded)

    offered = await server.fact(CallOffered)
    assert (offered.direction, offered.trunk, offered.to_number) == (Direction.INBOUND, "carrier", "+74951112233")
    assert end.disposition is Disposition.ANSWERED
    assert seconds_of(await complete(tmp_path / "customer-hears.wav"), TONES["1001"]) > 0.8
    file = server.recordings / stopped.location
    assert seconds_of(read(file, 0), TONES["trunk"]) > 0.8
    assert seconds_of(read(file, 1), TONES["1001"]) > 0.8
    assert seconds_of(read(file, 0), TONES["1001"]) == 0.0


async def test_an_agent_calls_out_through_the_trunk(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana = await phone("1001")
    call = await ana.call("89161234567", voices["1001"])
    outside = await trunk.incoming()
    assert "+79161234567" in outside.local
    await outside.answer()
    await call.confirmed()
    await outside.record(tmp_path / "outside-hears.wav")
    await asyncio.sleep(1.2)
    await outside.hang_up()
    assert await call.over() == 200
    await server.fact(CallEnded)

    offered = await server.fact(CallOffered)
    assert (offered.direction, offered.to_number) == (Direction.OUTBOUND, "+79161234567")
    assert server.told(LegCreated, trunk="carrier", number="+79161234567", incoming=False)
    assert seconds_of(await complete(tmp_path / "outside-hears.wav"), TONES["1001"]) > 0.6


async def test_an_unknown_number_is_told_in_words_before_its_404(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    ana = await phone("1001")
    call = await ana.call("1999")
    await call.until(lambda: call.media == "active", "hear the hint")
    await call.record(tmp_path / "hint.wav")
    assert await call.over(15) == 404
    end = await server.fact(CallEnded)
    assert (end.disposition, end.sip_status) == (Disposition.FAILED, 404)
    assert loudness(await complete(tmp_path / "hint.wav")) > 0.005


async def test_a_busy_colleague_is_busy_and_one_without_a_phone_is_unavailable(
    server: RamalServer, phone: PhoneFactory
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call = await ana.call("1002")
    await (await boris.incoming()).answer(486)
    assert await call.over(15) == 486
    assert (await server.fact(CallEnded)).disposition is Disposition.BUSY
    call = await ana.call("1003")
    assert await call.over(15) == 480
    assert (await server.fact(CallEnded, count=2)).disposition is Disposition.FAILED


async def test_who_calls_the_own_number_reaches_the_own_other_phone_and_never_the_same_one(
    server: RamalServer, phone: PhoneFactory
) -> None:
    desk = await phone("1001")
    call = await desk.call("1001")
    assert await call.over(15) == 482
    pocket = await phone("1001")
    call = await desk.call("1001")
    await (await pocket.incoming()).answer()
    await call.confirmed()
    assert len(desk.calls) == 2
    await call.hang_up()
    assert (await server.fact(CallEnded, count=2)).disposition is Disposition.ANSWERED


async def test_a_phone_that_nobody_answers_rings_and_then_there_is_no_answer(
    server: RamalServer, phone: PhoneFactory
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call = await ana.call("1002")
    incoming = await boris.incoming()
    await incoming.answer(180)
    await call.until(lambda: call.state == "ringing", "ring")
    assert await call.over(20) == 480
    await incoming.over()
    assert (await server.fact(CallEnded)).disposition is Disposition.NO_ANSWER


async def test_a_caller_who_gives_up_cancels_the_ringing(server: RamalServer, phone: PhoneFactory) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call = await ana.call("1002")
    incoming = await boris.incoming()
    await incoming.answer(180)
    await call.until(lambda: call.state == "ringing", "ring")
    await call.hang_up()
    await incoming.over()
    assert (await server.fact(CallEnded)).disposition is Disposition.CANCELLED


async def test_a_blind_transfer_from_the_phone(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call = await trunk.call(f"sip:+74951112233@{server.address}", voices["trunk"])
    first = await ana.incoming()
    await first.answer()
    await call.confirmed()
    await first.transfer("1002")
    second = await boris.incoming()
    await second.answer()
    await second.confirmed()
    await second.record(tmp_path / "1002-hears.wav")
    assert await first.over() == 200
    assert first.transfer_status == 200
    await asyncio.sleep(1.2)
    await second.hang_up()
    await call.over()
    transferred = await server.fact(CallTransferred)
    await server.fact(CallEnded)

    assert (transferred.kind, transferred.result) == (TransferKind.BLIND, TransferResult.COMPLETED)
    assert (transferred.from_extension, transferred.to_number) == ("1001", "1002")
    assert len(server.told(RecordingStarted)) == 1
    assert seconds_of(await complete(tmp_path / "1002-hears.wav"), TONES["trunk"]) > 0.6


async def test_a_blind_transfer_to_nobody_comes_back(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana = await phone("1001")
    call = await trunk.call(f"sip:+74951112233@{server.address}", voices["trunk"])
    first = await ana.incoming()
    await first.answer()
    await call.confirmed()
    await first.transfer("1003")
    transferred = await server.fact(CallTransferred)
    assert (transferred.result, transferred.sip_status) == (TransferResult.FAILED, 480)
    await first.until(lambda: first.transfer_status == 480, "hear of the failure")
    await asyncio.sleep(4.0)
    await first.record(tmp_path / "back.wav")
    await asyncio.sleep(1.2)
    assert not call.ended
    assert not first.ended
    await call.hang_up()
    await server.fact(CallEnded)
    assert seconds_of(await complete(tmp_path / "back.wav"), TONES["trunk"]) > 0.6


async def test_an_attended_transfer_from_the_phone_joins_the_two_calls(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    call = await trunk.call(f"sip:+74951112233@{server.address}", voices["trunk"])
    first = await ana.incoming()
    await first.answer()
    await call.confirmed()
    await first.hold()
    consultation, second = await connect(ana, boris, voices, tmp_path)
    await first.transfer_to(consultation)
    transferred = await server.fact(CallTransferred)
    await first.over()
    await consultation.over()
    await second.record(tmp_path / "1002-hears-customer.wav")
    await call.record(tmp_path / "customer-hears.wav")
    await asyncio.sleep(1.5)
    await call.hang_up()
    await second.over()
    await server.fact(CallEnded, count=2)
    await server.quiet()

    assert (transferred.kind, transferred.result) == (TransferKind.ATTENDED, TransferResult.COMPLETED)
    moved = await server.fact(LegMoved)
    assert (moved.call_id, moved.from_call_id) == (transferred.call_id, transferred.other_call_id)
    assert seconds_of(await complete(tmp_path / "1002-hears-customer.wav"), TONES["trunk"]) > 0.8
    assert seconds_of(await complete(tmp_path / "customer-hears.wav"), TONES["1002"]) > 0.8
    stopped = await server.fact(RecordingStopped)
    assert seconds_of(read(server.recordings / stopped.location, 1), TONES["1002"]) > 0.8
    assert server.engine.statistics().ports_in_use == 0


async def test_baresip_and_pjsua2_hear_each_other_and_baresip_transfers(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    ana, clara = await phone("1001"), await phone("1003")
    async with Baresip(
        tmp_path / "baresip", "1002", voices["1002"], server=server.address, password=PASSWORD, auto_answer=True
    ) as boris:
        await boris.registered()
        call = await ana.call("1002", voices["1001"])
        await call.confirmed()
        await call.record(tmp_path / "1001-hears.wav")
        await server.fact(MediaAlive)
        await boris.command("hold")
        await server.fact(LegHeld, by_extension="1002")
        await boris.command("resume")
        await server.fact(LegResumed, by_extension="1002")
        await asyncio.sleep(0.5)
        await boris.command("transfer", "1003")
        incoming = await clara.incoming()
        await incoming.answer()
        await incoming.confirmed()
        assert (await server.fact(CallTransferred)).result is TransferResult.COMPLETED
        await call.hang_up()
        await incoming.over()
        await server.quiet()
    assert seconds_of(await complete(tmp_path / "1001-hears.wav"), TONES["1002"]) > 0.8
