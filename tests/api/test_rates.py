"""Tariffs, rates and rate files over the API."""

from __future__ import annotations

import httpx

from api.permissions import Role

from .conftest import Server

LANDLINE = {"prefix": "+7495", "kind": "landline", "price_per_minute": "0.72", "currency": "RUB"}
FILE = "prefix,kind,price_per_minute,currency\n7495,landline,0.72,RUB\n7916,mobile,1.57,RUB\n"
CSV = {"Content-Type": "text/csv"}


async def test_a_rate_is_made_changed_and_removed(admin: httpx.AsyncClient) -> None:
    made = await admin.post("/api/v1/rates", json=LANDLINE)
    assert made.status_code == 201
    rate = made.json()
    assert {name: rate[name] for name in ("prefix", "kind", "price_per_minute", "currency")} == LANDLINE | {
        "prefix": "7495"
    }
    assert (rate["first_increment"], rate["increment"], rate["connection_fee"]) == (60, 60, "0.00")
    path = f"/api/v1/rates/{rate['id']}"
    changed = await admin.patch(path, json={"price_per_minute": "0.000001", "valid_to": "2030-01-01T00:00:00+03:00"})
    assert changed.json()["price_per_minute"] == "0.000001"
    assert changed.json()["valid_to"] == "2029-12-31T21:00:00Z"
    assert (await admin.patch(path, json={"currency": None})).status_code == 422
    assert (await admin.patch(path, json={"kind": None})).json()["kind"] is None
    assert (await admin.delete(path)).json() == {"result": "deleted"}
    assert (await admin.get(path)).status_code == 404


async def test_wrong_and_overlapping_rates_are_refused(admin: httpx.AsyncClient) -> None:
    for change in (
        {"prefix": "7495x"},
        {"prefix": ""},
        {"price_per_minute": "-1"},
        {"price_per_minute": "0.0000001"},
        {"price_per_minute": "NaN"},
        {"increment": 0},
        {"currency": "rub"},
        {"currency": "XXQ"},
        {"kind": "satellite"},
        {"valid_from": "2026-01-01T00:00:00"},
        {"valid_from": "2026-02-01T00:00:00Z", "valid_to": "2026-01-01T00:00:00Z"},
        {"valid_from": "0001-01-01T00:00:00+14:00"},
    ):
        assert (await admin.post("/api/v1/rates", json=LANDLINE | change)).status_code == 422, change
    await admin.post("/api/v1/rates", json=LANDLINE)
    assert (await admin.post("/api/v1/rates", json=LANDLINE)).status_code == 409


async def test_a_rate_file_is_taken_over_whole_and_paged(admin: httpx.AsyncClient) -> None:
    report = await admin.post("/api/v1/rates/import", content=FILE, headers=CSV)
    assert report.status_code == 200
    assert report.json()["imported"] == 2
    first = (await admin.get("/api/v1/rates", params={"limit": 1})).json()
    second = (await admin.get("/api/v1/rates", params={"limit": 1, "cursor": first["next_cursor"]})).json()
    assert [page["items"][0]["prefix"] for page in (first, second)] == ["7495", "7916"]
    assert second["next_cursor"] is None
    tariffs = (await admin.get("/api/v1/tariffs")).json()["items"]
    assert [(one["id"], one["is_default"], one["rates"]) for one in tariffs] == [(report.json()["tariff_id"], True, 2)]
    found = (await admin.get("/api/v1/rates", params={"kind": "mobile", "prefix": "79"})).json()["items"]
    assert [one["prefix"] for one in found] == ["7916"]


async def test_wrong_lines_are_named_and_nothing_is_stored(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/v1/rates/import", content=FILE + "abc,landline,x,RUB\n", headers=CSV)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:ramal:problem:billing.rate_import"
    assert [one["field"] for one in answer.json()["errors"]] == ["body.lines.4"]
    assert (await admin.get("/api/v1/rates")).json()["items"] == []
    for content in (b"", b"\xff\xfe\x00", b"\0" * 100, b"a,b\n1,2\n"):
        assert (await admin.post("/api/v1/rates/import", content=content, headers=CSV)).status_code == 422
    wrong_type = await admin.post("/api/v1/rates/import", json={"file": FILE})
    assert wrong_type.status_code == 415


async def test_a_rate_file_may_be_longer_than_other_bodies(admin: httpx.AsyncClient) -> None:
    lines = "".join(f"7{number:06d},,0.5,RUB,{'x' * 150}\n" for number in range(8000))
    answer = await admin.post(
        "/api/v1/rates/import", content="prefix,kind,price_per_minute,currency,description\n" + lines, headers=CSV
    )
    assert answer.json()["imported"] == 8000


async def test_tariffs_with_their_own_trunks(admin: httpx.AsyncClient) -> None:
    first = (await admin.post("/api/v1/tariffs", json={"name": "Home"})).json()
    other = (await admin.post("/api/v1/tariffs", json={"name": "Abroad", "trunks": ["carrier"]})).json()
    assert (first["is_default"], other["is_default"], other["trunks"]) == (True, False, ["carrier"])
    path = f"/api/v1/tariffs/{other['id']}"
    assert (await admin.patch(path, json={"is_default": True})).json()["is_default"] is True
    assert (await admin.get(f"/api/v1/tariffs/{first['id']}")).json()["is_default"] is False
    assert (await admin.delete(path)).status_code == 409
    assert (await admin.delete(f"/api/v1/tariffs/{first['id']}")).status_code == 204
    assert (await admin.post("/api/v1/rates", json=LANDLINE | {"tariff_id": "nothing"})).status_code == 404


async def test_managers_read_rates_and_owners_set_them(server: Server) -> None:
    async with await server.as_role(Role.MANAGER) as manager:
        assert (await manager.get("/api/v1/rates")).status_code == 200
        assert (await manager.post("/api/v1/rates/import", content=FILE, headers=CSV)).status_code == 403
    async with await server.as_role(Role.OWNER) as owner:
        assert (await owner.post("/api/v1/rates", json=LANDLINE)).status_code == 201
