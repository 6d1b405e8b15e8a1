"""Texts to phones over the API: who may send one as whom, and what is said when it cannot be delivered."""

from __future__ import annotations

import httpx

from api.permissions import Role

from .conftest import Server

PATH = "/api/v1/messages"


async def _extensions(admin: httpx.AsyncClient) -> None:
    for number in ("1001", "1002"):
        answer = await admin.post("/api/v1/extensions", json={"number": number, "name": number})
        assert answer.status_code == 201, answer.text


async def test_a_text_without_a_phone_to_take_it_says_so(admin: httpx.AsyncClient) -> None:
    await _extensions(admin)
    answer = await admin.post(PATH, json={"from": "1001", "to": "1002", "text": "hello"})
    assert answer.status_code == 503
    assert "1002" in answer.json()["detail"]


async def test_a_text_needs_someone_who_sends_it_and_someone_who_gets_it(admin: httpx.AsyncClient) -> None:
    await _extensions(admin)
    for body in (
        {"to": "1002", "text": "x"},
        {"from": "1001", "to": "7777", "text": "x"},
        {"from": "1001", "to": "1002", "text": ""},
        {"from": "1001", "to": "1002", "text": "x" * 2001},
    ):
        answer = await admin.post(PATH, json=body)
        assert answer.status_code == 422, answer.text


async def test_agents_write_as_themselves_only(server: Server, admin: httpx.AsyncClient) -> None:
    await _extensions(admin)
    async with await server.as_role(Role.AGENT, "1001") as agent:
        assert (await agent.post(PATH, json={"to": "1002", "text": "x"})).status_code == 503
        assert (await agent.post(PATH, json={"from": "1002", "to": "1001", "text": "x"})).status_code == 403
