"""`/api/v1/activities`: calls and notes in the history of customers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.crm_fields import ActivityOut, show_activities, show_activity
from api.errors import FieldError, InvalidFieldsError
from api.fields import CallId, Input, Note, ThingId
from api.ownership import require_not_of_others
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from crm_bridge.values import ActivityKind, NoteDraft, Owner, OwnerKind

router = APIRouter(prefix="/activities", tags=["activities"])


class OwnerIn(Input):
    """A record that a note is on."""

    kind: OwnerKind
    id: Annotated[str, Field(min_length=1, max_length=36)]


class NoteIn(Input):
    """A new note on records, or on a call and so on all records of that call."""

    text: Annotated[Note, Field(min_length=1)]
    owners: Annotated[list[OwnerIn], Field(max_length=20)] = Field([], description="Leads, contacts, companies, deals.")
    call_id: CallId = ""


class ActivityPage(Page[ActivityOut]):
    """One page of activities."""


@router.get("")
async def list_activities(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.ACTIVITIES, Action.READ)],
    owner_kind: Annotated[OwnerKind | None, Query(description="With `owner_id`: only those of this record.")] = None,
    owner_id: Annotated[str | None, Query(max_length=36, description="With `owner_kind`.")] = None,
    kind: Annotated[ActivityKind | None, Query(description="Only calls, or only notes.")] = None,
    number: Annotated[str, Query(max_length=40, description="Only calls with this number.")] = "",
    call_id: Annotated[str, Query(max_length=64, description="Only those of this call.")] = "",
    search: Annotated[str, Query(max_length=200, description="Part of the text.")] = "",
) -> ActivityPage:
    """List activities, the newest first."""
    if (owner_kind is None) != (owner_id is None):
        rule = FieldError("query.owner_id", "It goes together with owner_kind")
        raise InvalidFieldsError("owner_kind and owner_id go together.", errors=[rule])
    async with rooms.database.reading() as session:
        found = await rooms.crm.activities.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            owner=Owner(owner_kind, owner_id) if owner_kind and owner_id else None,
            kind=kind.value if kind else "",
            number=number,
            call_id=call_id,
            search=search,
        )
    return ActivityPage(
        items=show_activities(found.items, access),
        next_cursor=encode_cursor(found.next_cursor),
    )


@router.post("", status_code=201)
async def create_note(
    note: NoteIn, rooms: Rooms, access: Annotated[Access, permit(Resource.ACTIVITIES, Action.CREATE)]
) -> ActivityOut:
    """Write a note."""
    await require_not_of_others(rooms, access, note.call_id)
    draft = NoteDraft(
        text=note.text,
        owners=tuple(Owner(owner.kind, owner.id) for owner in note.owners),
        call_id=note.call_id,
        created_by=access.principal.extension or access.principal.name[:64],
    )
    async with rooms.database.transaction() as session:
        made = await rooms.crm.activities.create_note(session, draft)
    access.note.target = made.id
    return show_activity(made, access)


@router.get("/{activity_id}")
async def get_activity(
    activity_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.ACTIVITIES, Action.READ)]
) -> ActivityOut:
    """Show an activity."""
    async with rooms.database.reading() as session:
        return show_activity(await rooms.crm.activities.get(session, activity_id), access)
