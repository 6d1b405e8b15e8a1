"""From the end of an answered leg to the columns of its charge; the same for a leg that just ended and for one rated later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from billing.rate_book import RateBook
from billing.rating import rate, whole_seconds
from core.identifiers import new_id
from core.phone_numbers import NumberKind


@dataclass(slots=True, frozen=True)
class EndedLeg:
    """An outgoing trunk leg that was answered and is over."""

    node: str
    leg_id: str
    call_id: str
    first_call_id: str
    trunk: str
    number: str
    answered_at: datetime
    ended_at: datetime


def charge_row(leg: EndedLeg, kind: NumberKind, book: RateBook) -> dict[str, Any]:
    """Return the row of `charges` for a leg, with an amount where the book has a rate."""
    return {
        "id": new_id(),
        "node": leg.node,
        "leg_id": leg.leg_id,
        "call_id": leg.call_id,
        "first_call_id": leg.first_call_id,
        "trunk": leg.trunk,
        "number": leg.number,
        "kind": kind.value,
        "started_at": leg.answered_at,
        "ended_at": leg.ended_at,
        "seconds": whole_seconds(leg.ended_at - leg.answered_at),
        **price_columns(leg, kind, book),
    }


def price_columns(leg: EndedLeg, kind: NumberKind, book: RateBook) -> dict[str, Any]:
    """Return the columns that a rate decides, all None where the book has none; the rate is that of the time of the answer."""
    found = book.find(leg.number, kind, leg.trunk, leg.answered_at)
    if found is None:
        return dict.fromkeys(PRICE_COLUMNS)
    rated = rate(found.price, leg.ended_at - leg.answered_at)
    return {
        "billed_seconds": rated.billed_seconds,
        "amount": rated.amount,
        "currency": found.price.currency,
        "rate_id": found.id,
        "price_per_minute": found.price.price_per_minute,
        "first_increment": found.price.first_increment,
        "increment": found.price.increment,
        "connection_fee": found.price.connection_fee,
    }


PRICE_COLUMNS = (
    "billed_seconds",
    "amount",
    "currency",
    "rate_id",
    "price_per_minute",
    "first_increment",
    "increment",
    "connection_fee",
)
"""The columns of `charges` that stay empty until there is a rate."""
