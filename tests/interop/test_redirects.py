"""Calls that are sent on: what the caller is told meanwhile, and where the 3xx of phones and carriers lead, and do not."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import CallEnded, LegCreated
from sip.session_events import Progressed
from tests.interop.test_forwarding import OUTSIDE, forward, hang_up, phones, take
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_carrier, scripted_phone
from tests.support.sipp import run_sipp

SCENARIOS = Path(__file__).parent / "sipp"
ELSEWHERE = "+79161234567"


@pytest.fixture
async def server(tmp_path: Path, prompts: Path) -> AsyncIterator[RamalServer]:
    """A server with the extensions 1001 to 1004 that gives no spoken hints."""
    async with ramal_server(tmp_path / "server", prompts=prompts, pbx={"spoken_hints": False}) as running:
        for number in ("1001", "1002", "1003", "1004"):
            await running.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        yield running


@pytest.fixture
async def carrier(server: RamalServer) -> AsyncIterator[ScriptedPhone]:
    """A carrier's line that leads to 1001; all numbers lead out by it."""
    async with scripted_carrier(server) as line:
        yield line


def redirect(call: ScriptedCall, *contacts: str) -> None:
    call.session.reject(302, headers=[("Contact", contact) for contact in contacts])


def progress(call: ScriptedCall) -> list[int]:
    return [event.status for event in call.events if isinstance(event, Progressed)]


@pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)")
async def test_a_caller_is_told_that_the_call_is_sent_on_by_whom_and_where_to(
    server: RamalServer, tmp_path: Path
) -> None:
    await forward(server, "1002", forward_to="1003")
    async with phones(server, "1003") as (clara,):
        clara.on_call = answer
        told = await run_sipp(
            SCENARIOS / "forwarded_caller.xml",
            server.address,
            folder=tmp_path,
            service="1002",
            extra=("-au", "1001", "-ap", PASSWORD),
        )
    assert (told.code, told.successful) == (0, 1), told.log


def answer(call: ScriptedCall) -> None:
    call.session.answer(description(port=40_010))


async def test_each_time_the_call_is_sent_on_is_told(server: RamalServer) -> None:
    await forward(server, "1002", forward_busy_to="1003")
    await forward(server, "1003", forward_busy_to="1004")
    async with phones(server, "1001", "1002", "1003", "1004") as (ana, boris, clara, dora):
        call = ana.call("1002")
        (await boris.incoming()).session.reject(486)
        (await clara.incoming()).session.reject(486)
        await take(dora)
        await call.answered()
        assert progress(call) == [181, 181]
        await hang_up(server, call)


async def test_a_customer_is_told_as_well(server: RamalServer, carrier: ScriptedPhone) -> None:
    await forward(server, "1001", forward_to="1003")
    async with phones(server, "1003") as (clara,):
        call = carrier.call("+74951112233")
        await take(clara)
        await call.answered()
        assert progress(call) == [181]
        await hang_up(server, call)


