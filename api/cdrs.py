"""`/api/v1/cdrs`: calls that are over, with legs, transfers, charges and recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.fields import Money, Output, ThingId, Time, TimeIn
from api.pagination import Page, PageParameters, encode_cursor
from api.permissions import Action, Resource
from api.quality import QualityOut, show_quality
from api.security import Access, permit
from api.services import Rooms
from billing.values import Charge, ChargeState
from core.events import Direction, Disposition, PartyRole, TransferKind, TransferResult
from core.phone_numbers import InvalidNumberError, NumberKind, normalise
from pbx.cdrs.errors import CdrNotFoundError
from pbx.cdrs.queries import CdrFilter
from pbx.cdrs.values import Cdr, CdrLeg, CdrTransfer

router = APIRouter(prefix="/cdrs", tags=["cdrs"])

_SHORT = 8
"""Digits up to which a number is looked for as an extension's."""


class CdrLegOut(Output):
    """The stay of a party in the call."""

    id: str
    role: PartyRole = Field(description="Which side of the recording it is on: customers left, agents right.")
    number: str
    extension: str | None
    trunk: str | None
    incoming: bool = Field(description="Whether the party called us; else we called it.")
    sip_call_id: str | None
    started_at: Time = Field(description="When the leg was opened.")
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
    forwarded_by: str | None = Field(description="The extension whose forwarding opened it; it is at that one's cost.")
    quality: list[QualityOut] | None = Field(
        description="How it sounded, ten seconds a sample; null in lists: ask for the one call."
    )


class CdrTransferOut(Output):
    """A transfer of the call."""

    id: str
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
    from_name: str | None
    from_extension: str | None
    to_number: str
    dialled: str
    trunk: str | None
    started_at: Time
    answered_at: Time | None = Field(description="When a person answered.")
    answered_by: str | None = Field(description="The extension that answered.")
    ended_at: Time | None = Field(description="null while the call goes on.")
    talk_seconds: float
    disposition: Disposition | None = Field(description="null while the call goes on.")
    sip_status: int
    reason: str
    recovered: bool = Field(description="The server died in mid-call; the end is the last sign of voice.")
    recording_id: str | None
    merged_into: str | None = Field(description="The call that an attended transfer joined this one's party to.")
    diverted_from: str | None = Field(description="Who was called first, where a carrier sent the call on to us.")
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
        items=[show(cdr, charges.get(cdr.call_id, ())) for cdr in found.items],
        next_cursor=encode_cursor(found.after) if found.after else None,
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
    return show(cdr, charges.get(call_id, ()))


def show(cdr: Cdr, charges: Sequence[Charge]) -> CdrOut:
    """Return the record as it is shown."""
    return CdrOut(
        id=cdr.id,
        call_id=cdr.call_id,
        direction=cdr.direction,
        from_number=cdr.from_number,
        from_name=cdr.from_name or None,
        from_extension=cdr.from_extension or None,
        to_number=cdr.to_number,
        dialled=cdr.dialled,
        trunk=cdr.trunk or None,
        started_at=cdr.started_at,
        answered_at=cdr.answered_at,
        answered_by=cdr.answered_by or None,
        ended_at=cdr.ended_at,
        talk_seconds=cdr.talk_seconds,
        disposition=cdr.disposition,
        sip_status=cdr.sip_status,
        reason=cdr.reason,
        recovered=cdr.recovered,
        recording_id=cdr.recording_id,
        merged_into=cdr.merged_into,
        diverted_from=cdr.diverted_from or None,
        legs=[_leg(leg) for leg in cdr.legs],
        transfers=[_transfer(transfer) for transfer in cdr.transfers],
        charges=[ChargeOut.model_validate(charge) for charge in charges],
    )


def _leg(leg: CdrLeg) -> CdrLegOut:
    return CdrLegOut(
        id=leg.leg_id,
        role=leg.role,
        number=leg.number,
        extension=leg.extension or None,
        trunk=leg.trunk or None,
        incoming=leg.incoming,
        sip_call_id=leg.sip_call_id or None,
        started_at=leg.created_at,
        joined_at=leg.joined_at,
        ringing_at=leg.ringing_at,
        answered_at=leg.answered_at,
        ended_at=leg.ended_at,
        moved_to=leg.moved_to,
        sip_status=leg.sip_status,
        reason=leg.reason,
        packets_received=leg.packets_received,
        packets_sent=leg.packets_sent,
        packets_lost=leg.packets_lost,
        jitter_ms=leg.jitter_ms,
        mos=leg.mos,
        forwarded_by=leg.forwarded_by or None,
        quality=None if leg.quality is None else show_quality(leg.quality),
    )


def _transfer(transfer: CdrTransfer) -> CdrTransferOut:
    return CdrTransferOut(
        id=transfer.transfer_id,
        at=transfer.at,
        kind=transfer.kind,
        result=transfer.result,
        from_extension=transfer.from_extension,
        to_number=transfer.to_number,
        new_leg_id=transfer.new_leg_id,
        other_call_id=transfer.other_call_id,
        sip_status=transfer.sip_status,
    )


def _as_stored(number: str, country: str) -> str:
    """Return a number that was asked for as records hold it: E.164 where it is public, else as it is."""
    number = number.strip()
    if number.isdigit() and len(number) <= _SHORT:
        return number
    try:
        return normalise(number, country) if number else ""
    except InvalidNumberError:
        return number
