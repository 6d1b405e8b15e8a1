"""The event loop's lag: a pause that is over is forgiven, a loop that stays behind is not."""

from __future__ import annotations

from sip.loop_lag import LoopLag


def test_one_long_pause_is_no_lag() -> None:
    lag = LoopLag()
    lag.woke(10.0, 10.001)
    lag.woke(11.0, 16.0)
    assert lag.seconds < 0.01


def test_a_loop_that_is_late_again_and_again_lags() -> None:
    lag = LoopLag()
    lag.woke(10.0, 13.0)
    lag.woke(13.5, 16.0)
    assert lag.seconds == 2.5


def test_a_loop_that_caught_up_lags_no_more() -> None:
    lag = LoopLag()
    lag.woke(10.0, 13.0)
    lag.woke(13.5, 16.0)
    lag.woke(16.1, 16.1)
    assert lag.seconds == 0.0


def test_an_early_wake_up_is_no_negative_lag() -> None:
    lag = LoopLag()
    lag.woke(10.0, 9.0)
    lag.woke(10.0, 9.5)
    assert lag.seconds == 0.0
