"""`ramal softphone --webrtc`: aiortc as a phone over secure WebSocket talks to a desk phone through a whole server."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone, SoftPhoneError
from ramal.softphone.terminal import run_softphone
from tests.support.audio import hears, make_speech
from tests.support.ports import free_port
from tests.support.ramal_process import PASSWORD, RamalProcess, ramal_process
from tests.support.tones import read, share, write_tone

pytestmark = pytest.mark.timeout(180)
WEBRTC_HERTZ, DESK_HERTZ = 700, 1100


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RamalProcess]:
    async with ramal_process(tmp_path, WEB_TLS_PORT=str(free_port())) as running:
        await running.start()
        async with running.api() as api:
            for number in ("1001", "1002"):
                await api.post("extensions", number=number, name=f"Desk {number}", password=PASSWORD)
        yield running


async def webrtc_phone(server: RamalProcess, transport: str, password: str = PASSWORD) -> SoftPhone:
    port = server.web_port if transport == "ws" else int(server.environment["RAMAL_WEB_TLS_PORT"])
    return await SoftPhone.start(PhoneSetup(f"127.0.0.1:{port}", "1001", password=password, transport=transport))


async def heard(call: PhoneCall, file: Path, hertz: float, seconds: float = 1.5) -> float:
    """How much of what a phone hears from now on is this tone."""
    await call.record(file)
    await asyncio.sleep(seconds)
    await call.stop_recording()
    samples = np.asarray(read(file), dtype=np.float64)
    return share(samples[-8000:], hertz)


async def until_heard(call: PhoneCall, file: Path, hertz: float) -> None:
    """Voice begins once the keys are agreed."""
    async with asyncio.timeout(30):
        while await heard(call, file, hertz) < 0.8:
            pass


@pytest.mark.parametrize("transport", ["ws", "wss"])
async def test_it_calls_a_desk_phone_is_called_holds_and_presses_keys(
    server: RamalProcess, tmp_path: Path, transport: str
) -> None:
    own, desk_voice = write_tone(tmp_path / "own.wav", WEBRTC_HERTZ), write_tone(tmp_path / "desk.wav", DESK_HERTZ)
    phone, desk = await webrtc_phone(server, transport), await server.phone("1002")
    try:
        call = await phone.call("1002", own)
        incoming = await desk.incoming()
        assert incoming.number == "1001"
        await incoming.answer()
        await call.confirmed()
        await incoming.play(desk_voice)
        await until_heard(incoming, tmp_path / "1.wav", WEBRTC_HERTZ)
        await until_heard(call, tmp_path / "2.wav", DESK_HERTZ)
        await call.press("42")
        await incoming.until(lambda: incoming.digits == "42", "get the keys")
        await call.hold()
        assert await heard(incoming, tmp_path / "3.wav", WEBRTC_HERTZ) < 0.1
        await call.resume()
        await until_heard(incoming, tmp_path / "4.wav", WEBRTC_HERTZ)
        await call.hang_up()
        assert await incoming.over() == 200

        back = await desk.call("1001", desk_voice)
        taken = await phone.incoming()
        assert taken.number == "1002"
        await taken.answer()
        await back.confirmed()
        await taken.play(own)
        await until_heard(taken, tmp_path / "5.wav", DESK_HERTZ)
        await until_heard(back, tmp_path / "6.wav", WEBRTC_HERTZ)
        await back.hang_up()
        assert await taken.over() == 200

        refused = await desk.call("1001")
        await (await phone.incoming()).answer(486)
        assert await refused.over() == 486
        assert phone.troubles == []
    finally:
        await phone.close()
        await desk.close()


async def test_it_is_driven_from_the_terminal_and_real_words_come_through(server: RamalProcess, tmp_path: Path) -> None:
    words = make_speech(tmp_path / "words.wav", "Is anybody there? I have a question about my last bill.")
    desk = await server.phone("1002")
    orders: asyncio.Queue[str] = asyncio.Queue()

    async def typed() -> AsyncIterator[str]:
        while (line := await orders.get()) != "quit":
            yield line

    output = io.StringIO()
    port = server.environment["RAMAL_WEB_TLS_PORT"]
    work = asyncio.create_task(
        run_softphone(f"127.0.0.1:{port}", "1001", PASSWORD, transport="wss", lines=typed(), output=output)
    )
    try:
        orders.put_nowait("call 1002")
        incoming = await desk.incoming(30)
        await incoming.answer()
        await incoming.confirmed()
        await asyncio.sleep(2.0)
        await incoming.record(tmp_path / "heard.wav")
        orders.put_nowait(f"play {words}")
        await asyncio.sleep(6.0)
        await incoming.stop_recording()
        orders.put_nowait("join")
        orders.put_nowait("hangup")
        assert await incoming.over() == 200
        orders.put_nowait("quit")
        await asyncio.wait_for(work, 20)
    finally:
        work.cancel()
        await desk.close()
    assert hears(words, tmp_path / "heard.wav") > 0.8
    assert "1001 is registered" in output.getvalue()


async def test_a_wrong_password_and_a_server_that_is_not_there_are_told(server: RamalProcess) -> None:
    with pytest.raises(SoftPhoneError, match="refused with 401") as refused:
        await webrtc_phone(server, "ws", "not the password")
    assert refused.value.hint == "Are the extension and its password right?"
    with pytest.raises(SoftPhoneError, match="cannot start"):
        await SoftPhone.start(PhoneSetup(f"127.0.0.1:{free_port()}", "1001", password=PASSWORD, transport="ws"))
