"""The same key and body: the same answer and no second effect, also side by side."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from sqlalchemy import select

from api.permissions import Role
from api.tables import IdempotencyRecord

from .conftest import Server

BODY = {"username": "rui", "name": "Rui", "role": "agent"}
KEY = {"Idempotency-Key": "2f1c6f0e-0b55-4b61-8f0e-9b7a3d4a5c11"}


async def make(client: httpx.AsyncClient, body: dict[str, str] | None = None, **headers: str) -> httpx.Response:
    return await client.post("/api/v1/users", json=body or BODY, headers=KEY | headers)


async def test_a_repeat_gets_the_first_answer_word_for_word(server: Server, admin: httpx.AsyncClient) -> None:
    first, second = await make(admin), await make(admin)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len((await admin.get("/api/v1/users")).json()["items"]) == 1


async def test_twenty_at_once_have_one_effect(server: Server, admin: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(make(admin) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await admin.get("/api/v1/users")).json()["items"]) == 1


async def test_the_same_key_for_another_body_or_address_is_refused(admin: httpx.AsyncClient) -> None:
    await make(admin)
    other = await make(admin, BODY | {"username": "eva"})
    assert other.status_code == 409
    assert other.json()["type"].endswith("api.idempotency_conflict")
    elsewhere = await admin.post("/api/v1/tokens", json=BODY, headers=KEY)
    assert elsewhere.status_code == 409


async def test_keys_of_two_clients_do_not_meet(server: Server, admin: httpx.AsyncClient) -> None:
    await make(admin)
    async with await server.as_role(Role.ADMINISTRATOR) as other:
        answer = await make(other, BODY | {"username": "eva"})
    assert answer.status_code == 201


async def test_a_refusal_is_repeated_too(admin: httpx.AsyncClient) -> None:
    first, second = await make(admin, {"username": "rui"}), await make(admin, {"username": "rui"})
    assert first.status_code == second.status_code == 422
    assert first.json()["errors"] == second.json()["errors"]


async def test_missing_rights_are_not_remembered(server: Server) -> None:
    async with await server.as_role(Role.AGENT, "1001") as agent:
        await make(agent)
    async with server.services.database.reading() as session:
        assert (await session.scalars(select(IdempotencyRecord))).all() == []


async def test_after_a_day_the_key_is_new_again(server: Server, admin: httpx.AsyncClient) -> None:
    await make(admin)
    server.clock.advance(25 * 3600)
    assert (await make(admin, BODY | {"username": "eva"})).status_code == 201


async def test_a_claim_that_a_dead_process_left_is_not_guessed_about(server: Server, admin: httpx.AsyncClient) -> None:
    await make(admin)
    async with server.services.database.transaction() as session:
        record = (await session.scalars(select(IdempotencyRecord))).one()
        record.answer, record.status = None, None
    answer = await make(admin)
    assert answer.status_code == 409
    assert answer.headers["retry-after"]
    assert "took effect" in answer.json()["hint"]


async def test_generated_passwords_do_not_lie_open_in_the_database(server: Server, admin: httpx.AsyncClient) -> None:
    password = (await make(admin)).json()["password"]
    async with server.services.database.reading() as session:
        record = (await session.scalars(select(IdempotencyRecord))).one()
    assert record.answer is not None
    assert password.encode() not in record.answer


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there"])
async def test_a_key_that_is_none_is_refused(admin: httpx.AsyncClient, key: str) -> None:
    assert (await admin.post("/api/v1/users", json=BODY, headers={"Idempotency-Key": key})).status_code == 400


async def test_a_server_error_frees_the_key(
    server: Server, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, logs: list[dict[str, object]]
) -> None:
    async def broken(**_fields: object) -> None:
        raise ZeroDivisionError("secret detail")

    with monkeypatch.context() as patch:
        patch.setattr(server.app.state.users, "create", broken)
        answer = await make(admin)
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert logs[-1]["event"] == "request_failed_unforeseen"
    assert (await make(admin)).status_code == 201
