"""Transfers asked for by scripts as SIPp users write them: the one who transfers hangs up itself, when it was told how it went."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.events import CallTransferred, LegEnded, TransferKind, TransferResult
from tests.interop.conftest import PhoneFactory
from tests.support.ramal_server import PASSWORD, RamalServer
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


async def test_who_transferred_may_hang_up_itself_once_it_was_told_that_it_went_well(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    scenario = play(server, tmp_path, "refer_and_wait", target="1002")
    kept = await ana.incoming()
    await kept.answer()
    target = await boris.incoming()
    await target.answer(180)
    await asyncio.sleep(0.3)
    await target.answer()
    done = await server.fact(CallTransferred)
    assert (done.kind, done.result) == (TransferKind.BLIND, TransferResult.COMPLETED)
    await server.fact(LegEnded, reason="Transferred")
    result = await scenario
    assert (result.successful, result.failed) == (1, 0), result.log
    await kept.hang_up()
    await server.quiet()
