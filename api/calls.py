"""`/api/v1/calls`: calls that go on now, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from api import contacts, leads
from api.crm_fields import CustomerIn
from api.fields import Dialled, ExtensionNumber, Input, Output, TextOrNull, ThingId, Time
from api.ownership import is_visible, own_call, own_record
from api.pagination import Page, PageParameters, cut_sorted
from api.permissions import Action, Resource
from api.quality import QualityOut
from api.security import Access, permit
from api.services import Rooms, Services
from core.events import Direction, PartyRole, TransferKind
from core.phone_numbers import is_public
from pbx.call_recording import CallRecordingState
from pbx.call_state import CallState
from pbx.errors import UnknownCallError
from pbx.live import CallView
from pbx.party import LegState
from pbx.supervision import SuperviseMode

router = APIRouter(prefix="/calls", tags=["calls"])

Control = Annotated[Access, permit(Resource.CALLS, Action.CONTROL)]


class CallIn(Input):
    """Click to call: the extension's phones ring first, then the other side is called."""

    from_: ExtensionNumber | None = Field(None, alias="from", description="An agent's own extension when left out.")
    to: Dialled = Field(description="An extension or a public number, as one would dial it.")
    detect_machine: bool = Field(
        False, description="Judge whether a person or an answering machine takes the call: `legs[].answerer` tells."
    )


class TransferIn(Input):
    """Whom the call is to go to."""

    to: Dialled
    kind: TransferKind = Field(
        TransferKind.BLIND, description="`attended`: the agent talks to the other first; see `/transfer/complete`."
    )


class SuperviseIn(Input):
    """What a supervisor is to do in a call."""

    mode: SuperviseMode = Field(
        SuperviseMode.LISTEN,
        description="`whisper` is heard by the agent only, `barge` by all. Keys 4, 5, 6 change it.",
    )
    from_: ExtensionNumber | None = Field(
        None, alias="from", description="Whose phones ring; one's own extension when left out."
    )


class VoiceActivityIn(Input):
    """Whether it is to be told when the parties speak."""

    on: bool


class RecordIn(Input):
    """Whether the call is to be recorded."""

    on: bool | None = Field(None, description="Left out: the other way round.")


class LiveLegOut(Output):
    """A party of a live call."""

    id: str
    role: PartyRole
    number: str
    name: str
    extension: TextOrNull
    trunk: TextOrNull
    incoming: bool = Field(description="Whether the party called us; else we called it.")
    state: LegState
    held: bool
    answered_at: Time | None
    sip_call_id: str
    answerer: TextOrNull = Field(description="Who took it, where that was asked for: `person`, `machine`, `unknown`.")
    quality: list[QualityOut] = Field(
        description="How it sounded in the last five minutes, ten seconds a sample, the newest last."
    )


class CallOut(Output):
    """A live call at this moment."""

    id: str
    state: CallState
    direction: Direction
    from_number: str
    from_name: TextOrNull
    from_extension: TextOrNull
    to_number: str
    dialled: str
    started_at: Time
    answered_at: Time | None = Field(description="When a person answered.")
    recording: CallRecordingState
    recording_id: TextOrNull
    legs: list[LiveLegOut]


class CallPage(Page[CallOut]):
    """One page of live calls."""


class RecordOut(Output):
    """Whether the call is being recorded now."""

    recording: CallRecordingState


@router.get("")
async def list_calls(
    rooms: Rooms, page: PageParameters, access: Annotated[Access, permit(Resource.CALLS, Action.READ)]
) -> CallPage:
    """List live calls, the oldest first."""
    visible = [call for call in rooms.switch.calls() if is_visible(call, access)]
    shown, cursor = cut_sorted(visible, page, lambda call: call.id)
    return CallPage(items=[CallOut.of(call) for call in shown], next_cursor=cursor)


@router.post("", status_code=201)
async def place_call(
    call: CallIn, rooms: Rooms, access: Annotated[Access, permit(Resource.CALLS, Action.CREATE)]
) -> CallOut:
    """Call somebody for an extension (click to call)."""
    extension = access.extension_or_own(call.from_, "Say which extension is to call.")
    access.require_extension(extension)
    made = rooms.switch.originate(extension, call.to, detect_machine=call.detect_machine)
    access.note.target = made.id
    return CallOut.of(made)


@router.get("/{call_id}")
async def get_call(
    call_id: ThingId, rooms: Rooms, access: Annotated[Access, permit(Resource.CALLS, Action.READ)]
) -> CallOut:
    """Show a live call."""
    return CallOut.of(own_call(rooms, access, call_id))


@router.post("/{call_id}/transfer")
async def transfer_call(call_id: ThingId, transfer: TransferIn, rooms: Rooms, access: Control) -> CallOut:
    """Begin a transfer; a blind one is carried out at once, an attended one begins the consultation."""
    call = own_call(rooms, access, call_id)
    rooms.switch.transfer(call_id, transfer.to, transfer.kind, by_extension=_by(access, call))
    return CallOut.of(rooms.switch.call(call_id))


@router.post("/{call_id}/transfer/complete")
async def complete_transfer(call_id: ThingId, rooms: Rooms, access: Control) -> CallOut:
    """Complete an attended transfer: the agent leaves, the two others talk."""
    own_call(rooms, access, call_id)
    rooms.switch.complete_transfer(call_id)
    return CallOut.of(rooms.switch.call(call_id))


@router.post("/{call_id}/transfer/cancel")
async def cancel_transfer(call_id: ThingId, rooms: Rooms, access: Control) -> CallOut:
    """Give up an attended transfer: the customer comes back to the agent."""
    own_call(rooms, access, call_id)
    rooms.switch.cancel_transfer(call_id)
    return CallOut.of(rooms.switch.call(call_id))


