"""Forwarding, do-not-disturb and call waiting: set by star code and API, followed by calls, at the cost of whoever forwards."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.events import CallEnded, Disposition, LegAnswered, LegCreated
from sip.session_events import Answered
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import ScriptedCall, ScriptedPhone, description, scripted_carrier, scripted_phone

OUTSIDE = "+79037654321"


@pytest.fixture
async def server(tmp_path: Path, prompts: Path) -> AsyncIterator[RamalServer]:
    """A server with the extensions 1001 to 1004 that gives no spoken hints."""
    async with ramal_server(tmp_path / "server", prompts=prompts, pbx={"spoken_hints": False}) as running:
        for number in ("1001", "1002", "1003", "1004"):
            await running.exchange.directory.create_extension(number=number, name=number, password=PASSWORD)
        yield running


@contextlib.asynccontextmanager
async def phones(server: RamalServer, *usernames: str) -> AsyncIterator[list[ScriptedPhone]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(scripted_phone(server, username)) for username in usernames]


async def forward(server: RamalServer, number: str, **fields: Any) -> None:
    directory = server.exchange.directory
    await directory.update_extension(directory.snapshot.extensions[number].id, **fields)


async def take(phone: ScriptedPhone) -> ScriptedCall:
    call = await phone.incoming()
    call.session.answer(description(port=40_010))
    return call


async def hang_up(server: RamalServer, call: ScriptedCall) -> None:
    call.session.hang_up()
    await server.quiet()


async def test_a_busy_extension_sends_its_calls_on_and_on(server: RamalServer) -> None:
    await forward(server, "1002", forward_busy_to="1003")
    await forward(server, "1003", forward_busy_to="1004")
    async with phones(server, "1001", "1002", "1003", "1004") as (ana, boris, clara, dora):
        call = ana.call("1002")
        (await boris.incoming()).session.reject(486)
        (await clara.incoming()).session.reject(603)
        await take(dora)
        await call.answered()
        await hang_up(server, call)


async def test_calls_that_nobody_answers_go_on_after_their_seconds(server: RamalServer) -> None:
    await forward(server, "1002", forward_no_answer_to="1003", forward_no_answer_seconds=3)
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        call = ana.call("1002")
        ringing = await boris.incoming()
        ringing.session.progress(180)
        await take(clara)
        assert await ringing.over() == 487
        await call.answered()
        await hang_up(server, call)


async def test_an_extension_without_a_phone_sends_its_calls_outside_at_its_own_cost(server: RamalServer) -> None:
    async with scripted_carrier(server) as carrier, phones(server, "1001") as (ana,):
        await forward(server, "1002", forward_unavailable_to=OUTSIDE)
        call = ana.call("1002")
        await take(carrier)
        await call.answered()
        leg = await server.fact(LegCreated, trunk="carrier", incoming=False)
        assert (leg.number, leg.forwarded_by) == (OUTSIDE, "1002")
        await server.fact(LegAnswered, leg_id=leg.leg_id)
        await hang_up(server, call)


async def test_two_who_forward_to_each_other_leave_the_caller_with_busy(server: RamalServer) -> None:
    await forward(server, "1002", forward_busy_to="1003")
    await forward(server, "1003", forward_busy_to="1002")
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        call = ana.call("1002")
        (await boris.incoming()).session.reject(486)
        (await clara.incoming()).session.reject(486)
        assert await call.over() == 486
        assert boris.untouched


async def test_one_who_is_not_to_be_disturbed_is_not_rung(server: RamalServer) -> None:
    await forward(server, "1002", do_not_disturb=True)
    async with phones(server, "1001", "1002") as (ana, boris):
        assert await ana.call("1002").over() == 480
        assert boris.untouched
        assert (await server.fact(CallEnded)).disposition is Disposition.BUSY


async def test_without_call_waiting_a_second_caller_finds_a_busy_line(server: RamalServer) -> None:
    await forward(server, "1002", call_waiting=False)
    async with phones(server, "1001", "1002", "1003") as (ana, boris, clara):
        call = ana.call("1002")
        await take(boris)
        await call.answered()
        assert await clara.call("1002").over() == 486
        assert boris.untouched
        await forward(server, "1002", call_waiting=True)
        second = clara.call("1002")
        await take(boris)
        await second.answered()
        second.session.hang_up()
        await hang_up(server, call)


@pytest.mark.parametrize(
    ("code", "field", "value"),
    [
        ("*721003", "forward_to", "1003"),
        ("*90*1003#", "forward_busy_to", "1003"),
        ("*92" + OUTSIDE, "forward_no_answer_to", OUTSIDE),
        ("*941003", "forward_unavailable_to", "1003"),
        ("*78", "do_not_disturb", True),
        ("*44", "call_waiting", False),
    ],
)
async def test_a_star_code_sets_it_and_is_confirmed(server: RamalServer, code: str, field: str, value: object) -> None:
    off = {"*78": "*79", "*44": "*43"}.get(code[:3], f"*{int(code[1:3]) + 1}")
    async with scripted_carrier(server), phones(server, "1001") as (ana,):
        extension = server.exchange.directory.snapshot.extensions
        before = getattr(extension["1001"], field)
        call = ana.call(code)
        await call.answered()
        assert await call.over() == 200
        assert getattr(server.exchange.directory.snapshot.extensions["1001"], field) == value
        told = next(event for event in server.events if event.kind == "extension.forwarding")
        assert (told.payload["extension"], told.payload[field]) == ("1001", value)
        assert await ana.call(off).over() == 200
        assert getattr(server.exchange.directory.snapshot.extensions["1001"], field) == before
        assert {end.disposition for end in server.told(CallEnded)} == {Disposition.ANSWERED}


@pytest.mark.parametrize("target", ["1999", "1001", "5551234"])
async def test_a_star_code_that_leads_nowhere_changes_nothing(server: RamalServer, target: str) -> None:
    async with phones(server, "1001") as (ana,):
        call = ana.call(f"*72{target}")
        await call.event(Answered)
        assert await call.over() == 200
        assert server.exchange.directory.snapshot.extensions["1001"].forward_to == ""
