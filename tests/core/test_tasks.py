"""Tasks that run beside everything else, and how they are stopped."""

from __future__ import annotations

import asyncio

from core.tasks import stopped


async def test_a_task_has_ended_once_it_is_stopped() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("up")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await stopped(task)
    assert task.cancelled()
    assert cleaned == ["up"]


async def test_what_failed_before_or_was_never_there_is_stopped_without_a_word() -> None:
    async def fail() -> None:
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await stopped(task)
    assert task.done()
    await stopped(None)
