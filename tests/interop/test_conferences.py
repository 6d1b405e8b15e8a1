"""Conferences and supervisors, with real phones (pjsua2): who hears whom."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from core.events import CallEnded, CallSupervised, CallTransferred, LegAnswered, TransferResult
from pbx.errors import CallStateError, InvalidEntryError, UnknownMemberError, UnreachableError
from pbx.supervision import SuperviseMode
from ramal.softphone.controller import PhoneCall, SoftPhone
from sip.rate_limit import RateLimiter
from tests.interop.conftest import TONES, PhoneFactory
from tests.interop.test_calls import connect
from tests.support.ramal_server import PASSWORD, RamalServer
from tests.support.tones import complete, loudness, share

Voices = dict[str, Path]


async def into_room(server: RamalServer, phone: PhoneFactory, voices: Voices, *numbers: str) -> list[PhoneCall]:
    """Let phones dial the room 700 one after the other."""
    calls = []
    for count, number in enumerate(numbers, 1):
        call = await (await phone(number)).call("700", voices[number])
        await call.confirmed()
        async with asyncio.timeout(10):
            while (room := server.exchange.switch.conference("700")) is None or len(room.members) < count:
                await asyncio.sleep(0.02)
        calls.append(call)
    return calls


async def heard(call: PhoneCall, file: Path, seconds: float = 1.2) -> Path:
    """Write down what a phone hears for a time."""
    await call.record(file)
    await asyncio.sleep(seconds)
    await call.stop_recording()
    return file


async def strength(file: Path, name: str) -> float:
    """How much of what was heard is somebody's tone."""
    samples = await complete(file)
    late = samples[len(samples) // 3 :]
    return share(late, TONES[name]) if loudness(late) > 0.005 else 0.0


async def test_three_phones_hear_each_other_in_a_room_and_not_themselves(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    directory, switch = server.exchange.directory, server.exchange.switch
    await directory.create_conference(number="700", name="Morning round")
    calls = await into_room(server, phone, voices, "1001", "1002", "1003")
    await asyncio.sleep(2.5)
    names = ("1001", "1002", "1003")
    files = await asyncio.gather(
        *(heard(call, tmp_path / f"{name}.wav") for call, name in zip(calls, names, strict=True))
    )
    for file, own in zip(files, names, strict=True):
        for name in names:
            assert (await strength(file, name) > 0.2) == (name != own), (own, name)

    room = switch.conference("700")
    assert room is not None
    first = room.members[0]
    assert [member.extension for member in room.view()] == list(names)
    assert {call.state for call in switch.calls()} == {"talking"}
    room.mute(first, muted=True)
    await asyncio.sleep(0.3)
    assert await strength(await heard(calls[1], tmp_path / "muted.wav"), "1001") < 0.05
    room.remove(first)
    assert await calls[0].over() == 200
    with pytest.raises(UnknownMemberError):
        room.find(first.leg.id)
    for call in calls[1:]:
        await call.hang_up()
    await server.fact(CallEnded, count=3)
    await server.quiet()
    assert switch.conference("700") is None
    kinds = [event.kind for event in server.events if event.kind.startswith("conference.")]
    assert kinds.count("conference.joined") == kinds.count("conference.left") == 3
    assert "conference.speaker" in kinds


async def test_a_room_with_a_pin_lets_in_who_knows_it_and_no_more_than_it_holds(
    server: RamalServer, phone: PhoneFactory, voices: Voices
) -> None:
    await server.exchange.directory.create_conference(number="700", name="Board", pin="4321", max_members=2)
    calls = []
    for number, pin in (("1001", "4321"), ("1002", "00004321"), ("1003", "4321")):
        call = await (await phone(number)).call("700", voices[number])
        await call.confirmed()
        await asyncio.sleep(0.5)
        for start in range(0, len(pin), 4):
            await call.press(pin[start : start + 4])
            await asyncio.sleep(1.5)
        calls.append(call)
    room = server.exchange.switch.conference("700")
    assert room is not None
    assert [member.extension for member in room.view()] == ["1001", "1002"]
    assert await calls[2].over(15) == 200


async def test_a_pin_is_not_guessed_from_outside_and_colleagues_come_in_all_the_while(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices
) -> None:
    directory = server.exchange.directory
    await directory.create_conference(number="700", name="Board", pin="4321")
    await directory.create_number(number="+74951112244", kind="conference", target="700")
    guesses = server.exchange.switch._equipment.rooms.guesses = RateLimiter(
        time.monotonic, rate=1e-9, burst=1, most_sources=9
    )
    stranger = await trunk.call("+74951112244", voices["trunk"])
    colleague = await (await phone("1002")).call("700", voices["1002"])
    for call, pins in ((stranger, ("0000", "4321")), (colleague, ("0000", "4321"))):
        await call.confirmed()
        await asyncio.sleep(0.5)
        for pin in pins:
            await call.press(pin)
            await asyncio.sleep(1.5)
    assert not guesses.allows("700")
    room = server.exchange.switch.conference("700")
    assert room is not None
    assert [member.extension for member in room.view()] == ["1002"]
    assert await stranger.over(15) == 200
    await colleague.hang_up()


async def test_a_blind_transfer_leads_into_a_conference(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    await server.exchange.directory.create_conference(number="700", name="Round")
    (clara,) = await into_room(server, phone, voices, "1003")
    call, incoming = await connect(await phone("1001"), await phone("1002"), voices, tmp_path)
    await incoming.transfer("700")
    moved = await server.fact(CallTransferred)
    assert (moved.result, moved.to_number) == (TransferResult.COMPLETED, "700")
    await incoming.over()
    await asyncio.sleep(2.5)
    assert await strength(await heard(clara, tmp_path / "clara.wav"), "1001") > 0.5
    await call.hang_up()
    await clara.hang_up()
    await server.fact(CallEnded, count=2)
    await server.quiet()


async def test_a_supervisor_listens_whispers_and_barges_in(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    switch = server.exchange.switch
    ana, boris, clara = await phone("1001"), await phone("1002"), await phone("1003")
    call, incoming = await connect(ana, boris, voices, tmp_path)
    target = switch.calls()[0].id
    own = switch.supervise(target, "1003", SuperviseMode.LISTEN)
    ear = await clara.incoming()
    await ear.answer()
    await ear.confirmed()
    await ear.play(voices["1003"])
    await server.fact(CallSupervised, mode="listen", by_extension="1003")

    parties = {"1001": call, "1002": incoming, "1003": ear}

    async def who_hears(step: str) -> dict[str, set[str]]:
        await asyncio.sleep(0.4)
        await asyncio.gather(*(heard(one, tmp_path / f"{step}-{name}.wav") for name, one in parties.items()))
        return {
            name: {other for other in TONES if await strength(tmp_path / f"{step}-{name}.wav", other) > 0.2}
            for name in parties
        }

    assert await who_hears("listen") == {"1001": {"1002"}, "1002": {"1001"}, "1003": {"1001", "1002"}}
    assert switch.supervise(target, "1003", SuperviseMode.WHISPER).id == own.id
    assert await who_hears("whisper") == {"1001": {"1002"}, "1002": {"1001", "1003"}, "1003": {"1001", "1002"}}
    await ear.press("6")
    await server.fact(CallSupervised, mode="barge")
    assert await who_hears("barge") == {"1001": {"1002", "1003"}, "1002": {"1001", "1003"}, "1003": {"1001", "1002"}}
    await ear.hang_up()
    await server.fact(CallEnded, call_id=own.id)
    del parties["1003"]
    assert await who_hears("alone") == {"1001": {"1002"}, "1002": {"1001"}}
    await call.hang_up()
    await server.fact(CallEnded, call_id=target)
    await server.quiet()


async def test_a_star_code_supervises_for_those_who_may_and_ends_with_the_call(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    directory = server.exchange.directory
    clara = await phone("1003")
    refused = await clara.call("*501002")
    assert await refused.over(15) == 403
    await directory.update_extension(directory.snapshot.extensions["1003"].id, supervises=True)
    nothing = await clara.call("*501002")
    assert await nothing.over(15) == 200
    call, _ = await connect(await phone("1001"), await phone("1002"), voices, tmp_path)
    ear = await clara.call("*501002")
    await ear.confirmed()
    await server.fact(CallSupervised, mode="listen")
    await asyncio.sleep(0.4)
    file = await heard(ear, tmp_path / "ear.wav")
    assert min([await strength(file, "1001"), await strength(file, "1002")]) > 0.2
    await call.hang_up()
    assert await ear.over() == 200
    await server.quiet()
    assert server.told(LegAnswered)


async def test_what_cannot_be_supervised_is_refused(
    server: RamalServer, phone: PhoneFactory, voices: Voices, tmp_path: Path
) -> None:
    switch = server.exchange.switch
    await server.exchange.directory.create_extension(number="1004", name="Dora", password=PASSWORD)
    call, _ = await connect(await phone("1001"), await phone("1002"), voices, tmp_path)
    target = switch.calls()[0].id
    with pytest.raises(CallStateError):
        switch.supervise(target, "1001", SuperviseMode.LISTEN)
    with pytest.raises(UnreachableError):
        switch.supervise(target, "1004", SuperviseMode.LISTEN)
    with pytest.raises(InvalidEntryError):
        switch.supervise(target, "9999", SuperviseMode.LISTEN)
    await call.hang_up()
    await server.fact(CallEnded)
