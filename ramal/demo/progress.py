"""What the demo says while it runs: one line a step, on standard error when standard output is for a program."""

from __future__ import annotations

import sys
import time


class Progress:
    """Prints steps with the seconds since the start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def say(self, text: str) -> None:
        """Print one step."""
        sys.stderr.write(f"[{time.monotonic() - self._start:5.1f} s] {text}\n")
        sys.stderr.flush()
