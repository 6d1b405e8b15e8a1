"""Chromium talks to desk phones through a whole server: JsSIP signals, the engine answers checks and carries the encrypted voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone
from tests.support import audio
from tests.support.browser_phone import BrowserPhone, server_with_browser
from tests.support.lossy_relay import Weather, lossy_relay
from tests.support.ports import free_port
from tests.support.ramal_process import PASSWORD, RamalProcess
from tests.support.tones import read, share, write_tone

pytestmark = pytest.mark.timeout(180)
BROWSER_HERTZ, DESK_HERTZ = 700, 1100


@dataclass
class Talk:
    """A browser and a desk phone on one server."""

    server: RamalProcess
    browser: BrowserPhone
    desk: SoftPhone
    desk_voice: Path

    async def call(self) -> PhoneCall:
        """The browser calls the desk, which takes the call and speaks."""
        await self.browser.do("call", to="1002")
        incoming = await self.desk.incoming()
        await incoming.answer()
        await incoming.confirmed()
        await self.browser.wait_for("confirmed")
        await self.browser.wait_for("connection", state="connected")
        await incoming.play(self.desk_voice)
        return incoming


async def heard_at_desk(call: PhoneCall, folder: Path, name: str, seconds: float = 2.0) -> NDArray[np.float64]:
    file = folder / f"{name}.wav"
    await call.record(file)
    await asyncio.sleep(seconds)
    await call.stop_recording()
    return np.asarray(read(file), dtype=np.float64)


@pytest.fixture
async def talk(tmp_path: Path) -> AsyncIterator[Talk]:
    microphone = write_tone(tmp_path / "browser.wav", BROWSER_HERTZ, 20)
    desk_voice = write_tone(tmp_path / "desk.wav", DESK_HERTZ, 20)
    async with server_with_browser(tmp_path, microphone) as (server, browser):
        desk = await server.phone("1002")
        try:
            yield Talk(server, browser, desk, desk_voice)
        finally:
            await desk.close()


async def test_browser_and_desk_phone_hear_each_other(talk: Talk, tmp_path: Path) -> None:
    call = await talk.call()
    assert share(await talk.browser.hear(2), DESK_HERTZ) > 0.8
    assert share(await heard_at_desk(call, tmp_path, "desk-hears"), BROWSER_HERTZ) > 0.8
    await talk.browser.do("press", keys="5")
    await call.until(lambda: "5" in call.digits, "hear the key")
    await talk.browser.do("hangUp")
    await call.over()


async def test_a_browser_that_is_called_holds_mutes_restarts_and_comes_back_after_a_reload(
    talk: Talk, tmp_path: Path
) -> None:
    browser = talk.browser
    call = await talk.desk.call("1001", talk.desk_voice)
    assert (await browser.wait_for("incoming"))["from"] == "1002"
    await browser.do("answer")
    await call.confirmed()
    await browser.wait_for("connection", state="connected")
    assert share(await browser.hear(1), DESK_HERTZ) > 0.8
    assert share(await heard_at_desk(call, tmp_path, "called"), BROWSER_HERTZ) > 0.8

    await browser.do("hold")
    await browser.wait_for("hold")
    await asyncio.sleep(0.8)
    assert share(await browser.hear(0.8), DESK_HERTZ) < 0.1
    await browser.do("unhold")
    await browser.wait_for("unhold")
    await asyncio.sleep(0.8)
    assert share(await browser.hear(1.5), DESK_HERTZ) > 0.8
    assert share(await heard_at_desk(call, tmp_path, "resumed"), BROWSER_HERTZ) > 0.8

    await browser.do("mute")
    await asyncio.sleep(0.5)
    assert share((await heard_at_desk(call, tmp_path, "muted"))[-6400:], BROWSER_HERTZ) < 0.1
    await browser.do("unmute")

    await browser.do("restart")
    await asyncio.sleep(1)
    assert share(await browser.hear(1), DESK_HERTZ) > 0.8
    assert share(await heard_at_desk(call, tmp_path, "restarted"), BROWSER_HERTZ) > 0.8

    # The page goes away without a word; the new one takes the place of the old one's dialog.
    dialog = await browser.do("dialog")
    await browser.load()
    await browser.do("call", to="1002", replaces=dialog)
    await browser.wait_for("confirmed")
    await browser.wait_for("connection", state="connected")
    assert share(await browser.hear(1), DESK_HERTZ) > 0.8
    assert share(await heard_at_desk(call, tmp_path, "reloaded"), BROWSER_HERTZ) > 0.8
    await call.hang_up()
    await browser.wait_for("ended")


ASKS, SAYS = (
    "I would like to know when the parcel comes to our house in the old town.",
    "It is on its way and arrives on Tuesday.",
)


async def listened(
    tmp_path: Path, *, codecs: tuple[str, ...], browser_speaks: str = "", conference: bool = False, loss: float = 0.0
) -> tuple[float, float]:
    """Let a browser and a desk phone say real words to each other; return how much of each is heard at the other side, 0 to 1.

    The browser offers all its codecs, or only `browser_speaks`, which must be agreed on then.
    """
    asks = audio.make_speech(tmp_path / "browser.wav", ASKS, sample_rate=16000)
    says = audio.make_speech(tmp_path / "desk.wav", SAYS)
    async with server_with_browser(tmp_path, asks) as (server, browser):
        async with server.api() as api:
            await api.post("conferences", number="700", name="Round")
        setup = PhoneSetup(
            server=f"127.0.0.1:{server.sip_port}", username="1002", password=PASSWORD,
            port=free_port(), rtp_port=free_port(count=8), codecs=codecs,
        )  # fmt: skip
        desk = await SoftPhone.start(setup)
        weather = Weather(loss, duplication=0, reordering=0)
        async with lossy_relay(("127.0.0.1", 9), weather) as network:
            try:
                call = await desk.call("700") if conference else None
                if call is not None:
                    await call.confirmed()
                await browser.do("call", to="700" if conference else "1002", by=network.address[1], only=browser_speaks)
                if call is None:
                    call = await desk.incoming()
                    await call.answer()
                if browser_speaks:
                    await browser.wait_for("agreed", codec=browser_speaks)
                network.target = ("127.0.0.1", (await browser.wait_for("candidate"))["port"])
                await call.confirmed()
                await browser.wait_for("connection", state="connected")
                await asyncio.sleep(1.0)
                await call.play(says)
                asked = await heard_at_desk(call, tmp_path, "desk-hears", 7.0)
                said = await browser.hear(7.0)
                assert (network.tally.lost > 20) == (loss > 0)
            finally:
                await desk.close()
    asked_words, said_words = audio.load(asks), audio.load(says)
    return audio.similarity(asked_words, asked, window_seconds=0.1), audio.similarity(
        said_words, said, window_seconds=0.1
    )


@pytest.mark.parametrize(
    ("codecs", "loss", "likeness"),
    [(("PCMA",), 0.0, 0.9), (("G722",), 0.0, 0.85), (("PCMU",), 0.05, 0.75)],
)
async def test_real_words_pass_between_a_browser_and_a_desk_phone_of_each_codec(
    tmp_path: Path, codecs: tuple[str, ...], loss: float, likeness: float
) -> None:
    at_desk, at_browser = await listened(tmp_path, codecs=codecs, loss=loss)
    assert (at_desk > likeness, at_browser > likeness) == (True, True), (at_desk, at_browser)


async def test_real_words_pass_between_a_browser_and_a_desk_phone_in_a_conference(tmp_path: Path) -> None:
    at_desk, at_browser = await listened(tmp_path, codecs=("PCMU",), conference=True, loss=0.05)
    assert (at_desk > 0.75, at_browser > 0.75) == (True, True), (at_desk, at_browser)


@pytest.mark.parametrize("loss", [0.0, 0.05])
async def test_real_words_pass_between_a_browser_that_speaks_opus_and_a_desk_phone_that_does_not(
    tmp_path: Path, loss: float
) -> None:
    at_desk, at_browser = await listened(tmp_path, codecs=("PCMA",), browser_speaks="opus", loss=loss)
    likeness = 0.75 if loss else 0.85
    assert (at_desk > likeness, at_browser > likeness) == (True, True), (at_desk, at_browser)
