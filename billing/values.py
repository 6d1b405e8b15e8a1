"""The values that billing takes and gives: tariffs, rates, charges, totals and pages of them."""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Generic, TypeVar

from billing.errors import InvalidRateError
from billing.rating import Price
from core.phone_numbers import NumberKind

Item = TypeVar("Item")

LONGEST_PREFIX: Final = 15
LONGEST_DESCRIPTION: Final = 200
_PREFIX: Final = re.compile(r"[0-9]{1,15}")


@dataclass(slots=True, frozen=True)
class Page(Generic[Item]):
    """One page of a list."""

    items: Sequence[Item]
    after: str | None
    """The key that the next page begins after; None at the end."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Tariff:
    """A named list of rates; the default one rates every trunk that is in no other's `trunks`."""

    id: str
    name: str
    is_default: bool
    trunks: tuple[str, ...]
    rates: int
    """How many rates it has."""
    created_at: datetime


@dataclass(slots=True, frozen=True, kw_only=True)
class RateDraft:
    """What someone wants a rate to be. `checked` tells whether it can be."""

    prefix: str
    """The digits that numbers in E.164 begin with, without plus: `7495`."""
    price_per_minute: Decimal
    currency: str
    kind: NumberKind | None = None
    """Which kind of numbers it holds for; None for any."""
    first_increment: int = 60
    increment: int = 60
    connection_fee: Decimal = Decimal(0)
    valid_from: datetime | None = None
    """The first moment; None for since ever."""
    valid_to: datetime | None = None
    """The first moment at which it holds no more; None for without end."""
    description: str = ""

    def checked(self) -> Price:
        """Return the price of this draft.

        Raises:
            InvalidRateError: a field breaks its rule.
        """
        if not _PREFIX.fullmatch(self.prefix):
            raise InvalidRateError(f"prefix “{self.prefix[:20]}” is not 1 to {LONGEST_PREFIX} digits.")
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise InvalidRateError("valid_to is not after valid_from.")
        if len(self.description) > LONGEST_DESCRIPTION or not self.description.isprintable():
            raise InvalidRateError(f"description has at most {LONGEST_DESCRIPTION} printable characters.")
        return Price(self.price_per_minute, self.currency, self.first_increment, self.increment, self.connection_fee)


@dataclass(slots=True, frozen=True, kw_only=True)
class Rate(RateDraft):
    """A stored rate."""

    id: str
    tariff_id: str
    created_at: datetime

    def draft(self) -> RateDraft:
        """Return what it is, to be changed with `dataclasses.replace` and given back."""
        return RateDraft(
            prefix=self.prefix,
            price_per_minute=self.price_per_minute,
            currency=self.currency,
            kind=self.kind,
            first_increment=self.first_increment,
            increment=self.increment,
            connection_fee=self.connection_fee,
            valid_from=self.valid_from,
            valid_to=self.valid_to,
            description=self.description,
        )


class ChargeState(enum.StrEnum):
    """Whether a charge has an amount."""

    RATED = "rated"
    UNRATED = "unrated"
    """No rate matched when the leg ended; it is rated as soon as one does."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Charge:
    """What one answered outgoing trunk leg costs, with the price it was rated by."""

    id: str
    call_id: str
    """The call in which the leg ended, whose CDR shows the charge."""
    first_call_id: str
    """The call in which the leg was opened; another one where the leg was transferred."""
    leg_id: str
    trunk: str
    number: str
    kind: NumberKind
    state: ChargeState
    started_at: datetime
    ended_at: datetime
    seconds: int
    billed_seconds: int | None
    amount: Decimal | None
    """In units of `currency`, with as many decimal places as its minor units; None while unrated."""
    currency: str | None
    rate_id: str | None
    price_per_minute: Decimal | None
    first_increment: int | None
    increment: int | None
    connection_fee: Decimal | None


@dataclass(slots=True, frozen=True, kw_only=True)
class DayTotal:
    """The charges of a day, a kind of numbers and a currency together."""

    day: date
    kind: NumberKind
    currency: str | None
    """None for those without a rate."""
    charges: int
    seconds: int
    billed_seconds: int
    amount: Decimal | None
    """The exact sum of the charges' amounts; None for those without a rate."""
