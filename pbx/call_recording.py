"""The recording of one call, one file without a gap across hold, transfer and conference.

In stereo customers are left and agents right; or each party has a channel of its own, as the company wants it.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Callable, Mapping
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
    RecordingTrackBegan,
)
from core.identifiers import new_id
from media.engine import Recording
from media.errors import MediaError
from pbx.equipment import Equipment
from pbx.leg import Leg

log = structlog.get_logger(__name__)

_LEFT: Final = 0
_RIGHT: Final = 1
_STEREO: Final = 2
_PARTIES: Final = 4
"""Channels where each party has its own; the last one is shared by all who come later."""
_NARROW_RATE: Final = 8000
_WIDE_RATE: Final = 16000
_CLOSE_SECONDS: Final = 5.0
"""How long a call waits for its file to be closed by the writer."""
_NO_LEGS: Final[Mapping[Leg, int]] = {}
"""One for all calls that are not recorded."""


class CallRecordingState(enum.StrEnum):
    """Whether the call is being recorded."""

    OFF = "off"
    ON = "on"
    PAUSED = "paused"
    FAILED = "failed"


class CallRecording:
    """Starts, pauses and ends the file, and keeps the right legs in it."""

    __slots__ = (
        "_attendant",
        "_call_id",
        "_channels",
        "_closed",
        "_equipment",
        "_hears",
        "_recorded",
        "_recording",
        "id",
        "location",
        "state",
        "unhearable",
    )

    def __init__(self, equipment: Equipment, call_id: str) -> None:
        self._equipment = equipment
        self._call_id = call_id
        self._recording: Recording | None = None
        self._recorded = _NO_LEGS
        self._channels: dict[str, int] | None = None
        """By leg, or empty for a conference; None in a stereo file."""
        self._attendant: Leg | None = None
        self._hears = False
        self._closed: asyncio.Future[None] | None = None
        """Done when the writer has closed the file; there from its start to its end."""
        self.id = ""
        self.location = ""
        self.state = CallRecordingState.OFF
        self.unhearable = False
        """Whether it could not begin because the call speaks what is only passed on: other parties may speak otherwise."""

    def start(self, *legs: Leg) -> None:
        """Begin the file. Where it cannot be had the call goes on, and the failure is a fact of it, as the engine tells.

        So it is where a codec is only passed on: what is said in it cannot be heard here.

        It has 16 kHz where one of the legs speaks a wideband codec now, else 8, and keeps that whatever is spoken later.
        """
        if self._recording is not None:
            return
        parties = self._equipment.company.settings.recording_layout == "parties"
        channels = _PARTIES if parties else _STEREO
        self._channels = {} if parties else None
        sample_rate = _WIDE_RATE if any(leg.media.wideband for leg in legs) else _NARROW_RATE
        now = self._equipment.clock.now()
        self.id = self.id or new_id()
        passed = next((leg.media.to_be_passed for leg in legs if leg.media.to_be_passed), "")
        self.unhearable = bool(passed)
        if passed:
            self._not_started(f"The call speaks {passed}, which is only passed on and cannot be recorded.")
            return
        self.location = f"{now:%Y/%m/%d}/{self.id}.wav"
        path = self._equipment.config.recordings / self.location
        try:
            self._recording = self._equipment.engine.create_recording(path, sample_rate=sample_rate, channels=channels)
        except MediaError as error:
            self._not_started(str(error))
            return
        self._closed = asyncio.get_running_loop().create_future()
        self._equipment.recordings_by_id[self._recording.id] = self
        self.state = CallRecordingState.ON
        self._note(RecordingStarted, location=self.location, channels=channels, sample_rate=sample_rate)

    def _not_started(self, reason: str) -> None:
        self.state = CallRecordingState.FAILED
        log.warning("recording_not_started", call_id=self._call_id, error=reason)
        self._note(RecordingFailed, reason=reason)

    def follow(self, *legs: Leg) -> None:
        """Record exactly these legs from now on; the others become silence."""
        if self._recording is None:
            return
        present = [leg for leg in legs if leg.media.endpoint is not None]
        if self._channels is None:
            wanted = {leg: _channel(leg, legs) for leg in present}
        else:
            # Whoever they are, the first channel is the customer's.
            ordered = sorted(present, key=lambda leg: leg.role is not PartyRole.CUSTOMER)
            wanted = {leg: self._own_channel(leg) for leg in ordered}
        for leg in [leg for leg, channel in self._recorded.items() if wanted.get(leg) != channel]:
            self._detach(leg)
        for leg, channel in wanted.items():
            if leg not in self._recorded and leg.media.endpoint is not None:
                self._recording.attach(leg.media.endpoint, channel)
                self._recorded = {**self._recorded, leg: channel}
        self._hear_room()

    def in_room(self, leg: Leg | None) -> None:
        """Record a leg that is in a conference, and beside it all the others there; None: it left."""
        if self._attendant is not None:
            self._detach(self._attendant)
        self._attendant = leg
        if leg is not None:
            self.follow(leg)

    def _hear_room(self) -> None:
        leg = self._attendant
        if self._recording is None or leg is None or leg.media.endpoint is None or self._hears:
            return
        self._hears = True
        opposite = _RIGHT if self._recorded.get(leg) == _LEFT else _LEFT
        channel = opposite if self._channels is None else self._own_channel(None)
        self._recording.attach_heard(leg.media.endpoint, channel)

    def _own_channel(self, leg: Leg | None) -> int:
        """Return the channel of a party, or of a conference's others; note it the first time."""
        channels = self._channels if self._channels is not None else {}
        key = leg.id if leg is not None else ""
        if key not in channels:
            channels[key] = min(len(channels), _PARTIES - 1)
            who = {"leg_id": leg.id, "number": leg.party.number, "extension": leg.party.extension} if leg else {}
            self._note(RecordingTrackBegan, channel=channels[key], **who)
        return channels[key]

    def _detach(self, leg: Leg) -> None:
        if self._recording is not None and leg.media.endpoint is not None:
            self._recording.detach(leg.media.endpoint)
        if leg is self._attendant:
            self._hears = False
        self._recorded = {other: channel for other, channel in self._recorded.items() if other is not leg}

    def forget(self, leg: Leg) -> None:
        """Let go of a leg that is about to end."""
        if leg in self._recorded:
            self._detach(leg)

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
        recording, closed = self._recording, self._closed
        if recording is None or closed is None:
            return
        self._recording = None
        self._recorded = _NO_LEGS
        recording.close()
        try:
            await asyncio.wait_for(closed, _CLOSE_SECONDS)
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
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)

    def _note(self, fact: Callable[..., CallFact], **fields: Any) -> None:
        self._equipment.journal.append(
            fact(at=self._equipment.clock.now(), call_id=self._call_id, recording_id=self.id, **fields)
        )


def _channel(leg: Leg, legs: tuple[Leg, ...]) -> int:
    """Customers are left, agents right; of two colleagues the one who called is left."""
    if any(other.role is PartyRole.CUSTOMER for other in legs):
        return _LEFT if leg.role is PartyRole.CUSTOMER else _RIGHT
    return _LEFT if leg.incoming else _RIGHT
