"""Garbage collection that does not hold calls up, and the measure of what still does."""

from __future__ import annotations

import asyncio
import gc
from typing import Final

from core.tasks import stopped

_THRESHOLDS: Final = (10_000, 2, 25)
"""Collections are rare and small: of some 10,000 young objects, some 30,000 of middle age; measured, see docs/architecture.md."""
_OLDEST: Final = 2
_EVERY: Final = 0.05


def collect_after_start() -> None:
    """Collect nothing until `tune_garbage_collection`: modules, extensions and registered phones are no garbage.

    Called before the rooms are loaded it saves a fifth of the start.
    """
    gc.disable()


def tune_garbage_collection() -> None:
    """Put what the start made aside for good, and collect in small steps from now on."""
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
    if _freeze_survivors not in gc.callbacks:
        gc.callbacks.append(_freeze_survivors)
    gc.collect()


def _freeze_survivors(phase: str, details: dict[str, int]) -> None:
    """Put aside what a full collection left over, so that the next one looks at newer objects only.

    A hundred thousand registered contacts would hold the calls up for half a second each time.
    """
    if phase == "stop" and details["generation"] == _OLDEST:
        gc.freeze()


class LoopPauses:
    """Measures how late the event loop is, twenty times a second."""

    def __init__(self) -> None:
        self.longest = 0.0
        """Seconds of the longest pause since the start."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to measure."""
        self._task = asyncio.create_task(self._measure(), name="loop-pauses")

    async def close(self) -> None:
        """Stop."""
        await stopped(self._task)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _EVERY
            await asyncio.sleep(_EVERY)
            self.longest = max(self.longest, loop.time() - due)
