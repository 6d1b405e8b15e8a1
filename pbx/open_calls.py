"""Which calls are open in the journal: a consumer that keeps one row a call for as long as it lasts.

It lets recovery begin to read at the oldest open call instead of at the beginning of the journal, which may hold years. Recovery
catches up first, so the consumer need not follow closely: it looks every few seconds, and a call that began and ended in between
leaves no trace in the table at all. The cost per call is near nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.consumer import ConsumerRunner
from core.events import CallEnded, CallOffered, Fact
from core.journal import Entry
from core.one_of import one_of
from core.tasks import stopped
from pbx.tables import OpenCallRow

log = structlog.get_logger(__name__)

_CHUNK: Final = 500
_INTERVAL: Final = 2.0
"""Seconds between two looks: short enough that even at 1,000 calls a second the journal still has in memory what came in between."""


class OpenCalls:
    """The consumer that notes beginnings and ends."""

    name = "open_calls"
    facts: frozenset[type[Fact]] = frozenset({CallOffered, CallEnded})

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Add the calls that began in these entries and drop those that ended."""
        began: dict[str, int] = {}
        ended: list[str] = []
        for entry in entries:
            if isinstance(entry.fact, CallOffered):
                began.setdefault(entry.fact.call_id, entry.sequence)
            elif isinstance(entry.fact, CallEnded) and began.pop(entry.fact.call_id, None) is None:
                ended.append(entry.fact.call_id)
        if began:
            known = set(
                await session.scalars(
                    select(OpenCallRow.call_id).where(OpenCallRow.node == node, one_of(OpenCallRow.call_id, began))
                )
            )
            rows = [
                {"node": node, "call_id": call_id, "sequence": sequence}
                for call_id, sequence in began.items()
                if call_id not in known
            ]
            if rows:
                await session.execute(insert(OpenCallRow), rows)
        for start in range(0, len(ended), _CHUNK):
            chunk = ended[start : start + _CHUNK]
            await session.execute(
                delete(OpenCallRow).where(OpenCallRow.node == node, one_of(OpenCallRow.call_id, chunk))
            )


class OpenCallKeeper:
    """Lets the consumer catch up every few seconds."""

    def __init__(self, runner: ConsumerRunner, *, interval: float = _INTERVAL) -> None:
        self._runner = runner
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin in the background."""
        self._runner.attend()
        self._task = asyncio.create_task(self._keep(), name="open-calls")

    async def close(self) -> None:
        """Stop; the next start catches up."""
        if self._task is not None:
            await stopped(self._task)
            self._task = None
            await self._runner.close()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            try:
                # What comes in meanwhile waits for the next time: one transaction for all of it.
                while await self._runner.step() >= self._runner.batch:
                    pass
            except Exception:
                # A database that is away costs nothing but a longer look at the next start.
                log.exception("open_calls_not_noted")


async def first_open(session: AsyncSession, node: str) -> dict[str, int]:
    """Return the open calls of a node with the sequence of their first fact."""
    rows = await session.execute(
        select(OpenCallRow.call_id, OpenCallRow.sequence).where(OpenCallRow.node == node).order_by(OpenCallRow.sequence)
    )
    return {row.call_id: row.sequence for row in rows}
