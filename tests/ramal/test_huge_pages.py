"""Memory in huge pages: what is in use, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ramal.huge_pages import full_pages

_PAGE = 2 << 20
_MAPS = """\
00400000-00c00000 rw-p 00000000 00:00 0                                  [heap]
Size:               8192 kB
KernelPageSize:        4 kB
Rss:                8000 kB
VmFlags: rd wr mr mw me ac
7f0000300000-7f0000900000 rw-p 00000000 00:00 0
Size:               6144 kB
Rss:                6144 kB
VmFlags: rd wr mr mw me ac
7f0001000000-7f0001800000 rw-p 00000000 00:00 0
Size:               8192 kB
Rss:                  16 kB
VmFlags: rd wr mr mw me ac
7f0002000000-7f0002100000 rw-p 00000000 00:00 0
Size:               1024 kB
Rss:                1024 kB
VmFlags: rd wr mr mw me ac
7f0003000000-7f0003400000 r-xp 00000000 fe:00 4711                       /usr/lib/a.so
Size:               4096 kB
Rss:                4096 kB
7f0004000000-7f0004400000 rw-s 00000000 00:0f 4712                       /dev/zero (deleted)
Size:               4096 kB
Rss:                4096 kB
7ffc00000000-7ffc00400000 rw-p 00000000 00:00 0                          [stack]
Size:               4096 kB
Rss:                4096 kB
"""
_GATHER = """
import re
from ramal.huge_pages import gather_memory
kept = [b"x" * 100_000 for _ in range(600)]
gathered = gather_memory()
huge = re.search(r"AnonHugePages: +([0-9]+) kB", open("/proc/self/smaps_rollup").read())
print(gathered, int(huge[1]) * 1024)
"""


def test_only_full_memory_of_the_process_itself_is_gathered() -> None:
    assert list(full_pages(_MAPS, _PAGE)) == [0x400000, 0x600000, 0x800000, 0xA00000, 0x7F0000400000, 0x7F0000600000]


def test_nothing_is_found_where_nothing_can_be_read() -> None:
    assert list(full_pages("", _PAGE)) == []


def _huge_pages() -> bool:
    try:
        return "[never]" not in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not _huge_pages(), reason="this system has no huge pages")
def test_memory_in_use_lies_in_huge_pages_afterwards() -> None:
    told = subprocess.run([sys.executable, "-c", _GATHER], check=True, capture_output=True, text=True).stdout
    gathered, huge = map(int, told.split())
    assert gathered >= _PAGE
    assert huge >= gathered
