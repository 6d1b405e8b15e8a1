"""Users, tokens and the audit trail of what is done with them."""

from __future__ import annotations

import threading

import httpx
import pytest

from api.permissions import Role

from .conftest import Server


async def test_a_user_is_made_changed_and_removed(admin: httpx.AsyncClient) -> None:
    made = await admin.post("/api/v1/users", json={"username": "Rui", "name": "Rui Costa", "role": "manager"})
    assert made.status_code == 201
    user = made.json()
    assert user["username"] == "rui"
    assert len(user["password"]) >= 12
    assert user["created_at"].endswith("Z")
    path = f"/api/v1/users/{user['id']}"
    changed = await admin.patch(path, json={"extension": "1002", "language": "pt-BR"})
    assert changed.json()["extension"] == "1002"
    assert "password" not in changed.json()
    assert (await admin.patch(path, json={"extension": None})).json()["extension"] is None
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404


async def test_a_taken_name_is_a_conflict(admin: httpx.AsyncClient) -> None:
    body = {"username": "rui", "name": "Rui", "role": "agent"}
    await admin.post("/api/v1/users", json=body)
    again = await admin.post("/api/v1/users", json=body | {"username": "RUI"})
    assert again.status_code == 409
    assert "rui" in again.json()["detail"]


async def test_the_last_administrator_stays(server: Server, admin: httpx.AsyncClient) -> None:
    boss = f"/api/v1/users/{await server.make_user('boss', Role.ADMINISTRATOR)}"
    for answer in (
        await admin.delete(boss),
        await admin.patch(boss, json={"role": "agent"}),
        await admin.patch(boss, json={"active": False}),
    ):
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("api.last_administrator")
    assert (await admin.get(boss)).json()["active"] is True


async def test_guessable_passwords_and_null_names_are_refused(server: Server, admin: httpx.AsyncClient) -> None:
    body = {"username": "rui", "name": "Rui", "role": "agent"}
    for password in ("short", "aaaaaaaaaaaa"):
        answer = await admin.post("/api/v1/users", json=body | {"password": password})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "body.password"
        assert password not in answer.text
    user = await server.make_user("boss", Role.ADMINISTRATOR)
    answer = await admin.patch(f"/api/v1/users/{user}", json={"name": None})
    assert answer.json()["errors"][0]["field"] == "body.name"


async def test_lists_page_to_the_end_without_gaps(server: Server, admin: httpx.AsyncClient) -> None:
    expected = [await server.make_user(f"user{number}", Role.AGENT) for number in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = (await admin.get("/api/v1/users", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [user["id"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == expected


async def test_a_deleted_token_opens_nothing(server: Server, admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/tokens", json={"label": "till", "role": "agent", "extension": "1001"})).json()
    assert made["token"].startswith("ramal_")
    listed = (await admin.get("/api/v1/tokens")).json()["items"]
    assert made["token"] not in str(listed)
    assert (await admin.delete(f"/api/v1/tokens/{made['id']}")).status_code == 204
    async with server.client(headers={"Authorization": f"Bearer {made['token']}"}) as till:
        assert (await till.get("/api/v1/session")).status_code == 401


async def test_writes_refusals_and_failed_sign_ins_are_audited_without_values(
    server: Server, admin: httpx.AsyncClient, anyone: httpx.AsyncClient
) -> None:
    made = await admin.post(
        "/api/v1/users", json={"username": "rui", "name": "Rui", "role": "agent", "password": "lamps in the fog"}
    )
    async with await server.as_role(Role.AGENT, "1001") as agent:
        assert (await agent.delete(f"/api/v1/users/{made.json()['id']}")).status_code == 403
    await anyone.post("/api/v1/session", json={"username": "rui", "password": "wrong wrong"})
    entries = (await admin.get("/api/v1/audit")).json()["items"]
    assert [(one["resource"], one["action"], one["status"]) for one in entries] == [
        ("session", "sign_in", 401),
        ("users", "delete", 403),
        ("users", "create", 201),
    ]
    assert entries[2]["target"] == entries[1]["target"] == made.json()["id"]
    assert entries[2]["details"] == {"fields": ["username", "name", "role", "password"]}
    assert entries[0]["source"] == "192.0.2.7"
    assert "lamps in the fog" not in str(entries)
    mine = (await admin.get("/api/v1/audit", params={"resource": "users", "until": "2020-01-01T00:00:00Z"})).json()
    assert mine["items"] == []


async def test_the_names_of_all_time_zones_are_gathered_beside_the_calls(
    admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[threading.Thread] = []

    def available() -> set[str]:
        where.append(threading.current_thread())
        return {"Europe/Moscow"}

    monkeypatch.setattr("zoneinfo.available_timezones", available)
    assert (await admin.patch("/api/v1/company", json={"timezone": "Europe/Moscow"})).status_code == 200
    assert where != []
    assert threading.main_thread() not in where


async def test_company_settings_change_field_by_field(admin: httpx.AsyncClient) -> None:
    before = (await admin.get("/api/v1/company")).json()
    changed = await admin.patch("/api/v1/company", json={"name": "Loja Aurora", "timezone": "Europe/Moscow"})
    assert changed.json() == before | {"name": "Loja Aurora", "timezone": "Europe/Moscow"}
    wrong = await admin.patch("/api/v1/company", json={"timezone": "../../etc/passwd"})
    assert wrong.status_code == 422
    for nowhere in ("ZZ", "UK"):
        refused = await admin.patch("/api/v1/company", json={"country": nowhere})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "body.country")
    assert (await admin.patch("/api/v1/company", json={"country": "GB"})).json()["country"] == "GB"
    assert (await admin.patch("/api/v1/company", json={"colour": "red"})).json()["errors"][0] == {
        "field": "body.colour",
        "message": "There is no such field",
    }
