"""The call history over the API: what a call was, what it cost, and whose it is."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy import event

from api.permissions import Role
from core.identifiers import new_id

from .conftest import Server
from .story import COMPANY, CUSTOMER, INBOUND, MOBILE, OUTBOUND, RECORDING, inbound_call, outbound_call

RATE = {"prefix": "79", "kind": "mobile", "price_per_minute": "1.57", "currency": "RUB"}


@pytest.fixture
async def told(server: Server, admin: httpx.AsyncClient) -> Server:
    await admin.post("/api/v1/rates", json=RATE)
    await server.journal(*inbound_call(), *outbound_call())
    return server


async def test_a_call_is_shown_with_legs_transfer_and_recording(told: Server, admin: httpx.AsyncClient) -> None:
    cdr = (await admin.get(f"/api/v1/cdrs/{INBOUND}")).json()
    assert (cdr["id"], cdr["call_id"], cdr["direction"], cdr["disposition"]) == (
        INBOUND,
        INBOUND,
        "inbound",
        "answered",
    )
    assert (cdr["from_number"], cdr["to_number"], cdr["from_name"]) == (CUSTOMER, COMPANY, "Ivan")
    assert (cdr["started_at"], cdr["answered_at"]) == ("2026-03-02T09:00:00Z", "2026-03-02T09:00:10Z")
    assert cdr["talk_seconds"] == 120.0
    assert cdr["recording_id"] == RECORDING
    assert [(leg["number"], leg["role"], leg["answered_at"] is not None) for leg in cdr["legs"]] == [
        (CUSTOMER, "customer", True),
        ("1003", "agent", False),
        ("1001", "agent", True),
        ("1002", "agent", True),
    ]
    (transfer,) = cdr["transfers"]
    assert (transfer["kind"], transfer["from_extension"], transfer["to_number"], transfer["result"]) == (
        "attended",
        "1001",
        "1002",
        "completed",
    )
    assert cdr["charges"] == []
    (sample,) = cdr["legs"][2]["quality"]
    assert (sample["at"], sample["seconds"], sample["loss"]) == ("2026-03-02T09:00:20Z", 10, 0.02)
    assert (sample["round_trip_ms"], sample["mos"], sample["far_loss"], sample["far_mos"]) == (31.0, 3.4, 0.0, None)
    assert cdr["legs"][0]["quality"] == []
    (listed,) = (await admin.get("/api/v1/cdrs", params={"direction": "inbound"})).json()["items"]
    assert all(leg["quality"] is None for leg in listed["legs"])


async def test_a_call_out_is_shown_with_its_bill(told: Server, admin: httpx.AsyncClient) -> None:
    (cdr,) = (await admin.get("/api/v1/cdrs", params={"direction": "outbound"})).json()["items"]
    (charge,) = cdr["charges"]
    assert {name: charge[name] for name in ("number", "kind", "seconds", "billed_seconds", "amount", "currency")} == {
        "number": MOBILE,
        "kind": "mobile",
        "seconds": 61,
        "billed_seconds": 120,
        "amount": "3.14",
        "currency": "RUB",
    }
    rate = (await admin.get(f"/api/v1/rates/{charge['rate_id']}")).json()
    assert rate["price_per_minute"] == "1.57"
    refused = await admin.patch(f"/api/v1/rates/{charge['rate_id']}", json={"price_per_minute": "2"})
    assert refused.status_code == 409
    assert (await admin.delete(f"/api/v1/rates/{charge['rate_id']}")).json() == {"result": "closed"}


async def test_a_charge_without_a_rate_says_so(server: Server, admin: httpx.AsyncClient) -> None:
    await server.journal(*outbound_call())
    (charge,) = (await admin.get(f"/api/v1/cdrs/{OUTBOUND}")).json()["charges"]
    assert (charge["state"], charge["amount"], charge["rate_id"]) == ("unrated", None, None)
    await admin.post("/api/v1/rates", json=RATE)
    (charge,) = (await admin.get(f"/api/v1/cdrs/{OUTBOUND}")).json()["charges"]
    assert (charge["state"], charge["amount"]) == ("rated", "3.14")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [OUTBOUND, INBOUND]),
        ({"number": MOBILE}, [OUTBOUND]),
        ({"number": "8 903 111-22-33"}, [OUTBOUND]),
        ({"number": "1001"}, [INBOUND]),
        ({"number": "nobody"}, []),
        ({"extension": "1002"}, [OUTBOUND, INBOUND]),
        ({"extension": "1003", "disposition": "answered"}, [INBOUND]),
        ({"disposition": "busy"}, []),
        ({"started_from": "2026-03-02T09:10:00Z"}, [OUTBOUND]),
        ({"started_to": "2026-03-02T12:10:00+03:00"}, [INBOUND]),
    ],
)
async def test_the_history_is_filtered(
    told: Server, admin: httpx.AsyncClient, query: dict[str, str], found: list[str]
) -> None:
    assert [cdr["id"] for cdr in (await admin.get("/api/v1/cdrs", params=query)).json()["items"]] == found


async def test_the_history_pages_to_the_end(told: Server, admin: httpx.AsyncClient) -> None:
    first = (await admin.get("/api/v1/cdrs", params={"limit": 1})).json()
    second = (await admin.get("/api/v1/cdrs", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [first["items"][0]["id"], second["items"][0]["id"]] == [OUTBOUND, INBOUND]
    assert second["next_cursor"] is None
    for cursor in ("WyJ4Il0", "WyIyMDI2LTAzLTAyIl0"):
        assert (await admin.get("/api/v1/cdrs", params={"cursor": cursor})).status_code == 422


async def test_an_agent_sees_own_calls_only(told: Server) -> None:
    async with await told.as_role(Role.AGENT, "1001") as agent:
        assert [cdr["id"] for cdr in (await agent.get("/api/v1/cdrs")).json()["items"]] == [INBOUND]
        assert (await agent.get(f"/api/v1/cdrs/{INBOUND}")).status_code == 200
        hidden, missing = await agent.get(f"/api/v1/cdrs/{OUTBOUND}"), await agent.get(f"/api/v1/cdrs/{new_id()}")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json()["type"] == missing.json()["type"]
        assert (await agent.get("/api/v1/cdrs", params={"extension": "1002"})).status_code == 403


async def test_a_page_takes_a_fixed_number_of_queries(told: Server, admin: httpx.AsyncClient) -> None:
    counted: list[str] = []
    engine = told.services.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))

    async def queries(limit: int) -> int:
        counted.clear()
        assert len((await admin.get("/api/v1/cdrs", params={"limit": limit})).json()["items"]) == limit
        return len(counted)

    await queries(1)
    assert await queries(1) == await queries(2)
