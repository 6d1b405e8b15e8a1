"""`/api/v1/numbers`: the company's public numbers, and where their calls lead."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from api.fields import Input, Note, NullIsEmpty, Output, ThingId, changes_of
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from pbx.entries import DestinationKind, InboundNumber
from pbx.errors import UnknownEntryError

router = APIRouter(prefix="/numbers", tags=["numbers"])

NumberOrPattern = Annotated[
    str,
    Field(min_length=1, max_length=40, pattern=r"^[+*#0-9 ().\-/X\[\]]+$", examples=["+74951112233", "+749511122XX"]),
]
Greeting = Annotated[Note, Field(max_length=1000)]


class Destination(Input):
    """Where calls lead."""

    kind: DestinationKind
    target: Annotated[str, Field(min_length=1, max_length=64, examples=["1001"])] = Field(
        description="An extension's number, a public number, or the name of a call flow; with a pattern, `{2}` is the last two digits."
    )


class NumberIn(Input):
    """A new inbound number."""

    number: NumberOrPattern = Field(
        description="Public number, kept in E.164; or a pattern of them: X any digit, [2-5] a choice, a final * any rest."
    )
    destination: Destination
    greeting: Annotated[Greeting, NullIsEmpty] = Field(
        "", description="Spoken before the call goes on; empty for none."
    )


class NumberChanges(Input):
    """Fields to change; those left out stay as they are."""

    number: NumberOrPattern | None = None
    destination: Destination | None = None
    greeting: Greeting | None = None


class DestinationOut(Output):
    """Where calls lead."""

    kind: DestinationKind
    target: str


class NumberOut(Output):
    """An inbound number."""

    id: str
    number: str = Field(description="E.164, or a pattern.", examples=["+74951112233"])
    destination: DestinationOut
    greeting: str


class NumberPage(Page[NumberOut]):
    """One page of inbound numbers."""


@router.get("")
async def list_numbers(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.NUMBERS, Action.READ)]
) -> NumberPage:
    """List inbound numbers."""
    shown, cursor = cut_sorted(rooms.directory.snapshot.all_numbers, page, lambda one: one.number)
    return NumberPage(items=[_show(one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_number(
    number: NumberIn, rooms: Rooms, access: Annotated[Access, permit(Resource.NUMBERS, Action.CREATE)]
) -> NumberOut:
    """Add an inbound number."""
    made = await rooms.directory.create_number(
        number=number.number,
        kind=number.destination.kind.value,
        target=number.destination.target,
        greeting=number.greeting,
    )
    access.note.target = made.id
    return _show(made)


@router.get("/{number_id}")
async def get_number(
    number_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.NUMBERS, Action.READ)]
) -> NumberOut:
    """Show an inbound number."""
    for one in rooms.directory.snapshot.all_numbers:
        if one.id == number_id:
            return _show(one)
    raise UnknownEntryError("There is no such number.")


@router.patch("/{number_id}")
async def change_number(
    number_id: ThingId,
    changes: NumberChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.NUMBERS, Action.CHANGE)],
) -> NumberOut:
    """Change an inbound number; calls under way keep their way."""
    given: dict[str, Any] = changes_of(changes)
    if destination := given.pop("destination", None):
        given |= destination
    return _show(await rooms.directory.update_number(number_id, **given))


@router.delete("/{number_id}", status_code=204)
async def delete_number(
    number_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.NUMBERS, Action.DELETE)]
) -> None:
    """Remove an inbound number; calls to it end with “unknown number”."""
    await rooms.directory.delete_number(number_id)


def _show(number: InboundNumber) -> NumberOut:
    return NumberOut.of(number, destination=DestinationOut.of(number))
