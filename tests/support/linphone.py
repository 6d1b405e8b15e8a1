"""Linphone as a peer: its daemon, a real process without sound hardware, steered through its command socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.ports import free_port

# Its TLS library knows no addresses in certificates, but checks who signed them.
_CONFIG = """\
[sip]
sip_port={udp}
sip_tcp_port={tcp}
sip_tls_port={tls}
use_ipv6=0
root_ca={authority}
verify_server_cn=0
100rel_support_level={reliable}
incoming_calls_early_media={early}
[video]
enabled=0
capture=0
display=0
[misc]
uuid=00000000-0000-0000-0000-000000000001
"""


class Linphone:
    """Made by `linphone`; commands are those of the daemon's own help."""

    def __init__(self, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._folder = folder
        self._reader = reader
        self._writer = writer

    async def do(self, command: str) -> str:
        """Give a command, and return what it says to it."""
        answer = await self._ask(command)
        assert answer.startswith("Status: Ok"), f"linphone refuses {command}: {answer}"
        return answer

    async def _ask(self, command: str) -> str:
        self._writer.write(command.encode() + b"\n")
        await self._writer.drain()
        async with asyncio.timeout(10):
            return (await self._reader.read(65_536)).decode()

    async def until(self, command: str, text: str) -> None:
        """Give a command again and again until what it says holds a text."""
        answer = ""
        try:
            async with asyncio.timeout(15):
                while text not in answer:
                    answer = await self._ask(command)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"linphone does not come to say {text}, but: {answer}") from None

    @property
    def log(self) -> str:
        """What it wrote, with all SIP messages."""
        return (self._folder / "log").read_text(errors="replace")


@contextlib.asynccontextmanager
async def linphone(
    folder: Path, *, transport: str = "udp", authority: Path | str = "", reliable: int = 0, early: bool = False
) -> AsyncIterator[Linphone]:
    """Run it until the block ends.

    Args:
        folder: an empty folder for its files.
        transport: `udp`, `tcp` or `tls`.
        authority: whose certificates it believes.
        reliable: provisional responses of RFC 3262: 0 knows none, 1 supports, 2 demands them.
        early: whether it answers calls with voice before they are taken.
    """
    ports = {name: free_port() if name == transport else -1 for name in ("udp", "tcp", "tls")}
    home = folder / "home"
    (home / ".local" / "share" / "linphone").mkdir(parents=True)
    (folder / "config").write_text(_CONFIG.format(**ports, authority=authority, reliable=reliable, early=int(early)))
    name = f"linphone-{secrets.token_hex(4)}"
    process = await asyncio.create_subprocess_exec(
        "linphone-daemon",
        *("--pipe", name, "--factory-config", str(folder / "config"), "--config", str(folder / "own")),
        *("--log", str(folder / "log")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"HOME": str(home)},
    )
    socket = Path("/tmp") / name  # noqa: S108 - where the daemon makes it
    try:
        reader, writer = await _connected(socket)
        with contextlib.closing(writer):
            phone = Linphone(folder, reader, writer)
            yield phone
            with contextlib.suppress(AssertionError, ConnectionError, TimeoutError):
                await phone.do("quit")
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()
        socket.unlink(missing_ok=True)


async def _connected(socket: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with asyncio.timeout(15):
        while True:
            try:
                return await asyncio.open_unix_connection(socket)
            except (FileNotFoundError, ConnectionRefusedError):
                await asyncio.sleep(0.1)
