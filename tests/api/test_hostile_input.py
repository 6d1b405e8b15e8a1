"""What nobody should send: every answer is a problem, never a traceback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from api.app import create_app
from api.permissions import Role

from .conftest import BASE, Server

USERS = "/api/v1/users"
JSON = {"Content-Type": "application/json"}


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:ramal:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert "Traceback" not in answer.text
    assert "/site-packages/" not in answer.text


async def test_a_wrong_method_is_told_all_the_right_ones(admin: httpx.AsyncClient) -> None:
    for address, methods in (("leads", "GET, POST"), ("leads/some", "DELETE, GET, PATCH"), ("calls", "GET, POST")):
        refused = await admin.put(f"/api/v1/{address}", json={})
        assert_problem(refused, 405)
        assert refused.headers["allow"] == methods


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"username": "a"', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 50_000, 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b'{"username": 1, "name": {}, "role": []}', 422),
        (b'{"username": "a", "name": "\\u0000", "role": "agent"}', 422),
        (b'{"username": "a", "name": "\\ud800", "role": "agent"}', 422),
        (b'{"username": "a", "name": "A", "role": "root"}', 422),
        (b'{"username": "a", "name": "A", "role": "agent", "is_admin": true}', 422),
        (b'{"username": "a", "name": "' + b"x" * 500 + b'", "role": "agent"}', 422),
        (b'{"username": "' + b"9" * 100 + b'", "name": "A", "role": "agent"}', 422),
        (b"9" * 5000, 400),
        (b"NaN", 422),
        (b"1e999", 422),
    ],
)
async def test_bad_bodies(admin: httpx.AsyncClient, body: bytes, status: int) -> None:
    assert_problem(await admin.post(USERS, content=body, headers=JSON), status)


async def test_huge_bodies_are_refused_announced_or_not(server: Server, admin: httpx.AsyncClient) -> None:
    assert_problem(await admin.post(USERS, content=b"x" * (2 << 20), headers=JSON), 413)
    assert_problem(await admin.post(USERS, content=b"{}", headers=JSON | {"Content-Length": "9" * 30}), 413)

    async def drip() -> AsyncIterator[bytes]:
        for _ in range(2000):
            yield b"x" * 1024

    assert_problem(await admin.post(USERS, content=drip(), headers=JSON), 413)
    async with server.client() as stranger:
        assert_problem(await stranger.post("/api/v1/session", content=b"x" * 70_000, headers=JSON), 413)


async def test_a_body_that_never_ends_is_given_up(server: Server, admin: httpx.AsyncClient) -> None:
    app = create_app(server.services, replace(server.app.state.settings, body_seconds=0.05))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    async def endless() -> AsyncIterator[bytes]:
        yield b'{"username": "'
        await asyncio.Event().wait()

    async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=admin.headers) as client:
        async with asyncio.timeout(20):
            assert_problem(await client.post(USERS, content=endless(), headers=JSON), 408)


@pytest.mark.parametrize(
    "cursor", ["x", "####", "é", "W10", "e30", "WzFd", "WyJhIiwiYiJd", "WyJcdTAwMDAiXQ", "A" * 513]
)
async def test_bad_cursors_name_the_parameter(admin: httpx.AsyncClient, cursor: str) -> None:
    answer = await admin.get(USERS, params={"cursor": cursor})
    assert_problem(answer, 422)
    assert answer.json()["errors"][0]["field"] == "query.cursor"


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "1e3", "9" * 400])
async def test_bad_limits(admin: httpx.AsyncClient, limit: str) -> None:
    assert_problem(await admin.get(USERS, params={"limit": limit}), 422)


async def test_a_misspelt_filter_is_refused_rather_than_ignored(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/api/v1/audit", params={"ressource": "users"})
    assert_problem(answer, 422)
    assert "resource" in answer.json()["hint"]
    assert_problem(await admin.get("/api/v1/company", params={"a": "b"}), 422)


@pytest.mark.parametrize(
    "name",
    ["..%2f..%2fetc%2fpasswd", "%00", "a%20b", "' OR 1=1 --", "x" * 5000, "%ff", "..", "a;b", "%0d%0aSet-Cookie:x"],
)
async def test_ids_with_tricks_find_nothing(admin: httpx.AsyncClient, name: str) -> None:
    answer = await admin.get(f"{USERS}/{name}")
    assert_problem(answer, 404)
    assert "set-cookie" not in answer.headers


async def test_wrong_methods_and_paths(admin: httpx.AsyncClient) -> None:
    assert_problem(await admin.get("/api/v1/nothing"), 404)
    assert_problem(await admin.get("/api"), 404)
    assert_problem(await admin.post("/api/v2/users", json={}), 404)
    wrong = await admin.delete("/api/v1/company")
    assert_problem(wrong, 405)
    assert "GET" in wrong.headers["allow"]
    assert_problem(await admin.post("/", json={}), 405)
    assert_problem(await admin.request("TRACE", "/api/v1/users"), 405)
    assert_problem(await admin.request("BREW", "/api/v1/users"), 405)


async def test_a_form_is_not_json(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(USERS, content=b"username=a", headers={"Content-Type": "text/plain"})
    assert_problem(answer, 422)
    assert "application/json" in answer.json()["hint"]
    assert "hint" not in (await admin.post(USERS, json=[])).json()


async def test_a_body_in_another_alphabet_than_utf_8_is_told(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(USERS, content=b'{"name": "\xff"}', headers=JSON)
    assert_problem(answer, 400)
    assert "UTF-8" in answer.json()["detail"]


async def test_the_error_names_fields_but_repeats_no_values(admin: httpx.AsyncClient) -> None:
    body = {"username": "<script>alert(1)</script>", "name": "A", "role": "agent", "password": "pw"}
    answer = await admin.post(USERS, json=body)
    assert_problem(answer, 422)
    assert {one["field"] for one in answer.json()["errors"]} == {"body.username", "body.password"}
    assert "<script>" not in answer.text
    assert json.dumps("pw") not in answer.text


async def test_a_database_that_is_away_is_a_503_and_not_a_traceback(server: Server, admin: httpx.AsyncClient) -> None:
    from sqlalchemy import text

    async with server.services.database.transaction() as session:
        await session.execute(text("DROP TABLE tokens"))
    assert_problem(await admin.get(USERS), 503)


async def test_security_headers_are_on_every_answer(server: Server) -> None:
    async with server.client() as client:
        for path in ("/", "/api/v1/nothing", "/healthz", "/metrics"):
            headers = (await client.get(path)).headers
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-request-id"]


async def test_cookies_with_junk_are_just_not_signed_in(server: Server) -> None:
    for junk in (
        "ramal_session",
        "ramal_session=",
        "ramal_session=é",
        "=;=;ramal_session=a=b",
        "ramal_session=" + "x" * 9000,
    ):
        async with server.client() as client:
            answer = await client.get("/api/v1/session", headers=[(b"Cookie", junk.encode("latin-1"))])
            assert_problem(answer, 401)


async def test_roles_are_checked_before_bodies(server: Server) -> None:
    async with await server.as_role(Role.AGENT, "1001") as agent:
        assert_problem(await agent.post(USERS, json={"username": "x", "name": "X", "role": "administrator"}), 403)
