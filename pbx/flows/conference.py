"""A conference: whoever dials its room's number and knows the PIN meets the others there."""

from __future__ import annotations

from typing import Final

import structlog

from pbx import spoken
from pbx.call import Call, Flow
from pbx.conferences import Member, Room
from pbx.entries import Conference
from pbx.errors import ConferenceFullError
from pbx.leg import Leg
from pbx.lone_talk import LoneTalk

log = structlog.get_logger(__name__)

_TRIES: Final = 3
_PIN_SECONDS: Final = 10.0


def conference(room: Conference) -> Flow:
    """Return the flow of a call to a room."""

    async def run(call: Call) -> None:
        call.answer()
        await attend(call, call.calling, room)

    return run


async def attend(call: Call, leg: Leg, room: Conference) -> None:
    """Let a party into a room, where it stays until the call ends or it is asked to leave."""
    if call.answered_at is None:
        call.answered_by(leg)
    if room.pin and not await _knows(call, leg, room):
        await call.play("conference_refused", leg)
        return
    rooms = call.equipment.rooms
    try:
        present, member = rooms.enter(call.equipment, room, leg, call.id)
    except ConferenceFullError:
        await call.play("conference_full", leg)
        return
    call.room = room
    call.conversation = Attendance(present, member)
    call.recording.in_room(leg)
    call.changed("call.answered")
    if len(present.members) == 1:
        call.spawn(call.play("conference_first", leg))
    try:
        await member.removed.wait()
    finally:
        call.conversation = None
        call.recording.in_room(None)
        rooms.leave(present, member)
    await call.play("conference_removed", leg)


async def _knows(call: Call, leg: Leg, room: Conference) -> bool:
    """Ask for the PIN; one outside is not believed while too many from there guess."""
    pin, guesses = room.pin, call.equipment.rooms.guesses
    for attempt in range(_TRIES):
        prompt = "conference_pin" if attempt == 0 else "conference_pin_again"
        sound = await spoken.prompt(call.equipment, prompt, call.equipment.language(leg.party.extension))
        if sound is not None and leg.alive:
            leg.play(sound)
        given = await call.collect(leg, longest=len(pin), first=_PIN_SECONDS, following=_PIN_SECONDS)
        if not leg.party.extension and not guesses.allows(room.number):
            log.warning("conference_pin_guessed", call_id=call.id, conference=room.number, trunk=leg.party.trunk)
            return False
        if given == pin:
            leg.stop_playing()
            return True
        if given and not leg.party.extension:
            guesses.charge(room.number)
    return False


class Attendance(LoneTalk):
    """The conversation of a call whose one party is in a room."""

    def __init__(self, room: Room, member: Member) -> None:
        super().__init__(member.leg)
        self._room = room
        self._member = member

    def close(self) -> None:
        """Let the party be heard no more; the flow lets it out."""
        self._room.leave(self._member)

    def hold_changed(self, _leg: Leg, /) -> None:
        """Hear that the party holds, or does so no more."""
        self._room.hold_changed(self._member)
