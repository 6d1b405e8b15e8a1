"""SIPp, a SIP implementation that nobody here wrote, against the bare stack: its own scenarios must pass without a complaint."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sip.address import Address
from sip.config import SipConfig
from sip.session import InviteSession
from sip.session_events import Answered, Ended, SessionEvent
from sip.stack import SipStack
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, PhoneApplication

SIPP = shutil.which("sipp")
pytestmark = pytest.mark.skipif(SIPP is None, reason="SIPp is not installed (Debian package sip-tester)")


@contextlib.asynccontextmanager
async def running(application: PhoneApplication) -> AsyncIterator[SipStack]:
    ports = (Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"))
    stack = SipStack(SipConfig(listen=ports), application)
    await stack.start()
    try:
        yield stack
    finally:
        await stack.close()
        await asyncio.sleep(0.02)


def port_of(stack: SipStack, transport: str) -> int:
    return next(address.port for address in stack.addresses if address.transport == transport)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def sipp(folder: Path, *arguments: str) -> dict[str, str]:
    """Run SIPp to its end; return the last line of its statistics."""
    statistics = folder / "statistics.csv"
    process = await asyncio.create_subprocess_exec(
        str(SIPP), *arguments, "-i", "127.0.0.1", "-nostdin", "-trace_stat", "-stf", str(statistics), "-fd", "1", "-timeout", "60s",
        "-max_socket", "500", "-trace_err", "-error_file", str(folder / "errors.log"),
        cwd=folder, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    code = await process.wait()
    errors = folder / "errors.log"
    assert code == 0, errors.read_text() if errors.exists() else code
    return list(csv.DictReader(statistics.read_text().splitlines(), delimiter=";"))[-1]


def ring_and_answer(session: InviteSession) -> None:
    session.progress(180)
    session.answer(ANSWER)


@pytest.mark.parametrize(("transport", "mode"), [("udp", "u1"), ("tcp", "t1"), ("tcp", "tn")])
async def test_a_hundred_calls_of_sipps_own_caller_pass(tmp_path: Path, transport: str, mode: str) -> None:
    application = PhoneApplication(ring_and_answer)
    async with running(application) as stack:
        there = f"127.0.0.1:{port_of(stack, transport)}"
        result = await sipp(tmp_path, "-sn", "uac", there, "-t", mode, "-m", "100", "-r", "100", "-d", "100")
        assert result["SuccessfulCall(C)"] == "100"
        assert result["Retransmissions(C)"] == "0"
        names = application.listener.names
        assert names.count("Confirmed") == 100
        assert names.count("Ended") == 100
        assert not stack.core.sessions


class Caller:
    """Hangs up as soon as it is answered."""

    def __init__(self) -> None:
        self.answered = 0
        self.ended = asyncio.Event()
        self.left = 50

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Answered):
            self.answered += 1
            session.hang_up()
        elif isinstance(event, Ended):
            self.left -= 1
            if not self.left:
                self.ended.set()


async def test_fifty_calls_to_sipps_own_callee_pass(tmp_path: Path) -> None:
    port = free_port()
    async with running(PhoneApplication()) as stack:
        callee = asyncio.create_task(sipp(tmp_path, "-sn", "uas", "-p", str(port), "-m", "50"))
        await asyncio.sleep(0.5)
        caller = Caller()
        for _ in range(50):
            stack.invite(
                Uri("sip", "service", "127.0.0.1", port),
                from_=NameAddress("", Uri("sip", "ramal", "127.0.0.1")),
                listener=caller,
                sdp=OFFER,
            )
        async with asyncio.timeout(20):
            await caller.ended.wait()
            result = await callee
        assert caller.answered == 50
        assert result["SuccessfulCall(C)"] == "50"
