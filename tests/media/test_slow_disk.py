"""A disk that stands still for seconds: calls hear nothing of it, the buffer is bounded, and what was lost is told and stays a hole."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.media.slow_disk_scene import PAIRS, SECONDS

_ROOT = Path(__file__).parents[2]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    made = tmp_path / "slow_disk.so"
    source = Path(__file__).parent / "native" / "slow_disk.c"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", made, source, "-pthread"], check=True)
    return made


@pytest.mark.timeout(120)
async def test_a_disk_that_stands_still_costs_recordings_their_sound_and_calls_nothing(
    library: Path, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.media.slow_disk_scene", str(library), str(tmp_path),
        cwd=_ROOT, env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(_ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, errors.decode()[-3000:]
    found = json.loads(output.splitlines()[-1])
    assert found["whole"] == [True] * PAIRS
    assert found["reasons"] == ["the disk is too slow"]
    assert len(found["files"]) == PAIRS
    # Not each file loses: who finds room keeps its sound. Each is as long as its call, and what is missing was told.
    assert any(file["lost"] > 0.5 for file in found["files"])
    for file in found["files"]:
        assert file["seconds"] == pytest.approx(file["told"], abs=0.01)
        assert file["begins"]
        assert file["ends"]
        assert file["voiced"] + file["lost"] == pytest.approx(SECONDS, abs=1.6), file
