"""What a dialled string says: an extension, a star code, a public number, or nothing that can be dialled."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from typing import Final

from core import phone_numbers
from sip.uri import without_parameters

_LONGEST: Final = 40
_EXTENSION: Final = re.compile(r"[0-9]{2,8}")
_STAR: Final = re.compile(r"\*(8|[0-79][0-9])\*?(\+?[0-9]{0,20})#?")
_WITHHELD: Final = re.compile(r"(?:\*67\*?|\*31\*?|#31#)(?=[+0-9])")
_NOT_DIALLED: Final = re.compile(r"[ ().\-/]")


class DialledKind(enum.Enum):
    """How a dialled string is to be read."""

    SHORT = "short"
    """Digits of an extension's length; may still be a short public number."""
    STAR = "star"
    PUBLIC = "public"
    UNKNOWN = "unknown"


@dataclass(slots=True, frozen=True)
class Dialled:
    """A dialled string, read: `number` is the extension's digits, the star code (`*8`, `*72`) or the E.164 number."""

    kind: DialledKind
    number: str
    argument: str = ""
    """What follows a star code."""


def read(text: str, country: str) -> Dialled:
    """Read what was dialled; visual separators do not count, anything else that is no number is unknown.

    Args:
        text: the user part of the request URI, or what a user typed.
        country: ISO 3166-1 alpha-2; how national numbers are read.
    """
    text = _NOT_DIALLED.sub("", without_parameters(text))[: _LONGEST + 1]
    if len(text) > _LONGEST or not text:
        return Dialled(DialledKind.UNKNOWN, text[:_LONGEST])
    if star := _STAR.fullmatch(text):
        return Dialled(DialledKind.STAR, f"*{star[1]}", star[2])
    # The key that ends dialling on many phones is no part of the number.
    text = text.removesuffix("#")
    if _EXTENSION.fullmatch(text):
        return Dialled(DialledKind.SHORT, text)
    return public(text, country) or Dialled(DialledKind.UNKNOWN, text)


def without_privacy(text: str) -> str | None:
    """Return what follows a code that withholds the caller's number for this call (`*67`, `*31`, `#31#`); None without one."""
    if not text.startswith(("*", "#")):
        return None
    text = _NOT_DIALLED.sub("", text)
    match = _WITHHELD.match(text)
    return text[match.end() :] if match else None


def public(text: str, country: str) -> Dialled | None:
    """Read the text as a public number, or return None where none can have these digits."""
    try:
        return Dialled(DialledKind.PUBLIC, phone_numbers.normalise(without_parameters(text), country))
    except phone_numbers.InvalidNumberError:
        return None


def shown(text: str, country: str) -> str:
    """Return the number of a caller as it is kept in records: E.164 where it can be, else the bounded text itself."""
    text = without_parameters(text)
    read_number = public(text, country) if not _EXTENSION.fullmatch(text) else None
    return read_number.number if read_number else text[:_LONGEST]
