"""SIPp with scenarios of our own on both sides of a real server process: a caller with an account, carriers that are called."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.ramal_process import CARRIER, PASSWORD, RamalProcess, ramal_process
from tests.support.sipp import run_sipp

pytestmark = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"
)

SCENARIOS = Path(__file__).parent / "sipp"
PAIRS = (
    ("prack_caller", "prack_callee"),
    ("prack_late_caller", "prack_callee"),
    ("early_late_offer_caller", "prack_callee"),
    ("update_caller", "update_callee"),
    ("prack_caller", "forking_callee"),
    ("late_offer_caller", "plain_callee"),
    ("timer_brief_caller", "plain_callee"),
    ("timer_silent_caller", "plain_callee"),
    ("plain_long_caller", "timer_callee"),
    ("glare_caller", "plain_callee"),
    ("cancel_caller", "cancel_race_callee"),
    ("odd_caller", "plain_callee"),
    ("plain_caller", "strict_route_callee"),
    ("odd_caller", "odd_callee"),
    ("plain_caller", "odd_callee"),
    ("routed_caller", "leaving_callee"),
    ("compact_caller", "plain_callee"),
    ("holding_caller", "plain_callee"),
    ("key_caller", "plain_callee"),
    ("fax_caller", "plain_callee"),
    ("hasty_caller", "silent_callee"),
    ("early_leaver", "ringing_callee"),
    ("refreshing_caller", "plain_callee"),
    ("plain_caller", "slow_callee"),
    ("plain_caller", "chatty_callee"),
    ("plain_caller", "forgetful_callee"),
)
"""Who calls whom; each pair has a number and a trunk of its own."""


async def prepare(server: RamalProcess, ports: Sequence[int]) -> None:
    """Make the caller's extension, and the carriers that listen on these ports."""
    async with server.api() as api:
        await api.patch("company", name="Test", country="RU", record_calls=False)
        await api.post("extensions", number="1001", name="Caller", password=PASSWORD)
        for index, port in enumerate(ports):
            name, prefix = f"carrier{index}", number(index)
            login = {"username": "ramal", "password": PASSWORD, "register": False}
            await api.post("trunks", name=name, host=CARRIER, port=port, ping_seconds=0, **login)
            await api.post("routes", name=name, prefix=prefix, trunks=[name], strip=0, prepend="", priority=10)


def number(index: int) -> str:
    return f"+791654321{index:02}"


async def play(server: RamalProcess, folder: Path, index: int, port: int) -> str:
    """Let a caller's and a carrier's scenario meet in the server; return what did not go as it is written.

    They have eight ports: the carrier's, the caller's, and four for the voice of either, who are at different addresses.
    """
    media_port = port + 4
    caller, callee = PAIRS[index]
    folder = folder / str(index)
    folder.mkdir()
    called = asyncio.create_task(
        run_sipp(
            SCENARIOS / f"{callee}.xml", folder=folder, address=CARRIER, port=port, media_port=media_port, timeout=25
        )
    )
    await asyncio.sleep(1)
    calling = await run_sipp(
        SCENARIOS / f"{caller}.xml",
        f"127.0.0.1:{server.sip_port}",
        folder=folder,
        port=port + 2,
        media_port=media_port,
        service=number(index),
        extra=("-au", "1001", "-ap", PASSWORD),
        timeout=20,
    )
    answered = await called
    went_well = [result.code == 0 and result.successful == 1 for result in (calling, answered)]
    return "" if all(went_well) else f"{caller} calls {callee}:\n{calling.log}\n{answered.log}\n"


async def test_callers_and_carriers_of_every_kind_find_what_their_scenarios_expect(tmp_path: Path) -> None:
    count = 8 * len(PAIRS)
    first = free_port(count=count)
    settings = {"MEDIA_FIRST_PORT": str(first), "MEDIA_LAST_PORT": str(first + count - 1)}
    settings |= {"SIP_SESSION_SECONDS": "6", "SIP_MIN_SESSION_SECONDS": "5"}
    async with ramal_process(tmp_path, **settings) as server:
        await server.start()
        # Of so many at a time some would choose the same ports.
        own = free_port(count=count)
        while first - count < own < first + count:
            own = free_port(count=count)
        ports = range(own, own + count, 8)
        await prepare(server, ports)
        troubles = await asyncio.gather(*[play(server, tmp_path, index, port) for index, port in enumerate(ports)])
        assert not any(troubles), "\n".join(troubles)
        assert "Traceback" not in server.log.read_text()
        await server.stop()
