"""`/api/v1/deals`: business under way."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.crm_fields import RecordId
from api.fields import Currency, Input, Line, Money, MoneyIn, Name, Note, Output, ThingId, Time, changes_of, fields_of
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from crm_bridge.values import DealChanges as Changes
from crm_bridge.values import DealDraft, DealStage

router = APIRouter(prefix="/deals", tags=["deals"])


class DealIn(Input):
    """A new deal."""

    title: Name = Field(examples=["Wedding cake for forty"])
    amount: MoneyIn | None = Field(None, description="What it is worth.")
    currency: Currency | None = Field(None, description="Of the amount; the company's when left out.")
    contact_id: RecordId = ""
    company_id: RecordId = ""
    lead_id: RecordId = ""
    responsible: Line = ""
    note: Note = ""


class DealChanges(Input):
    """Fields to change; those left out stay as they are."""

    title: Name | None = None
    stage: DealStage | None = None
    amount: MoneyIn | None = Field(None, description="null takes the amount away.")
    currency: Currency | None = None
    contact_id: RecordId | None = None
    company_id: RecordId | None = None
    lead_id: RecordId | None = None
    responsible: Line | None = None
    note: Note | None = None


class DealOut(Output):
    """A deal."""

    id: str
    title: str
    stage: DealStage
    open: bool
    amount: Money | None
    currency: str | None
    contact_id: str | None
    company_id: str | None
    lead_id: str | None
    responsible: str
    note: str
    created_at: Time
    updated_at: Time


class DealPage(Page[DealOut]):
    """One page of deals."""


@router.get("")
async def list_deals(
    *,
    rooms: Rooms,
    page: PageParameters,
    _access: Annotated[Access, permit(Resource.DEALS, Action.READ)],
    search: Annotated[str, Query(max_length=200, description="Part of the title.")] = "",
    stage: Annotated[DealStage | None, Query(description="Only those in this stage.")] = None,
    contact_id: Annotated[str, Query(max_length=36, description="Only those of this contact.")] = "",
    company_id: Annotated[str, Query(max_length=36, description="Only those of this company.")] = "",
) -> DealPage:
    """List deals, the newest first."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.deals.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            search=search,
            stage=stage.value if stage else "",
            contact_id=contact_id,
            company_id=company_id,
        )
    return DealPage(
        items=[DealOut.model_validate(one) for one in found.items],
        next_cursor=encode_cursor(found.next_cursor),
    )


@router.post("", status_code=201)
async def create_deal(
    deal: DealIn, rooms: Rooms, access: Annotated[Access, permit(Resource.DEALS, Action.CREATE)]
) -> DealOut:
    """Make a deal."""
    draft = DealDraft(**fields_of(deal) | {"amount": deal.amount})
    async with rooms.database.transaction() as session:
        made = await rooms.crm.deals.create(session, draft)
    access.note.target = made.id
    return DealOut.model_validate(made)


@router.get("/{deal_id}")
async def get_deal(
    deal_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.DEALS, Action.READ)]
) -> DealOut:
    """Show a deal."""
    async with rooms.database.reading() as session:
        return DealOut.model_validate(await rooms.crm.deals.get(session, deal_id))


@router.patch("/{deal_id}")
async def change_deal(
    deal_id: ThingId,
    changes: DealChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.DEALS, Action.CHANGE)],
) -> DealOut:
    """Change a deal."""
    given = changes_of(changes, nullable=("amount", "contact_id", "company_id", "lead_id"))
    if "amount" in given:
        given["amount"] = changes.amount
    async with rooms.database.transaction() as session:
        return DealOut.model_validate(await rooms.crm.deals.update(session, deal_id, Changes(**given)))


@router.delete("/{deal_id}", status_code=204)
async def delete_deal(
    deal_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.DEALS, Action.DELETE)]
) -> None:
    """Remove a deal."""
    async with rooms.database.transaction() as session:
        await rooms.crm.deals.delete(session, deal_id)
