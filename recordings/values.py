"""The values that recordings are shown in."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar


class RecordingState(enum.StrEnum):
    """Where a recording stands."""

    RECORDING = "recording"
    """The call goes on; what is there so far can be played."""
    SEALING = "sealing"
    """The file is closed and waits for its checksum."""
    SEALED = "sealed"
    RECOVERED = "recovered"
    """Sealed too, but a killed process left it, or its end is torn off."""
    FAILED = "failed"
    """There is no audio in it."""
    MISSING = "missing"
    """The file is gone from the store."""


PLAYABLE: Final = frozenset(
    {RecordingState.RECORDING, RecordingState.SEALING, RecordingState.SEALED, RecordingState.RECOVERED}
)


class MarkerKind(enum.StrEnum):
    """What a stretch of a recording is marked as."""

    PAUSE = "pause"
    """Recording was switched off: silence in the file."""


@dataclass(slots=True, frozen=True)
class Marker:
    """A marked stretch, in seconds from the start; `end` is None while it lasts."""

    kind: MarkerKind
    start: float
    end: float | None
    by_extension: str


@dataclass(slots=True, frozen=True)
class TrackOfParty:
    """A party and its channel, from `start` seconds on; without a leg it is all the others of a conference."""

    channel: int
    start: float
    leg_id: str
    number: str
    extension: str


@dataclass(slots=True, frozen=True, kw_only=True)
class RecordingView:
    """A stored recording."""

    id: str
    call_id: str
    location: str
    state: RecordingState
    format: str
    seconds: float | None
    channels: int
    sample_rate: int
    bytes: int | None
    sha256: str
    lost_seconds: float
    failure: str
    recovered: bool
    markers: tuple[Marker, ...]
    tracks: tuple[TrackOfParty, ...]
    """Empty in a stereo recording: customers left, agents right."""
    started_at: datetime
    stopped_at: datetime | None
    sealed_at: datetime | None


@dataclass(slots=True, frozen=True)
class Waveform:
    """The loudest sample of each stretch, one list a channel, from 0 (silence) to 1 (full scale)."""

    recording_id: str
    seconds: float
    peaks: tuple[tuple[float, ...], ...]


class TranscriptState(enum.StrEnum):
    """Where a transcript stands."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True, frozen=True)
class Segment:
    """Something said without a longer pause on one channel, from `start` to `end` seconds; `confidence` is from 0 to 1."""

    channel: int
    start: float
    end: float
    text: str
    confidence: float


@dataclass(slots=True, frozen=True, kw_only=True)
class Transcript:
    """A stored transcript; its segments are in the order of their start."""

    id: str
    recording_id: str
    call_id: str
    state: TranscriptState
    model: str
    failure: str
    segments: tuple[Segment, ...]
    created_at: datetime
    finished_at: datetime | None


T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Page(Generic[T]):
    """Part of a list, newest first; `next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None
