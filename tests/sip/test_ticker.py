"""The ticker on a real loop, with a clock that stands still."""

from __future__ import annotations

import asyncio
from functools import partial

from core.clock import ManualClock
from sip.ticker import Ticker
from sip.timers import TimerHeap

_MANY = 1000


async def test_when_thousands_are_due_others_have_their_turn_between_them() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    fired: list[str] = []
    for _ in range(_MANY):
        heap.schedule(1.0, partial(fired.append, "timer"))
    clock.advance(1.0)
    ticker = Ticker(heap, clock)
    ticker.start()
    asyncio.get_running_loop().call_soon(fired.append, "datagram")
    async with asyncio.timeout(10):
        while len(fired) <= _MANY:
            await asyncio.sleep(0)
    ticker.stop()
    assert fired.count("timer") == _MANY
    assert fired.index("datagram") <= _MANY // 5
