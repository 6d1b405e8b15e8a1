"""All deadlines of the stack in one heap, walked by one ticker.

A deadline costs one heap entry, not one event-loop handle: with the 32-second timers of RFC 3261 a busy server has tens
of thousands of them. Callbacks may schedule and cancel while the heap is being walked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

import structlog

from core.clock import Clock

log = structlog.get_logger(__name__)

_COMPACT_ABOVE = 256
"""Cancelled entries are swept out once there are this many and they are more than half of the heap."""


class Timer:
    """A deadline that can be cancelled; made by `TimerHeap.schedule`."""

    __slots__ = ("_heap", "arguments", "callback", "deadline")

    def __init__(
        self, heap: TimerHeap, deadline: float, callback: Callable[..., object], arguments: tuple[Any, ...]
    ) -> None:
        self._heap = heap
        self.deadline = deadline
        self.callback: Callable[..., object] | None = callback
        self.arguments = arguments

    @property
    def active(self) -> bool:
        """Whether it still waits to fire."""
        return self.callback is not None

    def cancel(self) -> None:
        """Make sure that it does not fire; harmless when it has fired or was cancelled before."""
        if self.callback is not None:
            self.callback = None
            self.arguments = ()
            self._heap.note_cancelled()


class TimerHeap:
    """The deadlines, ordered; `run_due` fires what is due on the injected clock.

    `on_earlier` is told (in monotonic seconds) when a new deadline comes before all others, so that the ticker can be
    set to it.
    """

    __slots__ = ("_cancelled", "_entries", "_sequence", "clock", "on_earlier")

    def __init__(self, clock: Clock, on_earlier: Callable[[float], None] | None = None) -> None:
        self.clock = clock
        self.on_earlier = on_earlier
        self._entries: list[tuple[float, int, Timer]] = []
        self._sequence = 0
        self._cancelled = 0

    def __len__(self) -> int:
        """Return how many deadlines wait, without the cancelled ones."""
        return len(self._entries) - self._cancelled

    @property
    def next_deadline(self) -> float | None:
        """The earliest deadline in monotonic seconds (it may be a cancelled one), or None."""
        return self._entries[0][0] if self._entries else None

    def schedule(self, delay: float, callback: Callable[..., object], *arguments: Any) -> Timer:
        """Call `callback(*arguments)` once, `delay` seconds (at least a millisecond) from now."""
        # Never due in the walk that schedules it: a chain of zero delays must not hold the loop.
        deadline = self.clock.monotonic() + (delay if delay > 0.001 else 0.001)
        timer = Timer(self, deadline, callback, arguments)
        entries = self._entries
        earlier = not entries or deadline < entries[0][0]
        # The sequence keeps timers of one deadline in order and the heap from comparing timers.
        self._sequence += 1
        heapq.heappush(entries, (deadline, self._sequence, timer))
        if earlier and self.on_earlier is not None:
            self.on_earlier(deadline)
        return timer

    def run_due(self, at_most: int | None = None) -> int:
        """Fire the timers whose deadline has passed, all of them or the first `at_most`; return how many fired.

        An exception of a callback is logged and stops neither the walk nor the ticker.
        """
        now = self.clock.monotonic()
        fired = 0
        entries = self._entries
        while entries and entries[0][0] <= now and fired != at_most:
            timer = heapq.heappop(entries)[2]
            if timer.callback is None:
                self._cancelled -= 1
            else:
                fired += 1
                self._fire(timer)
        return fired

    def note_cancelled(self) -> None:
        """Count a cancelled entry and sweep when most of the heap is such; called by `Timer.cancel`."""
        self._cancelled += 1
        if self._cancelled > _COMPACT_ABOVE and self._cancelled * 2 > len(self._entries):
            # In place: run_due may be walking this very list.
            self._entries[:] = [entry for entry in self._entries if entry[2].callback is not None]
            heapq.heapify(self._entries)
            self._cancelled = 0

    @staticmethod
    def _fire(timer: Timer) -> None:
        callback, arguments = timer.callback, timer.arguments
        timer.callback, timer.arguments = None, ()
        if callback is None:
            return
        try:
            callback(*arguments)
        except Exception:
            log.exception("timer_callback_failed", callback=getattr(callback, "__qualname__", repr(callback)))
