"""Calls from the journal: each becomes an activity with its recording on the right records; missed ones become leads."""

import asyncio
from datetime import timedelta

import pytest

from core.consumer import ConsumerRunner
from core.database import Database
from core.events import (
    CallFact,
    CallTransferred,
    Direction,
    Disposition,
    LeadRequested,
    RecordingStarted,
    TransferKind,
    TransferResult,
)
from core.journal import Journal
from core.outbox import EMAIL
from crm_bridge.activities import Activities
from crm_bridge.errors import CrmConflictError
from crm_bridge.values import (
    Activity,
    CompanyDraft,
    ContactDraft,
    Lead,
    LeadChanges,
    LeadDraft,
    NoteDraft,
    Owner,
    OwnerKind,
)
from tests.crm_bridge.conftest import CUSTOMER, LINE, START, Desk, answered, ended, offered

RECORDING = "019f0c6e-7a1b-7c3d-9e4f-5a6b7c8d9e0f"


async def leads_of(desk: Desk) -> list[Lead]:
    async with desk.database.reading() as session:
        return (await desk.crm.leads.list(session)).items


async def calls_of(desk: Desk, owner: Owner | None = None) -> list[Activity]:
    async with desk.database.reading() as session:
        return (await desk.crm.activities.list(session, owner=owner, kind="call")).items


def recording(call_id: str = "call-1") -> RecordingStarted:
    return RecordingStarted(
        at=START, call_id=call_id, recording_id=RECORDING, location="a.wav", channels=2, sample_rate=8000
    )


async def test_an_answered_call_is_an_activity_of_everyone_it_concerns(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        company = await desk.crm.companies.create(session, CompanyDraft(name="Shop", phones=(CUSTOMER,)))
    contact_id = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await desk.journal(offered(name="MARIA"), answered(), recording())
    lead_id = await desk.crm.create_lead(LeadDraft(name="Order", call_id="call-1"))
    transferred = CallTransferred(
        at=START,
        call_id="call-1",
        transfer_id="t",
        kind=TransferKind.ATTENDED,
        result=TransferResult.COMPLETED,
        from_extension="1001",
        to_number="1002",
    )
    await desk.journal(transferred, ended())
    [call] = await calls_of(desk)
    assert set(call.owners) == {
        Owner(OwnerKind.CONTACT, contact_id),
        Owner(OwnerKind.LEAD, lead_id),
        Owner(OwnerKind.COMPANY, company.id),
    }
    assert (call.number, call.line_number, call.direction, call.outcome) == (CUSTOMER, LINE, "inbound", "answered")
    assert (call.extension, call.transferred_to, call.recording_id) == ("1001", "1002", RECORDING)
    assert (call.started_at, call.talk_seconds) == (START, 60.0)
    for owner in call.owners:
        assert [found.id for found in await calls_of(desk, owner)] == [call.id]


async def test_an_outgoing_call_is_an_activity_of_the_called(desk: Desk) -> None:
    contact_id = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await desk.journal(offered(direction=Direction.OUTBOUND), ended(disposition=Disposition.BUSY))
    [call] = await calls_of(desk, Owner(OwnerKind.CONTACT, contact_id))
    assert (call.number, call.extension, call.outcome, call.line_number) == (CUSTOMER, "1001", "busy", "carrier")
    assert await leads_of(desk) == []


@pytest.mark.parametrize(
    "disposition", [Disposition.NO_ANSWER, Disposition.BUSY, Disposition.CANCELLED, Disposition.FAILED]
)
async def test_a_missed_call_becomes_a_lead(desk: Desk, disposition: Disposition) -> None:
    await desk.journal(offered(name="Maria"), ended(disposition=disposition))
    [lead] = await leads_of(desk)
    assert (lead.name, lead.phones, lead.source, lead.call_id) == ("Maria", (CUSTOMER,), "missed_call", "call-1")
    assert [call.call_id for call in await calls_of(desk, Owner(OwnerKind.LEAD, lead.id))] == ["call-1"]
    assert await desk.letters() == [("boss@aurora.example", "Missed call, please call back: Maria")]
    [letter] = await desk.outbox(EMAIL)
    assert "Source: Missed call\n" in letter.body


async def test_further_missed_calls_are_activities_of_the_open_lead(desk: Desk) -> None:
    for number in range(1, 4):
        await desk.journal(offered(f"call-{number}"), ended(f"call-{number}", Disposition.NO_ANSWER))
    [lead] = await leads_of(desk)
    calls = await calls_of(desk, Owner(OwnerKind.LEAD, lead.id))
    assert [call.call_id for call in calls] == ["call-3", "call-2", "call-1"]
    assert len(await desk.letters()) == 1


async def test_a_missed_call_after_the_lead_was_finished_makes_another(desk: Desk) -> None:
    await desk.journal(offered("call-1"), ended("call-1", Disposition.NO_ANSWER))
    [first] = await leads_of(desk)
    async with desk.database.transaction() as session:
        await desk.crm.leads.update(session, first.id, LeadChanges(stage="junk"))
    await desk.journal(offered("call-2"), ended("call-2", Disposition.NO_ANSWER))
    assert len(await leads_of(desk)) == 2
    with pytest.raises(CrmConflictError, match="same missed caller"):
        async with desk.database.transaction() as session:
            await desk.crm.leads.update(session, first.id, LeadChanges(stage="new"))


async def test_a_lead_made_by_hand_takes_the_missed_calls_of_its_number(desk: Desk) -> None:
    lead_id = await desk.crm.create_lead(LeadDraft(name="Maria", phones=("8 916 123 45 67",)))
    await desk.journal(offered(), ended(disposition=Disposition.CANCELLED))
    assert [lead.id for lead in await leads_of(desk)] == [lead_id]
    assert len(await calls_of(desk, Owner(OwnerKind.LEAD, lead_id))) == 1


async def test_a_missed_customer_becomes_a_lead_of_his_contact_and_agent(desk: Desk) -> None:
    contact_id = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,), responsible="1001"))
    await desk.journal(offered(), ended(disposition=Disposition.NO_ANSWER))
    [lead] = await leads_of(desk)
    assert (lead.name, lead.contact_id, lead.responsible) == ("Maria", contact_id, "1001")
    [call] = await calls_of(desk)
    assert set(call.owners) == {Owner(OwnerKind.CONTACT, contact_id), Owner(OwnerKind.LEAD, lead.id)}


