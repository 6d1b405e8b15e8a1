"""`/api/v1/leads`: people who may become customers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Query
from pydantic import Field

from api.crm_fields import CustomerChanges, CustomerIn, CustomerOut, RecordId
from api.fields import CallId, NullIsEmpty, ThingId, changes_of, fields_of
from api.ownership import require_not_of_others
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from crm_bridge.values import (
    LeadChanges as Changes,
)
from crm_bridge.values import (
    LeadDraft,
    LeadStage,
    OwnerKind,
)

router = APIRouter(prefix="/leads", tags=["leads"])


class LeadIn(CustomerIn):
    """A new lead: at least a name, a phone or an e-mail address, or a call."""

    call_id: Annotated[CallId, NullIsEmpty] = Field(
        "", description="The call it was made in: its number is added, and it has one lead at most."
    )
    contact_id: Annotated[RecordId, NullIsEmpty] = ""
    company_id: Annotated[RecordId, NullIsEmpty] = ""
    stage: LeadStage = Field(LeadStage.NEW, description="Where it begins.")


class LeadChanges(CustomerChanges):
    """Fields of a lead to change; those left out stay as they are."""

    stage: LeadStage | None = None
    contact_id: RecordId | None = Field(None, description="null takes the reference away.")
    company_id: RecordId | None = Field(None, description="null takes the reference away.")


class LeadOut(CustomerOut):
    """A lead."""

    owner_kind: ClassVar = OwnerKind.LEAD

    stage: LeadStage
    open: bool = Field(description="Whether somebody has still to work on it.")
    call_id: str | None
    missed_number: str | None = Field(description="The number whose missed call made it.")
    contact_id: str | None
    company_id: str | None


class LeadPage(Page[LeadOut]):
    """One page of leads."""


@router.get("")
async def list_leads(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.LEADS, Action.READ)],
    search: Annotated[str, Query(max_length=200, description="Part of the name, a phone or an e-mail address.")] = "",
    stage: Annotated[LeadStage | None, Query(description="Only those in this stage.")] = None,
    open: Annotated[bool | None, Query(description="Only those that are open, or only those that are not.")] = None,  # noqa: A002
    responsible: Annotated[str, Query(max_length=64, description="Only those of this extension or user.")] = "",
    call_id: Annotated[str, Query(max_length=64, description="Only the one made in this call.")] = "",
) -> LeadPage:
    """List leads, the newest first."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.leads.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            search=search,
            stage=stage.value if stage else "",
            only_open=open,
            responsible=responsible,
            call_id=call_id,
        )
        items = await LeadOut.all_with_activities(found.items, session, rooms, access)
    return LeadPage(items=items, next_cursor=encode_cursor(found.next_cursor))


@router.post("", status_code=201)
async def create_lead(
    lead: LeadIn, rooms: Rooms, access: Annotated[Access, permit(Resource.LEADS, Action.CREATE)]
) -> LeadOut:
    """Make a lead and tell interested colleagues."""
    return await store(rooms, access, lead)


async def store(rooms: Rooms, access: Access, lead: LeadIn) -> LeadOut:
    """Store a new lead and show it."""
    await require_not_of_others(rooms, access, lead.call_id)
    async with rooms.database.transaction() as session:
        draft = fields_of(lead)
        stage = draft.pop("stage")
        made = await rooms.crm.leads.create(session, LeadDraft(**draft))
        if stage is not LeadStage.NEW and made.stage is LeadStage.NEW:
            made = await rooms.crm.leads.update(session, made.id, Changes(stage=stage))
    access.note.target = made.id
    return await LeadOut.with_activities(made, rooms, access)


@router.get("/{lead_id}")
async def get_lead(
    lead_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.LEADS, Action.READ)]
) -> LeadOut:
    """Show a lead with its newest activities."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.leads.get(session, lead_id)
    return await LeadOut.with_activities(found, rooms, access)


@router.patch("/{lead_id}")
async def change_lead(
    lead_id: ThingId,
    changes: LeadChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.LEADS, Action.CHANGE)],
) -> LeadOut:
    """Change a lead."""
    given = changes_of(changes, nullable=("contact_id", "company_id"))
    async with rooms.database.transaction() as session:
        changed = await rooms.crm.leads.update(session, lead_id, Changes(**given))
    return await LeadOut.with_activities(changed, rooms, access)


@router.delete("/{lead_id}", status_code=204)
async def delete_lead(
    lead_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.LEADS, Action.DELETE)]
) -> None:
    """Remove a lead; its activities stay."""
    async with rooms.database.transaction() as session:
        await rooms.crm.leads.delete(session, lead_id)
