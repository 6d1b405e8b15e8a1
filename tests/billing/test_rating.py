"""Rating: seconds, increments and rounding, against an independent calculation in fractions."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as some

from billing.currencies import MINOR_UNITS, plain
from billing.errors import InvalidRateError
from billing.rating import Price, rate, whole_seconds

MINUTES = Price(Decimal("0.72"), "RUB")


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


@pytest.mark.parametrize(
    ("length", "whole"),
    [
        (timedelta(0), 0),
        (timedelta(microseconds=1), 1),
        (timedelta(microseconds=999_999), 1),
        (timedelta(seconds=1), 1),
        (timedelta(seconds=60), 60),
        (timedelta(seconds=60, microseconds=1), 61),
        (timedelta(days=3, microseconds=1), 259_201),
        (timedelta(microseconds=-1), 0),
        (timedelta(days=-1), 0),
    ],
)
def test_a_started_second_counts_whole(length: timedelta, whole: int) -> None:
    assert whole_seconds(length) == whole


@pytest.mark.parametrize(
    ("first", "step", "length", "billed"),
    [
        (60, 60, 1, 60),
        (60, 60, 60, 60),
        (60, 60, 61, 120),
        (30, 6, 29, 30),
        (30, 6, 31, 36),
        (30, 6, 36, 36),
        (30, 6, 37, 42),
        (1, 1, 17, 17),
        (0, 60, 1, 60),
        (0, 1, 1, 1),
        (60, 60, 0, 0),
        (60, 60, 4_500, 4_500),
        (60, 60, 4_501, 4_560),
        (60, 1, 86_401, 86_401),
    ],
)
def test_seconds_are_billed_in_increments(first: int, step: int, length: int, billed: int) -> None:
    assert Price(Decimal(1), "RUB", first, step).billed_seconds(length) == billed


@pytest.mark.parametrize(
    ("price", "length", "amount"),
    [
        (MINUTES, 1, "0.72"),
        (MINUTES, 61, "1.44"),
        (Price(Decimal("1.57"), "RUB"), 60, "1.57"),
        (Price(Decimal("1.57"), "RUB", 1, 1), 1, "0.03"),
        (Price(Decimal("1.57"), "RUB", 1, 1), 4_501, "117.78"),
        (Price(Decimal("0.30"), "RUB", 1, 1), 1, "0.01"),
        (Price(Decimal("0.299999"), "RUB", 1, 1), 1, "0.00"),
        (Price(Decimal("0.72"), "RUB", 60, 60, Decimal("0.10")), 60, "0.82"),
        (Price(Decimal("0.72"), "RUB", 60, 60, Decimal("0.10")), 0, "0.10"),
        (Price(Decimal("30"), "JPY", 1, 1), 1, "1"),
        (Price(Decimal("29.9"), "JPY", 1, 1), 1, "0"),
        (Price(Decimal("0.0125"), "KWD", 60, 60), 60, "0.013"),
        (Price(Decimal("0"), "RUB"), 600, "0.00"),
    ],
)
def test_amounts_are_rounded_half_up_once_to_minor_units(price: Price, length: int, amount: str) -> None:
    assert str(rate(price, seconds(length)).amount) == amount


def test_a_half_is_rounded_up_and_not_to_even() -> None:
    half = Price(Decimal("0.005"), "RUB")
    three_halves = Price(Decimal("0.025"), "RUB")
    assert (half.amount(60), three_halves.amount(60)) == (Decimal("0.01"), Decimal("0.03"))


def test_a_third_of_a_kopeck_never_piles_up() -> None:
    by_seconds = Price(Decimal("0.20"), "RUB", 1, 1)
    assert by_seconds.amount(3_600) == Decimal("12.00")
    assert by_seconds.amount(1) == Decimal("0.00")


prices = some.decimals(min_value=0, max_value=10_000, places=6)
currencies = some.sampled_from(sorted(MINOR_UNITS))
increments = some.integers(1, 3_600)
lengths = some.integers(0, 10 * 86_400 * 1_000_000).map(lambda value: timedelta(microseconds=value))
long_lengths = some.integers(4_500_000_001, 10 * 86_400 * 1_000_000).map(lambda value: timedelta(microseconds=value))


def expected(price: Price, length: timedelta) -> tuple[int, int, Fraction]:
    """Rate by the words of the rules, in fractions."""
    whole = ceil(Fraction(length // timedelta(microseconds=1), 1_000_000))
    billed = 0
    if whole > 0:
        billed = price.first_increment
        while billed < whole:
            steps = ceil(Fraction(whole - billed, price.increment))
            billed += steps * price.increment
    exact = Fraction(price.connection_fee) + Fraction(price.price_per_minute) * billed / 60
    unit = Fraction(1, 10 ** MINOR_UNITS[price.currency])
    return whole, billed, floor(exact / unit + Fraction(1, 2)) * unit


@given(some.builds(Price, prices, currencies, some.integers(0, 3_600), increments, prices), lengths | long_lengths)
def test_every_rating_agrees_with_fractions(price: Price, length: timedelta) -> None:
    rated = rate(price, length)
    assert (rated.seconds, rated.billed_seconds, Fraction(rated.amount)) == expected(price, length)


@given(prices, increments, some.integers(0, 3_600), lengths)
def test_what_is_billed_covers_the_call_by_less_than_an_increment(
    per_minute: Decimal, step: int, first: int, length: timedelta
) -> None:
    rated = rate(Price(per_minute, "RUB", first, step), length)
    assert rated.billed_seconds >= rated.seconds
    if rated.seconds > first:
        assert rated.billed_seconds - rated.seconds < step


@given(prices, increments, long_lengths, some.integers(1, 100_000_000))
def test_a_longer_call_never_costs_less(per_minute: Decimal, step: int, length: timedelta, more: int) -> None:
    price = Price(per_minute, "RUB", step, step)
    assert rate(price, length).amount <= rate(price, length + timedelta(microseconds=more)).amount


@given(some.lists(some.tuples(prices, lengths), min_size=1, max_size=50))
def test_the_sum_of_a_bill_is_the_sum_of_its_lines(calls: list[tuple[Decimal, timedelta]]) -> None:
    amounts = [rate(Price(per_minute, "RUB"), length).amount for per_minute, length in calls]
    kopecks = sum(int(amount.scaleb(2)) for amount in amounts)
    assert sum(amounts) == Decimal(kopecks).scaleb(-2)
    assert all(amount.as_tuple().exponent == -2 for amount in amounts)


@pytest.mark.parametrize(
    "values",
    [
        {"price_per_minute": Decimal("-0.01")},
        {"price_per_minute": Decimal("NaN")},
        {"price_per_minute": Decimal("Infinity")},
        {"price_per_minute": Decimal("0.0000001")},
        {"price_per_minute": Decimal("1E-999999")},
        {"price_per_minute": Decimal("1E+999999")},
        {"connection_fee": Decimal(-1)},
        {"first_increment": -1},
        {"first_increment": 86_401},
        {"increment": 0},
        {"increment": 86_401},
        {"currency": "RUR"},
        {"currency": ""},
    ],
)
def test_an_impossible_price_is_refused(values: dict[str, object]) -> None:
    usual: dict[str, object] = {"price_per_minute": Decimal(1), "currency": "RUB"}
    with pytest.raises(InvalidRateError):
        Price(**(usual | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "currency", "shown"),
    [
        ("0.720000", "RUB", "0.72"),
        ("0.7", "RUB", "0.70"),
        ("0.012500", "RUB", "0.0125"),
        ("100", "RUB", "100.00"),
        ("100.000000", "JPY", "100"),
        ("1E+2", "JPY", "100"),
        ("0", "KWD", "0.000"),
    ],
)
def test_money_reads_alike_whatever_zeros_the_database_keeps(value: str, currency: str, shown: str) -> None:
    assert str(plain(Decimal(value), currency)) == shown
