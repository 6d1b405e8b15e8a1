"""coturn as a process: a TURN server with one user."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ports import free_port


@dataclass(frozen=True)
class TurnServer:
    """Where it is, who may use it, and what it wrote down."""

    address: tuple[str, int]
    username: str
    password: str
    relay_host: str
    log: Path


def own_host() -> str:
    """This machine's address on its network: ICE passes over the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


@contextlib.asynccontextmanager
async def turn_server(folder: Path) -> AsyncIterator[TurnServer]:
    """Run coturn until the block ends."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.skip("coturn is not installed")
    host, port, log = own_host(), free_port(), folder / "turn.log"
    process = await asyncio.create_subprocess_exec(
        program, "-n", "--listening-ip", host, "--relay-ip", host, "--listening-port", str(port),
        "--lt-cred-mech", "--user", "ramal:secret", "--realm", "test", "--no-tls", "--no-dtls", "--no-cli",
        "--log-file", str(log), "--simple-log", "--verbose", "--pidfile", str(folder / "turn.pid"),
        "--userdb", str(folder / "turn.db"),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(20):
            while not await _answers(host, port):
                await asyncio.sleep(0.1)
        yield TurnServer((host, port), "ramal", "secret", host, log)
    finally:
        process.terminate()
        await process.wait()


async def _answers(host: str, port: int) -> bool:
    """Ask by a STUN binding request whether somebody is there."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        probe.connect((host, port))
        with contextlib.suppress(OSError, TimeoutError):
            probe.send(b"\x00\x01\x00\x00\x21\x12\xa4\x42are you here")
            return bool(await asyncio.wait_for(loop.sock_recv(probe, 1500), 0.5))
    return False
