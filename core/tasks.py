"""Tasks that run beside everything else."""

from __future__ import annotations

import asyncio
from typing import Any


async def stopped(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait for its end, however it ends; without a task there is nothing to do."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
