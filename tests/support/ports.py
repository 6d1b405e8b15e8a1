"""Free ports for peers that cannot take port 0."""

from __future__ import annotations

import random
import socket


def free_port(*, count: int = 1, host: str = "127.0.0.1") -> int:
    """Return an even port that is free together with the `count - 1` after it, for UDP and TCP."""
    chooser = random.SystemRandom()
    while True:
        # Below the ports that the system takes for outgoing connections, above those of the tests' media engines.
        first = chooser.randrange(23_000, 32_000, 2)
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
