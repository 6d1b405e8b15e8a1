"""The load that the media engine is measured with: what the generator says in each manner comes through the engine and is heard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.media import Legs, best, measure_calls
from bench.relay import Figures


@pytest.mark.parametrize("legs", Legs)
def test_the_generator_hears_its_legs_through_the_engine(legs: Legs) -> None:
    assert measure_calls(16, legs, seconds=2).lost < 0.5


def figures(cost: float, *, lost: float = 0.0, broken: int = 0) -> Figures:
    return Figures(cost, 10.0, 1000.0, 2000.0, lost, 0, 0.1, broken)


@pytest.mark.parametrize(
    ("costs", "losses", "chosen", "runs"),
    [
        ((0.5, 0.4, 0.1), (0.0, 0.0, 0.0), 0.4, 2),
        ((0.5, 0.4, 0.1), (0.0, 0.1, 0.0), 0.5, 2),
        ((0.5, 0.4, 0.6), (0.2, 0.1, 0.0), 0.6, 3),
        ((0.5, 0.4, 0.6), (0.2, 0.1, 0.3), 0.4, 3),
    ],
)
def test_the_cheapest_clean_run_counts(
    costs: tuple[float, ...], losses: tuple[float, ...], chosen: float, runs: int
) -> None:
    waiting: Iterator[Figures] = (figures(cost, lost=lost) for cost, lost in zip(costs, losses, strict=True))
    assert best("some calls", lambda: next(waiting)).cpu_ms_per_s == chosen
    assert len(list(waiting)) == len(costs) - runs


def test_a_run_with_a_gap_in_a_recording_is_not_clean() -> None:
    assert figures(0.5).clean
    assert not figures(0.5, broken=1).clean
