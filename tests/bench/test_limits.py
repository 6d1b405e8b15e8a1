"""The search for the most calls that run clean, and the look into recordings for gaps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.limits import most_clean
from bench.media import broken_files


@pytest.mark.parametrize(
    ("limit", "found", "tried"),
    [
        (1499, 1350, [1500, 1350]),
        (1500, 1500, [1500, 1650]),
        (1800, 1800, [1500, 1650, 1800, 1950]),
        (9999, 1950, [1500, 1650, 1800, 1950]),
        (1050, 1050, [1500, 1350, 1200, 1050]),
        (100, 0, [1500, 1350, 1200, 1050]),
    ],
)
def test_the_most_clean_calls_are_found_in_a_few_runs(limit: int, found: int, tried: list[int]) -> None:
    runs: list[int] = []

    def clean(calls: int) -> bool:
        runs.append(calls)
        return calls <= limit

    assert most_clean(clean, first=1500) == found
    assert runs == tried


@pytest.mark.parametrize(
    ("silent", "broken"),
    [(slice(0, 0), 0), (slice(8000, 8080), 0), (slice(8000, 8160), 1), (slice(12000, 16000), 1), (slice(0, 16000), 1)],
)
def test_a_recording_that_falls_silent_is_found(tmp_path: Path, silent: slice, broken: int) -> None:
    samples = np.full((16000, 2), 1000, "<i2")
    samples[silent, 1] = 0
    (tmp_path / "call.wav").write_bytes(bytes(44) + samples.tobytes())
    assert broken_files(tmp_path, seconds=2) == broken
