"""The deck: which of many rates a number has."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from billing.errors import RateDeckTooLargeError
from billing.rate_deck import SINCE_EVER, WITHOUT_END, DeckRate, RateDeck
from billing.rating import Price
from core.phone_numbers import NumberKind
from tests.support.facts import LANDLINE, START, at

PRICE = Price(Decimal(1), "RUB")


def entry(
    name: str, prefix: str, kind: NumberKind | None = None, begin: float | None = None, end: float | None = None
) -> DeckRate:
    valid_from = SINCE_EVER if begin is None else at(begin)
    return DeckRate(name, prefix, kind, PRICE, valid_from, WITHOUT_END if end is None else at(end))


def found(deck: RateDeck, number: str, kind: NumberKind = NumberKind.LANDLINE, when: float = 0) -> str | None:
    rate = deck.find(number, kind, at(when))
    return rate.id if rate else None


def test_the_longest_prefix_wins() -> None:
    deck = RateDeck([entry("russia", "7"), entry("moscow", "7495"), entry("part of moscow", "749512")])
    assert found(deck, "+74951234567") == "part of moscow"
    assert found(deck, "+74959934567") == "moscow"
    assert found(deck, "+78121234567") == "russia"
    assert found(deck, "+4930123456") is None


def test_a_prefix_as_long_as_the_number_matches_and_a_longer_one_does_not() -> None:
    deck = RateDeck([entry("exact", "112"), entry("longer", "1123")])
    assert found(deck, "112") == "exact"
    assert found(deck, "11") is None


def test_a_rate_of_another_kind_is_passed_over_for_a_shorter_prefix_of_the_kind() -> None:
    deck = RateDeck([entry("mobile", "7495", NumberKind.MOBILE), entry("landline", "7", NumberKind.LANDLINE)])
    assert found(deck, LANDLINE) == "landline"


def test_the_exact_kind_comes_before_any_kind_of_the_same_prefix() -> None:
    deck = RateDeck([entry("z any", "7"), entry("a landline", "7", NumberKind.LANDLINE)])
    assert found(deck, LANDLINE) == "a landline"
    assert found(deck, LANDLINE, NumberKind.MOBILE) == "z any"


def test_a_longer_prefix_for_any_kind_comes_before_a_shorter_one_for_the_kind() -> None:
    deck = RateDeck([entry("any", "7495"), entry("landline", "7", NumberKind.LANDLINE)])
    assert found(deck, LANDLINE) == "any"


def test_a_rate_holds_from_its_first_moment_until_before_its_last() -> None:
    deck = RateDeck([entry("old", "7", end=100), entry("new", "7", begin=100)])
    assert [found(deck, LANDLINE, when=when) for when in (-1e6, 99.999999, 100, 1e6)] == ["old", "old", "new", "new"]


def test_a_longer_prefix_that_does_not_hold_yet_leaves_the_shorter_one() -> None:
    deck = RateDeck([entry("russia", "7"), entry("moscow", "7495", begin=50)])
    assert found(deck, LANDLINE, when=49) == "russia"
    assert found(deck, LANDLINE, when=50) == "moscow"


def test_of_two_that_overlap_the_one_that_began_last_and_then_the_one_entered_last_wins() -> None:
    deck = RateDeck([entry("b", "7", begin=0), entry("a", "7", begin=10), entry("c", "7", begin=0)])
    assert found(deck, LANDLINE, when=20) == "a"
    assert found(deck, LANDLINE, when=5) == "c"


def test_an_empty_deck_has_nothing() -> None:
    assert found(RateDeck([]), LANDLINE) is None


def test_a_deck_beyond_its_bound_is_refused() -> None:
    with pytest.raises(RateDeckTooLargeError, match="at most 2 rates"):
        RateDeck([entry(str(index), str(index)) for index in range(1, 4)], most=2)


digits = some.text("0123", min_size=1, max_size=5)
kinds = some.sampled_from([None, NumberKind.LANDLINE, NumberKind.MOBILE])


@given(some.lists(some.tuples(digits, kinds, some.integers(-3, 3), some.integers(1, 4)), max_size=20), digits)
def test_the_index_finds_what_a_search_through_all_rates_finds(
    rows: list[tuple[str, NumberKind | None, int, int]], number: str
) -> None:
    rates = [
        DeckRate(f"{index:03}", prefix, kind, PRICE, at(begin), at(begin + length))
        for index, (prefix, kind, begin, length) in enumerate(rows)
    ]
    holding = [
        rate
        for rate in rates
        if number.startswith(rate.prefix)
        and rate.kind in (None, NumberKind.MOBILE)
        and rate.valid_from <= START < rate.valid_to
    ]
    best = max(
        holding, key=lambda rate: (len(rate.prefix), rate.kind is not None, rate.valid_from, rate.id), default=None
    )
    assert RateDeck(rates).find(f"+{number}", NumberKind.MOBILE, START) is best
