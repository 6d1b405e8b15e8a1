"""Ids tell when they were made."""

from __future__ import annotations

import time

import pytest

from core.identifiers import new_id, time_of


def test_an_id_tells_when_it_was_made() -> None:
    before = int(time.time() * 1000) / 1000
    made = time_of(new_id())
    assert made is not None
    assert before - 1 <= made <= time.time() + 1


@pytest.mark.parametrize(
    "text",
    ["", "x" * 36, "00000000-0000-4000-8000-000000000000", new_id().upper(), new_id() + "0"],
    ids=["nothing", "letters", "no time", "capitals", "too long"],
)
def test_what_is_no_id_of_ours_tells_nothing(text: str) -> None:
    assert time_of(text) is None
