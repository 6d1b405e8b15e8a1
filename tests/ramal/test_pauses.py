"""Collections that do not hold calls up."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from ramal.pauses import collect_after_start, tune_garbage_collection


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks[:] = callbacks
    gc.enable()
    gc.unfreeze()


def test_nothing_is_collected_until_the_start_is_over() -> None:
    collect_after_start()
    assert not gc.isenabled()
    tune_garbage_collection()
    assert gc.isenabled()


def test_what_a_full_collection_left_over_is_not_looked_at_again() -> None:
    tune_garbage_collection()
    kept = [[index] for index in range(1000)]
    gc.collect()
    frozen = gc.get_freeze_count()
    assert frozen > len(kept)
    assert len(gc.get_objects(2)) < len(kept)


def test_what_was_put_aside_is_still_given_back_when_nobody_holds_it() -> None:
    tune_garbage_collection()
    kept = [[index] for index in range(1000)]
    gc.collect()
    frozen = gc.get_freeze_count()
    kept.clear()
    assert gc.get_freeze_count() <= frozen - 1000


def test_circles_that_came_later_are_still_collected() -> None:
    tune_garbage_collection()
    circle: list[object] = []
    circle.append(circle)
    del circle
    assert gc.collect() >= 1


def test_tuning_twice_freezes_once() -> None:
    tune_garbage_collection()
    callbacks = list(gc.callbacks)
    tune_garbage_collection()
    assert gc.callbacks == callbacks
