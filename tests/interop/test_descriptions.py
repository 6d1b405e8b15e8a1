"""What the whole server makes of descriptions that are not plain voice: fax, keys, hold in old spellings, several media."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import LegHeld, LegResumed
from sip.sdp import SessionDescription
from sip.session_events import Answered, OfferAnswered, OfferRejected
from tests.support.dns_server import dns_server
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_phone

FAX = "m=image 40002 udptl t38\r\na=T38FaxVersion:0\r\n"


@contextlib.asynccontextmanager
async def phones(server: RamalServer) -> AsyncIterator[tuple[ScriptedPhone, ScriptedPhone]]:
    async with scripted_phone(server, "1001") as ana, scripted_phone(server, "1002") as boris:
        yield ana, boris


async def talk(caller: ScriptedPhone, callee: ScriptedPhone, sdp: bytes) -> tuple[ScriptedCall, ScriptedCall]:
    call = caller.call("1002", sdp=sdp)
    incoming = await callee.incoming()
    incoming.session.answer(description(port=40_010))
    await call.answered()
    return call, incoming


def media(sdp: bytes | None) -> list[tuple[str, bool]]:
    assert sdp is not None
    return [(line.kind, line.port != 0) for line in SessionDescription.parse(sdp).media]


@pytest.mark.parametrize(
    "offer",
    [
        description().replace(b"m=audio", b"m=image").replace(b"RTP/AVP 8 0 101", b"udptl t38"),
        description().replace(b"RTP/AVP", b"RTP/SAVP"),
        description().replace(b"RTP/AVP", b"UDP/TLS/RTP/SAVPF"),
        description(payloads="5"),
    ],
    ids=["fax", "keys", "browser", "codec"],
)
async def test_what_cannot_be_agreed_is_refused_before_anybody_is_rung(server: RamalServer, offer: bytes) -> None:
    async with phones(server) as (ana, boris):
        assert await ana.call("1002", sdp=offer).over() == 488
        assert boris.untouched


async def test_fax_and_video_beside_voice_are_rejected_in_their_places(server: RamalServer) -> None:
    async with phones(server) as (ana, boris):
        video = b"m=video 40004 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"
        head, audio = description().split(b"m=audio")
        call, _ = await talk(ana, boris, head + video + b"m=audio" + audio + FAX.encode())
        answered = await call.event(Answered)
        assert media(answered.sdp) == [("video", False), ("audio", True), ("image", False)]


async def test_a_call_goes_on_when_one_side_wants_to_send_a_fax(server: RamalServer) -> None:
    async with phones(server) as (ana, boris):
        call, incoming = await talk(ana, boris, description())
        fax = description().replace(b"m=audio 40000", FAX.encode() + b"m=audio 0")
        call.session.offer(fax)
        assert (await call.event(OfferRejected)).status == 488
        incoming.session.offer(fax)
        assert (await incoming.event(OfferRejected)).status == 488
        call.session.offer(description())
        assert media((await call.event(OfferAnswered)).sdp) == [("audio", True)]
        await asyncio.sleep(0.1)
        assert not call.ended
        assert not incoming.ended


@pytest.mark.parametrize(
    "hold",
    [
        description(lines="a=sendonly\r\n"),
        description(lines="a=inactive\r\n"),
        description().replace(b"t=0 0\r\n", b"t=0 0\r\na=sendonly\r\n"),
        description().replace(b"c=IN IP4 127.0.0.1", b"c=IN IP4 0.0.0.0"),
        description().replace(b"c=IN IP4 127.0.0.1", b"c=IN IP6 ::"),
    ],
    ids=["sendonly", "inactive", "of the session", "0.0.0.0", "::"],
)
async def test_hold_is_understood_in_every_spelling(server: RamalServer, hold: bytes) -> None:
    async with phones(server) as (ana, boris):
        call, _ = await talk(ana, boris, description())
        call.session.offer(hold)
        await server.fact(LegHeld)
        call.session.offer(description())
        await server.fact(LegResumed)
        first, second = [
            SessionDescription.parse(event.sdp).lines[1][1].split()
            for event in [await call.event(OfferAnswered, count=number) for number in (1, 2)]
            if event.sdp
        ]
        assert first[:2] == second[:2]
        assert int(second[2]) == int(first[2]) + 1


async def test_voice_goes_where_a_name_leads(tmp_path: Path, prompts: Path) -> None:
    async with dns_server() as dns, ramal_server(tmp_path / "server", prompts=prompts, dns=dns.servers) as server:
        dns.add("media.phone.example", "A", "127.0.0.1")
        await server.exchange.directory.create_extension(number="1001", name="Ana", password=PASSWORD)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
            listening.bind(("127.0.0.1", 0))
            listening.setblocking(False)
            async with scripted_phone(server, "1001") as ana:
                offer = description(port=listening.getsockname()[1], host="media.phone.example")
                call = ana.call("*78", sdp=offer)
                await call.answered()
                async with asyncio.timeout(5):
                    packet = await asyncio.get_running_loop().sock_recv(listening, 2048)
                assert (packet[0], packet[1] & 0x7F) == (0x80, 8)
                call.session.hang_up()
                await server.quiet()


async def test_a_name_that_nobody_knows_costs_no_call(tmp_path: Path, prompts: Path) -> None:
    async with dns_server() as dns, ramal_server(tmp_path / "server", prompts=prompts, dns=dns.servers) as server:
        for number in ("1001", "1002"):
            await server.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        async with phones(server) as (ana, boris):
            call, incoming = await talk(ana, boris, description(host="nobody.phone.example"))
            async with asyncio.timeout(5):
                while ("nobody.phone.example", "A") not in dns.asked:
                    await asyncio.sleep(0.02)
            call.session.hang_up()
            await incoming.over()
            await server.quiet()
