"""Real peers over a network that loses, doubles and reorders a tenth of all datagrams: no call is lost, no record doubled."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.lossy_relay import LossyRelay, Weather, lossy_relay
from tests.support.ports import free_port
from tests.support.ramal_process import CARRIER, RamalProcess, ramal_process, until
from tests.support.sipp import SippResult, run_sipp

pytestmark = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"
)

SCENARIOS = Path(__file__).with_name("scenarios")
STORM = Weather(loss=0.1, duplication=0.05, reordering=0.1, lag=0.03, seed=4475)
NUMBER = "+74951234567"
EXTENSION, PASSWORD = "1003", "no-blanks-for-sipp-9"
CALLS = 24
_RTP_PORTS = 6 * CALLS


@dataclass
class Lines:
    """The server, and the bad lines to it."""

    server: RamalProcess
    phones: LossyRelay
    carrier: LossyRelay
    folder: Path

    async def register(self, port: int) -> SippResult:
        """Register the phone of the extension at a port where it will answer."""
        rows = f"SEQUENTIAL\n{EXTENSION};[authentication username={EXTENSION} password={PASSWORD}];\n"
        (self.folder / "phone.csv").write_text(rows)
        return await self.sipp(
            SCENARIOS / "register.xml", self.phones, port=port, extra=["-inf", str(self.folder / "phone.csv")]
        )

    async def sipp(self, scenario: Path | str, by: LossyRelay | None, calls: int = 1, **options: object) -> SippResult:
        """Run SIPp over one of the lines; by itself it would give a call up when a response is overtaken by the next one."""
        extra = ["-default_behaviors", "all,-abortunexp", *options.pop("extra", [])]  # type: ignore[misc]
        target = f"{by.address[0]}:{by.address[1]}" if by is not None else ""
        return await run_sipp(scenario, target, folder=self.folder, calls=calls, timeout=50, extra=extra, **options)  # type: ignore[arg-type]

    async def records(self) -> list[dict[str, object]]:
        """Return the records of the calls, once all are over."""
        async with self.server.api() as api:

            async def over() -> list[dict[str, object]] | None:
                items: list[dict[str, object]] = (await api.get("cdrs", limit=200))["items"]
                return items if len(items) >= CALLS and all(item["ended_at"] for item in items) else None

            found = await until(over, f"{CALLS} records", 40)
            # A second record of a call would come a moment later.
            await asyncio.sleep(0.5)
            return (await over()) or found


@contextlib.asynccontextmanager
async def lines(folder: Path) -> AsyncIterator[Lines]:
    first = free_port(count=_RTP_PORTS)
    # SIPp as it comes may take a repeated 200 of its INVITE for the answer to a BYE that got lost: such calls end by silence.
    media = {
        "MEDIA_SILENCE_SECONDS": "10",
        "MEDIA_FIRST_PORT": str(first),
        "MEDIA_LAST_PORT": str(first + _RTP_PORTS - 1),
    }
    async with ramal_process(folder, **media) as server, contextlib.AsyncExitStack() as stack:
        await server.start()
        # Right after a start on a busy machine its loop is late, and calls are turned away until it looks at the clock again.
        await asyncio.sleep(1.5)
        await server.create_company(9)
        async with server.api() as api:
            await api.patch("company", record_calls=False)
            await api.post("extensions", number=EXTENSION, name="Desk", password=PASSWORD)
            await api.post("numbers", number=NUMBER, destination={"kind": "extension", "target": EXTENSION})
        there = ("127.0.0.1", server.sip_port)
        phones = await stack.enter_async_context(lossy_relay(there, STORM))
        carrier = await stack.enter_async_context(lossy_relay(there, STORM, upstream_host=CARRIER))
        yield Lines(server, phones, carrier, folder)


@pytest.mark.timeout(150)
@pytest.mark.parametrize("caller", ["uac", SCENARIOS / "holding_caller.xml"], ids=["stock", "holding"])
async def test_every_call_over_a_bad_network_is_made_and_recorded_once(tmp_path: Path, caller: Path | str) -> None:
    async with lines(tmp_path) as network:
        port = free_port()
        registered = await network.register(port)
        assert registered.code == 0, registered.log
        callee = asyncio.create_task(network.sipp("uas", None, CALLS, port=port))
        calling = await network.sipp(
            caller, network.carrier, CALLS, service=NUMBER, rate=20, extra=["-d", "200", "-l", str(CALLS)]
        )
        called = await callee
        problems = f"the caller:\n{calling.log}\nthe callee:\n{called.log}"
        assert (calling.successful, calling.failed) == (called.successful, called.failed) == (CALLS, 0), problems
        assert min(network.phones.tally.lost, network.carrier.tally.lost) > CALLS / 8
        records = await network.records()
        assert len(records) == CALLS
        assert {record["disposition"] for record in records} == {"answered"}
