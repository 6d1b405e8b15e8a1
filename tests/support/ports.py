"""Free ports for peers that cannot take port 0."""

from __future__ import annotations

import os
import random
import socket


def share(first: int, last: int) -> tuple[int, int]:
    """Return the first and last of the ports of a range that are for this process of the tests alone, where several run at once."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    size = (last + 1 - first) // processes // 2 * 2
    low = first + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) * size
    return low, low + size - 1


_FIRST, _LAST = share(23_000, 29_999)
"""Below the ports that the system takes for outgoing connections, and below those of the tests' media engines."""


def free_port(*, count: int = 1, host: str = "127.0.0.1") -> int:
    """Return an even port that is free together with the `count - 1` after it, for UDP and TCP."""
    chooser = random.SystemRandom()
    while True:
        first = chooser.randrange(_FIRST, _LAST - count, 2)
        if all(_is_free(host, port) for port in range(first, first + count)):
            return first


def _is_free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True
