"""What a call costs in the media engine: CPU, memory and delay of relayed and of recorded G.711 calls.

One call is two legs of 50 packets a second each way. The engine runs on one core and a native generator on another, over loopback.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from media.engine import Codec, Endpoint, Engine, Recording
from media.srtp import SrtpKeys, SrtpProfile

SOURCE = Path(__file__).with_name("media_load.cpp")
_NATIVE = SOURCE.parent.parent / "media" / "native"
_SOURCES = (SOURCE, _NATIVE / "srtp.cpp", _NATIVE / "hmac.cpp")
BINARY = SOURCE.parent.parent / "build" / "bench" / "media_load"
CALLS = 200
SECONDS = 8
PORTS = (20000, 29999)
_MOST_BEHIND_MS = 50
_PROFILE = SrtpProfile.AES_CM_128_HMAC_SHA1_80
_ENCRYPTED_LEGS = (500, 2000)


@dataclass(slots=True)
class Figures:
    """What one run with a number of calls showed."""

    cpu_ms_per_s: float
    """CPU milliseconds of the whole process for one call in one second."""
    memory_kb: float
    """Resident memory a call."""
    p50_us: float
    p99_us: float
    lost: float
    """Share of packets that did not come back, or more than 50 ms late."""
    generator_behind_ms: int
    """How long the generator itself could not keep up: with more than a little, the machine was too busy to measure."""


def build_generator() -> Path:
    """Compile the generator when it is older than its source."""
    if not BINARY.exists() or BINARY.stat().st_mtime < max(file.stat().st_mtime for file in _SOURCES):
        BINARY.parent.mkdir(parents=True, exist_ok=True)
        compiler = shutil.which("c++") or "c++"
        subprocess.run([compiler, "-std=c++20", "-O2", "-o", str(BINARY), *map(str, _SOURCES), "-lcrypto"], check=True)
    return BINARY


def measure() -> dict[str, float]:
    """Measure, print a line for each, and return the figures by the names of `bench/results/latest.json`."""
    relayed = measure_calls(CALLS, recorded=False)
    recorded = measure_calls(CALLS, recorded=True)
    for name, figures in (("relayed", relayed), ("recorded", recorded)):
        print(
            f"{CALLS} {name} calls: {figures.cpu_ms_per_s:.2f} ms/s a call, {figures.memory_kb:.1f} kB a call, "
            f"p50 {figures.p50_us:.0f} µs, p99 {figures.p99_us:.0f} µs, lost {figures.lost:.3%}"
        )
        if figures.generator_behind_ms > _MOST_BEHIND_MS:
            print(f"  The machine was too busy: the generator was late for {figures.generator_behind_ms} ms.")
    encrypted = {legs: measure_calls(legs // 2, recorded=False, encrypted=True) for legs in _ENCRYPTED_LEGS}
    for legs, figures in encrypted.items():
        print(
            f"{legs} encrypted legs: {figures.cpu_ms_per_s / 2:.2f} ms/s a leg, "
            f"p50 {figures.p50_us:.0f} µs, p99 {figures.p99_us:.0f} µs, lost {figures.lost:.3%}"
        )
    fewest, most = _ENCRYPTED_LEGS
    return {
        f"srtp_leg_cpu_ms_per_s_{fewest}": round(encrypted[fewest].cpu_ms_per_s / 2, 3),
        "srtp_leg_cpu_ms_per_s": round(encrypted[most].cpu_ms_per_s / 2, 3),
        "relay_cpu_ms_per_s": round(relayed.cpu_ms_per_s, 3),
        "recorded_cpu_ms_per_s": round(recorded.cpu_ms_per_s, 3),
        "memory_per_call_kb": round(relayed.memory_kb, 1),
        "memory_per_recorded_call_kb": round(recorded.memory_kb, 1),
        "relay_p99_us": relayed.p99_us,
    }


def measure_calls(calls: int, *, recorded: bool, encrypted: bool = False, seconds: int = SECONDS) -> Figures:
    """Run so many calls for a time."""
    generator = build_generator()
    with more_files(), on_core(0), tempfile.TemporaryDirectory(prefix="ramal-bench-") as folder:
        return asyncio.run(_measure(generator, calls, seconds, Path(folder) if recorded else None, encrypted=encrypted))


async def _measure(
    generator: Path, calls: int, seconds: int, recordings: Path | None, *, encrypted: bool = False
) -> Figures:
    process = await asyncio.create_subprocess_exec(
        str(generator),
        *(str(2 * calls), str(seconds), *(["srtp"] if encrypted else [])),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=become_generator,
        limit=1 << 20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    engine = Engine(port_range=PORTS, media_timeout=0)
    engine.start(asyncio.get_running_loop())
    try:
        phones = [int(port) for port in (await process.stdout.readline()).split()]
        before = resident_kb()
        legs, kept = _set_up(engine, phones, recordings, encrypted=encrypted)
        process.stdin.write((" ".join(str(leg.port) for leg in legs) + "\n").encode())
        await process.stdin.drain()
        await asyncio.sleep(1.0)
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds - 1.0)
        cost = (time.process_time() - cpu) * 1000 / (time.monotonic() - began) / calls
        memory = (resident_kb() - before) / calls
        result = json.loads(await process.stdout.readline())
        await process.wait()
        del kept
    finally:
        engine.close()
    lost = 1 - (result["received"] - result["late"]) / result["sent"]
    return Figures(cost, memory, result["p50_us"], result["p99_us"], lost, result["behind"])


def _set_up(
    engine: Engine, phones: list[int], recordings: Path | None, *, encrypted: bool = False
) -> tuple[list[Endpoint], list[Recording]]:
    """Bridge the legs two by two, and record each call where a folder is given."""
    legs = [engine.create_endpoint() for _ in phones]
    kept = []
    for leg, port in zip(legs, phones, strict=True):
        leg.configure(remote=("127.0.0.1", port), codec=Codec.PCMU)
    for number, leg in enumerate(legs) if encrypted else ():
        leg.encrypt(SrtpKeys(_PROFILE, incoming=_master(1, number), outgoing=_master(2, number)))
    for a, b in zip(legs[::2], legs[1::2], strict=True):
        engine.bridge(a, b)
        if recordings is not None:
            recording = engine.create_recording(recordings / f"{a.id}.wav")
            recording.attach(a, 0)
            recording.attach(b, 1)
            kept.append(recording)
    return legs, kept


def _master(direction: int, leg: int) -> bytes:
    """Return the key of one direction of a leg, as `media_load.cpp` has it."""
    return leg.to_bytes(2) + bytes([direction]) * (_PROFILE.master_size - 2)


def resident_kb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1024


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this thread, and those it starts, on one core."""
    allowed = os.sched_getaffinity(0)
    _pin(core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def become_generator() -> None:
    """Run on the other core, and before what can wait, where that is allowed."""
    _pin(1)
    with suppress(PermissionError):
        os.nice(-11)


def _pin(core: int) -> None:
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


if __name__ == "__main__":
    print(json.dumps(measure()))
