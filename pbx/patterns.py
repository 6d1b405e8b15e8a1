"""Patterns of numbers, as rules of the directory write them: `+7495…`, `+749511122XX`, `10[0-4]X`, `+7*`.

A digit or a plus stands for itself, `X` for any digit, `[2-5]` or `[135]` for one of those digits, and a final `*` for any rest,
also none. Anything else is no pattern.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Final

LONGEST: Final = 40
_TOKEN: Final = re.compile(r"[0-9]|X|\[[0-9-]{1,20}\]")
_SPECIAL: Final = re.compile(r"[X\[*]")


@dataclass(slots=True, frozen=True)
class Pattern:
    """A pattern that can be matched; equal texts are equal patterns."""

    text: str
    expression: re.Pattern[str] = field(compare=False, repr=False)
    fixed: int = field(compare=False)
    """How many characters it gives exactly or by a choice: of two that match, the one with more says more."""

    def matches(self, number: str) -> bool:
        """Tell whether the whole number is as the pattern says."""
        return self.expression.fullmatch(number) is not None


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Pattern:
    """Read a pattern.

    Raises:
        ValueError: it is none; the message says what is wrong.
    """
    if not text or len(text) > LONGEST:
        raise ValueError(f"a pattern has 1 to {LONGEST} characters")
    rest, expression, fixed = text, "", 0
    if rest.startswith("+"):
        rest, expression, fixed = rest[1:], r"\+", 1
    any_rest = rest.endswith("*")
    rest = rest.removesuffix("*")
    while rest:
        token = _TOKEN.match(rest)
        if token is None:
            raise ValueError(f"“{rest[:10]}” is no part of a pattern; digits, X, [2-5] and a final * are")
        rest = rest[token.end() :]
        expression += "[0-9]" if token[0] == "X" else _choice(token[0])
        fixed += token[0] != "X"
    return Pattern(text, re.compile(expression + ("[0-9]*" if any_rest else "")), fixed)


def is_pattern(text: str) -> bool:
    """Tell whether the text means more than one number."""
    return _SPECIAL.search(text) is not None


def _choice(token: str) -> str:
    if not token.startswith("["):
        return token
    inside = token[1:-1]
    for part in re.findall(r"[0-9]-[0-9]|.", inside):
        if part == "-" or (len(part) == 3 and part[0] > part[2]):
            raise ValueError(f"“{token}” is no choice of digits; write [2-5] or [135]")
    return token
