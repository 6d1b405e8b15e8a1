"""When a rule holds: times of the week such as `mon-fri 09:00-18:00`, in the company's own time."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN: Final = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?(?P<h1>\d{2}):(?P<m1>\d{2})-(?P<h2>\d{2}):(?P<m2>\d{2})"
)
_DAY_MINUTES: Final = 24 * 60


@dataclass(slots=True, frozen=True)
class Span:
    """One time of the week; one that ends before it begins goes on past midnight."""

    days: frozenset[int]
    """On which it begins; 0 is Monday."""
    begin: int
    end: int
    """Minutes after midnight; the end is not part of it."""

    def holds(self, at: datetime) -> bool:
        """Tell whether a local time is within."""
        minute = at.hour * 60 + at.minute
        if self.begin < self.end:
            return at.weekday() in self.days and self.begin <= minute < self.end
        if minute >= self.begin:
            return at.weekday() in self.days
        return minute < self.end and (at.weekday() - 1) % 7 in self.days


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Span:
    """Read a span: `mon-fri 09:00-18:00`, `sat 10:00-14:00`, or `22:00-06:00` for every day.

    Raises:
        ValueError: it is none; the message says how one looks.
    """
    match = _SPAN.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"“{text[:40]}” is no time of the week; write mon-fri 09:00-18:00")
    begin, end = (int(match[h]) * 60 + int(match[m]) for h, m in (("h1", "m1"), ("h2", "m2")))
    if begin >= _DAY_MINUTES or end > _DAY_MINUTES or begin == end or int(match["m1"]) > 59 or int(match["m2"]) > 59:
        raise ValueError(f"“{text[:40]}”: times are 00:00 to 24:00, and a span is not empty")
    return Span(_days(match["first"], match["last"]), begin, end)


def hold(spans: Sequence[Span], at: datetime) -> bool:
    """Tell whether a local time is within one of the spans; without spans it always is."""
    return not spans or any(span.holds(at) for span in spans)


def _days(first: str | None, last: str | None) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for name in (first, last):
        if name is not None and name not in DAYS:
            raise ValueError(f"“{name}” is no day; days are {', '.join(DAYS)}")
    begin = DAYS.index(first)
    end = DAYS.index(last) if last is not None else begin
    return frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
