"""Phones and a server for calls with real peers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from core.events import RecordingStarted
from ramal.softphone.controller import PhoneCall, PhoneSetup, SoftPhone
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.tones import write_tone

TONES = {"1001": 500.0, "1002": 800.0, "1003": 1100.0, "trunk": 1500.0}
"""What each phone says."""

PhoneFactory = Callable[..., Awaitable[SoftPhone]]
Voices = dict[str, Path]
NUMBER = "+74951112233"


async def customer_calls(
    server: RamalServer, trunk: SoftPhone, agent: SoftPhone, voices: Voices
) -> tuple[PhoneCall, PhoneCall]:
    """Let a customer call in, and the agent take the call and speak, until it is recorded."""
    customer = await trunk.call(f"sip:{NUMBER}@{server.address}", voices["trunk"])
    incoming = await agent.incoming()
    await incoming.answer()
    await customer.confirmed()
    await incoming.play(voices[agent.setup.username])
    await server.fact(RecordingStarted)
    return customer, incoming


@pytest.fixture(scope="session")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sounds, made once for all tests."""
    return tmp_path_factory.mktemp("prompts")


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tone for each phone."""
    folder = tmp_path_factory.mktemp("voices")
    return {name: write_tone(folder / f"{name}.wav", hertz) for name, hertz in TONES.items()}


@pytest.fixture
async def server(tmp_path: Path, prompts: Path) -> AsyncIterator[RamalServer]:
    """A server with the extensions 1001, 1002 and 1003."""
    async with ramal_server(tmp_path / "server", prompts=prompts) as running:
        for number, name in (("1001", "Ana"), ("1002", "Boris"), ("1003", "Clara")):
            await running.exchange.directory.create_extension(number=number, name=name, password=PASSWORD)
        yield running


@pytest.fixture
async def phone(server: RamalServer) -> AsyncIterator[PhoneFactory]:
    """Starts registered phones, and closes them at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(username: str, *, register: bool = True, port: int = 0, extensions: bool = False) -> SoftPhone:
            setup = PhoneSetup(
                server=server.address,
                username=username,
                port=port or free_port(),
                rtp_port=_rtp_port(),
                password=PASSWORD if register else "",
                register=register,
                display_name=username,
                extensions=extensions,
            )
            started = await SoftPhone.start(setup)
            stack.push_async_callback(started.close)
            return started

        yield start
        await asyncio.sleep(0)


@pytest.fixture
async def trunk(server: RamalServer, phone: PhoneFactory) -> SoftPhone:
    """A carrier: the line of the trunk `carrier`, with the company's number leading to 1001 and all numbers leading out by it."""
    line = await phone("trunk", register=False)
    directory = server.exchange.directory
    await directory.create_trunk(name="carrier", host="127.0.0.1", port=line.setup.port)
    await directory.create_number(number="+74951112233", kind="extension", target="1001")
    await directory.create_route(name="all", prefix="+", trunks=["carrier"])
    return line


def _rtp_port() -> int:
    return free_port() & ~1
