"""Runs pytest in a process of its own (`python -m tests` with pytest's arguments), and tells in which test that was killed.

A fault of native code takes all that pytest would have said with it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import LAST_WORDS

_LINES = 40
_NOT_TOLD = ("/_pytest/", "/pluggy/", "/pytest/", "<frozen", "Extension modules")


def main() -> int:
    """Return pytest's exit code, or 128 and the number of the signal that killed it."""
    with tempfile.TemporaryDirectory(prefix="ramal-tests-") as name:
        environment = os.environ | {LAST_WORDS: name}
        code = subprocess.run([sys.executable, "-m", "pytest", *sys.argv[1:]], env=environment, check=False).returncode
        if code >= 0:
            return code
        folder = Path(name)
        stack = [line for line in _read(folder / "stack").splitlines() if not any(part in line for part in _NOT_TOLD)]
        where = _read(folder / "test") or "no test"
        print("", *stack[:_LINES], f"Killed by {signal.Signals(-code).name} in {where}", sep="\n", flush=True)
        return 128 - code


def _read(file: Path) -> str:
    return file.read_text() if file.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
