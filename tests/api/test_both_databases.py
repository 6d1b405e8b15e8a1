"""What depends on the database's own ways: conflicts, claims, cursors and sums, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio

import httpx

from api.app import openapi_description
from api.permissions import Role

from .conftest import PASSWORD, Server
from .story import INBOUND, MOBILE, OUTBOUND, inbound_call, outbound_call


async def test_conflicts_and_claims_hold_side_by_side(any_server: Server) -> None:
    async with await any_server.as_role(Role.ADMINISTRATOR) as admin:
        body = {"username": "rui", "name": "Rui", "role": "administrator"}
        same = await asyncio.gather(
            *(admin.post("/api/v1/users", json=body, headers={"Idempotency-Key": "one"}) for _ in range(8))
        )
        assert {answer.status_code for answer in same} == {201}
        assert len({answer.content for answer in same}) == 1
        rivals = await asyncio.gather(*(admin.post("/api/v1/users", json=body | {"username": "eva"}) for _ in range(8)))
        assert sorted(answer.status_code for answer in rivals) == [201] + [409] * 7
        users = (await admin.get("/api/v1/users")).json()["items"]
        removed = await asyncio.gather(*(admin.delete(f"/api/v1/users/{user['id']}") for user in users))
        assert sorted(answer.status_code for answer in removed) == [204, 409]


async def test_sessions_tokens_and_the_trail(any_server: Server) -> None:
    await any_server.make_user("boss", Role.ADMINISTRATOR)
    async with any_server.client() as client:
        signed_in = await client.post("/api/v1/session", json={"username": "boss", "password": PASSWORD})
        assert signed_in.status_code == 201
        any_server.clock.advance(120)
        assert (await client.get("/api/v1/session")).status_code == 200
        first = (await client.get("/api/v1/audit", params={"since": "2026-01-01T00:00:00Z"})).json()["items"]
        assert [one["action"] for one in first] == ["sign_in"]
        wrong = await client.post("/api/v1/leads", json={"name": "nul \u0000"})
        assert wrong.status_code == 422
        assert (await client.delete("/api/v1/session")).status_code == 204


async def test_histories_bills_and_cursors(any_server: Server) -> None:
    await any_server.journal(*inbound_call(), *outbound_call())
    async with await any_server.as_role(Role.ADMINISTRATOR) as admin:
        rates = "prefix,kind,price_per_minute,currency\n7903,mobile,1.57,RUB\n7495,landline,0.72,RUB\n"
        imported = await admin.post("/api/v1/rates/import", content=rates, headers={"Content-Type": "text/csv"})
        assert imported.json()["rated"] == 1
        assert await _walk(admin, "/api/v1/cdrs", "id") == [OUTBOUND, INBOUND]
        assert await _walk(admin, "/api/v1/rates", "prefix") == ["7495", "7903"]
        for number in range(3):
            await admin.post("/api/v1/leads", json={"name": f"Customer {number}"})
        assert await _walk(admin, "/api/v1/leads", "name") == ["Customer 2", "Customer 1", "Customer 0"]
        (charge,) = (await admin.get("/api/v1/cdrs", params={"number": MOBILE})).json()["items"][0]["charges"]
        assert (charge["amount"], charge["currency"]) == ("3.14", "RUB")
    async with await any_server.as_role(Role.AGENT, "1001") as agent:
        assert await _walk(agent, "/api/v1/cdrs", "id") == [INBOUND]
        assert len((await agent.get("/api/v1/recordings")).json()["items"]) == 1
    async with await any_server.as_role(Role.AGENT, "1003") as agent:
        assert (await agent.get("/api/v1/recordings")).json()["items"] == []


async def _walk(client: httpx.AsyncClient, path: str, field: str) -> list[str]:
    """Return a field of every item, read one item a page."""
    found: list[str] = []
    cursor = None
    while True:
        page = (await client.get(path, params={"limit": 1} | ({"cursor": cursor} if cursor else {}))).json()
        found += [item[field] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def test_nul_in_a_text_is_refused_wherever_it_stands(any_server: Server) -> None:
    async with any_server.client() as stranger:
        credentials = {"username": "a\0b", "password": PASSWORD}
        assert (await stranger.post("/api/v1/session", json=credentials)).status_code == 422
    async with await any_server.as_role(Role.ADMINISTRATOR) as admin:
        for path, operations in openapi_description()["paths"].items():
            asked = [one["name"] for one in operations.get("get", {}).get("parameters", ()) if one["in"] == "query"]
            for name in asked:
                answer = await admin.get(path.replace("{", "").replace("}", ""), params={name: "a\0b"})
                assert answer.status_code in {404, 422}, f"{path} {name}: {answer.text}"
        for path, body in (
            ("deals", {"title": "Till", "contact_id": "a\0b"}),
            ("tariffs", {"name": "Carrier", "trunks": ["a\0b"]}),
        ):
            assert (await admin.post(f"/api/v1/{path}", json=body)).status_code == 422, path