@router.post("/{call_id}/supervise")
async def supervise_call(
    call_id: ThingId,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.CALLS, Action.SUPERVISE)],
    supervise: SuperviseIn | None = None,
) -> CallOut:
    """Hear a live call: the supervisor's phones ring. Asked again, it changes what the supervisor does. Shows the supervisor's call."""
    wanted = supervise or SuperviseIn.model_validate({})
    extension = access.extension_or_own(wanted.from_, "Say which extension is to supervise.")
    return CallOut.of(rooms.switch.supervise(call_id, extension, wanted.mode))


@router.post("/{call_id}/hold")
async def hold_call(call_id: ThingId, rooms: Rooms, access: Control) -> CallOut:
    """Put a call on hold: the other side hears music."""
    rooms.switch.hold(call_id, by_extension=_by(access, own_call(rooms, access, call_id)))
    return CallOut.of(rooms.switch.call(call_id))


@router.post("/{call_id}/resume")
async def resume_call(call_id: ThingId, rooms: Rooms, access: Control) -> CallOut:
    """Take a held call up again."""
    own_call(rooms, access, call_id)
    rooms.switch.resume(call_id)
    return CallOut.of(rooms.switch.call(call_id))


@router.post("/{call_id}/record")
async def record_call(call_id: ThingId, rooms: Rooms, access: Control, record: RecordIn | None = None) -> RecordOut:
    """Switch the recording of a call on or off; while it is off the file holds silence."""
    call = own_call(rooms, access, call_id)
    wanted = record.on if record is not None else None
    if wanted is not None and wanted == (call.recording is CallRecordingState.ON):
        return RecordOut(recording=call.recording)
    return RecordOut(recording=rooms.switch.record(call_id, by_extension=_by(access, call)))


@router.post("/{call_id}/voice-activity")
async def watch_voice(call_id: ThingId, activity: VoiceActivityIn, rooms: Rooms, access: Control) -> CallOut:
    """Tell as live events `call.voice_began` and `call.voice_ended` when a party begins or ends to speak, or no more."""
    own_call(rooms, access, call_id)
    return CallOut.of(rooms.switch.watch_voice(call_id, on=activity.on))


@router.post("/{call_id}/hangup", status_code=204)
async def hang_up_call(call_id: ThingId, rooms: Rooms, access: Control) -> None:
    """End a call for all its parties."""
    own_call(rooms, access, call_id)
    rooms.switch.hang_up(call_id, f"Hung up by {access.principal.name}")


@router.post("/{call_id}/lead", status_code=201)
async def make_lead_of_call(
    call_id: ThingId,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.LEADS, Action.CREATE)],
    customer: CustomerIn | None = None,
) -> leads.LeadOut:
    """Make the call's customer a lead, in mid-call or afterwards; a call has one lead at most."""
    given = await _completed(rooms, access, call_id, customer)
    return await leads.store(rooms, access, leads.LeadIn(**given, call_id=call_id))


@router.post("/{call_id}/contact", status_code=201)
async def make_contact_of_call(
    call_id: ThingId,
    rooms: Rooms,
    access: Annotated[Access, permit(Resource.CONTACTS, Action.CREATE)],
    customer: CustomerIn | None = None,
) -> contacts.ContactOut:
    """Make the call's customer a contact, in mid-call or afterwards; a call has one contact at most."""
    given = await _completed(rooms, access, call_id, customer)
    return await contacts.store(rooms, access, contacts.ContactIn(**given, call_id=call_id))


def _by(access: Access, call: CallView) -> str:
    """Return the extension on whose behalf something is done in the call; empty: whoever is the agent in it."""
    own = access.principal.extension
    return own if any(leg.extension == own for leg in call.legs) else ""


@dataclass(slots=True, frozen=True)
class _Customer:
    """What a call tells about its customer and who looked after them."""

    number: str
    name: str
    extension: str


async def _completed(rooms: Services, access: Access, call_id: str, given: CustomerIn | None) -> dict[str, Any]:
    """Return the fields of a new customer, with what the call knows where nothing was given."""
    known = await _customer_of(rooms, access, call_id)
    fields = given.model_dump() if given is not None else {}
    if not fields.get("phones") and is_public(known.number, rooms.company.settings.country):
        fields["phones"] = [known.number]
    fields["name"] = fields.get("name") or known.name
    fields["source"] = fields.get("source") or "call"
    fields["responsible"] = fields.get("responsible") or access.principal.extension or known.extension
    return fields


async def _customer_of(rooms: Services, access: Access, call_id: str) -> _Customer:
    """Return the customer of a call, live or over.

    Raises:
        UnknownCallError: there is no such call, or it is not for the one who asks.
    """
    try:
        live = own_call(rooms, access, call_id)
    except UnknownCallError:
        return await _customer_of_record(rooms, access, call_id)
    customer = next((leg for leg in live.legs if leg.role is PartyRole.CUSTOMER), None)
    agents = [leg.extension for leg in live.legs if leg.extension]
    name = live.from_name if live.direction is Direction.INBOUND else ""
    return _Customer(customer.number if customer else "", name, agents[-1] if agents else "")


async def _customer_of_record(rooms: Services, access: Access, call_id: str) -> _Customer:
    cdr = await own_record(rooms, access, call_id)
    customer = next((leg for leg in cdr.legs if leg.role is PartyRole.CUSTOMER), None)
    name = cdr.from_name if cdr.direction is Direction.INBOUND else ""
    return _Customer(customer.number if customer else "", name, cdr.answered_by)
