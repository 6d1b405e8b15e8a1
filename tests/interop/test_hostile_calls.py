"""What a hostile or broken peer may try in calls: to call at the company's cost, to take over calls, to leave calls behind."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from core.events import CallEnded, CallTransferred, LegCreated, LegStatistics
from sip.sdp import SessionDescription
from sip.session_events import Answered, ReferProgressed
from sip.transfer import Replaces
from sip.uri import Uri
from tests.interop.test_transfers import dialog_of
from tests.support.ramal_server import RamalServer
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_carrier, scripted_phone

PREMIUM = "+88213000000"


@pytest.fixture
async def carrier(server: RamalServer) -> AsyncIterator[ScriptedPhone]:
    async with scripted_carrier(server) as line:
        yield line


@contextlib.asynccontextmanager
async def phones(server: RamalServer, *usernames: str) -> AsyncIterator[list[ScriptedPhone]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(scripted_phone(server, username)) for username in usernames]


async def talk(caller: ScriptedPhone, number: str, callee: ScriptedPhone) -> tuple[ScriptedCall, ScriptedCall]:
    """Let one call the other, who answers."""
    call = caller.call(number)
    incoming = await callee.incoming()
    incoming.session.answer(description(port=40_010))
    await call.answered()
    return call, incoming


async def test_a_customer_cannot_transfer_a_call_to_the_outside(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001") as (ana,):
        call, incoming = await talk(carrier, "+74951112233", ana)
        call.session.refer(Uri("sip", PREMIUM, "127.0.0.1"))
        assert (await call.event(ReferProgressed)).status == 403
        await asyncio.sleep(0.2)
        assert not incoming.ended
        assert carrier.untouched
        assert not server.told(LegCreated, number=PREMIUM)
        assert not server.told(CallTransferred)


async def test_a_phone_cannot_transfer_somebody_elses_call(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        of_boris, _ = await talk(boris, "1001", ana)
        own, _ = await talk(clara, "+79037654321", carrier)
        own.session.refer(Uri("sip", "1001", "127.0.0.1"), replaces=dialog_of(of_boris))
        assert (await own.event(ReferProgressed)).status == 403
        await asyncio.sleep(0.2)
        assert not of_boris.ended


async def test_a_phone_cannot_take_the_place_of_somebody_elses(server: RamalServer) -> None:
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        call, incoming = await talk(boris, "1001", ana)
        for victim in (call, incoming):
            thief = clara.call("1001", headers=[("Replaces", str(dialog_of(victim)))])
            assert await thief.over() == 403
        assert not call.ended
        assert not incoming.ended


async def test_a_customer_cannot_take_the_place_of_one_of_ours(server: RamalServer, carrier: ScriptedPhone) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call, incoming = await talk(boris, "1001", ana)
        for wanted, status in ((dialog_of(call), 403), (dialog_of(incoming), 403), (Replaces("nobody", "a", "b"), 481)):
            thief = carrier.call("+74951112233", headers=[("Replaces", str(wanted))])
            assert await thief.over() == status
        assert ana.untouched
        assert not call.ended
        assert not incoming.ended


async def test_another_phone_of_the_same_extension_takes_its_call_over(server: RamalServer) -> None:
    async with phones(server, "1001", "1002", "1002") as (ana, desk, mobile):
        call, _ = await talk(desk, "1001", ana)
        taken = mobile.call("1002", headers=[("Replaces", str(dialog_of(call)))])
        await taken.answered()
        assert await call.over() == 200
        await server.fact(CallTransferred)
        taken.session.hang_up()
        await server.quiet()
        assert server.engine.statistics().ports_in_use == 0


async def test_voice_from_a_host_that_nobody_named_is_counted_and_not_heard(server: RamalServer) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call, _ = await talk(ana, "1002", boris)
        sdp = SessionDescription.parse((await call.event(Answered)).sdp or b"")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind(("127.0.0.9", 0))
            for number in range(30):
                packet = struct.pack("!BBHII", 0x80, 8, number, number * 160, 0x666) + bytes(160)
                stranger.sendto(packet, ("127.0.0.1", sdp.media[0].port))
        await asyncio.sleep(0.2)
        call.session.hang_up()
        told = await server.fact(LegStatistics, packets_rejected=30)
        assert told.packets_received == 0


async def test_an_invite_and_its_cancel_in_one_segment_leave_no_call_behind(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    port = writer.get_extra_info("sockname")[1]
    await server.exchange.directory.create_trunk(name="tcp", host="127.0.0.1", port=port, transport="tcp")
    lines = (
        "{0} sip:+74951112233@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{1};branch=z9hG4bKhasty\r\nMax-Forwards: 70\r\n"
        "From: <sip:+79161112233@127.0.0.1>;tag=hasty\r\nTo: <sip:+74951112233@127.0.0.1>\r\nCall-ID: hasty\r\nCSeq: 1 {0}\r\n"
        "Contact: <sip:x@127.0.0.1:{1};transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
    writer.write((lines.format("INVITE", port) + lines.format("CANCEL", port)).encode())
    end = await server.fact(CallEnded)
    assert (end.disposition, end.sip_status) == ("cancelled", 487)
    await server.quiet()
    writer.close()
    await writer.wait_closed()
    del reader
