"""The engine's thread asks the heap for nothing while packets are passed on; where sound is decoded, only until its buffers have grown."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from media.engine import Backend
from tests.media.allocation_probe import FRAMES

_SOURCE: Final = Path(__file__).parent / "native" / "allocations.cpp"
_COMPILER: Final = shutil.which("c++") or shutil.which("clang++")
_PACKETS: Final = 2 * FRAMES

pytestmark = pytest.mark.skipif(_COMPILER is None, reason="there is no compiler")


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the functions that count."""
    library = tmp_path_factory.mktemp("counter") / "allocations.so"
    command = (str(_COMPILER), "-std=c++20", "-O2", "-fPIC", "-shared", str(_SOURCE), "-o", str(library))
    subprocess.run(command, check=True)
    return library


async def allocations(counter: Path, kind: str, backend: Backend, folder: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.media.allocation_probe", kind, backend.name, str(folder),
        env=os.environ | {"LD_PRELOAD": str(counter)}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode == 0
    return int(output.split()[-1])


@pytest.mark.parametrize("kind", ["relayed", "encrypted"])
async def test_no_packet_that_is_passed_on_allocates(
    counter: Path, kind: str, backend: Backend, tmp_path: Path
) -> None:
    assert await allocations(counter, kind, backend, tmp_path) == 0


@pytest.mark.parametrize("kind", ["translated", "mixed", "recorded"])
async def test_buffers_of_sound_grow_now_and_then_and_not_for_each_packet(
    counter: Path, kind: str, backend: Backend, tmp_path: Path
) -> None:
    assert await allocations(counter, kind, backend, tmp_path) < _PACKETS / 4
