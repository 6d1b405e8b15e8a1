"""What a call costs in the media engine: CPU, memory and delay of relayed, of recorded and of encrypted G.711 calls."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Final

import numpy as np

from bench.relay import PORTS, SECONDS, Figures, more_files, on_core, resident_kb, run
from media.engine import Codec, Endpoint, Engine, Recording
from media.srtp import SrtpKeys, SrtpProfile

CALLS: Final = 200
_PROFILE: Final = SrtpProfile.AES_CM_128_HMAC_SHA1_80
_ENCRYPTED_LEGS: Final = (500, 2000)
_RATE: Final = 8000
_LONGEST_SILENCE: Final = _RATE // 100
"""Samples: half a packet. The generator is loud from its first packet to its last."""
_LEAST_RECORDED: Final = 0.9


def measure() -> dict[str, float]:
    """Measure, print a line for each, and return the figures by the names of `bench/results/latest.json`."""
    relayed = measure_calls(CALLS)
    print(f"{CALLS} relayed calls: {relayed.describe()}")
    recorded, broken = measure_recorded(CALLS)
    print(f"{CALLS} recorded calls: {recorded.describe()}, files with a gap: {broken}")
    figures = {
        "relay_cpu_ms_per_s": relayed.cpu_ms_per_s,
        "recorded_cpu_ms_per_s": recorded.cpu_ms_per_s,
        "memory_per_call_kb": relayed.memory_kb,
        "memory_per_recorded_call_kb": recorded.memory_kb,
    }
    for legs, key in zip(_ENCRYPTED_LEGS, ("srtp_leg_cpu_ms_per_s_500", "srtp_leg_cpu_ms_per_s"), strict=True):
        encrypted = measure_calls(legs // 2, encrypted=True)
        print(f"{legs} encrypted legs, {encrypted.cpu_ms_per_s / 2:.3f} ms/s each; as calls: {encrypted.describe()}")
        figures[key] = encrypted.cpu_ms_per_s / 2
    return figures


def measure_calls(calls: int, *, encrypted: bool = False, seconds: int = SECONDS) -> Figures:
    """Relay so many calls for a time."""
    with more_files(), on_core(0):
        return asyncio.run(_measure(calls, seconds, None, encrypted=encrypted))


def measure_recorded(calls: int, *, seconds: int = SECONDS) -> tuple[Figures, int]:
    """Record so many calls for a time; return the number of files with a gap, too."""
    with more_files(), on_core(0), tempfile.TemporaryDirectory(prefix="ramal-bench-") as folder:
        figures = asyncio.run(_measure(calls, seconds, Path(folder)))
        return figures, broken_files(Path(folder), seconds)


async def _measure(calls: int, seconds: int, recordings: Path | None, *, encrypted: bool = False) -> Figures:
    engine = Engine(port_range=PORTS, media_timeout=0)
    engine.start(asyncio.get_running_loop())
    try:
        return await run(
            OurEngine(engine, recordings, encrypted=encrypted), calls, seconds=seconds, encrypted=encrypted
        )
    finally:
        engine.close()


class OurEngine:
    """The engine of this process as a relay, recording each call where a folder is given."""

    def __init__(self, engine: Engine, recordings: Path | None = None, *, encrypted: bool = False) -> None:
        self._engine = engine
        self._recordings = recordings
        self._encrypted = encrypted
        self._kept: list[Endpoint | Recording] = []

    async def set_up(self, phones: list[int]) -> list[int]:
        """Bridge the legs two by two."""
        legs = [self._engine.create_endpoint() for _ in phones]
        self._kept += legs
        for number, (leg, port) in enumerate(zip(legs, phones, strict=True)):
            leg.configure(remote=("127.0.0.1", port), codec=Codec.PCMU)
            if self._encrypted:
                leg.encrypt(SrtpKeys(_PROFILE, incoming=_master(1, number), outgoing=_master(2, number)))
        for a, b in zip(legs[::2], legs[1::2], strict=True):
            self._engine.bridge(a, b)
            if self._recordings is not None:
                recording = self._engine.create_recording(self._recordings / f"{a.id}.wav")
                recording.attach(a, 0)
                recording.attach(b, 1)
                self._kept.append(recording)
        return [leg.port for leg in legs]

    def cpu_seconds(self) -> float:
        """Return the CPU time of this process."""
        return time.process_time()

    def resident_kb(self) -> float:
        """Return the resident memory of this process."""
        return resident_kb()


def _master(direction: int, leg: int) -> bytes:
    """Return the key of one direction of a leg, as `media_load.cpp` has it."""
    return leg.to_bytes(2) + bytes([direction]) * (_PROFILE.master_size - 2)


def broken_files(folder: Path, seconds: int) -> int:
    """Count the stereo recordings that are too short on a side, or silent somewhere between their first sound and their last."""
    broken = 0
    for path in folder.iterdir():
        samples = np.frombuffer(path.read_bytes()[44:], dtype="<i2").reshape(-1, 2)
        for side in samples.T:
            loud = np.flatnonzero(side)
            if len(loud) < _LEAST_RECORDED * seconds * _RATE or np.diff(loud).max() > _LONGEST_SILENCE + 1:
                broken += 1
                break
    return broken


if __name__ == "__main__":
    print(json.dumps(measure()))
