"""What memory the server has after its start lies in huge pages: a call touches more small ones than a processor keeps at hand.

On a virtual machine each page that the processor has to look up costs several times as much. The kernel gathers small pages into
huge ones by itself only where a program asks, and neither Python nor the C library does.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_COLLAPSE: Final = 25
"""`MADV_COLLAPSE` of madvise(2), Linux 6.1: gathers what is there now, and nothing that is to come."""
_SETTINGS: Final = Path("/sys/kernel/mm/transparent_hugepage")
_MAPS: Final = Path("/proc/self/smaps")
_REGION: Final = re.compile(
    r"^(?P<first>[0-9a-f]+)-(?P<end>[0-9a-f]+) rw-p 00000000 00:00 0 *(\[heap\])?$"
    r".*?^Size: +(?P<size>\d+) kB$.*?^Rss: +(?P<resident>\d+) kB$",
    re.MULTILINE | re.DOTALL,
)
_BREATH: Final = 0.001
"""Seconds between two pages: whoever touches new memory while one is gathered has to wait, and without a break all of them wait for all."""
_FULL: Final = 0.75
"""The share of a region that must be in use: of a thread's stack hardly anything is, and a huge page of it would be a waste."""


def gather_memory() -> int:
    """Gather the memory that is in use into huge pages, and return how many bytes of it now are in such.

    It is done page by page, by the calling thread, and others have their turn between two. Where the system has no huge pages,
    or its administrator wants none (`never`), nothing happens.
    """
    madvise = getattr(ctypes.CDLL(None), "madvise", None)
    try:
        page = int((_SETTINGS / "hpage_pmd_size").read_text())
        wanted = "[never]" not in (_SETTINGS / "enabled").read_text()
        text = _MAPS.read_text()
    except (OSError, ValueError):
        return 0
    if madvise is None or not wanted:
        return 0
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    gathered = 0
    for address in full_pages(text, page):
        if madvise(address, page, _COLLAPSE) == 0:
            gathered += page
        time.sleep(_BREATH)
    return gathered


def full_pages(maps: str, page: int) -> Iterator[int]:
    """Find where huge pages fit into memory of the process's own that is in use nearly everywhere.

    Args:
        maps: the text of `/proc/PID/smaps` (proc_pid_smaps(5)).
        page: bytes of a huge page.

    Returns:
        The address of each such page, a multiple of `page`.
    """
    for region in _REGION.finditer(maps):
        if int(region["resident"]) < int(region["size"]) * _FULL:
            continue
        first = -(-int(region["first"], 16) // page) * page
        yield from range(first, int(region["end"], 16) - page + 1, page)
