"""A tap: what one party says as PCM, for who listens in Python; a slow reader loses sound, never the call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from media import _engine

_SAMPLE_BYTES = 2


class Tap:
    """Sound of one party: mono, 16 bit in the machine's order, as long as what went by; silence is in it.

    It lies in a ring that the engine fills and `read` empties. What finds no room is lost and counted. Closed when it is forgotten,
    too; it ends with its endpoint, and when another tap takes its place.
    """

    __slots__ = ("_native", "_wake", "sample_rate")

    def __init__(self, native: _engine.Tap, sample_rate: int, wake: Callable[[], None]) -> None:
        self._native = native
        self._wake = wake
        self.sample_rate = sample_rate
        """Hertz."""

    def read(self) -> bytes:
        """Take all that has come since the last time, at once; nothing where nothing has."""
        return self._native.read()

    @property
    def lost_seconds(self) -> float:
        """How much sound found no room so far."""
        return self._native.lost / self.sample_rate

    @property
    def ended(self) -> bool:
        """Whether nothing more will come; what is left can still be read."""
        return self._native.ended

    async def pieces(self, seconds: float = 0.1) -> AsyncIterator[bytes]:
        """Give what comes, in pieces of at least so many seconds but for the last, until the tap ends."""
        least = int(seconds * self.sample_rate) * _SAMPLE_BYTES
        gathered = bytearray()
        while True:
            # Asked first: what comes in between is read afterwards.
            ended = self.ended
            gathered += self.read()
            if len(gathered) >= least or (ended and gathered):
                yield bytes(gathered)
                gathered.clear()
            if ended:
                return
            await asyncio.sleep(seconds / 2)

    def close(self) -> None:
        """Take no more; closing twice does nothing."""
        self._native.close()
        self._wake()
