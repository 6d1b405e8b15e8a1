"""Settings of the web interface."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

WEB_DIST = Path(__file__).resolve().parent.parent / "web" / "dist"

VERSION = "0.1.0"
"""The version where nobody hands in another."""


@dataclass(slots=True, frozen=True)
class ApiSettings:
    """What the app factory can be told; the defaults are those of a real server."""

    web_dist: Path = WEB_DIST
    """The built web app."""
    version: str = VERSION
    """Shown in the OpenAPI description and in `/metrics`."""
    public_url: str = ""
    """How browsers reach the server, where a proxy in front changes the host; its origin may write too."""
    max_body_bytes: int = 1 << 20
    """Longest body of an ordinary request."""
    max_import_bytes: int = 32 << 20
    """Longest rate file."""
    body_seconds: float = 300.0
    """How long a body may be under way; one who is not signed in has 20 seconds at most."""
    session_idle: timedelta = timedelta(hours=12)
    """A session that was not used for so long is over."""
    session_life: timedelta = timedelta(days=7)
    """A session is over after so long in any case."""
    idempotency_life: timedelta = timedelta(hours=24)
    """How long an Idempotency-Key is remembered."""
    argon2_memory_kib: int = 65_536
    """Memory of one password check; RFC 9106 section 4, second recommended option."""
    argon2_passes: int = 3
    """Passes of one password check."""
    live_queue: int = 500
    """Events kept for a WebSocket client that reads slowly; beyond that it is dropped."""
    live_clients: int = 2000
    """Most WebSocket clients at a time."""
