"""What recordings ask of others; `ramal/app.py` hands in who answers."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession


class TranscriptReader(Protocol):
    """One who wants to know what was said in a call: the CRM."""

    async def attach_transcript(self, session: AsyncSession, call_id: str, text: str) -> bool:
        """Keep a call's transcript, one line a turn, in the given transaction; tell whether the call is known."""
        ...
