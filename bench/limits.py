"""How many calls one core of the media engine relays and records cleanly, and rtpengine beside, with its cost and delay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from bench import rtpengine
from bench.media import FEW, FULL_LOAD, HALF_LOAD, RECORDED_LOAD, best, measure_calls, measure_recorded
from bench.relay import Figures

_STEP: Final = 150
_TRIES: Final = 4
_PEER_FIRST: Final = 600


def measure() -> dict[str, float]:
    """Measure, print a line for each run, and return the figures by the names of `bench/results/latest.json`."""
    figures: dict[str, float] = {
        "relay_max_calls": most_clean(_relayed, first=FULL_LOAD),
        "recorded_max_calls": most_clean(_recorded, first=RECORDED_LOAD),
    }
    if not rtpengine.installed():
        print(f"rtpengine is not measured beside: {rtpengine.HOW_TO_INSTALL}")
        return figures
    few, half = (
        best(f"{calls} calls by rtpengine", partial(rtpengine.measure_calls, calls)) for calls in (FEW, HALF_LOAD)
    )
    return figures | {
        "rtpengine_relay_cpu_ms_per_s": half.cpu_ms_per_s,
        "rtpengine_relay_cpu_ms_per_s_200": few.cpu_ms_per_s,
        "rtpengine_relay_p99_us": half.p99_us,
        "rtpengine_memory_per_call_kb": half.memory_kb,
        "rtpengine_relay_max_calls": most_clean(_relayed_by_peer, first=_PEER_FIRST),
    }


def most_clean(clean: Callable[[int], bool], *, first: int) -> int:
    """Return the largest number of calls that ran clean: upwards from `first` while they do, else downwards until one does.

    0 when none of the tries did.
    """
    began_clean = clean(first)
    most = first if began_clean else 0
    calls = first
    for _ in range(_TRIES - 1):
        calls += _STEP if began_clean else -_STEP
        if clean(calls):
            most = calls
        if (most == calls) != began_clean:
            break
    return most


def _relayed(calls: int) -> bool:
    return _clean(f"{calls} relayed calls", partial(measure_calls, calls))


def _recorded(calls: int) -> bool:
    return _clean(f"{calls} recorded calls", partial(measure_recorded, calls))


def _relayed_by_peer(calls: int) -> bool:
    return _clean(f"{calls} calls by rtpengine", partial(rtpengine.measure_calls, calls))


def _clean(name: str, measured: Callable[[], Figures]) -> bool:
    """Run once, and again where the first run was not clean: what else goes on in the machine comes in bursts."""
    for _ in range(2):
        figures = measured()
        print(f"{name}: {figures.describe()}")
        if figures.clean:
            return True
    return False
