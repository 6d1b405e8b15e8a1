"""The C library's memory: shared by all threads, so that what one gives back serves the others."""

from __future__ import annotations

import ctypes
from typing import Final

_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's mallopt(3)."""


def share_memory() -> bool:
    """Have all threads that are still to come take their memory from one arena; tell whether the C library can do that.

    Left alone glibc gives each thread one of its own, up to eight for each core. The few threads here work in turns, most of them under
    the interpreter's lock, and each would keep what its busiest second took.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_ARENA_MAX, 1))
