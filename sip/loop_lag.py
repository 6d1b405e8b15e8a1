"""How long the event loop is held up, as the ticker's wake-ups tell it."""

from __future__ import annotations


class LoopLag:
    """The seconds by which the last two wake-ups were late at least.

    One late wake-up tells of a pause that is over (start-up, a machine that slept, one long query), two in a row of a loop
    that cannot keep up with its work.
    """

    __slots__ = ("_last", "seconds")

    def __init__(self) -> None:
        self._last = 0.0
        self.seconds = 0.0

    def woke(self, planned: float, now: float) -> None:
        """Note a wake-up that was planned for a moment and came at another one, both in seconds of one clock."""
        late = max(now - planned, 0.0)
        self.seconds, self._last = min(late, self._last), late
