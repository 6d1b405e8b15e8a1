"""Conferences that go on: who is in which room, who is muted, who speaks."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from media.engine import Mixer
from media.errors import MediaError
from pbx.entries import Conference
from pbx.errors import ConferenceFullError, UnknownMemberError
from sip.rate_limit import RateLimiter

if TYPE_CHECKING:
    from pbx.equipment import Equipment
    from pbx.leg import Leg

log = structlog.get_logger(__name__)

_MOST_GUESSES: Final = 12
_GUESS_SECONDS: Final = 120.0
"""After so many wrong PINs from outside a room lets nobody in from there but for one try in this time: four digits are soon guessed."""


@dataclass(slots=True, eq=False)
class Member:
    """A party in a room."""

    leg: Leg
    call_id: str
    joined_at: datetime
    muted: bool = False
    """By one who looks after the conference; a party that holds is not heard either."""
    removed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it is to leave."""


@dataclass(slots=True, frozen=True)
class MemberView:
    """A party in a room at one moment."""

    id: str
    """The leg's id."""
    call_id: str
    number: str
    name: str
    extension: str
    joined_at: datetime
    muted: bool
    held: bool
    speaking: bool
    """Whether it spoke last."""


class Room:
    """A conference that goes on, from the first who comes to the last who leaves."""

    def __init__(self, equipment: Equipment, conference: Conference, mixer: Mixer) -> None:
        self._equipment = equipment
        self._mixer = mixer
        self.conference = conference
        self.members: list[Member] = []
        self.speaker = ""
        """The leg of who spoke last."""

    @property
    def mixer_id(self) -> int:
        """Names its mixer in events of the engine."""
        return self._mixer.id

    def enter(self, leg: Leg, call_id: str) -> Member:
        """Let a party in.

        Raises:
            ConferenceFullError: the room holds as many as it may.
        """
        endpoint = leg.media.endpoint
        if len(self.members) >= self.conference.max_members or endpoint is None:
            raise ConferenceFullError(f"The conference {self.conference.number} is full.")
        member = Member(leg, call_id, self._equipment.clock.now())
        self.members.append(member)
        self._mixer.add(endpoint)
        self.hold_changed(member)
        if len(self.members) > 1:
            self._play(entered=True)
        self._tell("conference.joined", member)
        return member

    def leave(self, member: Member) -> None:
        """Let a party out."""
        if member not in self.members:
            return
        self.members.remove(member)
        if member.leg.media.endpoint is not None:
            self._mixer.remove(member.leg.media.endpoint)
        if self.members:
            self._play(entered=False)
        else:
            self._mixer.close()
        if self.speaker == member.leg.id:
            self.speaker = ""
        self._tell("conference.left", member)

    def mute(self, member: Member, *, muted: bool) -> None:
        """Let nobody hear a member, or all again."""
        member.muted = muted
        self.hold_changed(member)
        self._tell("conference.muted" if muted else "conference.unmuted", member)

    def hold_changed(self, member: Member) -> None:
        """Keep the music of one who holds out of the room."""
        if member.leg.media.endpoint is not None:
            self._mixer.mute(member.leg.media.endpoint, muted=member.muted or member.leg.held)

    def remove(self, member: Member) -> None:
        """Ask a member to leave."""
        member.removed.set()

    def find(self, member_id: str) -> Member:
        """Return a member.

        Raises:
            UnknownMemberError: it is not in the room.
        """
        for member in self.members:
            if member.leg.id == member_id:
                return member
        raise UnknownMemberError("This member is not in the conference.")

    def spoke(self, endpoint_id: int) -> None:
        """Take the engine's word for who speaks."""
        for member in self.members:
            if member.leg.media.endpoint is not None and member.leg.media.endpoint.id == endpoint_id:
                self.speaker = member.leg.id
                self._tell("conference.speaker", member)

    def view(self) -> tuple[MemberView, ...]:
        """Return who is there, in the order they came."""
        return tuple(map(self._view, self.members))

    def _view(self, member: Member) -> MemberView:
        party = member.leg.party
        return MemberView(
            id=member.leg.id,
            call_id=member.call_id,
            number=party.number,
            name=party.name,
            extension=party.extension,
            joined_at=member.joined_at,
            muted=member.muted,
            held=member.leg.held,
            speaking=self.speaker == member.leg.id,
        )

    def _play(self, *, entered: bool) -> None:
        prompts = self._equipment.prompts
        try:
            self._mixer.play(prompts.entering() if entered else prompts.leaving())
        except (MediaError, OSError) as error:
            log.warning("sound_not_played", conference=self.conference.number, error=str(error))

    def _tell(self, kind: str, member: Member) -> None:
        payload: dict[str, Any] = {
            "conference": self.conference.number,
            "member": member.leg.id,
            "number": member.leg.party.number,
            "extension": member.leg.party.extension,
            "members": len(self.members),
        }
        self._equipment.bus.publish(kind, payload, call_id=member.call_id)


class Rooms:
    """The conferences that go on, by number."""

    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        self.guesses = RateLimiter(time.monotonic, rate=1 / _GUESS_SECONDS, burst=_MOST_GUESSES, most_sources=1000)
        """Wrong PINs from outside, by the room's number."""

    def enter(self, equipment: Equipment, conference: Conference, leg: Leg, call_id: str) -> tuple[Room, Member]:
        """Let a party into a conference's room, which opens for the first one.

        Raises:
            ConferenceFullError: it holds as many as it may.
        """
        room = self._rooms.get(conference.number)
        if room is None:
            room = Room(equipment, conference, equipment.engine.create_mixer())
        room.conference = conference
        member = room.enter(leg, call_id)
        self._rooms[conference.number] = room
        return room, member

    def leave(self, room: Room, member: Member) -> None:
        """Let a party out; the room closes behind the last one."""
        room.leave(member)
        if not room.members and self._rooms.get(room.conference.number) is room:
            del self._rooms[room.conference.number]

    def get(self, number: str) -> Room | None:
        """Return the room if anybody is in it."""
        return self._rooms.get(number)

    def spoke(self, mixer_id: int, endpoint_id: int) -> None:
        """Take the engine's word for who speaks in a room."""
        for room in self._rooms.values():
            if room.mixer_id == mixer_id:
                room.spoke(endpoint_id)
