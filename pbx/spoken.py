"""What Ramal says: prompts and free text as sound files, made off the event loop; a voice that fails never fails the call."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from media.errors import MediaError
from pbx.equipment import Equipment

log = structlog.get_logger(__name__)


async def prompt(equipment: Equipment, key: str, language: str) -> Path | None:
    """Return the sound of a prompt, or None where it cannot be made."""
    try:
        return await asyncio.to_thread(equipment.prompts.path, key, language)
    except (MediaError, OSError) as error:
        log.warning("prompt_unavailable", prompt=key, language=language, error=str(error))
        return None


async def text(equipment: Equipment, words: str, language: str) -> Path | None:
    """Return the sound of free text, or None where it cannot be made."""
    try:
        return await asyncio.to_thread(equipment.prompts.say, words, language)
    except (MediaError, OSError) as error:
        log.warning("text_not_spoken", language=language, error=str(error))
        return None
