"""The limit of open files: a call takes four sockets, and the usual limit of a shell is spent by 250 of them."""

from __future__ import annotations

import resource


def allow_open_files() -> int:
    """Raise the process's own limit to the most the system allows it, and return that."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
