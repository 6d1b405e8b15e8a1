"""Which numbers a pattern means, and when a time of the week is."""

from __future__ import annotations

from datetime import datetime

import pytest

from pbx import hours, patterns


@pytest.mark.parametrize(
    ("pattern", "number", "matches"),
    [
        ("+74951112233", "+74951112233", True),
        ("+74951112233", "+749511122334", False),
        ("+749511122XX", "+74951112299", True),
        ("+749511122XX", "+7495111229", False),
        ("+7495*", "+7495", True),
        ("+7495*", "+74951234567", True),
        ("+7495*", "+74991234567", False),
        ("10[0-4]X", "1049", True),
        ("10[0-4]X", "1059", False),
        ("[135]0", "30", True),
        ("*", "1001", True),
        ("+7", "7", False),
        ("+749511122XX", "+749511122٣٣", False),
    ],
)
def test_a_pattern_means_these_numbers(pattern: str, number: str, matches: bool) -> None:
    assert patterns.parse(pattern).matches(number) is matches


@pytest.mark.parametrize("text", ["", "abc", "+7495x", "12*3", "[4-2]", "[]", "[a]", "++7", "1" * 41, "[-]", "(1)+$"])
def test_what_is_no_pattern_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|choice"):
        patterns.parse(text)


def test_of_two_patterns_the_one_that_fixes_more_says_more() -> None:
    texts = ["*", "+7*", "+7495XXXXXXX", "+749511122[0-4]X", "+74951112233"]
    assert [patterns.parse(text).fixed for text in texts] == sorted(patterns.parse(text).fixed for text in texts)
    assert [patterns.is_pattern(text) for text in texts] == [True, True, True, True, False]


MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 - local time of the company


@pytest.mark.parametrize(
    ("span", "day", "time", "within"),
    [
        ("mon-fri 09:00-18:00", 0, "09:00", True),
        ("mon-fri 09:00-18:00", 0, "17:59", True),
        ("mon-fri 09:00-18:00", 0, "18:00", False),
        ("mon-fri 09:00-18:00", 5, "12:00", False),
        ("MON 00:00-24:00", 0, "23:59", True),
        ("sat-mon 10:00-11:00", 6, "10:30", True),
        ("sat-mon 10:00-11:00", 1, "10:30", False),
        ("22:00-06:00", 3, "23:00", True),
        ("22:00-06:00", 3, "05:59", True),
        ("fri 22:00-06:00", 5, "03:00", True),
        ("fri 22:00-06:00", 4, "03:00", False),
    ],
)
def test_a_span_holds_at_these_times(span: str, day: int, time: str, within: bool) -> None:
    hour, minute = map(int, time.split(":"))
    assert hours.parse(span).holds(MONDAY.replace(day=23 + day, hour=hour, minute=minute)) is within


def test_without_spans_it_is_always() -> None:
    assert hours.hold((), MONDAY)
    assert not hours.hold((hours.parse("tue 10:00-11:00"),), MONDAY)


@pytest.mark.parametrize(
    "text", ["", "always", "mon-fri", "9-18", "xyz 09:00-18:00", "mon 09:00-09:00", "25:00-26:00", "09:61-10:00"]
)
def test_what_is_no_time_of_the_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day|span"):
        hours.parse(text)
