"""Text of strangers as a terminal may show it: signs that would move the cursor, hide lines or rename the window are written out."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def visible(text: str) -> str:
    r"""Return the text with every sign that cannot be printed, but for line breaks and tabs, as `\x1b`, `\u202e` and the like."""
    if text.isprintable():
        return text
    return "".join([sign if sign.isprintable() or sign in "\n\t" else ascii(sign)[1:-1] for sign in text])


def visible_values(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Do so with all texts of a log line; a processor of structlog."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = visible(value)
    return event
