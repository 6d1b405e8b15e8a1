"""A short run of the media engine's fuzz target, from its seeds; `make fuzz` runs it for long."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fuzz import native_targets

SECONDS = 30


@pytest.mark.timeout(900)
@pytest.mark.skipif(native_targets.compiler() is None, reason="clang is not installed")
async def test_no_packet_breaks_the_media_engine(tmp_path: Path) -> None:
    target = await asyncio.to_thread(native_targets.build)
    native_targets.write_seeds(tmp_path / "seeds")
    (tmp_path / "kept").mkdir()
    options = [
        "-runs=6000",
        "-seed=1",
        f"-max_total_time={SECONDS}",
        "-max_len=2048",
        "-timeout=10",
        "-rss_limit_mb=1500",
    ]
    process = await asyncio.create_subprocess_exec(
        str(target), *options, f"-artifact_prefix={tmp_path}/", str(tmp_path / "kept"), str(tmp_path / "seeds"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), SECONDS + 60)
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert process.returncode == 0, f"{output.decode(errors='replace')[-4000:]}\n{found}"
    assert b"Done " in output
    assert any((tmp_path / "kept").iterdir()), "nothing new was ever found: the instrumentation does not work"
