"""Leads, contacts and companies as records: stored, read, searched, paged, changed and deleted."""

import pytest

from crm_bridge.errors import CrmConflictError, CrmInputError, CrmNotFoundError
from crm_bridge.values import (
    CompanyChanges,
    CompanyDraft,
    ContactChanges,
    ContactDraft,
    LeadChanges,
    LeadDraft,
    LeadStage,
    NoteDraft,
    Owner,
    OwnerKind,
)
from tests.crm_bridge.conftest import START, Desk


async def test_a_lead_is_stored_with_its_numbers_in_e164(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        lead = await desk.crm.leads.create(
            session,
            LeadDraft(
                name="  Мария Иванова ",
                phones=("8 (916) 123-45-67", "+7 916 1234567", "0044 20 7946 0958"),
                emails=("Maria@Example.COM",),
                source="web",
                responsible="1001",
                note="Asked about\nthe price",
            ),
        )
    async with desk.database.reading() as session:
        stored = await desk.crm.leads.get(session, lead.id)
    assert stored == lead
    assert stored.name == "Мария Иванова"
    assert stored.phones == ("+79161234567", "+442079460958")
    assert stored.emails == ("maria@example.com",)
    assert (stored.stage, stored.open, stored.call_id) == (LeadStage.NEW, True, None)
    assert stored.created_at == START


@pytest.mark.parametrize(
    ("draft", "named"),
    [
        (LeadDraft(), "needs at least a name"),
        (LeadDraft(name="x" * 201), "name"),
        (LeadDraft(name="two\nlines"), "name"),
        (LeadDraft(name="bell\x07"), "name"),
        (LeadDraft(name="A", phones=("12",)), "phones"),
        (LeadDraft(name="A", phones=("'; DROP TABLE leads",)), "phones"),
        (LeadDraft(name="A", phones=tuple(f"+7916123{n:04}" for n in range(21))), "phones"),
        (LeadDraft(name="A", emails=("no-at-sign",)), "emails"),
        (LeadDraft(name="A", emails=("a@b.example\r\nBcc: all@b.example",)), "emails"),
        (LeadDraft(name="A", source="s" * 65), "source"),
        (LeadDraft(name="A", responsible="r" * 65), "responsible"),
        (LeadDraft(name="A", note="n" * 10_001), "note"),
        (LeadDraft(name="A", call_id="calls/+/#"), "call_id"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(desk: Desk, draft: LeadDraft, named: str) -> None:
    with pytest.raises(CrmInputError, match=named):
        async with desk.database.transaction() as session:
            await desk.crm.leads.create(session, draft)
    assert desk.told == []
    assert await desk.topics() == []


async def test_a_lead_without_a_name_is_called_by_its_number(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        lead = await desk.crm.leads.create(session, LeadDraft(phones=("89161234567",)))
    assert lead.name == "+79161234567"


async def test_an_unknown_id_is_not_found_whatever_it_looks_like(desk: Desk) -> None:
    async with desk.database.reading() as session:
        for unknown in ("", "nothing", "x" * 5000, "019f0c6e-7a1b-7c3d-9e4f-5a6b7c8d9e0f"):
            with pytest.raises(CrmNotFoundError):
                await desk.crm.leads.get(session, unknown)


async def test_changes_touch_only_what_they_name(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        contact = await desk.crm.contacts.create(
            session, ContactDraft(name="Ana", phones=("89161234567",), emails=("ana@x.example",), note="old")
        )
    desk.clock.advance(60)
    async with desk.database.transaction() as session:
        changed = await desk.crm.contacts.update(
            session, contact.id, ContactChanges(name="Ana Souza", phones=("+5511987654321",))
        )
    assert (changed.name, changed.phones) == ("Ana Souza", ("+5511987654321",))
    assert (changed.emails, changed.note) == (("ana@x.example",), "old")
    assert (changed.updated_at - changed.created_at).total_seconds() == 60
    with pytest.raises(CrmInputError, match="name"):
        async with desk.database.transaction() as session:
            await desk.crm.contacts.update(session, contact.id, ContactChanges(name=" "))


async def test_a_stage_follows_only_where_the_table_says_so(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        lead = await desk.crm.leads.create(session, LeadDraft(name="A"))
        lead = await desk.crm.leads.update(session, lead.id, LeadChanges(stage="in_progress"))
        assert lead.open
        lead = await desk.crm.leads.update(session, lead.id, LeadChanges(stage="converted"))
        assert not lead.open
    with pytest.raises(CrmConflictError, match="converted cannot become junk"):
        async with desk.database.transaction() as session:
            await desk.crm.leads.update(session, lead.id, LeadChanges(stage="junk"))
    with pytest.raises(CrmInputError, match="stage"):
        async with desk.database.transaction() as session:
            await desk.crm.leads.update(session, lead.id, LeadChanges(stage="sold"))


async def test_lists_page_from_the_newest_to_the_oldest_without_gaps(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        for number in range(7):
            await desk.crm.leads.create(session, LeadDraft(name=f"Lead {number}"))
    names, cursor = [], None
    async with desk.database.reading() as session:
        while True:
            page = await desk.crm.leads.list(session, limit=3, cursor=cursor)
            names += [lead.name for lead in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert names == [f"Lead {number}" for number in range(6, -1, -1)]


@pytest.mark.parametrize("arguments", [{"limit": 0}, {"limit": 201}, {"cursor": "x' OR 1=1"}, {"stage": "hot"}])
async def test_a_wrong_page_is_refused(desk: Desk, arguments: dict[str, object]) -> None:
    async with desk.database.reading() as session:
        with pytest.raises(CrmInputError):
            await desk.crm.leads.list(session, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "search", ["мария", "ИВАН", "8 916 123-45-67", "+79161234567", "123-45", "maria@", "MARIA@EXAMPLE.com"]
)
async def test_a_customer_is_found_by_part_of_name_phone_or_email(desk: Desk, search: str) -> None:
    async with desk.database.transaction() as session:
        await desk.crm.contacts.create(session, ContactDraft(name="Пётр", phones=("+79035550000",)))
        await desk.crm.contacts.create(
            session, ContactDraft(name="Мария Иванова", phones=("+79161234567",), emails=("maria@example.com",))
        )
    async with desk.database.reading() as session:
        page = await desk.crm.contacts.list(session, search=search)
    assert [contact.name for contact in page.items] == ["Мария Иванова"]


async def test_signs_of_the_pattern_language_are_searched_as_they_are(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        await desk.crm.contacts.create(session, ContactDraft(name="Plain"))
        await desk.crm.contacts.create(session, ContactDraft(name="100% cotton_"))
    async with desk.database.reading() as session:
        assert len((await desk.crm.contacts.list(session, search="%")).items) == 1
        assert len((await desk.crm.contacts.list(session, search="n_")).items) == 1


async def test_filters_of_leads_hold_together(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        mine = await desk.crm.leads.create(session, LeadDraft(name="Mine", responsible="1001", call_id="call-7"))
        done = await desk.crm.leads.create(session, LeadDraft(name="Done", responsible="1001"))
        await desk.crm.leads.create(session, LeadDraft(name="Other", responsible="1002"))
        await desk.crm.leads.update(session, done.id, LeadChanges(stage="junk"))
        found = await desk.crm.leads.list(session, responsible="1001", only_open=True)
        assert [lead.id for lead in found.items] == [mine.id]
        assert [lead.id for lead in (await desk.crm.leads.list(session, stage="junk")).items] == [done.id]
        assert [lead.id for lead in (await desk.crm.leads.list(session, call_id="call-7")).items] == [mine.id]


async def test_a_deleted_company_leaves_its_people_without_it(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        company = await desk.crm.companies.create(session, CompanyDraft(name="Aurora", phones=("+74951112233",)))
        contact = await desk.crm.contacts.create(session, ContactDraft(name="Ana", company_id=company.id))
        lead = await desk.crm.leads.create(session, LeadDraft(name="Bia", company_id=company.id))
    async with desk.database.transaction() as session:
        await desk.crm.companies.delete(session, company.id)
    async with desk.database.reading() as session:
        assert (await desk.crm.contacts.get(session, contact.id)).company_id is None
        assert (await desk.crm.leads.get(session, lead.id)).company_id is None
        with pytest.raises(CrmNotFoundError):
            await desk.crm.companies.get(session, company.id)
    assert await desk.crm.find_caller("+74951112233") is None


async def test_a_record_cannot_belong_to_one_that_does_not_exist(desk: Desk) -> None:
    with pytest.raises(CrmNotFoundError, match="company"):
        async with desk.database.transaction() as session:
            await desk.crm.contacts.create(session, ContactDraft(name="Ana", company_id="nowhere"))
    async with desk.database.reading() as session:
        assert (await desk.crm.contacts.list(session)).items == []


async def test_a_company_is_changed(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        company = await desk.crm.companies.create(session, CompanyDraft(name="Aurora"))
        changed = await desk.crm.companies.update(session, company.id, CompanyChanges(emails=("a@aurora.example",)))
    assert changed.emails == ("a@aurora.example",)


async def test_a_note_stands_with_all_its_records(desk: Desk) -> None:
    async with desk.database.transaction() as session:
        contact = await desk.crm.contacts.create(session, ContactDraft(name="Ana"))
        lead = await desk.crm.leads.create(session, LeadDraft(name="Ana's order"))
        owners = (Owner(OwnerKind.CONTACT, contact.id), Owner(OwnerKind.LEAD, lead.id))
        note = await desk.crm.activities.create_note(session, NoteDraft(text="Call on Monday", owners=owners))
    async with desk.database.transaction() as session:
        await desk.crm.activities.update(session, note.id, "Call on Tuesday")
    async with desk.database.transaction() as session:
        for owner in owners:
            page = await desk.crm.activities.list(session, owner=owner)
            assert [activity.text for activity in page.items] == ["Call on Tuesday"]
        await desk.crm.activities.delete(session, note.id)
        assert (await desk.crm.activities.list(session)).items == []


async def test_a_note_needs_text_and_a_place(desk: Desk) -> None:
    async with desk.database.reading() as session:
        with pytest.raises(CrmInputError, match="text"):
            await desk.crm.activities.create_note(session, NoteDraft(text=" ", call_id="call-1"))
        with pytest.raises(CrmInputError, match="belong"):
            await desk.crm.activities.create_note(session, NoteDraft(text="lost"))
        with pytest.raises(CrmNotFoundError):
            await desk.crm.activities.create_note(
                session, NoteDraft(text="x", owners=(Owner(OwnerKind.LEAD, "nowhere"),))
            )
