"""Finding the rate of a number: longest prefix first, in memory.

Which rate is taken, in this order:

1. of the rates that hold for the number's kind (or for any kind) at that time, those with the longest prefix;
2. among them a rate for exactly this kind before one for any kind;
3. then the one that began last (two that overlap are refused when they are entered, so this decides only in old data);
4. then the one entered last.

A rate holds from `valid_from` (inclusive) to `valid_to` (exclusive).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from billing.errors import RateDeckTooLargeError
from billing.rating import Price
from core.phone_numbers import NumberKind

MOST_RATES: Final = 300_000
"""Rates of a tariff that are kept in memory, some 150 MB; the largest carriers' decks have fewer."""

SINCE_EVER: Final = datetime.min.replace(tzinfo=UTC)
WITHOUT_END: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True, frozen=True)
class DeckRate:
    """A rate as the deck keeps it."""

    id: str
    prefix: str
    kind: NumberKind | None
    price: Price
    valid_from: datetime = SINCE_EVER
    valid_to: datetime = WITHOUT_END


class RateDeck:
    """The rates of one tariff; never changed, replaced as a whole."""

    __slots__ = ("_by_prefix", "_lengths", "size")

    def __init__(self, rates: Iterable[DeckRate], *, most: int = MOST_RATES) -> None:
        """Index the rates.

        Raises:
            RateDeckTooLargeError: they are more than `most`.
        """
        by_prefix: dict[str, list[DeckRate]] = {}
        self.size = 0
        """How many rates it has."""
        for rate in rates:
            self.size += 1
            if self.size > most:
                raise RateDeckTooLargeError(
                    f"A tariff has at most {most} rates.", hint="Delete rates that ended, or use shorter prefixes."
                )
            by_prefix.setdefault(rate.prefix, []).append(rate)
        for same in by_prefix.values():
            same.sort(key=lambda rate: (rate.kind is not None, rate.valid_from, rate.id), reverse=True)
        self._by_prefix = by_prefix
        self._lengths = sorted({len(prefix) for prefix in by_prefix}, reverse=True)

    def find(self, number: str, kind: NumberKind, at: datetime) -> DeckRate | None:
        """Return the rate of a number (E.164, with or without plus) of this kind at a time, or None."""
        digits = number.removeprefix("+")
        by_prefix = self._by_prefix
        for length in self._lengths:
            for rate in by_prefix.get(digits[:length], ()):
                if (rate.kind is kind or rate.kind is None) and rate.valid_from <= at < rate.valid_to:
                    return rate
        return None
