"""Which of the turns' figures count where two servers are measured in turns."""

from __future__ import annotations

from bench.compare import best


def test_the_cheapest_turn_counts_and_of_the_rates_the_highest() -> None:
    first = {"call_cpu_ms_100": 3.0, "call_cpu_ms_150": 2.5, "max_cps": 150.0, "register_cpu_ms": 0.5}
    second = {"call_cpu_ms_100": 2.0, "call_cpu_ms_150": 2.8, "max_cps": 200.0, "register_cpu_ms": 0.6}
    assert best([first, second]) == {
        "call_cpu_ms_100": 2.0,
        "call_cpu_ms_150": 2.5,
        "max_cps": 200.0,
        "register_cpu_ms": 0.5,
        "call_cpu_ms": 2.5,
        "call_rate": 150,
    }


def test_a_rate_counts_that_was_carried_in_one_turn_only() -> None:
    figures = best([{"call_cpu_ms_100": 3.0}, {"call_cpu_ms_100": 4.0, "call_cpu_ms_200": 5.0}])
    assert (figures["call_cpu_ms"], figures["call_rate"]) == (5.0, 200)


def test_a_server_that_carried_no_rate_has_no_cost() -> None:
    assert best([{"max_cps": 0.0}, {"max_cps": 0.0}]) == {"max_cps": 0.0}
