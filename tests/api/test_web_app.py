"""The built web app, health and metrics."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from api.permissions import Role
from core.errors import StorageError

from .conftest import BASE, Server


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>app</title>")
    (folder / "assets" / "index-abc123.js").write_text("export {}")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


async def test_a_plain_page_says_how_to_build_it(anyone: httpx.AsyncClient) -> None:
    page = await anyone.get("/")
    assert page.status_code == 200
    assert "make web" in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_files_last_and_the_first_page_is_always_asked_for(dist: Path, anyone: httpx.AsyncClient) -> None:
    script = await anyone.get("/assets/index-abc123.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    for path in ("/", "/cdrs", "/leads/42"):
        page = await anyone.get(path)
        assert page.text == "<!doctype html><title>app</title>"
        assert page.headers["cache-control"] == "no-cache"
    assert (await anyone.head("/")).status_code == 200
    again = await anyone.get("/assets/index-old.js")
    assert again.status_code == 404
    assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/openapi.json", "/robots.txt", "/setup/.env"])
async def test_a_file_that_is_not_there_is_no_page(dist: Path, anyone: httpx.AsyncClient, path: str) -> None:
    answer = await anyone.get(path)
    assert answer.status_code == 404
    assert answer.json()["hint"] == "/api/v1/openapi.json lists all addresses of the API."


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "/..%2fsecret.txt", "/%00"]
)
async def test_no_path_leads_out_of_the_folder(dist: Path, anyone: httpx.AsyncClient, path: str) -> None:
    assert "secret" not in (await anyone.get(path)).text


async def test_a_link_out_of_the_folder_is_not_followed(dist: Path, anyone: httpx.AsyncClient) -> None:
    (dist / "link.txt").symlink_to(dist.parent / "secret.txt")
    assert "secret" not in (await anyone.get("/link.txt")).text


async def test_healthy_and_ready(server: Server, anyone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await anyone.get("/healthz")).json() == {"status": "ok"}
    assert (await anyone.get("/readyz")).json() == {"status": "ok", "parts": {"database": "ok"}}

    async def draining() -> str:
        return "the node is being drained"

    async def away() -> None:
        raise StorageError("away")

    server.services.readiness["calls"] = draining
    monkeypatch.setattr(server.services.database, "check", away)
    answer = await anyone.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["calls"] == "the node is being drained"
    assert answer.json()["parts"]["database"] != "ok"


async def test_what_only_waits_is_shown_and_calls_still_come(server: Server, anyone: httpx.AsyncClient) -> None:
    async def waits() -> str:
        return "waits; the log tells why"

    server.services.conditions["outbox mqtt"] = waits
    answer = await anyone.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["parts"] == {"database": "ok", "outbox mqtt": "waits; the log tells why"}


async def test_metrics_are_for_this_machine_and_for_those_who_may_see_them(
    server: Server, anyone: httpx.AsyncClient
) -> None:
    assert (await anyone.get("/metrics")).status_code == 401
    for role, status in ((Role.AGENT, 403), (Role.MANAGER, 200), (Role.OWNER, 200), (Role.ADMINISTRATOR, 200)):
        async with await server.as_role(role, "1001") as client:
            assert (await client.get("/metrics")).status_code == status
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("192.168.0.4", 401)):
        transport = httpx.ASGITransport(server.app, client=(address, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            assert (await client.get("/metrics")).status_code == status


async def test_metrics_count_operations_and_not_ids(server: Server, admin: httpx.AsyncClient) -> None:
    server.app.state.metrics.watch("ramal_calls", "Live calls.", lambda: 3)
    for number in range(5):
        await admin.get(f"/api/v1/users/id{number}")
    text = (await admin.get("/metrics")).text
    assert 'ramal_http_requests_total{method="GET",operation="get_user",status="404"} 5.0' in text
    assert "ramal_calls 3.0" in text
