"""`/api/v1/companies`: companies that customers belong to."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Query

from api.crm_fields import CustomerChanges, CustomerIn, CustomerOut
from api.fields import ThingId, changes_of, fields_of
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from crm_bridge.values import (
    CompanyChanges as Changes,
)
from crm_bridge.values import (
    CompanyDraft,
    OwnerKind,
)

router = APIRouter(prefix="/companies", tags=["companies"])


class CompanyIn(CustomerIn):
    """A new company: at least a name, a phone or an e-mail address."""


class CustomerCompanyChanges(CustomerChanges):
    """Fields of a company to change; those left out stay as they are."""


class CustomerCompanyOut(CustomerOut):
    """A company."""

    owner_kind: ClassVar = OwnerKind.COMPANY


class CompanyPage(Page[CustomerCompanyOut]):
    """One page of companies."""


@router.get("")
async def list_customer_companies(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.COMPANIES, Action.READ)],
    search: Annotated[str, Query(max_length=200, description="Part of the name, a phone or an e-mail address.")] = "",
) -> CompanyPage:
    """List companies, the newest first."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.companies.list(
            session,
            limit=page.limit,
            cursor=page.after(),
            search=search,
        )
        items = await CustomerCompanyOut.all_with_activities(found.items, session, rooms, access)
    return CompanyPage(items=items, next_cursor=encode_cursor(found.next_cursor))


@router.post("", status_code=201)
async def create_customer_company(
    company: CompanyIn, rooms: Rooms, access: Annotated[Access, permit(Resource.COMPANIES, Action.CREATE)]
) -> CustomerCompanyOut:
    """Make a company and tell interested colleagues."""
    return await store(rooms, access, company)


async def store(rooms: Rooms, access: Access, company: CompanyIn) -> CustomerCompanyOut:
    """Store a new company and show it."""
    async with rooms.database.transaction() as session:
        made = await rooms.crm.companies.create(session, CompanyDraft(**fields_of(company)))
    access.note.target = made.id
    return await CustomerCompanyOut.with_activities(made, rooms, access)


@router.get("/{company_id}")
async def get_customer_company(
    company_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.COMPANIES, Action.READ)]
) -> CustomerCompanyOut:
    """Show a company with its newest activities."""
    async with rooms.database.reading() as session:
        found = await rooms.crm.companies.get(session, company_id)
    return await CustomerCompanyOut.with_activities(found, rooms, access)


@router.patch("/{company_id}")
async def change_customer_company(
    company_id: ThingId,
    changes: CustomerCompanyChanges,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.COMPANIES, Action.CHANGE)],
) -> CustomerCompanyOut:
    """Change a company."""
    given = changes_of(changes, nullable=())
    async with rooms.database.transaction() as session:
        changed = await rooms.crm.companies.update(session, company_id, Changes(**given))
    return await CustomerCompanyOut.with_activities(changed, rooms, access)


@router.delete("/{company_id}", status_code=204)
async def delete_customer_company(
    company_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.COMPANIES, Action.DELETE)]
) -> None:
    """Remove a company; its activities stay."""
    async with rooms.database.transaction() as session:
        await rooms.crm.companies.delete(session, company_id)
