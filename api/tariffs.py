"""`/api/v1/tariffs`: named lists of rates, one of them the default."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.fields import Input, Name, Output, ThingId, Time, changes_of
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms

router = APIRouter(prefix="/tariffs", tags=["tariffs"])

TrunkNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=128)]], Field(max_length=1000)]


class TariffIn(Input):
    """A new tariff."""

    name: Name = Field(examples=["Moscow carrier"])
    trunks: TrunkNames = Field([], description="Trunks whose calls are rated by it; all others by the default tariff.")
    is_default: bool = Field(default=False, description="The first tariff is the default in any case.")


class TariffChanges(Input):
    """Fields to change; those left out stay as they are."""

    name: Name | None = None
    trunks: TrunkNames | None = None
    is_default: bool | None = None


class TariffOut(Output):
    """A tariff; its rates are at `/api/v1/rates?tariff_id=`."""

    id: str
    name: str
    is_default: bool
    trunks: list[str]
    rates: int = Field(description="How many rates it has.")
    created_at: Time


class TariffPage(Page[TariffOut]):
    """One page of tariffs."""


@router.get("")
async def list_tariffs(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.TARIFFS, Action.READ)]
) -> TariffPage:
    """List tariffs in the order they were made."""
    shown, cursor = cut_sorted(await rooms.billing.tariffs.all(), page, lambda tariff: tariff.id)
    return TariffPage(items=[TariffOut.model_validate(one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_tariff(
    tariff: TariffIn, rooms: Rooms, access: Annotated[Access, permit(Resource.TARIFFS, Action.CREATE)]
) -> TariffOut:
    """Make a tariff."""
    made = await rooms.billing.tariffs.create(tariff.name, tariff.trunks, is_default=tariff.is_default)
    access.note.target = made.id
    return TariffOut.model_validate(made)


@router.get("/{tariff_id}")
async def get_tariff(
    tariff_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.TARIFFS, Action.READ)]
) -> TariffOut:
    """Show a tariff."""
    return TariffOut.model_validate(await rooms.billing.tariffs.get(tariff_id))


@router.patch("/{tariff_id}")
async def change_tariff(
    tariff_id: ThingId,
    changes: TariffChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.TARIFFS, Action.CHANGE)],
) -> TariffOut:
    """Change a tariff's name or trunks, or make it the default."""
    given = changes_of(changes)
    tariff = await rooms.billing.tariffs.get(tariff_id)
    changed = await rooms.billing.tariffs.update(
        tariff_id,
        given.get("name", tariff.name),
        given.get("trunks", tariff.trunks),
        is_default=given.get("is_default", tariff.is_default),
    )
    return TariffOut.model_validate(changed)


@router.delete("/{tariff_id}", status_code=204)
async def delete_tariff(
    tariff_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.TARIFFS, Action.DELETE)]
) -> None:
    """Remove a tariff that has no rates."""
    await rooms.billing.tariffs.delete(tariff_id)
