"""The Range header of HTTP (RFC 9110 section 14.2), for one range of bytes."""

from __future__ import annotations

import re
from typing import Final

from recordings.errors import RangeNotSatisfiableError

_ONE_RANGE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return (start, length) of the one range asked for, or None where the whole file is to be sent.

    Several ranges, other units and malformed headers ask for the whole, as the RFC allows and players expect.

    Raises:
        RangeNotSatisfiableError: the range begins beyond the end.
    """
    found = _ONE_RANGE.fullmatch(header) if header else None
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        start = size - length
    else:
        start = int(first)
        if last and int(last) < start:
            return None
        length = (min(int(last), size - 1) if last else size - 1) - start + 1
    if length <= 0 or start >= size:
        raise RangeNotSatisfiableError(f"The recording has {size} bytes; the asked range lies beyond.", size=size)
    return start, length