async def test_a_carrier_that_moves_the_number_to_another_of_its_hosts_is_followed(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with scripted_phone(server, "second", register=False) as second, phones(server, "1001") as (ana,):
        call = ana.call(OUTSIDE)
        moved = f"<sip:{OUTSIDE};npdi;rn=+79990001122@127.0.0.1:{second.port}>"
        redirect(await carrier.incoming(), "<sip:nobody@192.0.2.1>", f"<sip:{ELSEWHERE}@127.0.0.1>;q=0.1", moved)
        taken = await take(second)
        assert taken.request.uri.user == f"{OUTSIDE};npdi;rn=+79990001122"
        await call.answered()
        assert {leg.number for leg in server.told(LegCreated, trunk="carrier")} == {OUTSIDE}
        await hang_up(server, call)


async def test_a_carrier_that_names_another_number_is_followed_as_if_it_was_dialled(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    await forward(server, "1002", forward_to=OUTSIDE)
    async with phones(server, "1001") as (ana,):
        call = ana.call("1002")
        redirect(await carrier.incoming(), f"<sip:{ELSEWHERE}@192.0.2.1>")
        taken = await take(carrier)
        assert taken.request.uri.user == ELSEWHERE
        assert [value.partition(";")[2] for value in taken.request.get_all("Diversion")] == [
            "reason=deflection;counter=1",
            "reason=unconditional;counter=1",
        ]
        await call.answered()
        leg = await server.fact(LegCreated, number=ELSEWHERE)
        assert leg.forwarded_by == "1002"
        await hang_up(server, call)


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:1003@127.0.0.1>",
        "<sip:*721003@127.0.0.1>",
        f"<sip:{OUTSIDE}@192.0.2.1>",
        "<sip:+88213000000@127.0.0.1>",
        "<tel:+78091234567>",
        "<sip:+551133334444@127.0.0.1>",
        "<mailto:ana@example.com>",
        "<sip:127.0.0.1>",
    ],
)
async def test_a_carrier_does_not_dial_what_the_caller_may_not(
    server: RamalServer, carrier: ScriptedPhone, contact: str
) -> None:
    async with phones(server, "1001", "1003") as (ana, clara):
        call = ana.call(OUTSIDE)
        redirect(await carrier.incoming(), contact)
        assert await call.over() == 480
        assert carrier.untouched
        assert clara.untouched


async def test_a_carrier_that_sends_calls_round_in_circles_is_followed_only_so_far(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    count = 0

    def elsewhere(call: ScriptedCall) -> None:
        nonlocal count
        count += 1
        redirect(call, f"<sip:+7916000000{count}@127.0.0.1>", f"<sip:{OUTSIDE}@127.0.0.1:{carrier.port};try={count}>")

    carrier.on_call = elsewhere
    async with phones(server, "1001") as (ana,):
        assert await ana.call(OUTSIDE).over() == 480
    assert count <= 36
    assert (await server.fact(CallEnded)).sip_status == 480


async def test_a_trunk_may_be_told_not_to_follow(server: RamalServer, carrier: ScriptedPhone) -> None:
    directory = server.exchange.directory
    trunk = directory.snapshot.trunks["carrier"].id
    await directory.update_trunk(trunk, follow_redirects=False)
    async with phones(server, "1001") as (ana,):
        call = ana.call(OUTSIDE)
        redirect(await carrier.incoming(), f"<sip:{ELSEWHERE}@127.0.0.1>")
        assert await call.over() == 480
        await directory.update_trunk(trunk, follow_redirects=True, responses={"3xx": "486"})
        call = ana.call(OUTSIDE)
        redirect(await carrier.incoming(), f"<sip:{ELSEWHERE}@127.0.0.1>")
        assert await call.over() == 486
        assert carrier.untouched


async def test_a_phone_sends_its_call_on_and_is_named_as_the_one_who_did(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    async with phones(server, "1001", "1002") as (ana, boris):
        call = ana.call("1002")
        redirect(await boris.incoming(), f"<sip:{OUTSIDE}@192.0.2.1>")
        taken = await take(carrier)
        assert (taken.request.get("Diversion") or "").endswith("reason=deflection;counter=1")
        await call.answered()
        assert progress(call)[-1] == 181
        assert (await server.fact(LegCreated, trunk="carrier")).forwarded_by == "1002"
        await hang_up(server, call)


async def test_a_carrier_does_not_open_routes_that_are_closed_to_the_caller(
    server: RamalServer, carrier: ScriptedPhone
) -> None:
    directory = server.exchange.directory
    await directory.update_route(directory.snapshot.routes[0].id, prefix=OUTSIDE)
    async with phones(server, "1001") as (ana,):
        call = ana.call(OUTSIDE)
        redirect(await carrier.incoming(), f"<sip:{ELSEWHERE}@127.0.0.1>")
        assert await call.over() == 480
        assert carrier.untouched
