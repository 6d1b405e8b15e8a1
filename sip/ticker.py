"""The ticker: the one handle on the event loop that walks the heap of deadlines."""

from __future__ import annotations

import asyncio

from core.clock import Clock
from sip.loop_lag import LoopLag
from sip.timers import TimerHeap

_TICK = 0.01
"""Seconds: deadlines closer together than this share one wake-up."""
_AT_ONCE = 100
"""Timers that fire in a row: when a peer is silent or the machine was busy, thousands of repetitions are due together, and what comes in
meanwhile would wait for the last of them.
"""
_LONGEST_SLEEP = 1.0
"""Seconds between looks at the heap, so that the ticker's lateness is always fresh."""


class Ticker:
    """Wakes up when a deadline is due, and tells by its own lateness how the event loop is held up."""

    __slots__ = ("_clock", "_loop", "_timers", "_wake", "_wake_at", "lag")

    def __init__(self, timers: TimerHeap, clock: Clock) -> None:
        self._timers = timers
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._wake_at = 0.0
        self.lag = LoopLag()

    def start(self) -> None:
        """Begin, on the running loop, with what is due already."""
        self._loop = asyncio.get_running_loop()
        self._timers.on_earlier = self._earlier
        self._tick()

    def stop(self) -> None:
        """Wake up no more; the deadlines stay in the heap."""
        self._timers.on_earlier = None
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None

    def _earlier(self, deadline: float) -> None:
        """Set the ticker to a deadline that comes before all others."""
        if self._wake is None or deadline < self._wake_at - _TICK:
            self._plan(deadline)

    def _plan(self, deadline: float, least: float = _TICK) -> None:
        if self._loop is None:
            return
        if self._wake is not None:
            self._wake.cancel()
        now = self._clock.monotonic()
        delay = min(max(deadline - now, least), _LONGEST_SLEEP)
        self._wake_at = now + delay
        self._wake = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        now = self._clock.monotonic()
        if self._wake is not None:
            self.lag.woke(self._wake_at, now)
        self._wake = None
        more = self._timers.run_due(_AT_ONCE) == _AT_ONCE
        deadline = self._timers.next_deadline
        self._plan(deadline if deadline is not None else now + _LONGEST_SLEEP, least=0.0 if more else _TICK)
