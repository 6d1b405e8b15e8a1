"""Globally unique, time-sortable ids (UUID version 7, RFC 9562 section 5.7)."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Final

_POOL: Final = 4096
"""Random bytes fetched at once: the kernel takes nearly as long for eight."""
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_lock = threading.Lock()
_last = 0
_pool = b""
_used = 0


def random_bytes(count: int) -> bytes:
    """Return bytes that nobody can guess, from the kernel's generator; `count` is at most 64."""
    with _lock:
        return _drawn(count)


def _drawn(count: int) -> bytes:
    """Take bytes out of the pool; the lock is held."""
    global _pool, _used  # noqa: PLW0603 - the one store of random bytes
    if _used + count > len(_pool):
        _pool, _used = os.urandom(_POOL), 0
    found = _pool[_used : _used + count]
    _used += count
    return found


def random_hex(count: int) -> str:
    """Return `count` unguessable bytes (at most 64) as hexadecimal digits."""
    return random_bytes(count).hex()


def new_id() -> str:
    """Return a new UUIDv7 in its 36-character form; ids of one process sort in the order they were made."""
    global _last  # noqa: PLW0603 - the one counter that keeps ids of the same millisecond in order
    with _lock:
        # 48 bits of milliseconds, then 12 bits that count within the millisecond (RFC 9562 section 6.2, method 1).
        stamp = time.time_ns() // 1_000_000 << 12
        _last = stamp if stamp > _last else _last + 1
        counted, drawn = f"{_last:015x}", _drawn(8)
    # The variant's two bits are 10.
    random = f"{int.from_bytes(drawn) >> 2 | 1 << 63:016x}"
    return f"{counted[:8]}-{counted[8:12]}-7{counted[12:]}-{random[:4]}-{random[4:]}"


def time_of(text: str) -> float | None:
    """Return the seconds since 1970 at which an id was made, or None where the text is none of ours."""
    if _ID.fullmatch(text) is None:
        return None
    return int(text[:8] + text[9:13], 16) / 1000
