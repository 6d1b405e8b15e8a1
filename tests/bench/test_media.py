"""The load that the media engine is measured with: what the generator says in each manner comes through the engine and is heard."""

from __future__ import annotations

import pytest

from bench.media import Legs, measure_calls


@pytest.mark.parametrize("legs", Legs)
def test_the_generator_hears_its_legs_through_the_engine(legs: Legs) -> None:
    assert measure_calls(16, legs, seconds=2).lost < 0.5
