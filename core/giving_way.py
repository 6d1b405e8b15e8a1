"""Long work in slices, between which the event loop does what waits: a call must not wait for rows of calls that are over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

Item = TypeVar("Item")

_AT_ONCE: Final = 200
"""Facts or records that are worked through in about a millisecond."""


async def slices(items: Sequence[Item], size: int = _AT_ONCE) -> AsyncIterator[Sequence[Item]]:
    """Yield the items in order, `size` at a time, and let the loop turn before each slice but the first."""
    for first in range(0, len(items), size):
        if first:
            await asyncio.sleep(0)
        yield items[first : first + size]
