"""The C library's memory is one for all threads of the server."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_MAPS = """
import sys, threading
from ramal.allocator import share_memory

if sys.argv[1] == "shared" and not share_memory():
    sys.exit("this C library has no mallopt")
stay, ready = threading.Event(), threading.Barrier(5)

def work():
    kept = [bytes(4096) for _ in range(50)]
    ready.wait()
    stay.wait()
    return kept

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
ready.wait()
import ctypes
libc = ctypes.CDLL(None)
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_char_p)
libc.malloc_info.argtypes, libc.fclose.argtypes = (ctypes.c_int, ctypes.c_void_p), (ctypes.c_void_p,)
output = libc.fopen(b"/dev/stdout", b"a")
libc.malloc_info(0, output)
libc.fclose(output)
stay.set()
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="another C library than glibc")
@pytest.mark.parametrize(("how", "one"), [("shared", True), ("apart", False)])
def test_threads_take_their_memory_from_one_place_when_told_so(how: str, one: bool) -> None:
    told = subprocess.run([sys.executable, "-c", _MAPS, how], check=True, capture_output=True, text=True).stdout
    assert (told.count("<heap ") == 1) is one
