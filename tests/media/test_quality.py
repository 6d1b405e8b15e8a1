"""How a leg sounds, measured every ten seconds from figures that only grow."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from media.quality import EndpointStatistics, QualityMeter

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOTHING = EndpointStatistics(0, 0, 0, 0, 0.0, None, 0, 0.0, None, None)


def figures(seconds: int, *, lost: int = 0, **others: float) -> EndpointStatistics:
    """The figures of a leg after so many seconds of 50 packets each way."""
    grown = replace(NOTHING, packets_received=50 * seconds - lost, packets_sent=50 * seconds, packets_lost=lost)
    return replace(grown, **others)


def test_a_sample_is_about_its_own_ten_seconds_only() -> None:
    meter = QualityMeter(100.0)
    assert not meter.due(109.9)
    assert meter.due(110.0)
    meter.take(figures(10, lost=50, jitter_ms=3.0), 110.0, AT)
    meter.take(figures(20, lost=50, jitter_ms=1.0), 120.0, AT)
    bad, good = meter.samples
    assert (bad.seconds, bad.loss, bad.jitter_ms) == (10.0, 0.1, 3.0)
    assert (good.loss, good.jitter_ms, good.round_trip_ms) == (0.0, 1.0, None)
    assert bad.mos < 2.5
    assert good.mos > 4.2


def test_what_the_party_reports_of_our_stream_is_told_beside_ours_and_only_where_it_reports() -> None:
    meter = QualityMeter(0.0)
    meter.take(figures(10), 10.0, AT)
    meter.take(figures(20, reports=2, reported_lost=25, reported_jitter_ms=4.0, round_trip_ms=80.04), 20.0, AT)
    silent, reported = meter.samples
    assert (silent.far_loss, silent.far_jitter_ms, silent.far_mos) == (None, None, None)
    assert (reported.far_loss, reported.far_jitter_ms, reported.round_trip_ms) == (0.05, 4.0, 80.0)
    assert reported.far_mos == pytest.approx(2.3, abs=0.3)
    assert reported.mos > 4.2


def test_time_without_a_packet_and_a_moment_too_short_make_no_sample() -> None:
    meter = QualityMeter(0.0)
    meter.take(NOTHING, 10.0, AT)
    meter.take(figures(1), 11.0, AT)
    assert not meter.samples
    meter.take(figures(14), 14.0, AT)
    assert [sample.seconds for sample in meter.samples] == [3.0]


def test_samples_are_handed_out_once_and_the_last_five_minutes_are_kept() -> None:
    meter = QualityMeter(0.0)
    for minute in range(1, 31):
        assert not meter.full
        meter.take(figures(10 * minute), 10.0 * minute, AT)
    assert meter.full
    assert len(meter.untold()) == 30
    meter.take(figures(310), 310.0, AT)
    assert len(meter.untold()) == 1
    assert meter.untold() == ()
    assert len(meter.samples) == 30
