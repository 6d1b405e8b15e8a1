"""`/api/v1/routes`: by which trunks calls go out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import Field

from api.fields import Input, Output, ThingId, changes_of
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.entries import OutboundRoute
from pbx.errors import UnknownEntryError

router = APIRouter(prefix="/routes", tags=["routes"])

Digits = Annotated[str, Field(pattern=r"^\+?[0-9]{0,19}$", examples=["+7495"])]
RouteName = Annotated[str, Field(min_length=1, max_length=64, examples=["Moscow"])]
TrunkNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1, max_length=16)]
Strip = Annotated[int, Field(ge=0, le=19)]
Priority = Annotated[int, Field(ge=0, le=1000)]

_LONGEST_PREFIX: Final = 99


class RouteIn(Input):
    """A new outbound route."""

    name: RouteName
    prefix: Digits = Field("", description="How the E.164 number begins; empty for all numbers.")
    trunks: TrunkNames = Field(description="Trunks to try, in their order: by name or by id.")
    strip: Strip = Field(0, description="Characters taken away from the front of the E.164 number.")
    prepend: Digits = Field("", description="Put before what is left.")
    priority: Priority = Field(0, description="Of routes with an equally long prefix, the smallest goes first.")


class RouteChanges(Input):
    """Fields to change; those left out stay as they are."""

    name: RouteName | None = None
    prefix: Digits | None = None
    trunks: TrunkNames | None = None
    strip: Strip | None = None
    prepend: Digits | None = None
    priority: Priority | None = None


class RouteOut(Output):
    """An outbound route."""

    id: str
    name: str
    prefix: str
    trunks: list[str]
    strip: int
    prepend: str
    priority: int


class RoutePage(Page[RouteOut]):
    """One page of outbound routes."""


@router.get("")
async def list_routes(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.ROUTES, Action.READ)]
) -> RoutePage:
    """List outbound routes in the order in which they are tried."""
    shown, cursor = cut_sorted(rooms.directory.snapshot.routes, page, _order)
    return RoutePage(items=[RouteOut.model_validate(one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_route(
    route: RouteIn, rooms: Rooms, access: Annotated[Access, permit(Resource.ROUTES, Action.CREATE)]
) -> RouteOut:
    """Add an outbound route."""
    made = await rooms.directory.create_route(
        name=route.name,
        prefix=route.prefix,
        trunks=_trunk_names(rooms, route.trunks),
        strip=route.strip,
        prepend=route.prepend,
        priority=route.priority,
    )
    access.note.target = made.id
    return RouteOut.model_validate(made)


@router.get("/{route_id}")
async def get_route(
    route_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.ROUTES, Action.READ)]
) -> RouteOut:
    """Show an outbound route."""
    for one in rooms.directory.snapshot.routes:
        if one.id == route_id:
            return RouteOut.model_validate(one)
    raise UnknownEntryError("There is no such route.")


@router.patch("/{route_id}")
async def change_route(
    route_id: ThingId,
    changes: RouteChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.ROUTES, Action.CHANGE)],
) -> RouteOut:
    """Change an outbound route."""
    given = changes_of(changes)
    if "trunks" in given:
        given["trunks"] = _trunk_names(rooms, given["trunks"])
    return RouteOut.model_validate(await rooms.directory.update_route(route_id, **given))


@router.delete("/{route_id}", status_code=204)
async def delete_route(
    route_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.ROUTES, Action.DELETE)]
) -> None:
    """Remove an outbound route."""
    await rooms.directory.delete_route(route_id)


def _trunk_names(rooms: Services, trunks: Sequence[str]) -> list[str]:
    """Return the names of trunks that were given by name or by id."""
    names = {trunk.id: trunk.name for trunk in rooms.directory.snapshot.trunks.values()}
    return [names.get(trunk, trunk) for trunk in trunks]


def _order(route: OutboundRoute) -> str:
    """Return a key that sorts as routes are tried: the longest prefix, then the smallest priority, then the name."""
    return f"{_LONGEST_PREFIX - len(route.prefix):02d} {route.priority:04d} {route.name}"
