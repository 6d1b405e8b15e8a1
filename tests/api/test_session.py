"""Signing in and out, and the slowing down of guesses."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from api.permissions import Role
from api.tables import Session, Token, User

from .conftest import BASE, PASSWORD, Server

WRONG = {"username": "ana", "password": "not the password"}


async def sign_in(client: httpx.AsyncClient, username: str = "ana", password: str = PASSWORD) -> httpx.Response:
    return await client.post("/api/v1/session", json={"username": username, "password": password})


async def test_a_user_signs_in_sees_who_they_are_and_signs_out(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.AGENT, "1001")
    answer = await sign_in(anyone, "ANA")
    assert answer.status_code == 201
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    shown = (await anyone.get("/api/v1/session")).json()
    assert (shown["username"], shown["role"], shown["extension"]) == ("ana", "agent", "1001")
    assert shown["permissions"]["cdrs"] == {"read": "own"}
    assert "users" not in shown["permissions"]
    secret = anyone.cookies["ramal_session"]
    assert (await anyone.delete("/api/v1/session")).status_code == 204
    gone = await anyone.get("/api/v1/session", headers={"Cookie": f"ramal_session={secret}"})
    assert gone.status_code == 401
    assert gone.json()["type"] == "urn:ramal:problem:api.not_signed_in"


async def test_the_cookie_is_secure_where_the_page_came_by_https(server: Server) -> None:
    await server.make_user("ana", Role.AGENT)
    async with server.client() as client:
        answer = await client.post("https://ramal.test/api/v1/session", json={"username": "ana", "password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_the_cookie_is_secure_where_a_proxy_ends_https(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.AGENT)
    body = {"username": "ana", "password": PASSWORD}
    answer = await anyone.post("/api/v1/session", json=body, headers={"Origin": "https://ramal.test"})
    assert "secure" in answer.headers["set-cookie"].lower()


async def test_secrets_are_stored_as_hashes_only(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.AGENT)
    token = await server.token(Role.OWNER)
    await sign_in(anyone)
    async with server.services.database.reading() as session:
        user = (await session.scalars(select(User))).one()
        stored = (await session.scalars(select(Session))).one()
        key = (await session.scalars(select(Token))).one()
    assert user.password_hash.startswith("$argon2id$")
    assert anyone.cookies["ramal_session"] not in (stored.secret_hash, stored.id)
    assert token not in key.secret_hash


async def test_unknown_user_wrong_password_and_switched_off_user_are_answered_alike(
    server: Server, anyone: httpx.AsyncClient
) -> None:
    await server.make_user("ana", Role.AGENT)
    off = await server.make_user("off", Role.AGENT)
    await server.make_user("boss", Role.ADMINISTRATOR)
    await server.app.state.users.change(off, {"active": False})
    answers = [
        await sign_in(anyone, "ana", "not the password"),
        await sign_in(anyone, "nobody", "not the password"),
        await sign_in(anyone, "off", PASSWORD),
    ]
    assert {answer.status_code for answer in answers} == {401}
    bodies = [{key: value for key, value in answer.json().items() if key != "request_id"} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]


async def test_an_unknown_user_costs_the_same_time(server: Server) -> None:
    hashing = server.app.state.users._passwords
    stored = await hashing.hash(PASSWORD)
    await hashing.verify(None, "warm up")

    async def cost(known: str | None) -> float:
        began = time.process_time()
        for _ in range(50):
            await hashing.verify(known, "not the password")
        return time.process_time() - began

    known, unknown = await cost(stored), await cost(None)
    assert 0.4 < known / unknown < 2.5


async def test_guessing_is_slowed_down_and_time_opens_the_door_again(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.AGENT)
    for _ in range(3):
        assert (await anyone.post("/api/v1/session", json=WRONG)).status_code == 401
    blocked = await sign_in(anyone)
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) >= 1
    server.clock.advance(int(blocked.headers["retry-after"]))
    assert (await sign_in(anyone)).status_code == 201
    assert (await anyone.post("/api/v1/session", json=WRONG)).status_code == 401


async def test_one_address_trying_many_names_is_stopped(server: Server, anyone: httpx.AsyncClient) -> None:
    statuses = [(await sign_in(anyone, f"name{number}", "guess guess")).status_code for number in range(40)]
    assert statuses[:30] == [401] * 30
    assert set(statuses[30:]) == {429}


async def test_strangers_who_try_a_name_do_not_keep_its_owner_out(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.ADMINISTRATOR)
    assert (await sign_in(anyone)).status_code == 201
    statuses = []
    for number in range(70):
        transport = httpx.ASGITransport(server.app, client=(f"198.51.100.{number}", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as stranger:
            statuses.append((await stranger.post("/api/v1/session", json=WRONG)).status_code)
    assert statuses == [401] * 60 + [429] * 10
    assert (await sign_in(anyone)).status_code == 201
    assert (await anyone.post("/api/v1/session", json=WRONG)).status_code == 401


async def test_a_session_ends_when_it_is_idle_and_after_its_life(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.AGENT)
    await sign_in(anyone)
    for _ in range(3):
        server.clock.advance(timedelta(hours=11).total_seconds())
        assert (await anyone.get("/api/v1/session")).status_code == 200
    server.clock.advance(timedelta(hours=13).total_seconds())
    assert (await anyone.get("/api/v1/session")).status_code == 401


async def test_a_new_password_ends_every_session(server: Server, anyone: httpx.AsyncClient) -> None:
    await server.make_user("ana", Role.AGENT)
    await sign_in(anyone)
    wrong = await anyone.post(
        "/api/v1/session/password", json={"current_password": "not it", "new_password": "another good one"}
    )
    assert wrong.status_code == 401
    changed = await anyone.post(
        "/api/v1/session/password", json={"current_password": PASSWORD, "new_password": "another good one"}
    )
    assert changed.status_code == 204
    assert (await anyone.get("/api/v1/session")).status_code == 401
    assert (await sign_in(anyone, password="another good one")).status_code == 201


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"Origin": BASE}, 201),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://ramal.test.evil.test"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
)
async def test_only_own_pages_may_write_with_a_cookie(
    server: Server, anyone: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    await server.make_user("boss", Role.ADMINISTRATOR)
    await sign_in(anyone, "boss")
    body = {"username": "new", "name": "New", "role": "agent"}
    assert (await anyone.post("/api/v1/users", json=body, headers=headers)).status_code == status


async def test_a_token_writes_from_any_origin(server: Server, admin: httpx.AsyncClient) -> None:
    body = {"username": "new", "name": "New", "role": "agent"}
    answer = await admin.post("/api/v1/users", json=body, headers={"Origin": "http://shop.test"})
    assert answer.status_code == 201


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YTpi", "Bearer " + "x" * 5000, "bearer é"])
async def test_a_wrong_token_is_refused_even_beside_a_good_cookie(
    server: Server, anyone: httpx.AsyncClient, header: str
) -> None:
    await server.make_user("ana", Role.AGENT)
    await sign_in(anyone)
    answer = await anyone.get("/api/v1/session", headers=[(b"Authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_an_expired_token_opens_nothing(server: Server, admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/tokens", json={"label": "till", "role": "owner", "valid_days": 1})).json()
    headers = {"Authorization": f"Bearer {made['token']}"}
    async with server.client(headers=headers) as till:
        assert (await till.get("/api/v1/session")).json()["role"] == "owner"
        server.clock.advance(86_401)
        assert (await till.get("/api/v1/session")).status_code == 401


async def test_the_first_start_makes_an_administrator_once(server: Server, anyone: httpx.AsyncClient) -> None:
    password = await server.app.state.users.ensure_administrator()
    assert (await sign_in(anyone, "admin", password)).json()["role"] == "administrator"
    assert await server.app.state.users.ensure_administrator() is None
