"""Visits from tracks: gaps, returns, and people who cross."""

import itertools

import numpy as np
import pytest

from face_tracker.descriptor import Descriptor
from face_tracker.detector import Face
from face_tracker.tracker import Track, Tracker
from face_tracker.visits import Gallery, Visit, VisitCounter


def person(number: int) -> Descriptor:
    descriptor = np.zeros(128)
    descriptor[number] = 1.0
    return descriptor


def face(x: float, width: float = 80) -> Face:
    return Face(x, 100, x + width, 100 + width, 1.0)


class Door:
    """Feeds faces of known people, five frames a second, and keeps what was counted."""

    def __init__(self) -> None:
        names = (f"v{index}" for index in itertools.count(1))
        self.counter = VisitCounter(Gallery(0.55, lambda: next(names)), gap_seconds=2.0)
        self.tracker = Tracker()
        self.started: list[Visit] = []
        self.ended: list[Visit] = []
        self.described = 0

    def show(self, begin: float, end: float, *people: tuple[int, float, float]) -> None:
        """Show people from `begin` to `end`, each as (who, x at begin, x at end)."""
        for step in range(round((end - begin) * 5)):
            share = step / ((end - begin) * 5)
            faces = [(who, face(x1 + (x2 - x1) * share)) for who, x1, x2 in people]
            self.frame(begin + step / 5, faces)

    def frame(self, time: float, faces: list[tuple[int, Face]]) -> None:
        def describe(track: Track) -> Descriptor:
            self.described += 1
            who = min(faces, key=lambda one: abs(one[1].left - track.face.left))[0]
            return person(who)

        changes = self.counter.update(self.tracker.update([one for _, one in faces], time), time, describe)
        self.started += changes.started
        self.ended += changes.ended


def test_a_person_who_comes_twice_is_one_visitor_with_two_visits() -> None:
    door = Door()
    door.show(0, 3, (1, 50, 300))
    door.show(3, 8)
    door.show(8, 10, (1, 300, 50))
    door.ended += door.counter.finish().ended
    assert [visit.visitor.id for visit in door.started] == ["v1", "v1"]
    assert [visit.returning for visit in door.started] == [False, True]
    assert [(visit.started, round(visit.ended, 1)) for visit in door.ended] == [(0, 2.8), (8, 9.8)]


def test_a_gap_shorter_than_two_seconds_is_the_same_visit() -> None:
    door = Door()
    door.show(0, 2, (1, 50, 50))
    door.show(2, 3.6)
    door.show(3.6, 5, (1, 200, 200))
    assert len(door.started) == 1


def test_two_people_who_change_places_in_one_track_are_told_apart() -> None:
    door = Door()
    door.show(0, 2, (1, 100, 100))
    door.show(2, 5, (2, 100, 100))
    assert [visit.visitor.id for visit in door.started] == ["v1", "v2"]
    assert door.started[1].started >= 2


def test_two_people_at_once_are_two_visitors() -> None:
    door = Door()
    door.show(0, 3, (1, 50, 150), (2, 400, 300))
    assert len({visit.visitor.id for visit in door.started}) == 2


def test_something_seen_once_is_nobody() -> None:
    door = Door()
    door.frame(0.0, [(1, face(50))])
    door.frame(0.2, [])
    assert door.started == []
    assert door.described == 0


def test_a_face_too_small_to_describe_is_not_counted() -> None:
    door = Door()
    for step in range(10):
        door.frame(step / 5, [(1, face(50, width=30))])
    assert door.started == []


def test_a_face_is_described_once_a_second() -> None:
    door = Door()
    door.show(0, 5, (1, 50, 50))
    assert door.described == pytest.approx(5, abs=1)


def test_a_forgotten_visitor_is_new_again() -> None:
    door = Door()
    door.show(0, 2, (1, 50, 50))
    door.counter.finish()
    door.counter.gallery.forget("v1")
    door.show(10, 12, (1, 50, 50))
    assert [visit.visitor.id for visit in door.started] == ["v1", "v2"]
    assert not door.started[1].returning
