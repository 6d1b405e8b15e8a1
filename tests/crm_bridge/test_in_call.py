"""Leads and contacts made in mid-call: they carry the caller and the call, once, and colleagues are told."""

import json
from typing import Any

import pytest

from core.events import ContactRequested, LeadRequested
from core.outbox import EMAIL, MQTT
from crm_bridge.ports import CallParty
from crm_bridge.values import ContactDraft, LeadDraft
from tests.crm_bridge.conftest import CUSTOMER, START, Desk, answered, ended, offered


def asked_for(kind: type[LeadRequested] | type[ContactRequested], call_id: str = "call-1", **fields: Any) -> Any:
    return kind(**{"at": START, "call_id": call_id, "by_extension": "1001", "phone": CUSTOMER, **fields})


async def test_a_lead_of_a_live_call_carries_number_name_and_agent(desk: Desk) -> None:
    desk.live.parties["call-1"] = CallParty(CUSTOMER, "Maria", "1001")
    lead_id = await desk.crm.create_lead(LeadDraft(call_id="call-1", note="wants a dress"))
    async with desk.database.reading() as session:
        lead = await desk.crm.leads.get(session, lead_id)
    assert (lead.phones, lead.name, lead.responsible, lead.call_id) == ((CUSTOMER,), "Maria", "1001", "call-1")


async def test_a_contact_of_a_call_in_the_journal_carries_its_number_beside_others(desk: Desk) -> None:
    await desk.journal(offered())
    contact_id = await desk.crm.create_contact(ContactDraft(name="Ana", phones=("+74957654321",), call_id="call-1"))
    async with desk.database.reading() as session:
        contact = await desk.crm.contacts.get(session, contact_id)
    assert contact.phones == ("+74957654321", CUSTOMER)


async def test_a_call_that_nobody_knows_yet_brings_its_number_later(desk: Desk) -> None:
    lead_id = await desk.crm.create_lead(LeadDraft(name="Ana", call_id="call-1"))
    await desk.journal(offered(), answered(), ended())
    async with desk.database.reading() as session:
        assert (await desk.crm.leads.get(session, lead_id)).phones == (CUSTOMER,)


async def test_the_same_call_makes_one_lead_and_one_contact_however_often_asked(desk: Desk) -> None:
    await desk.journal(offered(), asked_for(LeadRequested), asked_for(LeadRequested), asked_for(ContactRequested))
    again = await desk.crm.create_lead(LeadDraft(name="By hand", call_id="call-1"))
    await desk.crm.create_contact(ContactDraft(name="By hand", call_id="call-1"))
    async with desk.database.reading() as session:
        leads = (await desk.crm.leads.list(session)).items
        contacts = (await desk.crm.contacts.list(session)).items
    assert [lead.id for lead in leads] == [again]
    assert len(contacts) == 1
    assert (leads[0].phones, leads[0].responsible, leads[0].source) == ((CUSTOMER,), "1001", "call")


async def test_everybody_interested_is_told_once(desk: Desk) -> None:
    await desk.journal(offered(name="Maria"), asked_for(LeadRequested), asked_for(LeadRequested))
    [event] = [event for event in desk.told if event.kind == "lead.created"]
    assert event.call_id == "call-1"
    assert event.payload["phones"] == [CUSTOMER]
    [by_record, by_call] = await desk.outbox(MQTT)
    assert by_record.address == f"ramal/leads/{event.payload['id']}/created"
    assert by_call.address == "ramal/calls/call-1/lead_created"
    assert json.loads(by_call.body)["name"] == "Maria"
    assert await desk.letters() == [
        ("ana@aurora.example", "New lead: Maria"),
        ("boss@aurora.example", "New lead: Maria"),
    ]
    assert CUSTOMER in (await desk.outbox(EMAIL))[0].body


@pytest.mark.parametrize(("language", "subject"), [("pt-BR", "Novo contato: Maria"), ("ru", "Новый контакт: Maria")])
async def test_letters_are_in_the_language_of_the_company(desk: Desk, language: str, subject: str) -> None:
    desk.company.settings = desk.company.settings.model_copy(update={"language": language})
    await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    assert (await desk.letters())[0] == ("boss@aurora.example", subject)


async def test_nobody_is_told_of_what_was_undone(desk: Desk) -> None:
    async def fail_after_all() -> None:
        async with desk.database.transaction() as session:
            await desk.crm.leads.create(session, LeadDraft(name="Never"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail_after_all()
    assert desk.told == []
    assert await desk.topics() == []
    assert await desk.letters() == []


async def test_live_events_wait_for_the_commit(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        await desk.crm.leads.create(session, LeadDraft(name="First", call_id="call-1"))
        await desk.crm.contacts.create(session, ContactDraft(name="Second", call_id="call-1"))
        assert desk.told == []
    assert [event.kind for event in desk.told] == ["lead.created", "contact.created"]


async def test_a_hidden_caller_becomes_a_lead_that_says_so(desk: Desk) -> None:
    await desk.journal(offered(number="anonymous"), asked_for(LeadRequested, phone="anonymous"))
    async with desk.database.reading() as session:
        [lead] = (await desk.crm.leads.list(session)).items
    assert (lead.name, lead.phones, lead.call_id) == ("Hidden number", (), "call-1")


async def test_a_name_full_of_control_signs_does_not_stop_the_journal(desk: Desk) -> None:
    await desk.journal(offered(name="\x00Ma\r\nria" + "x" * 500), asked_for(LeadRequested, name="\x1b[2J" + "y" * 500))
    async with desk.database.reading() as session:
        [lead] = (await desk.crm.leads.list(session)).items
    assert lead.name.startswith("[2Jyyy")
    assert len(lead.name) == 200


async def test_a_caller_who_is_a_contact_is_not_made_one_again(desk: Desk) -> None:
    known = await desk.crm.create_contact(ContactDraft(name="Maria", phones=(CUSTOMER,)))
    await desk.journal(offered(), asked_for(ContactRequested), ended())
    async with desk.database.reading() as session:
        [contact] = (await desk.crm.contacts.list(session)).items
        call = await desk.crm.activities.of_call(session, "call-1")
    assert (contact.id, contact.call_id, contact.name) == (known, "call-1", "Maria")
    assert call is not None
    assert [owner.id for owner in call.owners] == [known]


async def test_a_contact_of_an_earlier_call_keeps_that_call(desk: Desk) -> None:
    await desk.journal(offered("call-1"), asked_for(ContactRequested, "call-1"), ended("call-1"))
    await desk.journal(offered("call-2"), asked_for(ContactRequested, "call-2"), ended("call-2"))
    async with desk.database.reading() as session:
        [contact] = (await desk.crm.contacts.list(session)).items
    assert contact.call_id == "call-1"
