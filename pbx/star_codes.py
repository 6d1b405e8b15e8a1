"""Star codes pressed in mid-call: which keys make a code, collected one by one; knows no clock but the one it is told."""

from __future__ import annotations

import enum
from typing import Final


class StarCode(enum.StrEnum):
    """What an agent can do by keys while talking."""

    RECORD = "*1"
    TRANSFER = "*2"
    LEAD = "*5"
    CONTACT = "*6"


_CODES: Final = {code.value: code for code in StarCode}


class StarCodeCollector:
    """Collects the keys of one party."""

    __slots__ = ("_collected", "_last", "_timeout")

    def __init__(self, timeout: float) -> None:
        """Begin with nothing collected.

        Args:
            timeout: seconds after which a begun code is forgotten.
        """
        self._timeout = timeout
        self._collected = ""
        self._last = 0.0

    @property
    def collecting(self) -> bool:
        """Whether a code was begun."""
        return bool(self._collected)

    def press(self, key: str, now: float) -> StarCode | None:
        """Take one key at a monotonic time in seconds; return the code it completes, if any."""
        if self._collected and now - self._last > self._timeout:
            self._collected = ""
        self._last = now
        if key == "*":
            self._collected = "*"
            return None
        if not self._collected:
            return None
        code = _CODES.get(self._collected + key)
        self._collected = ""
        return code
