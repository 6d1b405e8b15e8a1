"""`/api/v1/conferences`: rooms that callers meet in, who is there now, and what can be done with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.fields import (
    ExtensionNumber,
    Input,
    Name,
    NullIsEmpty,
    Output,
    TextOrNull,
    ThingId,
    Time,
    changes_of,
    fields_of,
)
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource, Scope, scope_of
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.conferences import Member, Room
from pbx.entries import Conference
from pbx.errors import UnknownEntryError, UnknownMemberError

router = APIRouter(prefix="/conferences", tags=["conferences"])

Pin = Annotated[str, Field(pattern=r"^([0-9]{4,12})?$", description="4 to 12 digits; empty for none.")]
Size = Annotated[int, Field(ge=2, le=200)]
Control = Annotated[Access, permit(Resource.CONFERENCES, Action.CONTROL)]


class ConferenceIn(Input):
    """A new room."""

    number: ExtensionNumber = Field(description="What is dialled to come in; like an extension's.")
    name: Name
    pin: Annotated[Pin, NullIsEmpty] = ""
    max_members: Size = 50


class ConferenceChanges(Input):
    """Fields to change; those left out stay as they are."""

    name: Name | None = None
    pin: Pin | None = None
    max_members: Size | None = None


class MuteIn(Input):
    """Whether the others are to hear a member."""

    muted: bool = True


class MemberOut(Output):
    """A party in the room now."""

    id: str
    call_id: str
    number: str
    name: TextOrNull
    extension: TextOrNull
    joined_at: Time
    muted: bool
    held: bool = Field(description="Its phone holds; it is not heard.")
    speaking: bool = Field(description="It spoke last.")


class ConferenceOut(Output):
    """A room and who is in it."""

    id: str
    number: str
    name: str
    pin: TextOrNull = Field(description="null also for those who may not control who is in a room.")
    max_members: int
    members: list[MemberOut]


class ConferencePage(Page[ConferenceOut]):
    """One page of rooms."""


@router.get("")
async def list_conferences(
    rooms: Rooms, page: PageParameters, access: Annotated[Access, permit(Resource.CONFERENCES, Action.READ)]
) -> ConferencePage:
    """List rooms by number."""
    shown, cursor = cut_sorted(rooms.directory.snapshot.conferences.values(), page, lambda one: one.number)
    return ConferencePage(items=[_show(rooms, access, one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_conference(
    conference: ConferenceIn, rooms: Rooms, access: Annotated[Access, permit(Resource.CONFERENCES, Action.CREATE)]
) -> ConferenceOut:
    """Add a room."""
    made = await rooms.directory.create_conference(**fields_of(conference))
    access.note.target = made.id
    return _show(rooms, access, made)


@router.get("/{conference_id}")
async def get_conference(
    conference_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.CONFERENCES, Action.READ)]
) -> ConferenceOut:
    """Show a room and who is in it."""
    return _show(rooms, access, _find(rooms, conference_id))


@router.patch("/{conference_id}")
async def change_conference(
    conference_id: ThingId,
    changes: ConferenceChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.CONFERENCES, Action.CHANGE)],
) -> ConferenceOut:
    """Change a room; those who are in it stay."""
    return _show(rooms, access, await rooms.directory.update_conference(conference_id, **changes_of(changes)))


@router.delete("/{conference_id}", status_code=204)
async def delete_conference(
    conference_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.CONFERENCES, Action.DELETE)]
) -> None:
    """Remove a room; a conference that goes on in it is not disturbed."""
    await rooms.directory.delete_conference(conference_id)


@router.post("/{conference_id}/members/{member_id}/mute")
async def mute_member(
    conference_id: ThingId, member_id: ThingId, rooms: Rooms, access: Control, mute: MuteIn | None = None
) -> ConferenceOut:
    """Let nobody hear a member, or all again."""
    conference = _find(rooms, conference_id)
    room, member = _member(rooms, conference, member_id)
    room.mute(member, muted=mute is None or mute.muted)
    return _show(rooms, access, conference)


@router.post("/{conference_id}/members/{member_id}/kick", status_code=204)
async def kick_member(conference_id: ThingId, member_id: ThingId, rooms: Rooms, _access: Control) -> None:
    """Send a member out: its call ends after a word about it."""
    room, member = _member(rooms, _find(rooms, conference_id), member_id)
    room.remove(member)


def _find(rooms: Services, conference_id: str) -> Conference:
    for one in rooms.directory.snapshot.conferences.values():
        if one.id == conference_id:
            return one
    raise UnknownEntryError("There is no such conference.")


def _member(rooms: Services, conference: Conference, member_id: str) -> tuple[Room, Member]:
    room = rooms.switch.conference(conference.number)
    if room is None:
        raise UnknownMemberError("Nobody is in this conference.")
    return room, room.find(member_id)


def _show(rooms: Services, access: Access, conference: Conference) -> ConferenceOut:
    knows_pin = scope_of(access.principal.role, Resource.CONFERENCES, Action.CONTROL) is not Scope.NONE
    room = rooms.switch.conference(conference.number)
    members = [MemberOut.of(member) for member in room.view()] if room is not None else []
    return ConferenceOut.of(conference, members=members, pin=conference.pin if knows_pin else None)
