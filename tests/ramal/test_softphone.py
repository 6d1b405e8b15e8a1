"""The phone: phones, a baresip and a SIPp call each other directly, talk, hold, transfer and hang up."""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone, SoftPhoneError
from ramal.softphone.terminal import run_softphone
from tests.support.audio import hears, level_dbfs, load, make_speech
from tests.support.baresip import Baresip
from tests.support.sipp import run_sipp

NOWHERE = "127.0.0.1:9"


@asynccontextmanager
async def phones(*numbers: str) -> AsyncIterator[list[SoftPhone]]:
    async with AsyncExitStack() as stack:
        started = await asyncio.gather(
            *[SoftPhone.start(PhoneSetup(NOWHERE, number, register=False)) for number in numbers]
        )
        for phone in started:
            stack.push_async_callback(phone.close)
        yield started
        assert [phone.troubles for phone in started] == [[] for _ in started]


async def connect(caller: SoftPhone, callee: SoftPhone) -> tuple[PhoneCall, PhoneCall]:
    outgoing = await caller.call(callee.uri)
    incoming = await callee.incoming()
    await incoming.answer()
    await incoming.confirmed()
    return await outgoing.confirmed(), incoming


SWIFT_REFUSAL = """
import os, sys
sys.stdin.readline()
state = b'{"event": "state", "call": 1, "state": "ended", "status": 486, "reason": "", "remote": "", "seconds": 0, "follows": null}'
os.write(1, b'{"reply": 1, "ok": true, "call": 1}' + bytes([10]) + state + bytes([10]))
"""


async def test_a_call_that_is_refused_before_its_placing_is_answered_has_ended() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SWIFT_REFUSAL, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    phone = SoftPhone(PhoneSetup(NOWHERE, "1001", register=False), process)
    call = await phone.call("1002")
    assert await call.over() == 486
    await phone.close()


REFUSES = """
import os, sys
sys.stdin.readline()
os.write(1, b'{"reply": 1, "error": "no call is up"}' + bytes([10]))
"""


async def test_what_a_phone_cannot_do_is_told_in_words() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", REFUSES, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    phone = SoftPhone(PhoneSetup(NOWHERE, "1001", register=False), process)
    with pytest.raises(SoftPhoneError, match="The phone 1001 cannot press keys: no call is up"):
        await phone.do("digits", call=1, digits="5")
    await phone.close()


async def test_two_phones_hear_each_other(tmp_path: Path) -> None:
    order = make_speech(tmp_path / "order.wav", "Good morning, I would like to order twelve white roses.")
    greeting = make_speech(tmp_path / "greeting.wav", "Loja Aurora, Ana speaking, how may I help you today?")
    async with phones("1001", "1002") as (ana, bia):
        here, there = await connect(ana, bia)
        await here.record(tmp_path / "ana.wav")
        await there.record(tmp_path / "bia.wav")
        await asyncio.gather(here.say(greeting), there.say(order))
        await asyncio.sleep(0.3)
        await here.stop_recording()
        assert hears(order, tmp_path / "ana.wav") > 0.8
        await here.hang_up()
        await there.over()
        assert there.seconds > 2
        assert hears(greeting, tmp_path / "bia.wav") > 0.8
        assert hears(order, tmp_path / "bia.wav") < 0.7


async def test_a_trunk_shows_any_caller_and_hears_that_the_phone_rings_and_is_busy() -> None:
    async with phones("trunk", "1001") as (carrier, ana):
        headers = {"X-Test": "1"}
        call = await carrier.call(ana.uri, caller_number="+74951234567", caller_name='Loja "Aurora"', headers=headers)
        incoming = await ana.incoming()
        assert (incoming.number, incoming.name) == ("+74951234567", 'Loja "Aurora"')
        await incoming.answer(180)
        await call.until(lambda: (call.state, call.status) == ("ringing", 180), "ring")
        await incoming.answer(486)
        assert await call.over() == 486
        with pytest.raises(SoftPhoneError, match="ended with 486"):
            await call.confirmed()


