"""Callers that know little and say nothing of it: what is meant for the ears and screens of people stays away from them (SIPp)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from core.events import CallEnded
from tests.interop.conftest import NUMBER
from tests.interop.test_forwarding import forward
from tests.interop.test_watching_peers import registered
from tests.support.ports import free_port
from tests.support.ramal_server import RamalServer
from tests.support.scripted_phone import description, scripted_phone
from tests.support.sipp import run_sipp

pytestmark = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"
)

MOVE = Path(__file__).with_name("scenarios") / "move.xml"
BARE = Path(__file__).with_name("scenarios") / "bare_caller.xml"


@pytest.fixture
async def company(server: RamalServer) -> RamalServer:
    """A company whose number leads to 1001, and to which this machine is the carrier."""
    await server.exchange.directory.create_trunk(name="carrier", host="127.0.0.1", port=free_port(), ping_seconds=0)
    await server.exchange.directory.create_number(number=NUMBER, kind="extension", target="1001")
    return server


@pytest.mark.parametrize(("dialled", "status"), [("+74950000000", 404), (NUMBER, 480), (NUMBER, 486)])
async def test_a_script_that_knows_only_100_and_180_is_refused_without_words(
    company: RamalServer, tmp_path: Path, dialled: str, status: int
) -> None:
    async with scripted_phone(company, "1001", register=status == 486) as ana:
        ana.on_call = lambda call: call.session.reject(486)
        scenario = tmp_path / "bare_caller.xml"
        scenario.write_text(BARE.read_text().replace('response="404"', f'response="{status}"'))
        result = await run_sipp(scenario, company.address, folder=tmp_path, service=dialled)
        assert (result.successful, result.failed) == (1, 0), result.log
    assert (await company.fact(CallEnded)).sip_status == status
    await company.quiet()


async def test_a_stock_caller_is_not_told_that_its_call_is_sent_on(company: RamalServer, tmp_path: Path) -> None:
    await forward(company, "1001", forward_to="1002")
    async with scripted_phone(company, "1002") as boris:
        caller = asyncio.create_task(run_sipp("uac", company.address, folder=tmp_path, service=NUMBER, timeout=10))
        ringing = await boris.incoming()
        ringing.session.progress(180)
        ringing.session.answer(description(port=40_020))
        result = await caller
        assert (result.successful, result.failed) == (1, 0), result.log
        await company.quiet()


async def test_a_phone_that_answers_302_sends_a_stock_caller_on_to_a_stock_callee(
    company: RamalServer, tmp_path: Path
) -> None:
    directory = company.exchange.directory
    await directory.update_number(directory.snapshot.numbers[NUMBER].id, kind="extension", target="1002")
    colleague, moved = await registered(company, tmp_path, "1001"), await registered(company, tmp_path, "1002")
    callees = [
        asyncio.create_task(run_sipp("uas", folder=tmp_path, port=colleague)),
        asyncio.create_task(run_sipp(MOVE, folder=tmp_path, port=moved)),
    ]
    await asyncio.sleep(0.5)
    caller = await run_sipp("uac", company.address, folder=tmp_path, service=NUMBER, extra=["-d", "200"])
    for result in (caller, *await asyncio.gather(*callees)):
        assert (result.successful, result.failed) == (1, 0), result.log
    await company.quiet()
