"""`/api/v1/rates`: what a minute costs, by the beginning of the number; and whole rate files."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, Field

from api.errors import UnsupportedTypeError
from api.fields import Currency, Input, Line, Money, MoneyIn, Output, ThingId, Time, TimeIn, changes_of
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from billing.rates import Removal
from billing.values import RateDraft
from core.phone_numbers import NumberKind

router = APIRouter(prefix="/rates", tags=["rates"])

Prefix = Annotated[
    str,
    Field(pattern=r"^\+?[0-9]{1,15}$", examples=["7495"], description="First digits of the E.164 number; a + is cut."),
    AfterValidator(lambda text: text.removeprefix("+")),
]
Seconds = Annotated[int, Field(ge=0, le=86_400)]


class RateIn(Input):
    """A new rate."""

    prefix: Prefix
    kind: NumberKind | None = Field(None, description="Only for numbers of this kind; null for any.")
    price_per_minute: MoneyIn
    currency: Currency | None = Field(None, description="The company's when left out.")
    first_increment: Seconds = Field(60, description="Seconds billed as soon as there is one.")
    increment: Annotated[Seconds, Field(ge=1)] = Field(60, description="Seconds of every following step.")
    connection_fee: MoneyIn = Field(0, validate_default=True, description="Once a call.")
    valid_from: TimeIn | None = Field(None, description="The first moment; null for since ever.")
    valid_to: TimeIn | None = Field(
        None, description="The first moment at which it holds no more; null for without end."
    )
    description: Line = ""
    tariff_id: Annotated[str, Field(max_length=36)] | None = Field(
        None, description="The default tariff when left out."
    )


class RateChanges(Input):
    """Fields to change. Of a rate that a charge names, only `valid_to` and `description` may change."""

    prefix: Prefix | None = None
    kind: NumberKind | None = None
    price_per_minute: MoneyIn | None = None
    currency: Currency | None = None
    first_increment: Seconds | None = None
    increment: Annotated[Seconds, Field(ge=1)] | None = None
    connection_fee: MoneyIn | None = None
    valid_from: TimeIn | None = None
    valid_to: TimeIn | None = None
    description: Line | None = None


class RateOut(Output):
    """A rate."""

    id: str
    tariff_id: str
    prefix: str = Field(examples=["7495"])
    kind: NumberKind | None
    price_per_minute: Money
    currency: str
    first_increment: int
    increment: int
    connection_fee: Money
    valid_from: Time | None
    valid_to: Time | None
    description: str
    created_at: Time


class RatePage(Page[RateOut]):
    """One page of rates."""


class RateRemoval(Output):
    """What became of a rate that was to be removed."""

    result: Removal = Field(description="`closed`: a charge names it, so it stays and holds no more from now on.")


class ImportOut(Output):
    """What an import stored."""

    tariff_id: str
    imported: int = Field(description="Rates that were added.")
    closed: int = Field(description="Rates that end where a new one begins.")
    rated: int = Field(description="Charges that had waited for such a rate and have an amount now.")


@router.get("")
async def list_rates(
    *,
    rooms: Rooms,
    page: PageParameters,
    _access: Annotated[Access, permit(Resource.RATES, Action.READ)],
    tariff_id: Annotated[str | None, Query(max_length=36, description="Only those of this tariff.")] = None,
    prefix: Annotated[str, Query(max_length=16, description="Only prefixes that begin with this.")] = "",
    kind: Annotated[NumberKind | None, Query(description="Only those for this kind of numbers.")] = None,
    valid_at: Annotated[TimeIn | None, Query(description="Only those that hold at this time.")] = None,
) -> RatePage:
    """List rates in the order of their prefixes."""
    found = await rooms.billing.rates.page(
        limit=page.limit, after=page.after(), tariff_id=tariff_id, prefix=prefix, kind=kind, valid_at=valid_at
    )
    return RatePage(
        items=[RateOut.model_validate(rate) for rate in found.items],
        next_cursor=encode_cursor(found.after),
    )


@router.post("", status_code=201)
async def create_rate(
    rate: RateIn, rooms: Rooms, access: Annotated[Access, permit(Resource.RATES, Action.CREATE)]
) -> RateOut:
    """Make a rate; charges that waited for one like it are rated."""
    given = rate.model_dump(exclude={"tariff_id"})
    given["currency"] = rate.currency or rooms.company.settings.currency
    made = await rooms.billing.rates.create(RateDraft(**given), rate.tariff_id)
    access.note.target = made.id
    return RateOut.model_validate(made)


@router.post(
    "/import",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "prefix,kind,price_per_minute,currency\n7495,landline,0.72,RUB\n7916,mobile,1.57,RUB\n",
                }
            },
        }
    },
)
async def import_rates(
    *,
    request: Request,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.RATES, Action.CREATE)],
    tariff_id: Annotated[str | None, Query(max_length=36, description="The default tariff when left out.")] = None,
    close_previous: Annotated[
        bool, Query(description="Rates of the same prefix and kind end where the new one begins.")
    ] = False,
) -> ImportOut:
    """Take over a rate file (CSV), all of it or nothing; every wrong line is named in the problem's `errors`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind not in {"text/csv", "text/plain", "application/csv", "application/octet-stream"}:
        raise UnsupportedTypeError("A rate file is sent as text/csv.", hint="Send the file itself as the body.")
    report = await rooms.billing.rates.import_file(
        await request.body(),
        tariff_id,
        zone=ZoneInfo(rooms.company.settings.timezone),
        close_previous=close_previous,
    )
    access.note.target = report.tariff_id
    access.note.details["rates"] = report.added
    return ImportOut(tariff_id=report.tariff_id, imported=report.added, closed=report.closed, rated=report.rated)


@router.get("/{rate_id}")
async def get_rate(
    rate_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.RATES, Action.READ)]
) -> RateOut:
    """Show a rate."""
    return RateOut.model_validate(await rooms.billing.rates.get(rate_id))


@router.patch("/{rate_id}")
async def change_rate(
    rate_id: ThingId,
    changes: RateChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.RATES, Action.CHANGE)],
) -> RateOut:
    """Change a rate."""
    changes_of(changes, nullable=("kind", "valid_from", "valid_to"))
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    draft = replace((await rooms.billing.rates.get(rate_id)).draft(), **given)
    return RateOut.model_validate(await rooms.billing.rates.update(rate_id, draft))


@router.delete("/{rate_id}")
async def delete_rate(
    rate_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.RATES, Action.DELETE)]
) -> RateRemoval:
    """Remove a rate; one that a charge names is closed instead."""
    return RateRemoval(result=await rooms.billing.rates.delete(rate_id))
