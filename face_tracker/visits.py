"""Visits from tracks: who is there from when to when, and who came back. Sans-I/O; times in seconds on the frames' clock.

A track becomes a person once it was seen often enough and described; a fresh descriptor every second splits a track in which people
were exchanged, and a person who is away for less than the gap is on the same visit.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from face_tracker.descriptor import Descriptor, distance
from face_tracker.tracker import Track

_LEAST_SIGHTINGS: Final = 3
_LEAST_WIDTH: Final = 40.0
_DESCRIBE_EVERY: Final = 1.0
_SPLIT_DISTANCE: Final = 0.6
_MOST_TEMPLATES: Final = 5
_SETTLE_SECONDS: Final = 1.0
"""How long a new track may take to be identified; a visit is not ended before that could have continued it."""


@dataclass(slots=True)
class Visitor:
    """One person as far as the camera module knows: an id and some descriptors."""

    id: str
    templates: list[Descriptor]
    visits: int = 0


@dataclass(slots=True)
class Visit:
    """A stay: `ended` is the last time the person was seen."""

    visitor: Visitor
    started: float
    ended: float
    returning: bool


@dataclass(slots=True)
class Changes:
    """What a frame changed."""

    started: list[Visit] = field(default_factory=list)
    ended: list[Visit] = field(default_factory=list)


class Gallery:
    """The visitors known so far, and who a descriptor belongs to; a camera's thread and the event loop share it."""

    def __init__(self, same_person: float, new_id: Callable[[], str], known: Sequence[Visitor] = ()) -> None:
        self._same_person = same_person
        self._new_id = new_id
        self.visitors: list[Visitor] = list(known)
        self._turn = threading.Lock()

    def recognise(self, descriptor: Descriptor) -> Visitor:
        """Return the nearest visitor within the threshold, or a new one."""
        with self._turn:
            return self._recognise(descriptor)

    def forget(self, visitor_id: str) -> None:
        """Drop a visitor and all descriptors of theirs."""
        with self._turn:
            self.visitors = [visitor for visitor in self.visitors if visitor.id != visitor_id]

    def forget_all(self) -> None:
        """Drop everybody."""
        with self._turn:
            self.visitors = []

    def _recognise(self, descriptor: Descriptor) -> Visitor:
        nearest, best = None, self._same_person
        for visitor in self.visitors:
            away = min(distance(descriptor, template) for template in visitor.templates)
            if away < best:
                nearest, best = visitor, away
        if nearest is None:
            nearest = Visitor(self._new_id(), [descriptor])
            self.visitors.append(nearest)
        elif best > self._same_person * 0.7 and len(nearest.templates) < _MOST_TEMPLATES:
            nearest.templates.append(descriptor)
        return nearest


@dataclass(slots=True)
class _Sighting:
    """What is known of a track: who it is and when it was last described."""

    visitor: Visitor
    since: float
    descriptor: Descriptor
    described: float


class VisitCounter:
    """Turns each frame's tracks into visits."""

    def __init__(self, gallery: Gallery, *, gap_seconds: float) -> None:
        """Begin with nobody present.

        Args:
            gallery: who is known.
            gap_seconds: a person away for less than this is still on the same visit.
        """
        self.gallery = gallery
        self._gap = gap_seconds
        self._sightings: dict[int, _Sighting] = {}
        self._present: dict[str, Visit] = {}

    def update(self, tracks: list[Track], time: float, describe: Callable[[Track], Descriptor]) -> Changes:
        """Take in the tracks of a frame; `describe` is called at most once a second and track."""
        changes = self._leave(time)
        for track in tracks:
            if track.sightings < _LEAST_SIGHTINGS:
                continue
            sighting = self._sightings.get(track.id)
            due = sighting is None or time - sighting.described >= _DESCRIBE_EVERY
            if due and track.face.width >= _LEAST_WIDTH:
                sighting = self._identify(track, sighting, describe(track), time)
            if sighting is not None:
                self._see(sighting, time, changes)
        return changes

    def finish(self) -> Changes:
        """End all visits: the camera is off."""
        changes = Changes(ended=list(self._present.values()))
        self._present.clear()
        self._sightings.clear()
        return changes

    def _identify(self, track: Track, before: _Sighting | None, descriptor: Descriptor, time: float) -> _Sighting:
        same = before is not None and distance(before.descriptor, descriptor) <= _SPLIT_DISTANCE
        if before is not None and same:
            before.descriptor, before.described = descriptor, time
            return before
        since = track.first_seen if before is None else time
        sighting = _Sighting(self.gallery.recognise(descriptor), since, descriptor, time)
        self._sightings[track.id] = sighting
        return sighting

    def _see(self, sighting: _Sighting, time: float, changes: Changes) -> None:
        visitor = sighting.visitor
        visit = self._present.get(visitor.id)
        if visit is not None and sighting.since - visit.ended > self._gap:
            changes.ended.append(visit)
            visit = None
        if visit is None:
            visit = Visit(visitor, sighting.since, time, returning=visitor.visits > 0)
            visitor.visits += 1
            self._present[visitor.id] = visit
            changes.started.append(visit)
        visit.ended = time

    def _leave(self, time: float) -> Changes:
        gone = [visit for visit in self._present.values() if time - visit.ended > self._gap + _SETTLE_SECONDS]
        for visit in gone:
            del self._present[visit.visitor.id]
        if len(self._sightings) > 1000:
            self._sightings = dict(list(self._sightings.items())[-500:])
        return Changes(ended=gone)
