"""Calls between real phones (pjsua2) through a whole server: what each party hears, and what the journal tells."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.events import CallAnswered, CallEnded, Disposition, LegEnded, LegHeld, LegResumed, MediaAlive
from ramal.softphone.controller import PhoneCall, SoftPhone
from tests.interop.conftest import TONES, PhoneFactory
from tests.support.ramal_server import RamalServer
from tests.support.tones import complete, seconds_of

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
    await asyncio.sleep(1.5)
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
