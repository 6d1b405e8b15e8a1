"""The heap of deadlines, also while it changes under the one who walks it."""

from __future__ import annotations

import random

from core.clock import ManualClock
from sip.timers import Timer, TimerHeap


def test_deadlines_fire_in_order_and_only_when_due() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    fired: list[str] = []
    heap.schedule(2.0, fired.append, "second")
    heap.schedule(1.0, fired.append, "first")
    heap.schedule(2.0, fired.append, "third")
    clock.advance(1.5)
    assert heap.run_due() == 1
    clock.advance(0.5)
    assert heap.run_due() == 2
    assert fired == ["first", "second", "third"]
    assert len(heap) == 0


def test_a_cancelled_timer_does_not_fire_and_cancelling_twice_is_harmless() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    fired: list[str] = []
    timer = heap.schedule(1.0, fired.append, "never")
    timer.cancel()
    timer.cancel()
    assert not timer.active
    assert len(heap) == 0
    clock.advance(2)
    assert heap.run_due() == 0
    assert fired == []


def test_callbacks_may_schedule_and_cancel_while_the_heap_is_walked() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    fired: list[str] = []
    victim = heap.schedule(1.0, fired.append, "victim")

    def first() -> None:
        victim.cancel()
        heap.schedule(0.0, fired.append, "next walk")
        fired.append("first")

    heap.schedule(0.5, first)
    clock.advance(1.0)
    assert heap.run_due() == 1
    clock.advance(0.001)
    assert heap.run_due() == 1
    assert fired == ["first", "next walk"]


def test_a_failing_callback_is_logged_and_the_walk_goes_on() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    fired: list[str] = []
    heap.schedule(1.0, lambda: 1 / 0)
    heap.schedule(1.0, fired.append, "after")
    clock.advance(1.0)
    heap.run_due()
    assert fired == ["after"]


def test_of_many_that_are_due_the_first_fire_and_the_others_stay_due() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    fired: list[int] = []
    for number in range(5):
        heap.schedule(1.0, fired.append, number)
    clock.advance(1.0)
    assert heap.run_due(at_most=3) == 3
    assert fired == [0, 1, 2]
    assert heap.next_deadline == 1.0
    assert heap.run_due(at_most=3) == 2
    assert fired == [0, 1, 2, 3, 4]


def test_the_ticker_is_told_of_an_earlier_deadline_only() -> None:
    clock = ManualClock()
    told: list[float] = []
    heap = TimerHeap(clock, told.append)
    heap.schedule(5.0, lambda: None)
    heap.schedule(9.0, lambda: None)
    heap.schedule(1.0, lambda: None)
    assert told == [5.0, 1.0]
    assert heap.next_deadline == 1.0


def test_mass_cancellation_in_the_middle_of_a_walk_loses_and_doubles_nothing() -> None:
    clock = ManualClock()
    heap = TimerHeap(clock)
    dice = random.Random(7)
    fired: list[int] = []
    timers: dict[int, Timer] = {}
    cancelled: set[int] = set()

    def sweep() -> None:
        for number in dice.sample(sorted(timers), 4000):
            if timers[number].active:
                timers[number].cancel()
                cancelled.add(number)

    for number in range(6000):
        timers[number] = heap.schedule(dice.uniform(0, 10), fired.append, number)
    heap.schedule(3.0, sweep)
    for _ in range(110):
        clock.advance(0.1)
        heap.run_due()
    assert sorted(fired) == sorted(set(range(6000)) - cancelled)
    assert len(heap) == 0
    assert heap.next_deadline is None