async def test_keys_are_heard_and_hold_is_seen_on_the_other_side() -> None:
    async with phones("1001", "1002") as (ana, bia):
        here, there = await connect(ana, bia)
        await here.press("1*#")
        await there.until(lambda: there.digits == "1*#", "hear the keys")
        await asyncio.sleep(0.5)
        await here.hold()
        await there.until(lambda: there.media == "remote_hold", "be held")
        await here.resume()
        await there.until(lambda: there.media == "active", "be taken up again")


async def test_codecs_are_offered_as_configured() -> None:
    setup = PhoneSetup(NOWHERE, "1001", register=False, codecs=("PCMU",))
    ana = await SoftPhone.start(setup)
    try:
        async with phones("1002") as (bia,):
            here, _ = await connect(ana, bia)
            await here.until(lambda: here.codec == "PCMU", "speak PCMU")
    finally:
        await ana.close()


async def test_a_blind_transfer_leads_the_other_side_to_a_third() -> None:
    async with phones("1001", "1002", "1003") as (ana, bia, caio):
        here, there = await connect(ana, bia)
        await there.transfer(caio.uri)
        incoming = await caio.incoming()
        assert incoming.number == "1001"
        await incoming.answer()
        await there.until(lambda: there.transfer_status == 200, "be told of the transfer")
        await (await here.follower()).confirmed()


async def test_an_attended_transfer_joins_the_two_others(tmp_path: Path) -> None:
    speech = make_speech(tmp_path / "speech.wav", "The flowers should arrive on Friday morning, please.")
    async with phones("1001", "1002", "1003") as (ana, bia, caio):
        first_here, first_there = await connect(ana, bia)
        await first_there.hold()
        second_here, second_there = await connect(bia, caio)
        await first_there.transfer_to(second_here)
        joined, moved = await second_there.follower(), await first_here.follower()
        await moved.confirmed()
        await joined.record(tmp_path / "caio.wav")
        await moved.say(speech)
        await asyncio.sleep(0.3)
        await joined.stop_recording()
    assert hears(speech, tmp_path / "caio.wav") > 0.8


async def test_a_phone_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    async with phones("1001") as (ana,):
        call = await ana.call(f"sip:x@{NOWHERE}")
        with pytest.raises(SoftPhoneError):
            await call.play(tmp_path / "missing.wav")
        with pytest.raises(SoftPhoneError, match="no call 7"):
            await PhoneCall(ana, 7).answer()
        with pytest.raises(SoftPhoneError, match="cannot call"):
            await ana.call("sip:")
        with pytest.raises(SoftPhoneError, match="in vain for an incoming call"):
            await ana.incoming(0.1)
        with pytest.raises(SoftPhoneError):
            await SoftPhone.start(PhoneSetup(NOWHERE, "1002", int(ana.uri.rpartition(":")[2]), register=False))


async def test_a_vanished_phone_is_noticed_at_once() -> None:
    ana = await SoftPhone.start(PhoneSetup(NOWHERE, "1001", register=False))
    await ana.kill()
    with pytest.raises(SoftPhoneError, match="is gone"):
        await ana.incoming(60)
    with pytest.raises(SoftPhoneError):
        await ana.call("1002")
    await ana.close()


async def test_a_phone_whose_registrar_is_away_says_so() -> None:
    with pytest.raises(SoftPhoneError, match="1001: the registration was refused"):
        await SoftPhone.start(PhoneSetup(NOWHERE, "1001", password="x", transport="tcp"))


