"""rtpengine as a relay to measure beside: in user space, with one thread, asked for each call by its control protocol ng."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.relay import PORTS, SECONDS, Figures, go_first, more_files, pin, resident_kb, run

HOW_TO_INSTALL: Final = "apt-get install --no-install-recommends rtpengine-daemon (10 MB)"
_START_SECONDS: Final = 10.0
_ATTEMPTS: Final = 10
_SDP: Final = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\na=sendrecv\r\n"


class RtpengineError(Exception):
    """rtpengine did not start, or refused a call."""


def installed() -> bool:
    """Tell whether it can be measured here."""
    return shutil.which("rtpengine") is not None


def measure_calls(calls: int, *, seconds: int = SECONDS) -> Figures:
    """Relay so many calls for a time. Raises `RtpengineError`."""
    return asyncio.run(_measure(calls, seconds))


async def _measure(calls: int, seconds: int) -> Figures:
    with more_files(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.bind(("127.0.0.1", 0))
        port = _free_port()
        process = await asyncio.create_subprocess_exec(
            "rtpengine", "--config-file=none", "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{port}",
            f"--port-min={PORTS[0]}", f"--port-max={PORTS[1]}", "--num-threads=1", "--foreground", "--log-stderr", "--log-level=1",
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_become_relay,
        )  # fmt: skip
        control.connect(("127.0.0.1", port))
        relay = Rtpengine(process.pid, control)
        try:
            await asyncio.to_thread(relay.wait_until_ready)
            return await run(relay, calls, seconds=seconds)
        finally:
            process.terminate()
            await process.wait()


def _become_relay() -> None:
    """Run where our engine runs, and as it does."""
    pin(0)
    go_first()


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Rtpengine:
    """A running rtpengine."""

    def __init__(self, process: int, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._control.settimeout(1.0)
        self._asked = 0

    def wait_until_ready(self) -> None:
        """Return once it answers. Raises `RtpengineError` after ten seconds."""
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            try:
                self._ask({"command": "ping"})
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RtpengineError("rtpengine does not answer")

    async def set_up(self, phones: list[int]) -> list[int]:
        """Offer and answer each call, as a SIP proxy would."""
        return await asyncio.to_thread(self._set_up, phones)

    def _set_up(self, phones: list[int]) -> list[int]:
        targets: list[int] = []
        for number, (a, b) in enumerate(zip(phones[::2], phones[1::2], strict=True)):
            call = {"call-id": f"bench-{number}", "from-tag": "a"}
            towards_b = self._ask({"command": "offer", "sdp": _SDP.format(port=a), **call})
            towards_a = self._ask({"command": "answer", "sdp": _SDP.format(port=b), "to-tag": "b", **call})
            targets += (_port_in(towards_a), _port_in(towards_b))
        return targets

    def _ask(self, request: Mapping[str, str]) -> bytes:
        self._asked += 1
        reply = self._exchange(str(self._asked).encode() + b" ", _bencode(request))
        if b"6:result" not in reply or b"5:error" in reply:
            raise RtpengineError(reply.decode(errors="replace"))
        return reply

    def _exchange(self, cookie: bytes, request: bytes) -> bytes:
        """Send until it is answered: a request that comes again under its cookie is carried out once."""
        for _ in range(_ATTEMPTS):
            self._control.send(cookie + request)
            with suppress(TimeoutError):
                while not (reply := self._control.recv(65536)).startswith(cookie):
                    pass
                return reply
        raise RtpengineError("rtpengine does not answer")

    def cpu_seconds(self) -> float:
        """Return the CPU time of all its threads: the kernel counts it in nanoseconds."""
        tasks = Path(f"/proc/{self._process}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def resident_kb(self) -> float:
        """Return the resident memory of its process."""
        return resident_kb(self._process)


def _bencode(values: Mapping[str, str]) -> bytes:
    items = ((item.encode() for item in pair) for pair in sorted(values.items()))
    return b"d" + b"".join(str(len(item)).encode() + b":" + item for pair in items for item in pair) + b"e"


def _port_in(reply: bytes) -> int:
    found = re.search(rb"m=audio (\d+) ", reply)
    if found is None:
        raise RtpengineError(f"no port in {reply!r}")
    return int(found[1])
