"""SIPp's own scenarios, as they come with it, against the whole server: as callers of an inbound number and as its phone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.ramal_process import RamalProcess, ramal_process, until
from tests.support.sipp import run_sipp

pytestmark = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"
)

REGISTER = Path(__file__).with_name("scenarios") / "register.xml"
PCAP = Path("/usr/share/sip-tester")
EXTENSION, PASSWORD = "1003", "no-blanks-for-sipp-9"
NUMBER = "+74951234567"
CALLS = 5


@contextlib.asynccontextmanager
async def company(folder: Path, **settings: str) -> AsyncIterator[RamalProcess]:
    """A server whose inbound number leads to one extension, and to which this machine is the carrier."""
    async with ramal_process(folder, **settings) as server:
        await server.start()
        # Right after a start on a busy machine its loop is late, and calls are turned away until it looks at the clock again.
        await asyncio.sleep(1.5)
        async with server.api() as api:
            await api.patch("company", name="Test", country="RU", record_calls=False)
            await api.post("extensions", number=EXTENSION, name="Desk", password=PASSWORD)
            await api.post("numbers", number=NUMBER, destination={"kind": "extension", "target": EXTENSION})
            await api.post(
                "trunks",
                name="carrier",
                host="127.0.0.1",
                port=9,
                register=False,
                allow_from=["127.0.0.1/32", "::1/128"],
            )
        yield server


async def register(
    server: RamalProcess, folder: Path, port: int, username: str = EXTENSION, *, transport: str = "u1"
) -> None:
    rows = folder / "phone.csv"
    rows.write_text(f"SEQUENTIAL\n{username};[authentication username={username} password={PASSWORD}];\n")
    target = f"127.0.0.1:{server.sip_port}"
    extra = ["-inf", str(rows)]
    result = await run_sipp(REGISTER, target, folder=folder, port=port, transport=transport, extra=extra)
    assert result.code == 0, result.log


async def answered(server: RamalProcess, count: int) -> None:
    """Wait until so many calls have their records, and see that all were answered."""
    async with server.api() as api:

        async def over() -> list[str] | None:
            items = (await api.get("cdrs"))["items"]
            return [item["disposition"] for item in items] if len(items) == count and items[-1]["ended_at"] else None

        assert set(await until(over, f"{count} records")) == {"answered"}


@pytest.mark.timeout(150)
async def test_every_stock_caller_reaches_the_stock_callee(tmp_path: Path) -> None:
    async with company(tmp_path) as server:
        port = free_port()
        await register(server, tmp_path, port)
        target = f"127.0.0.1:{server.sip_port}"
        callers = ["uac", "regexp"]
        if os.geteuid() == 0 and PCAP.is_dir():
            # It plays a recording by raw packets, and looks for it beside itself.
            (tmp_path / "pcap").symlink_to(PCAP)
            callers.append("uac_pcap")
        callee = asyncio.create_task(
            run_sipp("uas", folder=tmp_path, port=port, calls=CALLS * len(callers), timeout=60)
        )
        for name in callers:
            result = await run_sipp(
                name, target, folder=tmp_path, calls=CALLS, service=NUMBER, extra=["-d", "200"], timeout=40
            )
            assert (result.successful, result.failed) == (CALLS, 0), f"{name}: {result.log}"
        result = await callee
        assert (result.successful, result.failed) == (CALLS * len(callers), 0), result.log
        await answered(server, CALLS * len(callers))


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("callers", "address"), [(["u1"], "127.0.0.1"), (["tn"], "127.0.0.1"), (["t1", "u1"], "::1")])
async def test_a_callee_over_tcp_is_reached_though_it_registered_over_a_connection_that_is_closed(
    tmp_path: Path, callers: list[str], address: str
) -> None:
    async with company(tmp_path, SIP_LISTEN="127.0.0.1,::1") as server:
        port, calls = free_port(), CALLS * len(callers)
        # It leaves, and comes back as one that listens at the port it registered from.
        await register(server, tmp_path, port, transport="t1")
        callee = asyncio.create_task(
            run_sipp("uas", folder=tmp_path, port=port, transport="t1", calls=calls, timeout=40)
        )
        target = f"[{address}]:{server.sip_port}" if ":" in address else f"{address}:{server.sip_port}"
        for caller in callers:
            result = await run_sipp(
                "uac",
                target,
                folder=tmp_path,
                address=address,
                transport=caller,
                calls=CALLS,
                service=NUMBER,
                extra=["-d", "200", *(["-max_socket", "20"] if caller == "tn" else [])],
                timeout=30,
            )
            assert (result.successful, result.failed) == (CALLS, 0), result.log
        result = await callee
        assert (result.successful, result.failed) == (calls, 0), result.log
        await answered(server, calls)


@pytest.mark.timeout(120)
async def test_two_calls_without_offer_are_joined_by_a_third_party(tmp_path: Path) -> None:
    async with company(tmp_path) as server:
        port, control = free_port(), f"127.0.0.1:{free_port()}"
        await register(server, tmp_path, port)
        target = f"127.0.0.1:{server.sip_port}"
        callee = asyncio.create_task(run_sipp("uas", folder=tmp_path, port=port, calls=2, timeout=40))
        runs = []
        for name in ("3pcc-C-B", "3pcc-C-A"):
            run = run_sipp(name, target, folder=tmp_path, service=NUMBER, extra=["-3pcc", control], timeout=30)
            runs.append(asyncio.create_task(run))
            await asyncio.sleep(1)
        for result in await asyncio.gather(*runs, callee):
            assert result.failed == 0, result.log
            assert result.successful >= 1, result.log
        await answered(server, 2)


@pytest.mark.timeout(120)
async def test_a_caller_without_a_password_registers_and_calls_from_a_trusted_network(tmp_path: Path) -> None:
    async with company(tmp_path, SIP_TRUSTED_NETWORKS="127.0.0.5/32") as server:
        async with server.api() as api:
            await api.post("extensions", number="1004", name="Caller", password=PASSWORD)
            await api.post("devices", extension="1004", username="ua1", password=PASSWORD)
            await api.post("devices", extension=EXTENSION, username="ua2", password=PASSWORD)
        port = free_port()
        await register(server, tmp_path, port, "ua2")
        callee = asyncio.create_task(run_sipp("uas", folder=tmp_path, port=port, calls=2, timeout=40))
        result = await run_sipp(
            "branchc", f"127.0.0.1:{server.sip_port}", folder=tmp_path, address="127.0.0.5", calls=2, timeout=40
        )
        assert (result.successful, result.failed) == (2, 0), result.log
        result = await callee
        assert (result.successful, result.failed) == (2, 0), result.log
        await answered(server, 2)
