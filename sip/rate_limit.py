"""How fast strangers may ask: one bucket of tokens a source, paid from by what nobody vouched for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

_TELL_SECONDS: Final = 60.0


class _Bucket:
    __slots__ = ("at", "tokens", "told")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at
        self.told = -_TELL_SECONDS


class RateLimiter:
    """The buckets of all sources that asked something lately; those that did so longest ago are forgotten first.

    A source pays after its message was understood, and only for what no password, trunk or dialog vouched for. So looking at
    the next datagram costs one look into a table, and a phone that everybody knows is never held back.
    """

    def __init__(self, monotonic: Callable[[], float], *, rate: float, burst: float, most_sources: int) -> None:
        """Begin.

        Args:
            monotonic: the time in seconds.
            rate: messages a second that a bucket is refilled by; 0 switches all limits off.
            burst: messages that a full bucket holds.
            most_sources: buckets that are kept.
        """
        self._monotonic = monotonic
        self._rate = rate
        self._burst = burst
        self._most = most_sources
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def charge(self, source: str) -> None:
        """Have a source pay for one message."""
        if self._rate <= 0:
            return
        now = self._monotonic()
        bucket = self._buckets.get(source)
        if bucket is None:
            if len(self._buckets) >= self._most:
                self._buckets.popitem(last=False)
            self._buckets[source] = _Bucket(self._burst - 1, now)
            return
        self._refill(bucket, now)
        # Never below an empty one: what passes although the bucket is empty makes nobody wait longer.
        bucket.tokens = bucket.tokens - 1 if bucket.tokens > 1 else 0.0
        self._buckets.move_to_end(source)

    def allows(self, source: str) -> bool:
        """Tell whether the next message of a source may be looked at."""
        bucket = self._buckets.get(source)
        if bucket is None or bucket.tokens >= 1:
            return True
        self._refill(bucket, self._monotonic())
        return bucket.tokens >= 1

    def worth_telling(self, source: str) -> bool:
        """Tell whether it is time to log, once a minute, that a source is held back."""
        bucket = self._buckets.get(source)
        if bucket is None or self._monotonic() - bucket.told < _TELL_SECONDS:
            return False
        bucket.told = self._monotonic()
        return True

    def _refill(self, bucket: _Bucket, now: float) -> None:
        tokens = bucket.tokens + (now - bucket.at) * self._rate
        bucket.tokens = tokens if tokens < self._burst else self._burst
        bucket.at = now
