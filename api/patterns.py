"""What the patterns of the fields mean, in words: nobody who mistyped a number should have to read a regular expression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_RULES: Final[Mapping[str, str]] = {
    r"^[0-9A-Fa-f:./]+$": "It must be an IP address or a network, such as 203.0.113.7 or 203.0.113.0/24",
    r"^[0-9]{2,8}$": "It must be an extension's number: two to eight digits",
    r"^[+*#0-9 ().\-/]+$": "It must be a number as one dials it: digits, +, * and #, with blanks, ( ) . - or / between them",
    r"^[+*#0-9 ().\-/X\[\]]+$": "It must be a number, or a pattern of numbers: digits, X for any digit, [2-5] for a choice",
    r"^\+?[0-9]{1,15}$": "It must be the first digits of a number, 15 at most; a + may lead",
    r"^\+?[0-9]{0,19}$": "It must be digits, 19 at most; a + may lead",
    r"^[A-Z]{2}$": "It must be a country's code of two capital letters, such as BR",
    r"^[A-Z]{3}$": "It must be a currency's code of three capital letters, such as BRL",
    r"^[^@\s]+@[^@\s]+$": "It must be an e-mail address",
    r"^(en|pt-BR|ru)$": "It must be en, pt-BR or ru",
    r"^([0-9]{4,12})?$": "It must be 4 to 12 digits, or empty",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "It must begin with a letter or digit; letters, digits, . _ and - may follow, 64 in all",
    r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$": "It must begin with a letter or digit; letters, digits, . _ @ and - may follow, 64 in all",
    r"^[A-Za-z0-9._@-]*$": "It must be the id of a call: letters, digits, . _ @ and -",
}


def in_words(pattern: str) -> str | None:
    """Return the rule that a field's pattern stands for; None where the pattern has no words."""
    return _RULES.get(pattern)
