"""baresip as a peer: a real phone in a process of its own, driven over its control port (netstrings of JSON)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.ports import free_port

_CONFIG = """
sip_listen {address}:{sip_port}
rtp_ports {rtp_port}-{rtp_last}
call_max_calls 4
audio_player aufile,{player}
audio_source aufile,{source}
ausrc_srate 8000
auplay_srate 8000
audio_channels 1
module_path /usr/lib/baresip/modules
module g711.so
module g722.so
module aufile.so
module sndfile.so
module_app account.so
module_app contact.so
module_app menu.so
module_tmp uuid.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control_port}
snd_path {folder}
{settings}"""


class Baresip:
    """One baresip phone in a folder of its own.

    What it hears is in `heard()`. It says `speech`; a call ends with that file, so let it be long.
    """

    def __init__(
        self,
        folder: Path,
        username: str,
        speech: Path,
        *,
        server: str = "",
        password: str = "",
        auto_answer: bool = False,
        transport: str = "udp",
        parameters: str = "",
        modules: Sequence[str] = (),
        contacts: str = "",
        address: str = "127.0.0.1",
        settings: str = "",
    ) -> None:
        """Prepare it.

        Args:
            folder: an empty folder.
            username: the extension.
            speech: a mono 8 kHz WAV file.
            server: host:port to register at; empty for a phone that is called directly.
            password: of the extension.
            auto_answer: whether it answers by itself.
            transport: `udp`, `tcp` or `tls`.
            parameters: further account parameters, such as `;audio_codecs=PCMA`.
            modules: further modules, such as `presence`.
            contacts: lines of the address book.
            address: where it listens.
            settings: further lines of its configuration.
        """
        self.username = username
        self.folder = folder
        self.sip_port = free_port(count=2)
        self._control_port = free_port()
        self._events: deque[dict[str, Any]] = deque(maxlen=1000)
        self._news = asyncio.Condition()
        self._replies: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._tokens = itertools.count(1)
        folder.mkdir(parents=True, exist_ok=True)
        rtp_port = free_port(count=20)
        config = _CONFIG.format(
            sip_port=self.sip_port,
            rtp_port=rtp_port,
            rtp_last=rtp_port + 19,
            control_port=self._control_port,
            folder=folder,
            source=speech,
            player=folder / "player.wav",
            address=f"[{address}]" if ":" in address else address,
            settings=settings,
        )
        mode = "auto" if auto_answer else "manual"
        host = f"{server or f'127.0.0.1:{self.sip_port}'};transport={transport}"
        registration = "" if server else ";regint=0"
        account = f"<sip:{username}@{host}>;auth_pass={password};answermode={mode}{registration}{parameters}\n"
        (folder / "config").write_text(config + "".join([f"module_app {module}.so\n" for module in modules]))
        # Registered before its module for waiting messages has looked around once, it subscribes to them again and again without end.
        self._later = account.strip() if "mwi" in modules else ""
        (folder / "accounts").write_text("" if self._later else account)
        (folder / "contacts").write_text(contacts)

    @property
    def uri(self) -> str:
        """Where it can be called directly."""
        return f"sip:{self.username}@127.0.0.1:{self.sip_port}"

    async def __aenter__(self) -> Self:
        self._log = (self.folder / "log").open("wb")
        self._process = await asyncio.create_subprocess_exec(
            "baresip", "-f", str(self.folder), stdin=asyncio.subprocess.PIPE, stdout=self._log, stderr=self._log
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    reader, self._writer = await asyncio.open_connection("127.0.0.1", self._control_port)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
        self._reading = asyncio.create_task(self._read(reader))
        if self._later:
            await asyncio.sleep(0.5)
            await self.command("uanew", self._later)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError):
            await self.command("quit", timeout=1)
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        self._writer.close()
        await self._reading
        self._log.close()

    async def command(self, name: str, parameters: str = "", *, timeout: float = 5) -> str:
        """Run a command of baresip's menu (`dial`, `accept`, `hangup`, `hold`, `resume`, `transfer`, ...) and return what it says."""
        token = str(next(self._tokens))
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[token] = future
        text = json.dumps({"command": name, "params": parameters, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))
        await self._writer.drain()
        reply = await asyncio.wait_for(future, timeout)
        assert reply["ok"], f"baresip refuses {name}: {reply.get('data')}"
        return str(reply.get("data", ""))

    async def registered(self, *, timeout: float = 10) -> None:
        """Wait until it is registered; that may be before its control port is open, so its log is read."""
        async with asyncio.timeout(timeout):
            while b" binding" not in (self.folder / "log").read_bytes():
                await asyncio.sleep(0.02)

    async def wait_for(self, kind: str, *, timeout: float = 10) -> dict[str, Any]:
        """Take and return the oldest event of this type (`REGISTER_OK`, `CALL_INCOMING`, `CALL_ESTABLISHED`, ...)."""

        def take() -> dict[str, Any] | None:
            found = next((event for event in self._events if event["type"] == kind), None)
            if found is not None:
                self._events.remove(found)
            return found

        try:
            async with asyncio.timeout(timeout), self._news:
                event = await self._news.wait_for(take)
        except TimeoutError:
            seen = ", ".join(event["type"] for event in self._events)
            raise AssertionError(
                f"baresip {self.username} saw no {kind} in {timeout:g} s, but: {seen or 'nothing'}"
            ) from None
        assert event is not None
        return event

    def heard(self) -> list[Path]:
        """Return the files of what it heard, one a call, oldest first."""
        return sorted(self.folder.glob("dump-*-dec.wav"), key=lambda path: path.stat().st_mtime)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                if message.get("response"):
                    future = self._replies.pop(message.get("token", ""), None)
                    if future is not None and not future.done():
                        future.set_result(message)
                    continue
                async with self._news:
                    self._events.append(message)
                    self._news.notify_all()
