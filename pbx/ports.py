"""What the call core asks of its siblings; `ramal.app` hands in those who answer."""

from __future__ import annotations

from typing import Protocol


class CallerDirectory(Protocol):
    """One who may know who is calling: the CRM."""

    def is_stranger(self, number: str) -> bool:
        """Tell at once of an E.164 number that it certainly has no name; False where it has to be looked up."""
        ...

    async def caller_name(self, number: str) -> str | None:
        """Return the name that belongs to an E.164 number, or None. It is given little time, and may fail without harm."""
        ...
