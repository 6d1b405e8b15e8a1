"""How many legs a second of processor time can be rated: look-up in a deck of 50,000 rates and exact amount."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing.rate_book import RateBook
from billing.rate_deck import DeckRate, RateDeck
from billing.rating import Price, rate
from core.phone_numbers import NumberKind, classify

RATES = 50_000
LEGS = 100_000


def measure() -> dict[str, float]:
    """Return `ratings_per_cpu_s`: number to kind, kind and prefix to rate, length to amount."""
    source = random.Random(20260301)
    prefixes = sorted({str(source.randrange(1, 10 ** source.randint(1, 7))) for _ in range(2 * RATES)})[:RATES]
    prices = [Price(Decimal(source.randrange(1, 10**6)) / 10**4, "RUB") for _ in range(500)]
    deck = RateDeck(
        DeckRate(str(index), prefix, None, prices[index % len(prices)]) for index, prefix in enumerate([*prefixes, "7"])
    )
    book = RateBook(deck)
    answered = datetime(2026, 3, 1, tzinfo=UTC)
    numbers = [f"+79{source.randrange(10**8, 10**9)}" for _ in range(2_000)]
    legs = [(source.choice(numbers), timedelta(microseconds=source.randrange(10**6, 10**10))) for _ in range(LEGS)]
    rated = 0
    begin = time.process_time()
    for number, length in legs:
        found = book.find(number, classify(number, "RU"), "carrier", answered)
        if found is not None:
            rated += rate(found.price, length).billed_seconds > 0
    seconds = time.process_time() - begin
    assert rated == LEGS
    assert classify(numbers[0], "RU") is NumberKind.MOBILE
    return {"ratings_per_cpu_s": round(LEGS / seconds)}