async def test_the_terminal_phone_calls_speaks_and_refuses(tmp_path: Path) -> None:
    speech = make_speech(tmp_path / "it is said.wav", "This is the phone on the terminal.")
    shown = io.StringIO()
    async with phones("1002") as (bia,):

        async def typed() -> AsyncIterator[str]:
            for line in ("help", "dance", "hangup", "call", "play nothing.wav"):
                yield line
            yield f"call {bia.uri}\n"
            call = await bia.incoming()
            await call.record(tmp_path / "heard.wav")
            await call.answer()
            await call.confirmed()
            yield f"play '{speech}'"
            yield "keys 5"
            await call.until(lambda: call.digits == "5", "hear the key")
            await asyncio.sleep(2.5)
            yield "calls"
            yield "hold"
            yield "resume"
            yield "hangup"
            await call.over()
            await bia.call(terminal[0])
            yield "calls"
            for _ in range(100):
                if "answer, or reject" in shown.getvalue():
                    break
                await asyncio.sleep(0.05)
            yield "reject 603"
            await bia.calls[-1].until(lambda: bia.calls[-1].ended, "be refused")
            yield "quit"

        terminal: list[str] = []

        class Watched(io.StringIO):
            def write(self, text: str) -> int:
                if "reached at" in text:
                    terminal.append(text.partition("reached at ")[2].partition(". ")[0])
                return shown.write(text)

        await run_softphone(NOWHERE, "1001", "", register=False, lines=typed(), output=Watched())
        assert bia.calls[-1].status == 603
    text = shown.getvalue()
    assert "There is no 'dance' here." in text
    assert "That needs a number behind it." in text
    assert "1002: connected." in text
    assert "1002: on hold." in text
    assert hears(speech, tmp_path / "heard.wav") > 0.8


@pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed")
async def test_baresip_and_the_phone_hear_each_other(tmp_path: Path) -> None:
    greeting = make_speech(tmp_path / "greeting.wav", "Bom dia, aqui fala a Ana da loja Aurora.", voice="pt-br")
    order = make_speech(
        tmp_path / "order.wav", "Eu queria encomendar doze rosas brancas, por favor. " * 3, voice="pt-br"
    )
    async with Baresip(tmp_path / "baresip", "2001", order, auto_answer=True) as peer, phones("1001") as (ana,):
        call = await ana.call(peer.uri)
        await call.record(tmp_path / "heard.wav")
        await call.confirmed()
        await call.say(greeting)
        await asyncio.sleep(0.3)
        await call.hang_up()
        await call.over()
        await peer.wait_for("CALL_CLOSED")
        assert hears(greeting, peer.heard()[-1]) > 0.8
    assert hears(tmp_path / "heard.wav", order) > 0.8


@pytest.mark.skipif(shutil.which("baresip") is None, reason="baresip is not installed")
async def test_baresip_calls_the_phone_and_holds_it(tmp_path: Path) -> None:
    speech = make_speech(tmp_path / "speech.wav", "One moment, please. " * 5)
    async with Baresip(tmp_path / "baresip", "2001", speech) as peer, phones("1001") as (ana,):
        await peer.command("dial", ana.uri)
        call = await ana.incoming()
        assert call.number == "2001"
        await call.answer()
        await peer.wait_for("CALL_ESTABLISHED")
        await peer.command("hold")
        await call.until(lambda: call.media == "remote_hold", "be held")
        await peer.command("hangup")
        assert await call.over() == 200


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed")
async def test_a_sipp_scenario_is_run_against_the_phone(tmp_path: Path) -> None:
    async with phones("1001") as (ana,):
        port = ana.uri.rpartition(":")[2]
        run = asyncio.create_task(run_sipp("uac", f"127.0.0.1:{port}", folder=tmp_path, service="1001"))
        call = await ana.incoming()
        await call.answer()
        await call.over()
        result = await run
    assert (result.code, result.successful, result.failed) == (0, 1, 0), result.log


def test_silence_has_no_level_and_speech_resembles_only_itself(tmp_path: Path) -> None:
    one = make_speech(tmp_path / "one.wav", "Twelve white roses for Friday morning.")
    other = make_speech(tmp_path / "other.wav", "The invoice is paid by the end of the month.")
    assert hears(one, one) > 0.99
    assert hears(one, other) < 0.7
    assert level_dbfs(load(one)) > -40
    assert level_dbfs(load(one)[:0]) == -120
