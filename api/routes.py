"""`/api/v1/routes`: by which trunks calls go out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import Field

from api.fields import Dialled, ExtensionNumber, Input, Output, ThingId, changes_of, fields_of
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.entries import OutboundRoute
from pbx.errors import UnknownEntryError
from pbx.route_test import RouteResult

router = APIRouter(prefix="/routes", tags=["routes"])

Digits = Annotated[str, Field(pattern=r"^\+?[0-9]{0,19}$", examples=["+7495"])]
RouteName = Annotated[str, Field(min_length=1, max_length=64, examples=["Moscow"])]
TrunkNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1, max_length=16)]
Strip = Annotated[int, Field(ge=0, le=19)]
PatternText = Annotated[str, Field(max_length=40, examples=["+7495XXXXXXX"])]
Hours = Annotated[list[Annotated[str, Field(max_length=40, examples=["mon-fri 09:00-18:00"])]], Field(max_length=32)]
Extensions = Annotated[list[Annotated[str, Field(max_length=40, examples=["10XX"])]], Field(max_length=256)]
Priority = Annotated[int, Field(ge=0, le=1000)]

_LONGEST_PREFIX: Final = 99


class RouteIn(Input):
    """A new outbound route."""

    name: RouteName
    prefix: Digits = Field(
        "", description="How the E.164 number begins; empty for all numbers, 00 for all numbers of other countries."
    )
    trunks: TrunkNames = Field(description="Trunks to try, in their order: by name or by id.")
    strip: Strip = Field(0, description="Characters taken away from the front of the E.164 number.")
    prepend: Digits = Field("", description="Put before what is left.")
    priority: Priority = Field(0, description="Of routes with an equally long prefix, the smallest goes first.")
    pattern: PatternText = Field(
        "",
        description="In place of a prefix: what the whole E.164 number looks like; X any digit, [2-5] a choice, * any rest.",
    )
    hours: Hours = Field([], description="When it is open, in the company's time; empty for always.")
    extensions: Extensions = Field([], description="Extensions that may use it, or patterns of them; empty for all.")


class RouteChanges(Input):
    """Fields to change; those left out stay as they are."""

    name: RouteName | None = None
    prefix: Digits | None = None
    trunks: TrunkNames | None = None
    strip: Strip | None = None
    prepend: Digits | None = None
    priority: Priority | None = None
    pattern: PatternText | None = None
    hours: Hours | None = None
    extensions: Extensions | None = None


class RouteOut(Output):
    """An outbound route."""

    id: str
    name: str
    prefix: str
    trunks: list[str]
    strip: int
    prepend: str
    priority: int
    pattern: str
    hours: list[str]
    extensions: list[str]


class RoutePage(Page[RouteOut]):
    """One page of outbound routes."""


class RouteTestIn(Input):
    """A call that is not made."""

    number: Dialled = Field(description="As it would be dialled, or as a carrier would ask for it.")
    from_extension: ExtensionNumber | None = Field(None, description="Who would dial; not together with `trunk`.")
    trunk: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="By which trunk the call would come in, in place of an extension that dials."
    )


class TrunkTryOut(Output):
    """One trunk on the way of the call."""

    trunk: str
    route: str
    usable: bool
    reason: str = Field(description="Why it would be skipped; empty where it would not.")
    request_uri: str
    caller_id: str = Field(description="The number that would be shown.")
    asserted_identity: bool
    servers: list[str] = Field(description="Where the INVITE would go, in this order.")


class RouteTestOut(Output):
    """What would become of the call."""

    result: RouteResult
    target: str
    status: int = Field(description="The SIP status of a refusal, else 0.")
    tries: list[TrunkTryOut]
    lines: list[str] = Field(description="Each decision in words, in order.")


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
    made = await rooms.directory.create_route(**fields_of(route) | {"trunks": _trunk_names(rooms, route.trunks)})
    access.note.target = made.id
    return RouteOut.model_validate(made)


@router.post("/test")
async def explain_route(
    call: RouteTestIn, rooms: Rooms, _access: Annotated[Access, permit(Resource.ROUTES, Action.READ)]
) -> RouteTestOut:
    """Tell where a call would go and why, with the trunks as they are now; no call is made."""
    told = await rooms.switch.explain(call.number, from_extension=call.from_extension or "", trunk=call.trunk or "")
    return RouteTestOut.model_validate(told)


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
    return f"{_LONGEST_PREFIX - route.weight:02d} {route.priority:04d} {route.name}"
