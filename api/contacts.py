"""`/api/v1/contacts`: people the company knows."""

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
    ContactChanges as Changes,
)
from crm_bridge.values import (
    ContactDraft,
    OwnerKind,
)

router = APIRouter(prefix="/contacts", tags=["contacts"])


class ContactIn(CustomerIn):
    """A new contact: at least a name, a phone or an e-mail address, or a call."""

    call_id: Annotated[CallId, NullIsEmpty] = Field(
        "", description="The call it was made in: its number is added, and it has one contact at most."
    )
    company_id: Annotated[RecordId, NullIsEmpty] = ""


class ContactChanges(CustomerChanges):
    """Fields of a contact to change; those left out stay as they are."""

    company_id: RecordId | None = Field(None, description="null takes the reference away.")


class ContactOut(CustomerOut):
    """A contact."""

    owner_kind: ClassVar = OwnerKind.CONTACT

    call_id: str | None
    company_id: str | None


class ContactPage(Page[ContactOut]):
    """One page of contacts."""


@router.get("")
async def list_contacts(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.CONTACTS, Action.READ)],
    search: Annotated[str, Query(max_length=200, description="Part of the name, a phone or an e-mail address.")] = "",
    company_id: Annotated[str, Query(max_length=36, description="Only those of this company.")] = "",
    responsible: Annotated[str, Query(max_length=64, description="Only those of this extension or user.")] = "",
    call_id: Annotated[str, Query(max_length=64, description="Only the one made in this call.")] = "",
) -> ContactPage:
    """List contacts, the newest first."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.contacts.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            search=search,
            company_id=company_id,
            responsible=responsible,
            call_id=call_id,
        )
        items = await ContactOut.all_with_activities(found.items, session, rooms, access)
    return ContactPage(items=items, next_cursor=encode_cursor(found.next_cursor))


@router.post("", status_code=201)
async def create_contact(
    contact: ContactIn, rooms: Rooms, access: Annotated[Access, permit(Resource.CONTACTS, Action.CREATE)]
) -> ContactOut:
    """Make a contact and tell interested colleagues."""
    return await store(rooms, access, contact)


async def store(rooms: Rooms, access: Access, contact: ContactIn) -> ContactOut:
    """Store a new contact and show it."""
    await require_not_of_others(rooms, access, contact.call_id)
    async with rooms.database.transaction() as session:
        made = await rooms.crm.contacts.create(session, ContactDraft(**fields_of(contact)))
    access.note.target = made.id
    return await ContactOut.with_activities(made, rooms, access)


@router.get("/{contact_id}")
async def get_contact(
    contact_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.CONTACTS, Action.READ)]
) -> ContactOut:
    """Show a contact with its newest activities."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.contacts.get(session, contact_id)
    return await ContactOut.with_activities(found, rooms, access)


@router.patch("/{contact_id}")
async def change_contact(
    contact_id: ThingId,
    changes: ContactChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.CONTACTS, Action.CHANGE)],
) -> ContactOut:
    """Change a contact."""
    given = changes_of(changes, nullable=("company_id",))
    async with rooms.database.transaction() as session:
        changed = await rooms.crm.contacts.update(session, contact_id, Changes(**given))
    return await ContactOut.with_activities(changed, rooms, access)


@router.delete("/{contact_id}", status_code=204)
async def delete_contact(
    contact_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.CONTACTS, Action.DELETE)]
) -> None:
    """Remove a contact; its activities stay."""
    async with rooms.database.transaction() as session:
        await rooms.crm.contacts.delete(session, contact_id)
