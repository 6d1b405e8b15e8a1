"""What goes wrong with phones, trunks and the server itself, and what becomes of the calls."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import wave
from pathlib import Path

import pytest

from core.events import (
    CallEnded,
    CallerNamed,
    CallOffered,
    Disposition,
    LegAnswered,
    LegCreated,
    LegEnded,
    MediaAlive,
    RecordingStopped,
)
from ramal.softphone.controller import SoftPhone
from tests.interop.conftest import NUMBER, PhoneFactory, customer_calls
from tests.support.ports import free_port
from tests.support.ramal_server import RamalServer, ramal_server

Voices = dict[str, Path]


async def test_a_trunk_that_is_silent_or_out_of_order_gives_way_to_the_next(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone
) -> None:
    directory = server.exchange.directory
    await directory.create_trunk(name="silent", host="127.0.0.1", port=free_port())
    broken = await phone("broken", register=False)
    await directory.create_trunk(name="broken", host="127.0.0.1", port=broken.setup.port)
    await directory.create_route(name="first", prefix="+7", trunks=["silent", "broken", "carrier"])
    ana = await phone("1001")
    call = await ana.call("+79161234567")
    await (await broken.incoming(15)).answer(503)
    outside = await trunk.incoming(15)
    await outside.answer()
    await call.confirmed(15)
    assert [fact.trunk for fact in server.told(LegCreated, incoming=False)] == ["silent", "broken", "carrier"]
    await call.hang_up()
    await server.fact(CallEnded)


async def test_with_all_trunks_down_the_call_ends_with_503_and_a_hint(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone
) -> None:
    ana = await phone("1001")
    call = await ana.call("+79161234567")
    await (await trunk.incoming()).answer(500)
    assert await call.over(20) == 503
    end = await server.fact(CallEnded)
    assert (end.disposition, end.sip_status) == (Disposition.FAILED, 503)
    assert len(server.told(LegEnded, sip_status=500)) == 1


async def test_a_vanished_phone_ends_the_call_with_a_clear_reason(
    tmp_path: Path, prompts: Path, voices: Voices
) -> None:
    folder = tmp_path / "server"
    async with ramal_server(folder, prompts=prompts, pbx={"media_timeout": 2.0}) as server:
        for number in ("1001", "1002"):
            await server.exchange.directory.create_extension(number=number, name=number, password="correct-horse-9")
        phones = [await _phone(server, number) for number in ("1001", "1002")]
        try:
            call = await phones[0].call("1002", voices["1001"])
            incoming = await phones[1].incoming()
            await incoming.answer()
            await call.confirmed()
            await incoming.play(voices["1002"])
            await server.fact(MediaAlive)
            await phones[1].kill()
            await call.over(10)
            end = await server.fact(CallEnded)
            assert end.disposition is Disposition.ANSWERED
            assert any("Vanished phone" in fact.reason for fact in server.told(LegEnded))
        finally:
            for one in phones:
                await one.close()


class SlowDirectory:
    """A CRM that hangs."""

    def is_stranger(self, _number: str) -> bool:
        return False

    async def caller_name(self, _number: str) -> str | None:
        await asyncio.sleep(60)
        return "too late"


class KnowingDirectory:
    """A CRM that knows everybody."""

    def is_stranger(self, _number: str) -> bool:
        return False

    async def caller_name(self, _number: str) -> str | None:
        return "Maria Souza"


class StrangersDirectory(KnowingDirectory):
    """A CRM that need not be asked, for it knows nobody."""

    def is_stranger(self, _number: str) -> bool:
        return True


@pytest.mark.parametrize(
    ("callers", "shown"),
    [
        (SlowDirectory(), "+79161112233"),
        (KnowingDirectory(), "Maria Souza"),
        (StrangersDirectory(), "+79161112233"),
    ],
)
async def test_the_phone_shows_the_name_the_crm_knows_and_rings_without_it(
    tmp_path: Path, prompts: Path, callers: SlowDirectory | KnowingDirectory, shown: str
) -> None:
    async with ramal_server(tmp_path / "server", prompts=prompts, callers=callers) as server:
        directory = server.exchange.directory
        await directory.create_extension(number="1001", name="Ana", password="correct-horse-9")
        ana = await _phone(server, "1001")
        line = await _phone(server, "+79161112233", register=False)
        try:
            await directory.create_trunk(name="carrier", host="127.0.0.1", port=line.setup.port)
            await directory.create_number(number=NUMBER, kind="extension", target="1001", greeting="Hello")
            customer = await line.call(f"sip:{NUMBER}@{server.address}")
            incoming = await ana.incoming()
            assert shown in incoming.remote
            assert (await server.fact(CallOffered)).from_number == "+79161112233"
            assert [fact.name for fact in server.told(CallerNamed)] == ([shown] if shown == "Maria Souza" else [])
            await incoming.answer(486)
            await customer.over(15)
            await server.quiet()
        finally:
            await ana.close()
            await line.close()


async def test_a_killed_server_closes_its_calls_once_at_the_next_start(
    tmp_path: Path, prompts: Path, voices: Voices
) -> None:
    folder, port = tmp_path / "server", free_port()
    script = Path(__file__).with_name("server_process.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(folder), str(port), str(prompts), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        while b"ready" not in await asyncio.wait_for(process.stdout.readline(), 20):
            pass
        ana = await _phone_at(f"127.0.0.1:{port}", "1001")
        boris = await _phone_at(f"127.0.0.1:{port}", "1002")
        call = await ana.call("1002", voices["1001"])
        incoming = await boris.incoming()
        await incoming.answer()
        await call.confirmed()
        await incoming.play(voices["1002"])
        await asyncio.sleep(3.5)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
    await ana.close()
    await boris.close()

    async with ramal_server(folder, prompts=prompts) as server:
        facts = [entry.fact for entry in server.journal.read()]
        end = next(fact for fact in facts if isinstance(fact, CallEnded))
        alive = [fact.at for fact in facts if isinstance(fact, MediaAlive)]
        assert (end.disposition, end.recovered, end.at) == (Disposition.INTERRUPTED, True, max(alive))
        legs = {fact.leg_id for fact in facts if isinstance(fact, LegAnswered)}
        assert {fact.leg_id for fact in facts if isinstance(fact, LegEnded)} == legs
        stopped = next(fact for fact in facts if isinstance(fact, RecordingStopped))
        assert stopped.recovered
        with wave.open(str(server.recordings / stopped.location)) as file:
            assert file.getnframes() > 8000
    async with ramal_server(folder, prompts=prompts) as server:
        assert [entry.fact for entry in server.journal.read()] == facts


async def test_a_restarted_server_still_knows_where_its_phones_are(tmp_path: Path, prompts: Path) -> None:
    folder, port = tmp_path / "server", free_port()
    async with ramal_server(folder, prompts=prompts, port=port) as server:
        await server.exchange.directory.create_extension(number="1001", name="Ana", password="correct-horse-9")
        await server.exchange.directory.create_extension(number="1002", name="Boris", password="correct-horse-9")
        ana = await _phone(server, "1001")
    try:
        async with ramal_server(folder, prompts=prompts, port=port) as server:
            boris = await _phone(server, "1002")
            try:
                call = await boris.call("1001")
                await (await ana.incoming()).answer()
                await call.confirmed()
                await call.hang_up()
                await server.fact(CallEnded)
            finally:
                await boris.close()
    finally:
        await ana.close()


async def test_a_full_line_of_ports_refuses_the_call_and_leaves_nothing_behind(tmp_path: Path, prompts: Path) -> None:
    low = free_port() & ~1
    async with ramal_server(tmp_path / "server", prompts=prompts, rtp_ports=(low, low + 1)) as server:
        await server.exchange.directory.create_extension(number="1001", name="Ana", password="correct-horse-9")
        await server.exchange.directory.create_extension(number="1002", name="Boris", password="correct-horse-9")
        ana, boris = await _phone(server, "1001"), await _phone(server, "1002")
        try:
            call = await ana.call("1002")
            await (await boris.incoming()).answer()
            assert await call.over(15) == 503
            assert (await server.fact(CallEnded)).disposition is not Disposition.ANSWERED
            await server.quiet()
            assert server.engine.statistics().ports_in_use == 0
        finally:
            await ana.close()
            await boris.close()


async def test_a_customer_who_hangs_up_in_a_consultation_ends_it(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, voices: Voices
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    customer, incoming = await customer_calls(server, trunk, ana, voices)
    await incoming.press("*2")
    await asyncio.sleep(0.5)
    await incoming.press("1002#")
    second = await boris.incoming()
    await second.answer(180)
    await customer.hang_up()
    await incoming.over()
    await second.over()
    await server.fact(CallEnded)
    await server.quiet()
    assert server.engine.statistics().ports_in_use == 0


async def _phone(server: RamalServer, username: str, *, register: bool = True) -> SoftPhone:
    return await _phone_at(server.address, username, register=register)


async def _phone_at(address: str, username: str, *, register: bool = True) -> SoftPhone:
    from ramal.softphone.controller import PhoneSetup

    return await SoftPhone.start(
        PhoneSetup(
            server=address,
            username=username,
            port=free_port(),
            rtp_port=free_port() & ~1,
            password="correct-horse-9" if register else "",
            register=register,
        )
    )
