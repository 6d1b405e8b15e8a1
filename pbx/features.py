"""What an agent does by star code while talking: record on and off, and noting the caller as a lead or contact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from core.events import ContactRequested, LeadRequested
from pbx.call import Call
from pbx.call_recording import CallRecordingState
from pbx.errors import CallStateError
from pbx.leg import Leg
from pbx.requests import CancelTransfer, Consult
from pbx.star_codes import StarCode


def carry_out(call: Call, code: StarCode, by: Leg) -> None:
    """Do what the code says on behalf of the agent at `by`, who alone hears the confirmation."""
    _ACTIONS[code](call, by)


def request_lead(call: Call, by_extension: str) -> None:
    """Have the CRM make the customer of this call a lead.

    Raises:
        CallStateError: the call has no customer.
    """
    customer = _customer(call)
    name = call.from_party.name if customer is call.caller else ""
    at, phone = call.equipment.clock.now(), customer.party.number
    call.note(LeadRequested(at=at, call_id=call.id, by_extension=by_extension, phone=phone, name=name))
    call.changed("call.lead_requested")


def request_contact(call: Call, by_extension: str) -> None:
    """Have the CRM make the customer of this call a contact.

    Raises:
        CallStateError: the call has no customer.
    """
    customer = _customer(call)
    name = call.from_party.name if customer is call.caller else ""
    at, phone = call.equipment.clock.now(), customer.party.number
    call.note(ContactRequested(at=at, call_id=call.id, by_extension=by_extension, phone=phone, name=name))
    call.changed("call.contact_requested")


def _customer(call: Call) -> Leg:
    if call.customer is None:
        raise CallStateError("There is no customer in this call.")
    return call.customer


def _record(call: Call, by: Leg) -> None:
    state = call.record(by_extension=by.party.extension)
    _confirm(call, by, "recording_on" if state is CallRecordingState.ON else "recording_off")


def _transfer(call: Call, by: Leg) -> None:
    call.ask(CancelTransfer() if call.transferring else Consult(by))


def _lead(call: Call, by: Leg) -> None:
    _note_customer(call, by, request_lead, "lead_created")


def _contact(call: Call, by: Leg) -> None:
    _note_customer(call, by, request_contact, "contact_created")


def _note_customer(call: Call, by: Leg, request: Callable[[Call, str], None], prompt: str) -> None:
    try:
        request(call, by.party.extension)
    except CallStateError:
        _confirm(call, by, "invalid_code")
    else:
        _confirm(call, by, prompt)


def _confirm(call: Call, by: Leg, prompt: str) -> None:
    call.spawn(call.play(prompt, by))


_ACTIONS: Final[dict[StarCode, Callable[[Call, Leg], None]]] = {
    StarCode.RECORD: _record,
    StarCode.TRANSFER: _transfer,
    StarCode.LEAD: _lead,
    StarCode.CONTACT: _contact,
}
