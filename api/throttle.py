"""Slows down the guessing of passwords, without ever holding a request open.

Wrong attempts are counted by user name and address together (growing pauses after the third), by address, and by user name, so that
neither one address trying many names nor many addresses trying one name goes fast. An attempt counts when it begins and is taken
back when the password was right: attempts side by side gain nothing. An address from which a user has signed in before is not held up
by what others try under that name: otherwise two strangers could keep an administrator out.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from api.errors import TooManyAttemptsError
from core.clock import Clock

_FREE: Final = 3
_LONGEST_PAUSE: Final = 300.0
_FORGET: Final = 900.0
_PER_ADDRESS: Final = 30
_PER_USERNAME: Final = 60
_MOST_KEYS: Final = 50_000

Key = tuple[str, str]


@dataclass(slots=True)
class _Count:
    wrong: int
    since: float
    """When the count began, in monotonic seconds."""
    last: float


class AttemptThrottle:
    """Counts of wrong attempts; bounded in memory, the oldest are forgotten first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: OrderedDict[Key, _Count] = OrderedDict()
        self._welcome: OrderedDict[Key, None] = OrderedDict()
        """User names with the networks that they have signed in from since the start."""

    def begin(self, username: str, address: str) -> None:
        """Count an attempt.

        Raises:
            TooManyAttemptsError: too many were wrong before; the attempt must not be looked at.
        """
        now = self._clock.monotonic()
        pair, single = self._keys(username, address)
        pause = 0.0
        if (count := self._fresh(pair, now)) and count.wrong >= _FREE:
            pause = count.last + min(2.0 ** (count.wrong - _FREE), _LONGEST_PAUSE) - now
        for key, most in single:
            if (count := self._fresh(key, now)) and count.wrong >= most:
                pause = max(pause, count.since + _FORGET - now)
        if pause > 0:
            raise TooManyAttemptsError(math.ceil(pause))
        for key in (pair, *(key for key, _most in single)):
            self._add(key, now)

    def succeeded(self, username: str, address: str) -> None:
        """Take the attempt back: the password was right."""
        pair, single = self._keys(username, address)
        self._welcome[pair] = None
        self._welcome.move_to_end(pair)
        if len(self._welcome) > _MOST_KEYS:
            self._welcome.popitem(last=False)
        self._counts.pop(pair, None)
        for key, _most in single:
            if count := self._counts.get(key):
                count.wrong = max(0, count.wrong - 1)

    def _keys(self, username: str, address: str) -> tuple[Key, tuple[tuple[Key, int], ...]]:
        network = _network(address)
        pair, by_address = (username, network), (("", network), _PER_ADDRESS)
        return pair, (by_address,) if pair in self._welcome else (by_address, ((username, ""), _PER_USERNAME))

    def _fresh(self, key: Key, now: float) -> _Count | None:
        count = self._counts.get(key)
        if count is not None and now - count.last > _FORGET:
            del self._counts[key]
            return None
        return count

    def _add(self, key: Key, now: float) -> None:
        count = self._counts.setdefault(key, _Count(0, now, now))
        count.wrong += 1
        count.last = now
        self._counts.move_to_end(key)
        while len(self._counts) > _MOST_KEYS:
            self._counts.popitem(last=False)


def _network(address: str) -> str:
    """Return the address, or the /64 of an IPv6 one: that is what one guesser owns."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
