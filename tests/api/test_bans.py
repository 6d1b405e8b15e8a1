"""Bans and the allow-list over the API."""

from __future__ import annotations

import pytest

from api.permissions import Role
from tests.api.conftest import Server


async def test_an_administrator_bans_sees_and_lifts(server: Server) -> None:
    async with await server.as_role(Role.ADMINISTRATOR) as client:
        made = await client.post("/api/v1/bans", json={"address": "2001:db8::7", "seconds": 60, "reason": "noise"})
        assert made.status_code == 201
        assert (made.json()["address"], made.json()["network"]) == ("2001:db8::", "2001:db8::/64")
        await client.post("/api/v1/bans", json={"address": "203.0.113.7"})
        listed = (await client.get("/api/v1/bans")).json()["items"]
        assert [one["network"] for one in listed] == ["2001:db8::/64", "203.0.113.7"]
        assert (await client.delete("/api/v1/bans/2001:db8::")).status_code == 204
        assert (await client.delete("/api/v1/bans/2001:db8::")).status_code == 404
        assert len((await client.get("/api/v1/bans")).json()["items"]) == 1


async def test_the_allow_list_is_kept_over_the_api(server: Server) -> None:
    async with await server.as_role(Role.ADMINISTRATOR) as client:
        await client.post("/api/v1/bans", json={"address": "203.0.113.7"})
        body = {"network": "203.0.113.0/24", "note": "office"}
        made = (await client.post("/api/v1/bans/allowed", json=body)).json()
        assert made["network"] == "203.0.113.0/24"
        assert (await client.post("/api/v1/bans/allowed", json=body)).status_code == 409
        assert (await client.get("/api/v1/bans")).json()["items"] == []
        assert (await client.post("/api/v1/bans", json={"address": "203.0.113.9"})).status_code == 409
        assert [one["note"] for one in (await client.get("/api/v1/bans/allowed")).json()["items"]] == ["office"]
        assert (await client.delete(f"/api/v1/bans/allowed/{made['id']}")).status_code == 204
        assert (await client.post("/api/v1/bans", json={"address": "203.0.113.9"})).status_code == 201


@pytest.mark.parametrize("address", ["", "1.2.3", "example.com", "0.0.0.0/0", "10.0.0.0/33", "x" * 100])
async def test_what_is_no_address_is_refused_with_a_reason(server: Server, address: str) -> None:
    async with await server.as_role(Role.ADMINISTRATOR) as client:
        answer = await client.post("/api/v1/bans", json={"address": address})
        assert answer.status_code == 422
        assert answer.json()["title"]


async def test_others_only_look_and_agents_do_not(server: Server) -> None:
    async with await server.as_role(Role.MANAGER) as client:
        assert (await client.get("/api/v1/bans")).status_code == 200
        assert (await client.post("/api/v1/bans", json={"address": "203.0.113.7"})).status_code == 403
    async with await server.as_role(Role.AGENT, "1001") as client:
        assert (await client.get("/api/v1/bans")).status_code == 403


async def test_a_network_is_banned_and_lifted_by_its_name(server: Server) -> None:
    async with await server.as_role(Role.ADMINISTRATOR) as client:
        made = (await client.post("/api/v1/bans", json={"address": "203.0.113.7/24"})).json()
        assert (made["address"], made["network"]) == ("203.0.113.0/24", "203.0.113.0/24")
        assert (await client.delete("/api/v1/bans/203.0.113.7")).status_code == 404
        assert (await client.delete("/api/v1/bans/203.0.113.0/24")).status_code == 204
        assert (await client.get("/api/v1/bans")).json()["items"] == []
