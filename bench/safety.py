"""Whether the media engine stays sound: its threads under ThreadSanitizer, and a soak of many short calls.

After the soak the process must hold as many descriptors, threads and ports as before, and its memory must be flat.

Usage: python -m bench.safety [CALLS]
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.relay import PORTS, more_files, resident_kb
from media.engine import Endpoint, Engine
from media.errors import PortsExhaustedError
from tests.fuzz import native_targets

CALLS = 10_000
_AT_ONCE = 50
_SECONDS = 15
_MOST_GROWTH_KB = 4096
_REST = 35.0
"""Seconds: the engine begins to close what nobody wants after thirty."""
_LONGEST_REST = 300.0


@dataclass(slots=True, frozen=True)
class Held:
    """What a process holds."""

    descriptors: int
    threads: int
    ports: int
    memory_kb: float


def held(engine: Engine) -> Held:
    """Count what this process holds now."""
    threads = len(os.listdir("/proc/self/task"))
    return Held(len(os.listdir("/proc/self/fd")), threads, engine.statistics().ports_in_use, resident_kb())


async def soak(calls: int) -> tuple[Held, Held]:
    """Make so many short calls, with prompts, recordings and conferences; return what was held after a tenth of them and at the end."""
    engine = Engine(port_range=PORTS, media_timeout=0)
    engine.start(asyncio.get_running_loop())
    first: Held | None = None
    with tempfile.TemporaryDirectory(prefix="ramal-soak-") as folder:
        try:
            for number in range(0, calls, _AT_ONCE):
                await _some_calls(engine, Path(folder), number)
                if first is None and number >= calls // 10:
                    first = await _settled(engine)
            return first or await _settled(engine), await _settled(engine)
        finally:
            engine.close()


async def _some_calls(engine: Engine, folder: Path, number: int) -> None:
    legs: list[Endpoint] = []
    for index in range(_AT_ONCE):
        a, b = await _opened(engine), await _opened(engine)
        a.configure(remote=("127.0.0.1", b.port), telephone_event=101)
        b.configure(remote=("127.0.0.1", a.port), telephone_event=101)
        engine.bridge(a, b)
        if index % 5 == 0:
            path = folder / f"{number}-{index}.wav"
            recording = engine.create_recording(path)
            recording.attach(a, 0)
            recording.close()
            path.unlink()
        if index % 7 == 0:
            mixer = engine.create_mixer()
            mixer.add(a)
            mixer.add(b)
        a.listen(digits=True, voice=True)
        a.send_digit("5", 40)
        legs += (a, b)
    await asyncio.sleep(0.02)
    for leg in legs:
        leg.close()


async def _opened(engine: Engine) -> Endpoint:
    """Open an endpoint, once a pair of ports has rested from its last call. Raises `TimeoutError`."""
    async with asyncio.timeout(10):
        while True:
            try:
                return engine.create_endpoint()
            except PortsExhaustedError:
                await asyncio.sleep(0.1)


async def _settled(engine: Engine) -> Held:
    """Return what is held once pairs of ports that nobody wants have been closed, some a second, but for those that always stay open."""
    before, since, limit = held(engine), time.monotonic(), time.monotonic() + _LONGEST_REST
    while time.monotonic() - since < _REST and time.monotonic() < limit:
        await asyncio.sleep(1.0)
        now = held(engine)
        if now.descriptors != before.descriptors:
            before, since = now, time.monotonic()
    return held(engine)


def threads_sound(seconds: int = _SECONDS) -> bool:
    """Run the engine's threads under ThreadSanitizer; tell whether it found nothing."""
    target = native_targets.build_threads()
    done = subprocess.run([str(target), str(seconds)], capture_output=True, text=True, check=False)
    print(done.stdout.strip())
    if done.returncode != 0:
        print(done.stderr[:6000])
    return done.returncode == 0


def main(calls: int) -> int:
    """Run both; return the number of those that failed."""
    failed = 0
    if native_targets.compiler() is None:
        print("ThreadSanitizer is left out: clang is not installed.")
    elif threads_sound():
        print(f"ThreadSanitizer found nothing in {_SECONDS} seconds.")
    else:
        failed += 1
    with more_files():
        before, after = asyncio.run(soak(calls))
    print(
        f"{calls} calls. After a tenth of them: {before}; at the end: {after}; Python's threads: {threading.active_count()}"
    )
    same = (before.descriptors, before.threads, before.ports) == (after.descriptors, after.threads, after.ports)
    if not same or after.memory_kb - before.memory_kb > _MOST_GROWTH_KB:
        print("Something is left of the calls.")
        failed += 1
    return failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
