"""The embedded CRM behind the interface that every CRM has."""

from datetime import timedelta

import pytest

from core.events import Direction, Disposition
from crm_bridge.errors import CrmNotFoundError
from crm_bridge.interface import CallBegun, CallFinished, Crm, RecordingReference, TranscriptReference
from crm_bridge.values import CompanyDraft, ContactDraft, LeadChanges, LeadDraft, OwnerKind
from tests.crm_bridge.conftest import CUSTOMER, LINE, START, Desk

BEGUN = CallBegun(
    call_id="call-1",
    direction=Direction.INBOUND,
    number=CUSTOMER,
    line_number=LINE,
    started_at=START,
    caller_name="Maria",
)
FINISHED = CallFinished(
    call_id="call-1",
    disposition=Disposition.ANSWERED,
    answered_at=START + timedelta(seconds=4),
    ended_at=START + timedelta(seconds=34),
    extension="1001",
)


async def test_a_call_goes_through_the_interface_from_ring_to_transcript(desk: Desk) -> None:
    crm: Crm = desk.crm
    begun = await crm.register_call(BEGUN)
    assert await crm.register_call(BEGUN) == begun
    await crm.show_card("call-1", ["1001", "1002"])
    await crm.hide_card("call-1", ["1002"])
    contact_id = await crm.create_contact(ContactDraft(call_id="call-1"))
    finished = await crm.finish_call(FINISHED)
    assert await crm.finish_call(FINISHED) == finished
    assert finished.external_id == begun.external_id
    assert [owner.id for owner in finished.owners] == [contact_id]
    sealed = RecordingReference(
        recording_id="r-1", file_name="a.wav", seconds=30.0, channels=2, bytes=960_044, sha256="0" * 64
    )
    await crm.attach_recording("call-1", sealed)
    await crm.attach_transcript("call-1", TranscriptReference(recording_id="r-1", language="ru", text="Алло"))
    async with desk.database.reading() as session:
        call = await desk.crm.activities.of_call(session, "call-1")
    assert call is not None
    assert (call.recording_id, call.transcript, call.talk_seconds) == ("r-1", "Алло", 30.0)


async def test_a_card_shows_who_is_calling(desk: Desk) -> None:
    contact_id = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await desk.crm.register_call(BEGUN)
    await desk.crm.show_card("call-1", ["1001"])
    [card] = [event for event in desk.told if event.kind == "card.shown"]
    assert card.call_id == "call-1"
    assert card.payload == {
        "extensions": ["1001"],
        "number": CUSTOMER,
        "caller_name": "Maria",
        "customer": {"kind": "contact", "id": contact_id, "name": "Maria"},
    }


async def test_an_unknown_number_becomes_a_lead_where_that_is_asked_for(desk: Desk) -> None:
    asking = CallBegun(
        call_id="call-2",
        direction=Direction.INBOUND,
        number=CUSTOMER,
        line_number=LINE,
        started_at=START,
        create_lead=True,
    )
    [owner] = (await desk.crm.register_call(asking)).owners
    assert owner.kind is OwnerKind.LEAD


async def test_what_belongs_to_an_unknown_call_is_refused(desk: Desk) -> None:
    sealed = RecordingReference(recording_id="r", file_name="a.wav", seconds=1, channels=1, bytes=1, sha256="")
    with pytest.raises(CrmNotFoundError):
        await desk.crm.finish_call(FINISHED)
    with pytest.raises(CrmNotFoundError):
        await desk.crm.attach_recording("call-1", sealed)
    with pytest.raises(CrmNotFoundError):
        await desk.crm.attach_transcript("call-1", TranscriptReference(recording_id="r", language="en", text="x"))


async def test_a_contact_goes_before_an_open_lead_and_a_lead_before_a_company(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        await desk.crm.companies.create(session, CompanyDraft(name="Shop", phones=(CUSTOMER,)))
    found = await desk.crm.find_caller("8 916 123-45-67")
    assert found is not None
    assert (found.kind, found.name) == (OwnerKind.COMPANY, "Shop")
    assert await desk.crm.caller_name(CUSTOMER) == "Shop"
    assert await desk.crm.caller_name("+79990000000") is None
    lead_id = await desk.crm.create_lead(LeadDraft(name="Maria?", phones=(CUSTOMER,), responsible="1002"))
    found = await desk.crm.find_caller(CUSTOMER)
    assert found is not None
    assert (found.kind, found.responsible) == (OwnerKind.LEAD, "1002")
    await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    found = await desk.crm.find_caller(CUSTOMER)
    assert found is not None
    assert (found.kind, found.name) == (OwnerKind.CONTACT, "Maria")
    async with desk.database.transaction() as session:
        await desk.crm.leads.update(session, lead_id, LeadChanges(stage="junk"))


async def test_a_finished_lead_is_nobody_to_a_caller(desk: Desk) -> None:
    lead_id = await desk.crm.create_lead(LeadDraft(name="Maria", phones=(CUSTOMER,)))
    async with desk.database.transaction() as session:
        await desk.crm.leads.update(session, lead_id, LeadChanges(stage="junk"))
    assert await desk.crm.find_caller(CUSTOMER) is None


@pytest.mark.parametrize("number", ["", "anonymous", "1001", "+", "9" * 500])
async def test_a_number_that_is_none_finds_nobody(desk: Desk, number: str) -> None:
    assert await desk.crm.find_caller(number) is None
