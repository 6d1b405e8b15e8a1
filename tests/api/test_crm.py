"""Leads, contacts, companies, deals and activities over the API."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from api.permissions import Role
from core.events import CallOffered, Direction, Disposition
from crm_bridge.interface import CallBegun, CallFinished, RecordingReference, TranscriptReference

from .conftest import Server
from .story import Teller, at

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NUMBER = "+79161234567"
RECORDING = "018f3c5e-7a1b-7c3d-9e4f-5a6b7c8d9e0f"


async def make_call(server: Server, call_id: str = "call-1", extension: str = "1001") -> None:
    crm = server.services.crm
    await crm.register_call(
        CallBegun(
            call_id=call_id,
            direction=Direction.INBOUND,
            number=NUMBER,
            line_number="+74951112233",
            started_at=START,
            extension=extension,
        )
    )
    await crm.finish_call(
        CallFinished(
            call_id=call_id,
            disposition=Disposition.ANSWERED,
            ended_at=START.replace(minute=2),
            answered_at=START.replace(minute=1),
            extension=extension,
        )
    )
    await crm.attach_recording(
        call_id,
        RecordingReference(
            recording_id=RECORDING, file_name="a.wav", seconds=60.0, channels=2, bytes=1, sha256="0" * 64
        ),
    )
    await crm.attach_transcript(call_id, TranscriptReference(recording_id=RECORDING, language="ru", text="Добрый день"))


async def test_a_lead_made_in_a_call_carries_its_number_and_its_history(server: Server) -> None:
    await make_call(server)
    async with await server.as_role(Role.AGENT, "1001") as agent:
        made = await agent.post("/api/v1/leads", json={"name": "Ivan", "source": "phone", "call_id": "call-1"})
        assert made.status_code == 201
        lead = made.json()
        assert lead["phones"] == [NUMBER]
        assert (lead["stage"], lead["open"], lead["call_id"]) == ("new", True, "call-1")
        again = await agent.post("/api/v1/leads", json={"name": "Ivan again", "call_id": "call-1"})
        assert again.json()["id"] == lead["id"]
        shown = (await agent.get(f"/api/v1/leads/{lead['id']}")).json()
        (activity,) = shown["activities"]
        assert (activity["kind"], activity["outcome"], activity["talk_seconds"]) == ("call", "answered", 60.0)
        assert activity["recording_id"] == RECORDING
        assert activity["started_at"] == "2026-03-02T09:00:00Z"
        listed = (await agent.get("/api/v1/leads", params={"call_id": "call-1"})).json()["items"]
        assert [one["id"] for one in listed] == [lead["id"]]
        assert listed[0]["activities"] == shown["activities"]


async def test_what_was_said_in_calls_of_others_is_not_for_agents(server: Server, admin: httpx.AsyncClient) -> None:
    await make_call(server, extension="1001")
    lead = (await admin.post("/api/v1/leads", json={"call_id": "call-1"})).json()
    assert lead["activities"][0]["transcript"] == "Добрый день"
    for extension, transcript in (("1001", "Добрый день"), ("1002", None)):
        async with await server.as_role(Role.AGENT, extension) as agent:
            for activity in (
                (await agent.get(f"/api/v1/leads/{lead['id']}")).json()["activities"][0],
                (await agent.get("/api/v1/activities")).json()["items"][0],
                (await agent.get(f"/api/v1/activities/{lead['activities'][0]['id']}")).json(),
            ):
                assert activity["transcript"] == transcript
                assert (activity["recording_id"] is None) == (transcript is None)


@pytest.mark.parametrize("what", ["leads", "contacts", "activities"])
async def test_an_agent_writes_nothing_about_a_call_of_others(server: Server, what: str) -> None:
    call = Teller("call-1")
    call.facts.append(
        CallOffered(
            at=at(0),
            call_id="call-1",
            direction=Direction.INBOUND,
            from_number=NUMBER,
            to_number="+74951112233",
            dialled="+74951112233",
            sip_call_id="one@carrier",
        )
    )
    call.leg("a", "1001", begin=0, answer=1, end=60)
    await server.journal(*call.facts)
    await make_call(server)
    body = {"text": "Rang twice"} if what == "activities" else {"name": "Ivan"}
    async with await server.as_role(Role.AGENT, "1002") as other:
        refused = await other.post(f"/api/v1/{what}", json=body | {"call_id": "call-1"})
        assert (refused.status_code, NUMBER in refused.text) == (404, False)
    for role, extension in ((Role.AGENT, "1001"), (Role.MANAGER, None)):
        async with await server.as_role(role, extension) as allowed:
            assert (await allowed.post(f"/api/v1/{what}", json=body | {"call_id": "call-1"})).status_code == 201


async def test_a_lead_goes_through_its_stages_and_away(admin: httpx.AsyncClient) -> None:
    contact = (await admin.post("/api/v1/contacts", json={"name": "Eva", "phones": ["8 916 123-45-67"]})).json()
    assert contact["phones"] == [NUMBER]
    lead = (await admin.post("/api/v1/leads", json={"name": "Eva", "contact_id": contact["id"]})).json()
    path = f"/api/v1/leads/{lead['id']}"
    changed = await admin.patch(path, json={"stage": "converted", "note": "two\nlines", "emails": ["EVA@example.com"]})
    assert changed.status_code == 200
    body = changed.json()
    assert (body["stage"], body["open"], body["emails"]) == ("converted", False, ["eva@example.com"])
    refused = await admin.patch(path, json={"stage": "junk"})
    assert refused.status_code == 409
    assert refused.json()["hint"]
    assert (await admin.patch(path, json={"contact_id": None})).json()["contact_id"] is None
    assert (await admin.patch(path, json={"name": None})).json()["errors"][0]["field"] == "body.name"
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "name"),
        ({"phones": ["not a number"]}, "phones"),
        ({"phones": ["12"]}, "phones"),
        ({"name": "A", "emails": ["nobody"]}, "emails"),
        ({"name": "A", "stage": "sold"}, "stage"),
        ({"name": "A\u0007"}, "name"),
        ({"name": "A", "call_id": "../x"}, "call_id"),
        ({"name": "A", "phones": ["+7916"] * 51}, "phones"),
    ],
)
async def test_wrong_leads_name_the_field(admin: httpx.AsyncClient, body: dict[str, object], named: str) -> None:
    answer = await admin.post("/api/v1/leads", json=body)
    assert answer.status_code == 422
    assert named in answer.text


async def test_a_lead_may_begin_in_another_stage(admin: httpx.AsyncClient) -> None:
    lead = (await admin.post("/api/v1/leads", json={"name": "Ivan", "stage": "in_progress"})).json()
    assert lead["stage"] == "in_progress"


async def test_a_list_is_searched_and_paged(admin: httpx.AsyncClient) -> None:
    for number in range(5):
        await admin.post("/api/v1/contacts", json={"name": f"Customer {number}", "phones": [f"+7916123450{number}"]})
    found = (await admin.get("/api/v1/contacts", params={"search": "1234503"})).json()["items"]
    assert [one["name"] for one in found] == ["Customer 3"]
    first = (await admin.get("/api/v1/contacts", params={"limit": 3})).json()
    rest = (await admin.get("/api/v1/contacts", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [one["name"][-1] for one in first["items"] + rest["items"]] == ["4", "3", "2", "1", "0"]
    assert rest["next_cursor"] is None
    assert (await admin.get("/api/v1/contacts", params={"cursor": "WyJ4Il0"})).status_code == 422


async def test_companies_deals_and_notes(admin: httpx.AsyncClient) -> None:
    company = (await admin.post("/api/v1/companies", json={"name": "Padaria"})).json()
    deal = await admin.post("/api/v1/deals", json={"title": "Ovens", "amount": "1500.50", "company_id": company["id"]})
    assert deal.status_code == 201
    assert (Decimal(deal.json()["amount"]), deal.json()["currency"]) == (Decimal("1500.5"), "RUB")
    path = f"/api/v1/deals/{deal.json()['id']}"
    assert (await admin.patch(path, json={"stage": "won"})).json()["open"] is False
    assert (await admin.patch(path, json={"amount": None})).json()["amount"] is None
    for amount in ("-1", "NaN", "1e400", "0.0000001"):
        assert (await admin.patch(path, json={"amount": amount})).status_code == 422
    note = await admin.post(
        "/api/v1/activities", json={"text": "Call back", "owners": [{"kind": "company", "id": company["id"]}]}
    )
    assert note.status_code == 201
    history = await admin.get(
        "/api/v1/activities", params={"owner_kind": "company", "owner_id": company["id"], "kind": "note"}
    )
    assert [one["text"] for one in history.json()["items"]] == ["Call back"]
    assert (await admin.get("/api/v1/activities", params={"owner_id": company["id"]})).status_code == 422
    shown = (await admin.get(f"/api/v1/companies/{company['id']}")).json()
    assert shown["activities"][0]["created_by"] == "administrator token"


async def test_an_agent_changes_leads_but_removes_none(server: Server, admin: httpx.AsyncClient) -> None:
    lead = (await admin.post("/api/v1/leads", json={"name": "Ivan"})).json()
    async with await server.as_role(Role.AGENT, "1001") as agent:
        assert (await agent.patch(f"/api/v1/leads/{lead['id']}", json={"note": "x"})).status_code == 200
        assert (await agent.delete(f"/api/v1/leads/{lead['id']}")).status_code == 403


@pytest.mark.parametrize("kind", ["leads", "contacts"])
async def test_what_is_not_known_of_a_customer_may_be_null(admin: httpx.AsyncClient, kind: str) -> None:
    body: dict[str, object] = {
        "name": "Ivan",
        "phones": [],
        "emails": [],
        "source": None,
        "responsible": None,
        "call_id": None,
        "note": None,
    }
    made = await admin.post(f"/api/v1/{kind}", json=body)
    assert made.status_code == 201
    assert (made.json()["note"], made.json()["call_id"]) == ("", None)
