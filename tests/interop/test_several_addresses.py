"""A server at several addresses: each party is told the one that it speaks to, and both families talk with one another."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import LegCreated, MediaAlive
from ramal.softphone.controller import PhoneSetup, SoftPhone
from sip.address import Address
from sip.sdp import SessionDescription
from sip.session_events import Answered
from tests.interop.conftest import TONES
from tests.support.audio import make_speech
from tests.support.baresip import Baresip
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedPhone, description, scripted_phone
from tests.support.sipp import run_sipp
from tests.support.tones import complete, loudness, seconds_of

REFUSE = Path(__file__).with_name("scenarios") / "refuse.xml"
BOTH = ("127.0.0.1", "::1")


@contextlib.asynccontextmanager
async def company(folder: Path, prompts: Path, *hosts: str) -> AsyncIterator[RamalServer]:
    """A server with SIP and voice at these addresses, and the extensions 1001 and 1002."""
    port = free_port()
    listen = [Address(host, port, transport) for host in hosts for transport in ("udp", "tcp")]
    async with ramal_server(folder / "server", prompts=prompts, listen=listen, media_addresses=hosts) as server:
        for number in ("1001", "1002"):
            await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        yield server


@contextlib.asynccontextmanager
async def softphone(server: RamalServer, username: str) -> AsyncIterator[SoftPhone]:
    started = await SoftPhone.start(PhoneSetup(f"127.0.0.1:{server.port}", username, password=PASSWORD))
    try:
        yield started
    finally:
        await started.close()


def told(sdp: bytes | None) -> str:
    """Return where a description has its reader send voice."""
    assert sdp is not None
    read = SessionDescription.parse(sdp)
    return read.address_of(read.media[0])


async def talk(caller: ScriptedPhone, callee: ScriptedPhone, *, host: str = "127.0.0.1") -> tuple[str, str]:
    """Have one call the other, and return where each was told to send its voice."""
    sdp = description(host=host).replace(b"IN IP4", b"IN IP6" if ":" in host else b"IN IP4")
    call = caller.call("1002", sdp=sdp)
    incoming = await callee.incoming()
    incoming.session.answer(description(port=40_010))
    answered = await call.event(Answered)
    call.session.hang_up()
    await incoming.over()
    return told(answered.sdp), told(incoming.offer)


@pytest.mark.parametrize("hosts", [("0.0.0.0",), ("0.0.0.0", "::"), ("127.0.0.2", "127.0.0.1")], ids=str)
async def test_a_phone_is_told_the_address_that_it_speaks_to(
    tmp_path: Path, prompts: Path, hosts: tuple[str, ...]
) -> None:
    async with (
        company(tmp_path, prompts, *hosts) as server,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
    ):
        assert await talk(ana, boris) == ("127.0.0.1", "127.0.0.1")
        await server.quiet()


async def test_who_signals_by_one_family_may_talk_by_the_other(tmp_path: Path, prompts: Path) -> None:
    async with (
        company(tmp_path, prompts, *BOTH) as server,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
    ):
        assert await talk(ana, boris, host="::1") == ("::1", "127.0.0.1")
        await server.quiet()


async def test_a_family_without_voice_is_refused_before_anybody_is_rung(tmp_path: Path, prompts: Path) -> None:
    async with (
        company(tmp_path, prompts, "127.0.0.1") as server,
        scripted_phone(server, "1001") as ana,
        scripted_phone(server, "1002") as boris,
    ):
        call = ana.call("1002", sdp=description(host="::1").replace(b"IN IP4", b"IN IP6"))
        assert await call.over() == 488
        assert boris.untouched


async def test_a_call_that_fails_over_to_the_other_family_is_offered_voice_in_that_family(
    tmp_path: Path, prompts: Path, voices: dict[str, Path]
) -> None:
    first, second = free_port(), free_port()
    refused = asyncio.create_task(run_sipp(REFUSE, folder=tmp_path, port=first))
    echoed = asyncio.create_task(run_sipp("uas", folder=tmp_path, address="::1", port=second, extra=["-rtp_echo"]))
    async with company(tmp_path, prompts, *BOTH) as server, softphone(server, "1001") as ana:
        directory = server.exchange.directory
        hosts = [f"[::1]:{second}"]
        await directory.create_trunk(
            name="carrier", host="127.0.0.1", port=first, backup_hosts=hosts, ping_seconds=0, codecs=["PCMU"]
        )
        await directory.create_route(name="all", prefix="+", trunks=["carrier"])
        call = await ana.call("+74951112233")
        await call.confirmed()
        await call.play(voices["1001"])
        await call.record(tmp_path / "ana-hears.wav")
        await server.fact(MediaAlive)
        await asyncio.sleep(1.0)
        await call.hang_up()
        await server.quiet()
        assert len(server.told(LegCreated, trunk="carrier")) == 1
    for result in await asyncio.gather(refused, echoed):
        assert (result.code, result.successful) == (0, 1), result.log
    assert seconds_of(await complete(tmp_path / "ana-hears.wav"), TONES["1001"]) > 0.5


async def test_a_phone_of_ipv4_and_one_of_ipv6_hear_each_other(
    tmp_path: Path, prompts: Path, voices: dict[str, Path]
) -> None:
    speech = make_speech(tmp_path / "speech.wav", "One two three four five six seven eight nine ten")
    async with (
        company(tmp_path, prompts, *BOTH) as server,
        Baresip(
            tmp_path / "1001",
            "1001",
            speech,
            server=f"[::1]:{server.port}",
            password=PASSWORD,
            transport="udp",
            address="::1",
        ) as ana,
        softphone(server, "1002") as boris,
    ):
        await ana.registered()
        await ana.command("dial", "1002")
        incoming = await boris.incoming()
        await incoming.answer()
        await ana.wait_for("CALL_ESTABLISHED")
        await incoming.play(voices["1002"])
        await incoming.record(tmp_path / "boris-hears.wav")
        await server.fact(MediaAlive)
        await asyncio.sleep(1.0)
        await ana.command("hangup")
        assert await incoming.over() == 200
        await server.quiet()
        assert seconds_of(await complete(ana.heard()[0]), TONES["1002"]) > 0.5
        assert loudness(await complete(tmp_path / "boris-hears.wav")) > 0.01
