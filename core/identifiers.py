"""Globally unique, time-sortable ids (UUID version 7, RFC 9562 section 5.7)."""

from __future__ import annotations

import secrets
import threading
import time

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """Return a new UUIDv7 in its 36-character form; ids of one process sort in the order they were made."""
    global _last  # noqa: PLW0603 - the one counter that keeps ids of the same millisecond in order
    with _lock:
        # 48 bits of milliseconds, then 12 bits that count within the millisecond (RFC 9562 section 6.2, method 1).
        stamp = time.time_ns() // 1_000_000 << 12
        _last = stamp if stamp > _last else _last + 1
        milliseconds, counter = _last >> 12, _last & 0xFFF
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
