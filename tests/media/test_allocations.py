"""The packet thread asks the allocator for nothing while packets go through: counted in the running engine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from media.engine import Backend
from tests.media.allocation_scenes import PACKETS, SCENES

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("counter") / "allocation_counter.so"
    source = _HERE / "allocation_counter.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl", "-pthread"], check=True)
    return library


async def counted(counter: Path, backend: Backend, scene: str) -> int:
    environment = {**os.environ, "LD_PRELOAD": str(counter), "PYTHONPATH": str(_ROOT)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.media.allocation_scenes", str(counter), backend.name, scene,
        cwd=_ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()[-3000:]
    return int(output.split()[-1])


async def test_a_packet_costs_no_allocation(counter: Path, backend: Backend) -> None:
    counts = await asyncio.gather(*(counted(counter, backend, scene) for scene in SCENES))
    found = dict(zip(SCENES, counts, strict=True))
    # Once a second there are reports, what was recorded is handed over, and lists are looked after. What each packet cost would
    # be counted 2 * PACKETS times.
    assert max(found.values()) < PACKETS // 3, str(found)
