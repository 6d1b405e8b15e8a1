"""Codecs between real phones: what two speak in common is relayed, and only what they do not is translated."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from core.events import CallAnswered, LegHeld, RecordingStopped, TransferKind
from ramal.softphone.controller import PhoneSetup, SoftPhone
from tests.interop.conftest import TONES
from tests.support.baresip import Baresip
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer
from tests.support.tones import complete, read, seconds_of

_OPUS, _G722, _PCMA, _PCMU = "opus/48000/2", "G722/16000/1", "PCMA", "PCMU"


def baresip(folder: Path, server: RamalServer, user: str, voice: Path, codecs: list[str]) -> Baresip:
    """A phone that speaks these codecs alone; for Opus it wants what it says in stereo."""
    if _OPUS in codecs:
        samples, rate = soundfile.read(voice)
        voice = folder.parent / f"stereo-{user}.wav"
        soundfile.write(voice, np.column_stack([samples, samples]), rate)
    return Baresip(
        folder,
        user,
        voice,
        server=server.address,
        password=PASSWORD,
        auto_answer=user == "1002",
        parameters=f";audio_codecs={','.join(codecs)}",
        settings="module opus.so" if _OPUS in codecs else "",
    )


def spoken(server: RamalServer) -> list[str]:
    """What the legs that are answered have agreed on."""
    calls = server.exchange.switch._calls.values()
    return [leg.media.codec for call in calls for leg in call.legs if leg.answered]


async def settled(server: RamalServer, *codecs: str) -> None:
    """Wait until the two legs speak these."""
    try:
        async with asyncio.timeout(5):
            while sorted(spoken(server)) != sorted(codecs):
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"the legs speak {spoken(server)}, not {codecs}") from None


@pytest.mark.parametrize(
    ("first", "second", "agreed"),
    [
        ([_OPUS, _PCMA], [_OPUS, _PCMA], ("OPUS", "OPUS")),
        ([_G722, _PCMU], [_PCMU, _G722], ("G722", "G722")),
        ([_G722, _PCMA], [_PCMU], ("PCMA", "PCMU")),
        ([_OPUS], [_PCMA], ("OPUS", "PCMA")),
        ([_PCMU], [_G722], ("PCMU", "G722")),
        ([_OPUS], [_G722], ("OPUS", "G722")),
    ],
)
async def test_phones_hear_each_other_in_what_they_have_in_common_or_translated(
    server: RamalServer,
    voices: dict[str, Path],
    tmp_path: Path,
    first: list[str],
    second: list[str],
    agreed: tuple[str, str],
) -> None:
    async with (
        baresip(tmp_path / "a", server, "1001", voices["1001"], first) as ana,
        baresip(tmp_path / "b", server, "1002", voices["1002"], second) as boris,
    ):
        await ana.registered()
        await boris.registered()
        await ana.command("dial", "1002")
        await server.fact(CallAnswered)
        await settled(server, *agreed)
        await asyncio.sleep(1.8)
        await ana.command("hangup")
        await server.quiet()
        (at_ana,), (at_boris,) = ana.heard(), boris.heard()
        assert seconds_of(await complete(at_ana), TONES["1002"]) > 0.8
        assert seconds_of(await complete(at_boris), TONES["1001"]) > 0.8


async def test_a_wideband_call_is_recorded_with_16_khz_and_stays_one_file(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path
) -> None:
    settings = server.company.settings
    await server.company.save(settings.model_copy(update={"record_internal_calls": True}))
    async with (
        baresip(tmp_path / "a", server, "1001", voices["1001"], [_G722]) as ana,
        baresip(tmp_path / "b", server, "1002", voices["1002"], [_G722]) as boris,
    ):
        await ana.registered()
        await boris.registered()
        await ana.command("dial", "1002")
        await server.fact(CallAnswered)
        await asyncio.sleep(1.8)
        await ana.command("hangup")
        stopped = await server.fact(RecordingStopped)
        file = server.recordings / stopped.location
        assert soundfile.info(file).samplerate == 16000
        assert seconds_of(read(file, 0), TONES["1001"]) > 0.8
        assert seconds_of(read(file, 1), TONES["1002"]) > 0.8


@contextlib.asynccontextmanager
async def pjsua(server: RamalServer, user: str, codecs: tuple[str, ...]) -> AsyncIterator[SoftPhone]:
    """A phone that offers these codecs alone."""
    setup = PhoneSetup(
        server=server.address,
        username=user,
        port=free_port(),
        rtp_port=free_port() & ~1,
        password=PASSWORD,
        codecs=codecs,
    )
    started = await SoftPhone.start(setup)
    try:
        yield started
    finally:
        await started.close()


async def test_a_caller_is_asked_for_the_codec_of_the_one_it_is_transferred_to(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path
) -> None:
    async with (
        pjsua(server, "1001", ("G722", "PCMU")) as ana,
        pjsua(server, "1003", ("PCMU",)) as clara,
        baresip(tmp_path / "b", server, "1002", voices["1002"], [_G722]) as boris,
    ):
        await boris.registered()
        outgoing = await ana.call("1002", voices["1001"])
        await outgoing.confirmed()
        await settled(server, "G722", "G722")
        (call,) = server.exchange.switch.calls()
        server.exchange.switch.transfer(call.id, "1003", TransferKind.BLIND, by_extension="1002")
        incoming = await clara.incoming()
        await incoming.answer()
        await incoming.confirmed()
        await incoming.play(voices["1003"])
        await settled(server, "PCMU", "PCMU")
        await incoming.record(tmp_path / "clara.wav")
        await outgoing.record(tmp_path / "ana.wav")
        await asyncio.sleep(1.5)
        await incoming.hang_up()
        await server.quiet()
        assert seconds_of(await complete(tmp_path / "clara.wav"), TONES["1001"]) > 0.8
        assert seconds_of(await complete(tmp_path / "ana.wav"), TONES["1003"]) > 0.8


async def test_hold_keeps_the_codec_and_plays_music_in_it(
    server: RamalServer, voices: dict[str, Path], tmp_path: Path
) -> None:
    async with (
        baresip(tmp_path / "a", server, "1001", voices["1001"], [_OPUS, _PCMA]) as ana,
        baresip(tmp_path / "b", server, "1002", voices["1002"], [_OPUS, _PCMA]) as boris,
    ):
        await ana.registered()
        await boris.registered()
        await ana.command("dial", "1002")
        await server.fact(CallAnswered)
        await settled(server, "OPUS", "OPUS")
        await ana.command("hold")
        await server.fact(LegHeld)
        await asyncio.sleep(1.5)
        await settled(server, "OPUS", "OPUS")
        await ana.command("resume")
        await asyncio.sleep(1.2)
        await ana.command("hangup")
        await server.quiet()
        (at_boris,) = boris.heard()
        heard = await complete(at_boris)
        assert seconds_of(heard, TONES["1001"]) > 0.8
        music = [heard[at : at + 800] for at in range(0, len(heard) - 800, 800)]
        assert sum(abs(piece).max() > 0.02 and seconds_of(piece, TONES["1001"]) == 0 for piece in music) > 8
