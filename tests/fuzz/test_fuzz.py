"""A short run of every fuzz target, from its seeds; `make fuzz` runs them for long."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import SEEDS
from tests.fuzz.targets import credentials, message, presence, sdp, stream

ROOT = Path(__file__).parents[2]
RUNS = 10_000
SECONDS = 60
"""The longest that those may take."""


def seeds(name: str) -> list[bytes]:
    """Return what a target begins with."""
    return [path.read_bytes() for folder in SEEDS[name] if folder.is_dir() for path in sorted(folder.iterdir())]


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no build for this platform")
@pytest.mark.parametrize("name", sorted(SEEDS))
async def test_no_bytes_break_a_promise(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    before = seeds(name)
    # The same seed and number of inputs each time: what `make fuzz` has yet to find must not stop others from working.
    options = [
        f"-runs={RUNS}",
        "-seed=1",
        f"-max_total_time={SECONDS}",
        "-max_len=4096",
        "-timeout=10",
        "-rss_limit_mb=1500",
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fuzz", name, *options, f"-artifact_prefix={tmp_path}/", str(kept),
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS + 60)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert process.returncode == 0, f"{output.decode(errors='replace')[-3000:]}\n{found}"
    assert b"Done " in output
    assert any(kept.iterdir()), "nothing new was ever found: the instrumentation does not work"
    assert seeds(name) == before


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_there_are_seeds_and_they_keep_the_promises(name: str) -> None:
    assert seeds(name)
    for seed in seeds(name):
        for target in (message, sdp, stream, presence, credentials):
            target(seed)
