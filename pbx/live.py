"""Live calls as those who look on see them: plain values, and the JSON of live events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.events import Direction, PartyRole, QualitySample
from pbx.call import Call
from pbx.call_recording import CallRecordingState
from pbx.call_state import CallState
from pbx.leg import Leg
from pbx.party import LegState, Party


@dataclass(slots=True, frozen=True)
class LegView:
    """One leg of a live call."""

    id: str
    role: PartyRole
    number: str
    name: str
    extension: str
    trunk: str
    incoming: bool
    state: LegState
    held: bool
    answered_at: datetime | None
    sip_call_id: str
    answerer: str
    """Who took it, where that was judged."""
    quality: tuple[QualitySample, ...]
    """Of the last five minutes, ten seconds a sample."""


@dataclass(slots=True, frozen=True)
class CallView:
    """A live call at one moment."""

    id: str
    state: CallState
    direction: Direction
    from_number: str
    from_name: str
    from_extension: str
    to_number: str
    dialled: str
    started_at: datetime
    answered_at: datetime | None
    recording: CallRecordingState
    recording_id: str
    legs: tuple[LegView, ...]

    def payload(self) -> dict[str, Any]:
        """Return the view as JSON values; times are RFC 3339."""
        return {
            "id": self.id,
            "state": self.state.value,
            "direction": self.direction.value,
            "from_number": self.from_number,
            "from_name": self.from_name,
            "from_extension": self.from_extension,
            "to_number": self.to_number,
            "dialled": self.dialled,
            "started_at": self.started_at.isoformat(),
            "answered_at": _text(self.answered_at),
            "recording": self.recording.value,
            "recording_id": self.recording_id,
            "legs": [_leg_payload(leg) for leg in self.legs],
        }


@dataclass(slots=True, frozen=True)
class WatchedLeg:
    """What a lamp may tell of an extension's leg: with whom, and the dialog that a pick-up has to name."""

    id: str
    state: LegState
    incoming: bool
    """Whether the extension called, and was not called."""
    held: bool
    remote: Party
    sip_call_id: str
    local_tag: str
    """Our tag; empty as long as there is no dialog."""
    remote_tag: str


def watched_legs(call: Call, extension: str) -> list[WatchedLeg]:
    """Return the legs of an extension in a call."""
    return [_watched(call, leg) for leg in call.legs if leg.party.extension == extension and leg.alive]


def view(call: Call) -> CallView:
    """Return a call as it stands now."""
    return CallView(
        id=call.id,
        state=call.state,
        direction=call.direction,
        from_number=call.from_party.number,
        from_name=call.from_party.name,
        from_extension=call.from_party.extension,
        to_number=call.to_number,
        dialled=call.dialled,
        started_at=call.started_at,
        answered_at=call.answered_at,
        recording=call.recording.state,
        recording_id=call.recording.id,
        legs=tuple(map(_leg_view, call.legs)),
    )


def _watched(call: Call, leg: Leg) -> WatchedLeg:
    session = leg.session if leg.sip_call_id else None
    return WatchedLeg(
        id=leg.id,
        state=leg.state,
        incoming=leg.incoming,
        held=leg.held,
        remote=_remote(call, leg),
        sip_call_id=leg.sip_call_id,
        local_tag=session.local_tag if session is not None else "",
        remote_tag=session.remote_tag if session is not None else "",
    )


def _remote(call: Call, leg: Leg) -> Party:
    """Return whom the party of a leg talks with, calls, or is called by."""
    talkers = call.conversation.legs if call.conversation is not None else ()
    if leg in talkers:
        return next((other.party for other in talkers if other is not leg), call.from_party)
    return Party(call.to_number) if leg.incoming else call.from_party


def _leg_view(leg: Leg) -> LegView:
    return LegView(
        id=leg.id,
        role=leg.role,
        number=leg.party.number,
        name=leg.party.name,
        extension=leg.party.extension,
        trunk=leg.party.trunk,
        incoming=leg.incoming,
        state=leg.state,
        held=leg.held,
        answered_at=leg.answered_at,
        sip_call_id=leg.sip_call_id,
        answerer=leg.answerer,
        quality=() if leg.quality is None else tuple(leg.quality.samples),
    )


def _leg_payload(leg: LegView) -> dict[str, Any]:
    return {
        "id": leg.id,
        "role": leg.role.value,
        "number": leg.number,
        "name": leg.name,
        "extension": leg.extension,
        "trunk": leg.trunk,
        "incoming": leg.incoming,
        "state": leg.state.value,
        "held": leg.held,
        "answered_at": _text(leg.answered_at),
        "sip_call_id": leg.sip_call_id,
        "answerer": leg.answerer,
    }


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
