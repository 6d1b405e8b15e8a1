"""`/api/v1/cdrs`: calls that are over, with legs, transfers, charges and recording."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.fields import Money, Output, TextOrNull, ThingId, Time, TimeIn
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.quality import QualityOut
from api.security import Access, permit
from api.services import Rooms
from billing.values import ChargeState
from core.events import Direction, Disposition, PartyRole, TransferKind, TransferResult
from core.phone_numbers import InvalidNumberError, NumberKind, normalise
from pbx.cdrs.errors import CdrNotFoundError
from pbx.cdrs.queries import CdrFilter

router = APIRouter(prefix="/cdrs", tags=["cdrs"])

_SHORT = 8
"""Digits up to which a number is looked for as an extension's."""


class CdrLegOut(Output):
    """The stay of a party in the call."""

    id: str = Field(validation_alias="leg_id")
    role: PartyRole = Field(description="Which side of the recording it is on: customers left, agents right.")
    number: str
    extension: TextOrNull
    trunk: TextOrNull
    incoming: bool = Field(description="Whether the party called us; else we called it.")
    sip_call_id: TextOrNull
    started_at: Time = Field(validation_alias="created_at", description="When the leg was opened.")
    joined_at: Time = Field(description="When it came into this call; later than `started_at` after a transfer.")
    ringing_at: Time | None
    answered_at: Time | None
    ended_at: Time | None = Field(description="When it ended, or left for the call `moved_to`.")
    moved_to: str | None
    sip_status: int = Field(description="The final SIP status where it was not answered, else 0.")
    reason: str
    packets_received: int | None
    packets_sent: int | None
    packets_lost: int | None
    jitter_ms: float | None
    mos: float | None = Field(description="Estimated quality, 1 to 4.5.")
    forwarded_by: TextOrNull = Field(description="The extension whose forwarding opened it; it is at that one's cost.")
    answerer: TextOrNull = Field(
        description="Who took it: `person`, `machine` or `unknown`; null where that was not asked for (`detect_machine`)."
    )
    quality: list[QualityOut] | None = Field(
        description="How it sounded, ten seconds a sample; null in lists: ask for the one call."
    )


class CdrTransferOut(Output):
    """A transfer of the call."""

    id: str = Field(validation_alias="transfer_id")
    at: Time
    kind: TransferKind
    result: TransferResult
    from_extension: str
    to_number: str
    new_leg_id: str | None
    other_call_id: str | None = Field(description="The consultation call that was merged in.")
    sip_status: int


class ChargeOut(Output):
    """What an outgoing trunk leg of the call costs."""

    id: str
    leg_id: str
    trunk: str
    number: str
    kind: NumberKind
    state: ChargeState = Field(description="`unrated`: no rate matches yet, so there is no amount.")
    seconds: int
    billed_seconds: int | None
    amount: Money | None
    currency: str | None
    rate_id: str | None
    price_per_minute: Money | None
    first_increment: int | None
    increment: int | None
    connection_fee: Money | None


class CdrOut(Output):
    """A call detail record."""

    id: str
    call_id: str
    direction: Direction
    from_number: str
    from_name: TextOrNull
    from_extension: TextOrNull
    to_number: str
    dialled: str
    trunk: TextOrNull
    started_at: Time
    answered_at: Time | None = Field(description="When a person answered.")
    answered_by: TextOrNull = Field(description="The extension that answered.")
    ended_at: Time | None = Field(description="null while the call goes on.")
    talk_seconds: float
    disposition: Disposition | None = Field(description="null while the call goes on.")
    sip_status: int
    reason: str
    recovered: bool = Field(description="The server died in mid-call; the end is the last sign of voice.")
    recording_id: str | None
    merged_into: str | None = Field(description="The call that an attended transfer joined this one's party to.")
    diverted_from: TextOrNull = Field(description="Who was called first, where a carrier sent the call on to us.")
    legs: list[CdrLegOut]
    transfers: list[CdrTransferOut]
    charges: list[ChargeOut]


class CdrPage(Page[CdrOut]):
    """One page of call detail records."""


@router.get("")
async def list_cdrs(
    *,
    rooms: Rooms,
    page: PageParameters,
    access: Annotated[Access, permit(Resource.CDRS, Action.READ)],
    started_from: Annotated[TimeIn | None, Query(description="Began at this time or later.")] = None,
    started_to: Annotated[TimeIn | None, Query(description="Began before this time.")] = None,
    number: Annotated[str, Query(max_length=40, description="From, to, or with a leg of this number.")] = "",
    extension: Annotated[str, Query(max_length=16, description="With this extension.")] = "",
    direction: Annotated[Direction | None, Query(description="Only calls in this direction.")] = None,
    disposition: Annotated[Disposition | None, Query(description="Only calls that ended so.")] = None,
    sip_call_id: Annotated[str, Query(max_length=255, description="The SIP Call-ID of the first leg.")] = "",
) -> CdrPage:
    """List calls that are over, the newest first."""
    if access.extension is not None and extension:
        access.require_extension(extension)
    wanted = CdrFilter(
        begin=started_from,
        end=started_to,
        number=_as_stored(number, rooms.company.settings.country),
        extension=access.extension or extension,
        direction=direction,
        disposition=disposition,
        sip_call_id=sip_call_id,
    )
    found = await rooms.cdrs.page(wanted, limit=page.limit, after=page.after())
    charges = await rooms.billing.charges.of_calls([cdr.call_id for cdr in found.items])
    return CdrPage(
        items=[CdrOut.of(cdr, charges=charges.get(cdr.call_id, ())) for cdr in found.items],
        next_cursor=encode_cursor(found.after),
    )


@router.get("/{call_id}")
async def get_cdr(
    call_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.CDRS, Action.READ)]
) -> CdrOut:
    """Show the record of a call, live or over; its id is the call's."""
    cdr = await rooms.cdrs.get(call_id)
    if access.extension is not None and not any(leg.extension == access.extension for leg in cdr.legs):
        raise CdrNotFoundError(f"There is no call {call_id[:36]}.")
    charges = await rooms.billing.charges.of_calls([call_id])
    return CdrOut.of(cdr, charges=charges.get(call_id, ()))


def _as_stored(number: str, country: str) -> str:
    """Return a number that was asked for as records hold it: E.164 where it is public, else as it is."""
    number = number.strip()
    if number.isdigit() and len(number) <= _SHORT:
        return number
    try:
        return normalise(number, country) if number else ""
    except InvalidNumberError:
        return number
