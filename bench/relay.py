"""Runs a relay under load: any that takes phones' ports and gives ports of its own, beside the native generator of `media_load.cpp`.

One call is two legs of 50 packets a second each way. The relay runs on one core and the generator on another, over loopback. Where the
system allows it both go before everything else on the machine, so that loss and delay are the relay's own.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import time
from asyncio.subprocess import Process
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

SOURCE: Final = Path(__file__).with_name("media_load.cpp")
_NATIVE: Final = SOURCE.parent.parent / "media" / "native"
_SOURCES: Final = (SOURCE, _NATIVE / "srtp.cpp", _NATIVE / "hmac.cpp")
BINARY: Final = SOURCE.parent.parent / "build" / "bench" / "media_load"
PORTS: Final = (20000, 29999)
SECONDS: Final = 5
MOST_BEHIND_MS: Final = 50
"""A generator that was late for longer had too busy a machine for figures of time."""
MOST_LOST: Final = 0.001
"""Of a clean run: the share of packets that were lost, or came later than 50 ms."""


@dataclass(slots=True, frozen=True)
class Figures:
    """What one run with a number of calls showed."""

    cpu_ms_per_s: float
    """CPU milliseconds of the relay's whole process for one call in one second."""
    memory_kb: float
    """Resident memory a call."""
    p50_us: float
    p99_us: float
    lost: float
    """Share of packets that did not come back, or more than 50 ms late."""
    generator_behind_ms: int
    """How long the generator itself could not keep up."""
    generator_busy: float
    """The generator's share of its own core."""
    broken: int = 0
    """Files with a gap."""

    @property
    def clean(self) -> bool:
        """Whether hardly a packet was lost or late, and no recording has a gap."""
        return self.lost <= MOST_LOST and self.broken == 0

    def describe(self) -> str:
        """Return the figures in words."""
        text = (
            f"{self.cpu_ms_per_s:.3f} ms/s a call, {self.memory_kb:.1f} kB a call, p50 {self.p50_us:.0f} µs, "
            f"p99 {self.p99_us:.0f} µs, lost {self.lost:.3%}, generator at {self.generator_busy:.0%}"
        )
        if self.broken:
            text += f", files with a gap: {self.broken}"
        if self.generator_behind_ms > MOST_BEHIND_MS:
            text += f" and late for {self.generator_behind_ms} ms: the machine was too busy"
        return text


class Relay(Protocol):
    """What is measured."""

    async def set_up(self, phones: list[int]) -> list[int]:
        """Bridge the legs two by two; take the phones' ports on 127.0.0.1 and return the relay's, in the same order."""
        ...

    def cpu_seconds(self) -> float:
        """Return the CPU time of its process so far."""
        ...

    def resident_kb(self) -> float:
        """Return the resident memory of its process."""
        ...


async def run(relay: Relay, calls: int, *options: str, seconds: int = SECONDS) -> Figures:
    """Let the generator, with these options of its own, speak through a relay that was just started."""
    generator = await start_generator(2 * calls, seconds, *options)
    before = relay.resident_kb()
    await generator.speak_to(await relay.set_up(generator.phones))
    await asyncio.sleep(1.0)
    cpu, began = relay.cpu_seconds(), time.monotonic()
    await asyncio.sleep(seconds - 1.0)
    cost = (relay.cpu_seconds() - cpu) * 1000 / (time.monotonic() - began) / calls
    memory = (relay.resident_kb() - before) / calls
    result = await generator.result()
    lost = 1 - (result["received"] - result["late"]) / result["sent"]
    return Figures(cost, memory, result["p50_us"], result["p99_us"], lost, int(result["behind"]), result["busy"])


@dataclass(slots=True, frozen=True)
class Generator:
    """A running generator."""

    process: Process
    phones: list[int]
    """The port of each leg; a few legs share one."""

    async def speak_to(self, ports: list[int]) -> None:
        """Tell it where each leg speaks to; it begins at once."""
        assert self.process.stdin is not None
        self.process.stdin.write((" ".join(map(str, ports)) + "\n").encode())
        await self.process.stdin.drain()

    async def result(self) -> dict[str, float]:
        """Wait for its end, and return what it counted."""
        assert self.process.stdout is not None
        result: dict[str, float] = json.loads(await self.process.stdout.readline())
        await self.process.wait()
        return result


async def start_generator(legs: int, seconds: int, *options: str) -> Generator:
    """Start it on the other core; it waits to be told where to speak to."""
    process = await asyncio.create_subprocess_exec(
        str(build_generator()),
        *(str(legs), str(seconds), *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=_become_generator,
        limit=1 << 20,
    )
    assert process.stdout is not None
    return Generator(process, [int(port) for port in (await process.stdout.readline()).split()])


def build_generator() -> Path:
    """Compile the generator when it is older than its source."""
    if not BINARY.exists() or BINARY.stat().st_mtime < max(file.stat().st_mtime for file in _SOURCES):
        BINARY.parent.mkdir(parents=True, exist_ok=True)
        compiler = shutil.which("c++") or "c++"
        subprocess.run([compiler, "-std=c++20", "-O2", "-o", str(BINARY), *map(str, _SOURCES), "-lcrypto"], check=True)
    return BINARY


def resident_kb(process: int | str = "self") -> float:
    """Resident memory of a process, by default this one."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1024


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this thread, and those it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _become_generator() -> None:
    """Run on the other core, and before all else."""
    pin(1)
    go_first()


def go_first(thread: int = 0, *, rank: int = 2) -> None:
    """Let a thread, by default this one, run before all that is not of real time, where that is allowed."""
    with suppress(PermissionError):
        os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(rank))


def engine_goes_first() -> None:
    """Let the media engine of this process do so, and its writer after it."""
    ranks = {"ramal-media": 2, "ramal-writer": 1}
    for task in Path("/proc/self/task").iterdir():
        rank = ranks.get((task / "comm").read_text().strip())
        if rank is not None:
            go_first(int(task.name), rank=rank)


def pin(core: int) -> None:
    """Keep this thread on a core, counted among those it may use."""
    cores = sorted(os.sched_getaffinity(0) if core == 0 else range(os.cpu_count() or 1))
    os.sched_setaffinity(0, {cores[core % len(cores)]})


@contextmanager
def more_files() -> Iterator[None]:
    """Allow as many open files as the system lets this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
