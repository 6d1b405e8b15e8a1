"""`/api/v1/trunks`: lines to carriers, and whether they work."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.fields import Dialled, Input, Line, NullIsEmpty, Output, ThingId, changes_of
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.entries import Transport, Trunk
from pbx.errors import UnknownEntryError

router = APIRouter(prefix="/trunks", tags=["trunks"])

Host = Annotated[str, Field(min_length=1, max_length=255, examples=["sip.carrier.example"])]
Port = Annotated[int, Field(ge=1, le=65_535)]
Networks = Annotated[list[Annotated[str, Field(max_length=64, examples=["203.0.113.0/24"])]], Field(max_length=64)]


class TrunkIn(Input):
    """A new trunk."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["carrier"])] = Field(
        description="By which routes and call records know it: letters, digits, dot, dash and underscore."
    )
    host: Host = Field(description="The carrier's server: a name or an address.")
    port: Port = 5060
    transport: Transport = Transport.UDP
    username: Annotated[Line, NullIsEmpty] = Field("", description="Login at the carrier.")
    password: Annotated[Line, NullIsEmpty] = Field("", description="Password at the carrier; never shown again.")
    register_: bool = Field(default=False, alias="register", description="Register there; else known by address.")
    allow_from: Networks = Field([], description="Networks (CIDR) its calls may come from, beside the host.")
    caller_id: Dialled | None = Field(None, description="Number shown outside; the first inbound number if left out.")
    enabled: bool = True


class TrunkChanges(Input):
    """Fields to change; those left out stay as they are. The name stays."""

    name: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="Must be the present one."
    )
    host: Host | None = None
    port: Port | None = None
    transport: Transport | None = None
    username: Line | None = None
    password: Line | None = None
    register_: bool | None = Field(None, alias="register")
    allow_from: Networks | None = None
    caller_id: Dialled | None = Field(None, description="null: the first inbound number.")
    enabled: bool | None = None


class TrunkOut(Output):
    """A trunk."""

    id: str
    name: str
    host: str
    port: int
    transport: Transport
    username: str
    register_: bool = Field(serialization_alias="register")
    allow_from: list[str]
    caller_id: str | None
    enabled: bool
    state: str = Field(
        description="`registered`, `reachable`, `unreachable`, `refused`, `unknown` (not tried yet) or `disabled`.",
        examples=["registered"],
    )
    state_reason: str | None = Field(description="Why it is in that state.")


class TrunkPage(Page[TrunkOut]):
    """One page of trunks."""


@router.get("")
async def list_trunks(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.TRUNKS, Action.READ)]
) -> TrunkPage:
    """List trunks by name."""
    shown, cursor = cut_sorted(rooms.directory.snapshot.trunks.values(), page, lambda trunk: trunk.name)
    return TrunkPage(items=[_show(rooms, one) for one in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_trunk(
    trunk: TrunkIn, rooms: Rooms, access: Annotated[Access, permit(Resource.TRUNKS, Action.CREATE)]
) -> TrunkOut:
    """Add a trunk; it is tried at once."""
    made = await rooms.directory.create_trunk(
        name=trunk.name,
        host=trunk.host,
        port=trunk.port,
        transport=trunk.transport.value,
        username=trunk.username,
        password=trunk.password,
        register=trunk.register_,
        allow_from=trunk.allow_from,
        caller_id=trunk.caller_id or "",
        enabled=trunk.enabled,
    )
    access.note.target = made.id
    return _show(rooms, made)


@router.get("/{trunk_id}")
async def get_trunk(
    trunk_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.TRUNKS, Action.READ)]
) -> TrunkOut:
    """Show a trunk."""
    for one in rooms.directory.snapshot.trunks.values():
        if one.id == trunk_id:
            return _show(rooms, one)
    raise UnknownEntryError("There is no such trunk.")


@router.patch("/{trunk_id}")
async def change_trunk(
    trunk_id: ThingId,
    changes: TrunkChanges,
    rooms: Rooms,
    _access: Annotated[Access, permit(Resource.TRUNKS, Action.CHANGE)],
) -> TrunkOut:
    """Change a trunk; it is tried anew."""
    return _show(rooms, await rooms.directory.update_trunk(trunk_id, **changes_of(changes, nullable=("caller_id",))))


@router.delete("/{trunk_id}", status_code=204)
async def delete_trunk(
    trunk_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.TRUNKS, Action.DELETE)]
) -> None:
    """Remove a trunk that no route uses."""
    await rooms.directory.delete_trunk(trunk_id)


def _show(rooms: Services, trunk: Trunk) -> TrunkOut:
    state, reason = rooms.trunks.state(trunk.name)
    return TrunkOut(
        id=trunk.id,
        name=trunk.name,
        host=trunk.host,
        port=trunk.port,
        transport=trunk.transport,
        username=trunk.username,
        register_=trunk.register,
        allow_from=list(trunk.allow_from),
        caller_id=trunk.caller_id or None,
        enabled=trunk.enabled,
        state=state,
        state_reason=reason or None,
    )
