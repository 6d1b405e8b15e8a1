"""Transfers asked for by those who hang up themselves when they are told how it went, as SIPp's users write their scripts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.events import CallTransferred, LegEnded, TransferKind, TransferResult
from ramal.softphone.controller import PhoneCall
from sip.session_events import Ended, ReferProgressed
from tests.interop.conftest import NUMBER, PhoneFactory
from tests.interop.test_forwarding import hang_up, phones
from tests.interop.test_transfers import consulting, dialog_of, to
from tests.support.ramal_server import PASSWORD, RamalServer
from tests.support.scripted_phone import description, scripted_carrier
from tests.support.sipp import SippResult, run_sipp

SCENARIOS = Path(__file__).parent / "scenarios"


def play(server: RamalServer, folder: Path, name: str, **keys: str) -> asyncio.Task[SippResult]:
    """Let a scenario call 1001 as 1003."""
    run = run_sipp(
        SCENARIOS / f"{name}.xml",
        server.address,
        folder=folder,
        service="1001",
        keys={"user": "1003", **keys},
        extra=["-au", "1003", "-ap", PASSWORD],
        timeout=20,
    )
    return asyncio.create_task(run)


async def asked_to_transfer(
    server: RamalServer, phone: PhoneFactory, folder: Path, name: str
) -> tuple[asyncio.Task[SippResult], PhoneCall, PhoneCall]:
    """Have a scenario talk to 1001 and give that one away to 1002; return its run, the call of 1001, and the one that rings 1002."""
    ana, boris = await phone("1001"), await phone("1002")
    scenario = play(server, folder, name, target="1002")
    kept = await ana.incoming()
    await kept.answer()
    return scenario, kept, await boris.incoming()


async def ended_well(scenario: asyncio.Task[SippResult]) -> None:
    """Wait for a scenario's end, which has to be as it was written."""
    result = await scenario
    assert (result.successful, result.failed) == (1, 0), result.log


async def test_who_transferred_may_hang_up_itself_once_it_was_told_that_it_went_well(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    scenario, kept, target = await asked_to_transfer(server, phone, tmp_path, "refer_and_wait")
    await target.answer(180)
    await asyncio.sleep(0.3)
    await target.answer()
    done = await server.fact(CallTransferred)
    assert (done.kind, done.result) == (TransferKind.BLIND, TransferResult.COMPLETED)
    await server.fact(LegEnded, reason="Transferred")
    await ended_well(scenario)
    await kept.hang_up()
    await server.quiet()


async def test_who_consulted_joins_the_two_and_hangs_up_itself(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    scenario, kept, consulted = await asked_to_transfer(server, phone, tmp_path, "refer_with_replaces")
    await consulted.answer()
    done = await server.fact(CallTransferred)
    assert (done.kind, done.result) == (TransferKind.ATTENDED, TransferResult.COMPLETED)
    await ended_well(scenario)
    assert [leg.extension for leg in server.exchange.switch.calls()[0].legs] == ["1001", "1002"]
    await kept.hang_up()
    await consulted.over()
    await server.quiet()


async def test_who_names_its_two_calls_the_other_way_round_may_hang_up_itself_as_well(server: RamalServer) -> None:
    async with scripted_carrier(server) as carrier, phones(server, "1001", "1002") as (ana, boris):
        customer, held, consultation, ringing = await consulting(carrier, ana, boris)
        ringing.session.answer(description(port=40_020))
        await consultation.answered()
        consultation.session.refer(to(NUMBER), replaces=dialog_of(held))
        told = await consultation.event(ReferProgressed, count=3)
        assert (told.status, told.final) == (200, True)
        await asyncio.sleep(0.2)
        assert not consultation.ended
        consultation.session.hang_up()
        assert consultation.events[-1] == Ended(by_peer=False, reason="", status=200)
        await held.over()
        assert not customer.ended
        await hang_up(server, customer)
