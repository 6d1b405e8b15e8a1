"""SIPp on both sides of a real server process, in a codec that is not decoded here: what is sent arrives at a plain socket as it is."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.ports import free_port
from tests.support.ramal_process import CARRIER, PASSWORD, RamalProcess, ramal_process
from tests.support.sipp import SippResult, run_sipp

pytestmark = pytest.mark.skipif(
    shutil.which("sipp") is None, reason="SIPp is not installed (Debian package sip-tester)"
)

SCENARIOS = Path(__file__).parent / "sipp"
NUMBER = "+79165432100"
G729 = 18
FRAMES = b"".join([bytes([number]) * 20 for number in range(1, 101)])
"""Two seconds of packets that can be told apart."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[tuple[RamalProcess, int]]:
    """A server with a caller's extension, a conference, and a carrier at the port that is returned."""
    port = free_port()
    async with ramal_process(tmp_path) as process:
        await process.start()
        async with process.api() as api:
            await api.patch("company", name="Test", country="RU", record_calls=False)
            await api.post("extensions", number="1001", name="Caller", password=PASSWORD)
            await api.post("conferences", number="9000", name="All")
            login = {"username": "ramal", "password": PASSWORD, "register": False}
            codecs = ["PCMA", "G729"]
            await api.post("trunks", name="carrier", host=CARRIER, port=port, ping_seconds=0, codecs=codecs, **login)
            await api.post("routes", name="all", prefix="+", trunks=["carrier"], strip=0, prepend="", priority=10)
        yield process, port
        await process.stop()
        assert "Traceback" not in process.log.read_text()


async def call(server: RamalProcess, scenario: str, folder: Path, service: str) -> SippResult:
    """Call a number by a scenario."""
    (folder / "voice.g729").write_bytes(FRAMES)
    return await run_sipp(
        SCENARIOS / f"{scenario}.xml",
        f"127.0.0.1:{server.sip_port}",
        folder=folder,
        service=service,
        extra=("-au", "1001", "-ap", PASSWORD),
        timeout=20,
    )


async def arrived(listening: socket.socket) -> list[bytes]:
    """Return the RTP packets that have come to a socket."""
    packets = []
    while True:
        try:
            packets.append(listening.recv(2048))
        except BlockingIOError:
            return [packet for packet in packets if not 192 <= packet[1] <= 223]


async def test_a_call_in_g729_alone_is_passed_on_and_stays_so_over_hold(
    server: tuple[RamalProcess, int], tmp_path: Path
) -> None:
    process, port = server
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((CARRIER, 0))
        listening.setblocking(False)
        called = asyncio.create_task(
            run_sipp(
                SCENARIOS / "passed_callee.xml",
                folder=tmp_path,
                address=CARRIER,
                port=port,
                keys={"voice_port": str(listening.getsockname()[1])},
                timeout=25,
            )
        )
        await asyncio.sleep(1)
        calling = await call(process, "passed_caller", tmp_path, NUMBER)
        answered = await called
        for result in (calling, answered):
            assert (result.code, result.successful) == (0, 1), result.log
        packets = await arrived(listening)
    voice = [packet[12:] for packet in packets if packet[1] & 0x7F == G729]
    # Of two stretches of 0.6 seconds; in the time of hold nothing is passed on.
    assert 40 <= len(voice) <= 75
    assert {len(payload) for payload in voice} == {20}
    assert all(payload in FRAMES for payload in voice)


async def test_a_carrier_that_speaks_no_g729_is_the_reason_for_a_refusal_that_says_so(
    server: tuple[RamalProcess, int], tmp_path: Path
) -> None:
    process, port = server
    called = asyncio.create_task(
        run_sipp(SCENARIOS / "refusing_passed_callee.xml", folder=tmp_path, address=CARRIER, port=port, timeout=25)
    )
    await asyncio.sleep(1)
    calling = await call(process, "passed_and_refused_caller", tmp_path, NUMBER)
    for result in (calling, await called):
        assert (result.code, result.successful) == (0, 1), result.log


@pytest.mark.parametrize("service", ["9000", "*78"])
async def test_where_we_speak_ourselves_g729_alone_is_refused_with_the_reason(
    server: tuple[RamalProcess, int], tmp_path: Path, service: str
) -> None:
    result = await call(server[0], "passed_and_refused_caller", tmp_path, service)
    assert (result.code, result.successful) == (0, 1), result.log
