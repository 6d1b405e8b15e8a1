"""The recording of one call: a stereo file, customers left and agents right, without a gap across hold and transfer."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable
from typing import Any, Final

import structlog

from core.events import (
    CallFact,
    PartyRole,
    RecordingFailed,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStopped,
)
from core.identifiers import new_id
from media.engine import Recording
from media.errors import MediaError
from pbx.equipment import Equipment
from pbx.leg import Leg

log = structlog.get_logger(__name__)

_LEFT: Final = 0
_RIGHT: Final = 1
_NARROW_RATE: Final = 8000
_WIDE_RATE: Final = 16000
_CLOSE_SECONDS: Final = 5.0
"""How long a call waits for its file to be closed by the writer."""


class CallRecordingState(enum.StrEnum):
    """Whether the call is being recorded."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"
    FAILED = "failed"


class CallRecording:
    """Starts, pauses and ends the file, and keeps the right legs in it."""

    def __init__(self, equipment: Equipment, call_id: str) -> None:
        self._equipment = equipment
        self._call_id = call_id
        self._recording: Recording | None = None
        self._recorded: dict[Leg, int] = {}
        self._closed = asyncio.Event()
        self.id = ""
        self.location = ""
        self.state = CallRecordingState.OFF

    def start(self, *legs: Leg) -> None:
        """Begin the file. Where it cannot be opened the call goes on, and the failure is a fact of it.

        It has 16 kHz where one of the legs speaks a wideband codec now, else 8, and keeps that whatever is spoken later.
        """
        if self._recording is not None:
            return
        sample_rate = _WIDE_RATE if any(leg.media.wideband for leg in legs) else _NARROW_RATE
        now = self._equipment.clock.now()
        self.id = self.id or new_id()
        self.location = f"{now:%Y/%m/%d}/{self.id}.wav"
        path = self._equipment.config.recordings / self.location
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._recording = self._equipment.engine.create_recording(path, sample_rate=sample_rate, channels=2)
        except (MediaError, OSError) as error:
            self.state = CallRecordingState.FAILED
            log.warning("recording_not_started", call_id=self._call_id, error=str(error))
            self._note(RecordingFailed, reason=str(error))
            return
        self._equipment.recordings_by_id[self._recording.id] = self
        self.state = CallRecordingState.ON
        self._note(RecordingStarted, location=self.location, channels=2, sample_rate=sample_rate)

    def follow(self, *legs: Leg) -> None:
        """Record exactly these legs from now on; the others become silence."""
        if self._recording is None:
            return
        wanted = {leg: _channel(leg, legs) for leg in legs if leg.media.endpoint is not None}
        for leg in [leg for leg, channel in self._recorded.items() if wanted.get(leg) != channel]:
            if leg.media.endpoint is not None:
                self._recording.detach(leg.media.endpoint)
            del self._recorded[leg]
        for leg, channel in wanted.items():
            if leg not in self._recorded and leg.media.endpoint is not None:
                self._recording.attach(leg.media.endpoint, channel)
                self._recorded[leg] = channel

    def forget(self, leg: Leg) -> None:
        """Let go of a leg that is about to end."""
        if self._recorded.pop(leg, None) is not None and self._recording is not None and leg.media.endpoint is not None:
            self._recording.detach(leg.media.endpoint)

    def toggle(self, *legs: Leg, by_extension: str) -> CallRecordingState:
        """Switch the recording on or off in mid-call, and return what it is now; a pause is silence in the file."""
        match self.state:
            case CallRecordingState.ON if self._recording is not None:
                self._recording.pause()
                self.state = CallRecordingState.PAUSED
                self._note(RecordingPaused, by_extension=by_extension)
            case CallRecordingState.PAUSED if self._recording is not None:
                self._recording.resume()
                self.state = CallRecordingState.ON
                self._note(RecordingResumed, by_extension=by_extension)
            case _:
                self.start(*legs)
                self.follow(*legs)
        return self.state

    async def stop(self) -> None:
        """Close the file, and note it once it is closed."""
        if self._recording is None:
            return
        recording, self._recording = self._recording, None
        self._recorded.clear()
        recording.close()
        try:
            await asyncio.wait_for(self._closed.wait(), _CLOSE_SECONDS)
        except TimeoutError:
            log.warning("recording_close_late", call_id=self._call_id, recording_id=self.id)
        self._equipment.recordings_by_id.pop(recording.id, None)
        self.state = CallRecordingState.OFF
        self._note(RecordingStopped, location=self.location)

    def failed(self, reason: str, lost_seconds: float) -> None:
        """Take the engine's word that audio could not be kept."""
        log.warning("recording_failed", call_id=self._call_id, recording_id=self.id, error=reason, lost=lost_seconds)
        self._note(RecordingFailed, reason=reason, lost_seconds=lost_seconds)

    def closed(self) -> None:
        """Take the engine's word that the file is complete."""
        self._closed.set()

    def _note(self, fact: Callable[..., CallFact], **fields: Any) -> None:
        self._equipment.journal.append(
            fact(at=self._equipment.clock.now(), call_id=self._call_id, recording_id=self.id, **fields)
        )


def _channel(leg: Leg, legs: tuple[Leg, ...]) -> int:
    """Customers are left, agents right; of two colleagues the one who called is left."""
    if any(other.role is PartyRole.CUSTOMER for other in legs):
        return _LEFT if leg.role is PartyRole.CUSTOMER else _RIGHT
    return _LEFT if leg.incoming else _RIGHT
