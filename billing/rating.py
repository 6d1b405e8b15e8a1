"""What a call costs: from the exact length of an answered leg and a price to an amount. Pure, exact, no clock and no database.

The rules, in their order:

1. The length is taken in whole microseconds; a started second counts as a second (ceiling). A length below zero counts as zero.
2. A leg of zero seconds is billed zero seconds. Any other is billed at least `first_increment`, then in steps of `increment`.
3. amount = connection_fee + price_per_minute * billed_seconds / 60, computed in integers without any rounding,
4. and then rounded once, half up, to the minor units of the currency.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Final

from billing.currencies import minor_units
from billing.errors import InvalidRateError

PLACES: Final = 6
"""Decimal places that a price may have."""
HIGHEST_PRICE: Final = Decimal(1_000_000_000)
LONGEST_INCREMENT: Final = 86_400
"""Seconds."""

_SCALE: Final = 10**PLACES
_MOST_DIGITS: Final = 40
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(slots=True, frozen=True)
class Price:
    """The price of a rate.

    Raises:
        InvalidRateError: a price is negative, too high or too fine, an increment is out of range, or the currency is unknown.
    """

    price_per_minute: Decimal
    currency: str
    first_increment: int = 60
    """Seconds billed as soon as there is one; 0 for none."""
    increment: int = 60
    """Seconds of every following step; at least 1."""
    connection_fee: Decimal = Decimal(0)
    _minute: int = field(init=False, repr=False, compare=False)
    _fee: int = field(init=False, repr=False, compare=False)
    _places: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the rules, and scale the prices to integers once for all ratings."""
        object.__setattr__(self, "_places", minor_units(self.currency))
        object.__setattr__(self, "_minute", _scaled(self.price_per_minute, "price_per_minute"))
        object.__setattr__(self, "_fee", _scaled(self.connection_fee, "connection_fee"))
        if not 0 <= self.first_increment <= LONGEST_INCREMENT:
            raise InvalidRateError(f"first_increment is from 0 to {LONGEST_INCREMENT} seconds.")
        if not 1 <= self.increment <= LONGEST_INCREMENT:
            raise InvalidRateError(f"increment is from 1 to {LONGEST_INCREMENT} seconds.")

    def billed_seconds(self, seconds: int) -> int:
        """Return how many seconds a leg of `seconds` is billed."""
        if seconds <= 0:
            return 0
        beyond = seconds - self.first_increment
        if beyond <= 0:
            return self.first_increment
        return self.first_increment + -(-beyond // self.increment) * self.increment

    def amount(self, billed_seconds: int) -> Decimal:
        """Return the price of that many billed seconds with the connection fee, rounded half up to minor units."""
        exact = self._fee * 60 + self._minute * billed_seconds
        unit = 60 * 10 ** (PLACES - self._places)
        return Decimal((2 * exact + unit) // (2 * unit)).scaleb(-self._places)


@dataclass(slots=True, frozen=True)
class RatedCall:
    """The result of rating one leg."""

    seconds: int
    billed_seconds: int
    amount: Decimal


def whole_seconds(length: timedelta) -> int:
    """Return the seconds of a length, a started one counted whole; zero for a length below zero."""
    return max(0, -(-(length // _MICROSECOND) // 1_000_000))


def rate(price: Price, length: timedelta) -> RatedCall:
    """Rate an answered leg of the given length."""
    seconds = whole_seconds(length)
    billed = price.billed_seconds(seconds)
    return RatedCall(seconds, billed, price.amount(billed))


def _scaled(value: Decimal, name: str) -> int:
    if not value.is_finite() or not 0 <= value <= HIGHEST_PRICE:
        raise InvalidRateError(f"{name} is from 0 to {HIGHEST_PRICE}.")
    # Looked at before the ratio is taken, which for 1E-999999 would have a million digits.
    _sign, digits, exponent = value.as_tuple()
    if len(digits) > _MOST_DIGITS or (isinstance(exponent, int) and exponent < -_MOST_DIGITS):
        raise InvalidRateError(f"{name} has at most {PLACES} decimal places.")
    numerator, denominator = value.as_integer_ratio()
    if _SCALE % denominator:
        raise InvalidRateError(f"{name} has at most {PLACES} decimal places.")
    return numerator * (_SCALE // denominator)
