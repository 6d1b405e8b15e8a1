"""Phones that come and go: when a login lost its last contact, within a day."""

from __future__ import annotations

import collections
from datetime import datetime, timedelta
from typing import Final

from core.clock import Clock

_KEPT: Final = timedelta(days=1)
_MOST_EACH: Final = 100
_MOST_LOGINS: Final = 20_000


class RegistrationLosses:
    """Remembers, in memory, when the last contact of a login expired or was taken back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._times: dict[str, collections.deque[datetime]] = {}

    def note(self, username: str) -> None:
        """Take note that a login has no contact any more."""
        times = self._times.get(username)
        if times is None:
            if len(self._times) >= _MOST_LOGINS:
                return
            times = self._times[username] = collections.deque(maxlen=_MOST_EACH)
        times.append(self._clock.now())

    def of(self, username: str) -> list[datetime]:
        """Return when that was within the last day, the latest last."""
        since = self._clock.now() - _KEPT
        return [time for time in self._times.get(username, ()) if time >= since]
