"""Keys that make a star code, and keys that do not."""

from __future__ import annotations

import pytest

from pbx.star_codes import StarCode, StarCodeCollector


def press(collector: StarCodeCollector, keys: str, *, at: float = 0.0, gap: float = 0.2) -> list[StarCode]:
    codes = [collector.press(key, at + index * gap) for index, key in enumerate(keys)]
    return [code for code in codes if code is not None]


@pytest.mark.parametrize("code", list(StarCode))
def test_a_star_and_its_digit_make_a_code(code: StarCode) -> None:
    assert press(StarCodeCollector(3.0), code.value) == [code]


@pytest.mark.parametrize("keys", ["5", "55", "#5", "*#5", "*9", "*05", "1*"])
def test_other_keys_make_none(keys: str) -> None:
    assert press(StarCodeCollector(3.0), keys) == []


def test_a_second_star_begins_anew() -> None:
    assert press(StarCodeCollector(3.0), "**5") == [StarCode.LEAD]


def test_several_codes_follow_each_other() -> None:
    assert press(StarCodeCollector(3.0), "*1*5*6") == [StarCode.RECORD, StarCode.LEAD, StarCode.CONTACT]


def test_a_digit_that_comes_too_late_belongs_to_no_code() -> None:
    collector = StarCodeCollector(3.0)
    assert press(collector, "*", at=0.0) == []
    assert collector.collecting
    assert press(collector, "5", at=3.1) == []
    assert not collector.collecting
