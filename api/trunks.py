"""`/api/v1/trunks`: lines to carriers, and whether they work."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from api.fields import (
    Dialled,
    EmptyIsNull,
    Input,
    Line,
    NullIsEmpty,
    Output,
    TextOrNull,
    ThingId,
    changes_of,
    fields_of,
)
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.security import Access, permit
from api.services import Rooms, Services
from pbx.entries import ENCRYPTION, CallerIdPolicy, Encryption, KeyWay, NumberFormat, Transport, Trunk
from pbx.errors import UnknownEntryError

router = APIRouter(prefix="/trunks", tags=["trunks"])

Host = Annotated[str, Field(min_length=1, max_length=255, examples=["sip.carrier.example"])]
Port = Annotated[int, Field(ge=1, le=65_535)]
HostText = Annotated[str, Field(min_length=1, max_length=262, examples=["sip2.carrier.example:5080"])]
Hosts = Annotated[list[HostText], Field(max_length=8)]
Domain = Annotated[str, Field(max_length=255, examples=["carrier.example"])]
Codecs = Annotated[list[Annotated[str, Field(max_length=16, examples=["PCMA"])]], Field(max_length=24)]
Limit = Annotated[int, Field(ge=0, le=100_000)]
Rate = Annotated[int, Field(ge=0, le=1000)]
PingSeconds = Annotated[int, Field(ge=0, le=3600)]
Status = Annotated[str, Field(max_length=3, examples=["5xx"])]
Meaning = Annotated[str, Field(max_length=4, examples=["next", "486"])]
Responses = Annotated[dict[Status, Meaning], Field(max_length=64)]
Strip = Annotated[int, Field(ge=0, le=19)]
Digits = Annotated[str, Field(pattern=r"^\+?[0-9]{0,19}$", examples=["00"])]

Networks = Annotated[list[Annotated[str, Field(max_length=64, examples=["203.0.113.0/24"])]], Field(max_length=64)]


class TrunkIn(Input):
    """A new trunk."""

    name: Annotated[str, Field(min_length=1, max_length=64, examples=["carrier"])] = Field(
        description="By which routes and call records know it: letters, digits, dot, dash and underscore."
    )
    host: Host = Field(description="The carrier's server: a name or an address.")
    port: Port | None = Field(None, description="Left out: as its DNS says (SRV), else the transport's own.")
    transport: Transport = Transport.UDP
    username: Annotated[Line, NullIsEmpty] = Field("", description="Login at the carrier.")
    password: Annotated[Line, NullIsEmpty] = Field("", description="Password at the carrier; never shown again.")
    register_: bool = Field(default=False, alias="register", description="Register there; else known by address.")
    allow_from: Networks = Field([], description="Networks (CIDR) its calls may come from, beside the host.")
    caller_id: Dialled | None = Field(None, description="Number shown outside; the first inbound number if left out.")
    enabled: bool = True
    backup_hosts: Hosts = Field(
        [], description="Tried in this order after `host`: a name or address, with a port or without."
    )
    domain: Annotated[Domain, NullIsEmpty] = Field("", description="What From and To name, where it is not the host.")
    codecs: Codecs = Field([], description="What it may speak, best first; empty for all of ours.")
    encryption: Encryption = Field(Encryption.OPTIONAL, description=ENCRYPTION)
    caller_id_policy: CallerIdPolicy = Field(
        CallerIdPolicy.DEFAULT,
        description="`default`: `caller_id`, else the first inbound number; `pass`: the caller's own; `fixed`: always `caller_id`.",
    )
    caller_id_format: NumberFormat = Field(NumberFormat.PLUS_E164, description="How the number is written.")
    asserted_identity: bool = Field(default=False, description="Send the number as P-Asserted-Identity, too.")
    realm: Annotated[Line, NullIsEmpty] = Field(
        "", description="The only realm that our password is proved for; empty: the one it asks for."
    )
    trust_identity: bool = Field(
        default=True, description="Believe its P-Asserted-Identity and Diversion, and tell it who calls anonymously."
    )
    max_calls: Limit = Field(0, description="Calls at one time; 0 for any number.")
    max_calls_in: Limit = Field(0, description="Of them, calls that come from it.")
    max_calls_out: Limit = Field(0, description="Of them, calls that go to it.")
    calls_per_second: Rate = Field(0, description="Calls to it that may begin in a second; 0 for any number.")
    responses: Responses = Field(
        {},
        description="What its final statuses mean: `404` or `5xx` to `next` (try the next trunk) or the caller's status.",
    )
    strip: Strip = Field(0, description="Characters taken away from the front of what a route sends.")
    prepend: Digits = Field("", description="Put before what is left.")
    ping_seconds: PingSeconds = Field(
        30, description="Seconds between two OPTIONS to each host, 5 or more; 0 for none."
    )
    dtmf: KeyWay = Field(
        KeyWay.RFC4733, description="How keys go to the carrier; `inband` also looks for them in its voice."
    )
    tls_verify: bool = Field(
        default=False,
        description="Take and make calls over TLS only where its certificate is for one of its hosts and from an authority we believe.",
    )
    follow_redirects: bool = Field(
        default=True,
        description="Follow its 3xx: to another of its hosts, and to another number as if it was dialled.",
    )


class TrunkChanges(Input):
    """Fields to change; those left out stay as they are. The name stays."""

    name: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="Must be the present one."
    )
    host: Host | None = None
    port: Port | None = Field(None, description="null: as its DNS says.")
    transport: Transport | None = None
    username: Line | None = None
    password: Line | None = None
    register_: bool | None = Field(None, alias="register")
    allow_from: Networks | None = None
    caller_id: Dialled | None = Field(None, description="null: the first inbound number.")
    enabled: bool | None = None
    backup_hosts: Hosts | None = None
    domain: Domain | None = None
    realm: Line | None = None
    codecs: Codecs | None = None
    encryption: Encryption | None = None
    caller_id_policy: CallerIdPolicy | None = None
    caller_id_format: NumberFormat | None = None
    asserted_identity: bool | None = None
    trust_identity: bool | None = None
    max_calls: Limit | None = None
    max_calls_in: Limit | None = None
    max_calls_out: Limit | None = None
    calls_per_second: Rate | None = None
    responses: Responses | None = None
    strip: Strip | None = None
    prepend: Digits | None = None
    ping_seconds: PingSeconds | None = None
    tls_verify: bool | None = None
    dtmf: KeyWay | None = None
    follow_redirects: bool | None = None


class HostOut(Output):
    """One host of a trunk, as it stands."""

    host: str
    state: str
    reason: str


class TrunkOut(Output):
    """A trunk."""

    id: str
    name: str
    host: str
    port: Annotated[int | None, EmptyIsNull]
    transport: Transport
    username: str
    register_: bool = Field(alias="register")
    allow_from: list[str]
    caller_id: TextOrNull
    enabled: bool
    backup_hosts: list[str]
    domain: str
    realm: str
    codecs: list[str]
    encryption: Encryption
    caller_id_policy: CallerIdPolicy
    caller_id_format: NumberFormat
    asserted_identity: bool
    trust_identity: bool
    max_calls: int
    max_calls_in: int
    max_calls_out: int
    calls_per_second: int
    responses: dict[str, str]
    strip: int
    prepend: str
    ping_seconds: int
    dtmf: KeyWay
    tls_verify: bool
    follow_redirects: bool
    usable: bool = Field(description="Whether a call would be sent to it now.")
    hosts: list[HostOut] = Field(description="Its hosts in the order in which they are tried.")
    calls_in: int = Field(description="Calls at this time that came from it.")
    calls_out: int = Field(description="Calls at this time that went to it.")
    state: str = Field(
        description="`registered`, `reachable`, `unreachable`, `refused`, `unknown` (not tried yet) or `disabled`.",
        examples=["registered"],
    )
    state_reason: TextOrNull = Field(validation_alias="reason", description="Why it is in that state.")


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
    made = await rooms.directory.create_trunk(**fields_of(trunk) | {"port": trunk.port or 0})
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
    """Change a trunk; it is tried anew where its hosts or its login change, and calls under way stay."""
    given = changes_of(changes, nullable=("caller_id", "port"))
    if "port" in given:
        given["port"] = changes.port or 0
    return _show(rooms, await rooms.directory.update_trunk(trunk_id, **given))


@router.delete("/{trunk_id}", status_code=204)
async def delete_trunk(
    trunk_id: ThingId, rooms: Rooms, _access: Annotated[Access, permit(Resource.TRUNKS, Action.DELETE)]
) -> None:
    """Remove a trunk that no route uses."""
    await rooms.directory.delete_trunk(trunk_id)


def _show(rooms: Services, trunk: Trunk) -> TrunkOut:
    return TrunkOut.of(trunk, rooms.trunks.status(trunk.name))