@pytest.mark.parametrize("disposition", [Disposition.ANSWERED, Disposition.INTERRUPTED])
async def test_a_call_that_was_not_missed_makes_no_lead(desk: Desk, disposition: Disposition) -> None:
    await desk.journal(offered(), ended(disposition=disposition))
    assert await leads_of(desk) == []
    assert len(await calls_of(desk)) == 1


@pytest.mark.parametrize("number", ["", "anonymous", "Restricted", "+0", "1" * 60])
async def test_a_hidden_caller_is_an_activity_of_nobody(desk: Desk, number: str) -> None:
    await desk.journal(offered(number=number), ended(disposition=Disposition.NO_ANSWER))
    [call] = await calls_of(desk)
    assert (call.number, call.owners) == ("", ())
    assert await leads_of(desk) == []


async def test_calls_between_extensions_leave_no_trace(desk: Desk) -> None:
    await desk.journal(offered(number="1002", direction=Direction.INTERNAL), ended(disposition=Disposition.NO_ANSWER))
    assert await calls_of(desk) == []
    assert await leads_of(desk) == []


async def test_earlier_calls_of_an_unknown_number_come_with_its_new_contact(desk: Desk) -> None:
    await desk.journal(offered("call-1"), ended("call-1"))
    contact_id = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    assert len(await calls_of(desk, Owner(OwnerKind.CONTACT, contact_id))) == 1


async def test_a_note_on_a_call_stands_with_its_records(desk: Desk) -> None:
    contact_id = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await desk.journal(offered())
    async with desk.database.transaction() as session:
        note = await desk.crm.activities.create_note(session, NoteDraft(text="angry", call_id="call-1"))
    assert note.owners == (Owner(OwnerKind.CONTACT, contact_id),)


async def test_a_call_that_goes_on_cannot_be_deleted(desk: Desk) -> None:
    await desk.journal(offered())
    [call] = await calls_of(desk)
    activities: Activities = desk.crm.activities
    with pytest.raises(CrmConflictError):
        async with desk.database.transaction() as session:
            await activities.delete(session, call.id)
    await desk.journal(ended())
    async with desk.database.transaction() as session:
        await activities.delete(session, call.id)


async def test_a_replay_of_the_whole_journal_changes_nothing(desk: Desk) -> None:
    facts: list[CallFact] = [
        offered("call-1", name="Maria"),
        ended("call-1", Disposition.NO_ANSWER),
        offered("call-2"),
        answered("call-2"),
        recording("call-2"),
        LeadRequested(at=START, call_id="call-2", by_extension="1001", phone=CUSTOMER),
        ended("call-2"),
    ]
    await desk.journal(*facts)
    before = (await leads_of(desk), await calls_of(desk), await desk.topics(), await desk.letters())
    await desk.journal(*facts)
    await desk.journal(*reversed(facts))
    assert (await leads_of(desk), await calls_of(desk), await desk.topics(), await desk.letters()) == before


async def test_a_crash_between_two_batches_neither_loses_nor_doubles(
    desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, "node-1")
    for number in range(6):
        at = START + timedelta(minutes=number)
        journal.append(offered(f"call-{number}", at=at))
        journal.append(ended(f"call-{number}", Disposition.NO_ANSWER, at=at))
    await journal.flushed()
    await ConsumerRunner(journal, desk.database, desk.consumer, batch=5).step()
    await journal.close()
    reopened = Journal(folder, "node-1")
    runner = ConsumerRunner(reopened, desk.database, desk.consumer, batch=5)
    while await runner.step():
        pass
    await reopened.close()
    assert len(await leads_of(desk)) == 1
    assert len(await calls_of(desk)) == 6
    assert runner.position == 12


async def test_two_nodes_that_miss_the_same_number_at_once_make_one_lead(desk: Desk, database: Database) -> None:
    async def miss(call_id: str) -> None:
        await desk.journal(offered(call_id), ended(call_id, Disposition.NO_ANSWER))

    await asyncio.gather(*(miss(f"call-{number}") for number in range(4)))
    [lead] = await leads_of(desk)
    assert len(await calls_of(desk, Owner(OwnerKind.LEAD, lead.id))) == 4
