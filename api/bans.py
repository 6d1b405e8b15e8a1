"""`/api/v1/bans`: who is kept away from SIP after wrong passwords, and which networks never are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field

from api.fields import Input, Line, Output, ThingId, Time
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms
from sip.bans import LONGEST_BAN, Ban

router = APIRouter(prefix="/bans", tags=["bans"])

Address = Annotated[str, Field(min_length=2, max_length=49, pattern=r"^[0-9A-Fa-f:./]+$", examples=["203.0.113.7"])]
AddressInPath = Annotated[
    str,
    Path(
        pattern=r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$",
        description="`address` as the list shows it; of an IPv6 /64 any address in it.",
    ),
]


class BanIn(Input):
    """A source to ban."""

    address: Address = Field(description="An address (of IPv6 its whole /64) or a network such as `203.0.113.0/24`.")
    seconds: int = Field(86_400, ge=1, le=LONGEST_BAN, description="For how long.")
    reason: Line = Field("By hand", examples=["Fraud calls on 3 May"])


class BanOut(Output):
    """A ban that holds."""

    address: str = Field(
        description="The address, or the network where it holds more than one sender; names it in paths."
    )
    network: str = Field(description="An IPv4 address, the /64 of an IPv6 address, or a wider network.")
    since: Time
    until: Time
    offences: int = Field(description="The how manieth ban in a row it is; each is longer than the one before.")
    reason: str


class BanPage(Page[BanOut]):
    """One page of bans."""


class AllowedIn(Input):
    """A network for the allow-list."""

    network: Address = Field(description="An address, or a network in CIDR notation.", examples=["198.51.100.0/24"])
    note: Line = Field("", examples=["Office in Recife"])


class AllowedOut(Output):
    """A network that is never banned."""

    id: str
    network: str
    note: str
    created_at: Time


class AllowedPage(Page[AllowedOut]):
    """One page of the allow-list."""


@router.get("")
async def list_bans(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.BANS, Action.READ)]
) -> BanPage:
    """List the bans that hold, by network."""
    shown, cursor = cut_sorted(rooms.bans.active(), page, lambda ban: ban.network)
    return BanPage(items=[_show(ban) for ban in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def create_ban(
    ban: BanIn, rooms: Rooms, access: Annotated[Access, permit(Resource.BANS, Action.CREATE)]
) -> BanOut:
    """Ban an address or a network; its registered phones and calls in progress go on."""
    made = await rooms.bans.ban(ban.address, ban.seconds, ban.reason)
    access.note.target = made.network
    return _show(made)


@router.get("/allowed")
async def list_allowed_networks(
    rooms: Rooms, page: PageParameters, _access: Annotated[Access, permit(Resource.BANS, Action.READ)]
) -> AllowedPage:
    """List the networks that are never banned, in the order they were allowed."""
    shown, cursor = cut_sorted(await rooms.bans.allowed(), page, lambda one: one.id)
    return AllowedPage(items=[AllowedOut.model_validate(one) for one in shown], next_cursor=cursor)


@router.post("/allowed", status_code=201)
async def allow_network(
    allowed: AllowedIn, rooms: Rooms, access: Annotated[Access, permit(Resource.BANS, Action.CREATE)]
) -> AllowedOut:
    """Never ban a network; bans in it are lifted at once."""
    made = await rooms.bans.allow(allowed.network, allowed.note)
    access.note.target = made.network
    return AllowedOut.model_validate(made)


@router.delete("/allowed/{network_id}", status_code=204)
async def disallow_network(
    network_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.BANS, Action.DELETE)]
) -> None:
    """Take a network off the allow-list."""
    await rooms.bans.disallow(network_id)


@router.delete("/{address:path}", status_code=204)
async def lift_ban(
    address: AddressInPath, rooms: Rooms, _access: Annotated[Access, permit(Resource.BANS, Action.DELETE)]
) -> None:
    """Lift a ban; the next one will be as short as a first one."""
    await rooms.bans.lift(address)


def _show(ban: Ban) -> BanOut:
    single = ":" in ban.network and ban.network.endswith("/64")
    return BanOut.of(ban, address=ban.network.partition("/")[0] if single else ban.network)
