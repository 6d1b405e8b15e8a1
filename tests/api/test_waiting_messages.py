"""How many messages wait for an extension, told over the API; on SQLite and on PostgreSQL where it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from api.permissions import Role
from pbx.tables import ExtensionRow

from .conftest import Server, server_on


async def extension(client: httpx.AsyncClient, number: str = "1001") -> str:
    """Make an extension; return its path."""
    made = await client.post("/api/v1/extensions", json={"number": number, "name": number})
    return f"/api/v1/extensions/{made.json()['id']}"


async def test_what_waits_is_told_by_managers_and_shown_to_agents_as_their_own(
    admin: httpx.AsyncClient, server: Server
) -> None:
    path = f"{await extension(admin)}/waiting-messages"
    assert (await admin.get(path)).json() == {"new": 0, "old": 0}
    for role, status in ((Role.ADMINISTRATOR, 200), (Role.MANAGER, 200), (Role.OWNER, 403), (Role.AGENT, 403)):
        async with await server.as_role(role, "1001") as client:
            told = await client.put(path, json={"new": 2, "old": 9999})
            assert told.status_code == status, role
            assert (await client.get(path)).json() == {"new": 2, "old": 9999}
    async with await server.as_role(Role.AGENT, "1002") as other:
        assert (await other.get(path)).status_code == 403
    for client, shown in (
        (admin, {"new": 2, "old": 9999}),
        (await server.as_role(Role.AGENT, "1001"), {"new": 2, "old": 9999}),
        (await server.as_role(Role.AGENT, "1002"), None),
    ):
        (listed,) = (await client.get("/api/v1/extensions")).json()["items"]
        assert listed["waiting_messages"] == shown
    assert (await admin.put(path, json={"new": 0, "old": 0})).json() == {"new": 0, "old": 0}
    assert (await admin.get(path)).json() == {"new": 0, "old": 0}


@pytest.mark.parametrize(
    ("counts", "field"),
    [
        ({"new": -1, "old": 0}, "body.new"),
        ({"new": 10_000, "old": 0}, "body.new"),
        ({"new": 1.5, "old": 0}, "body.new"),
        ({"new": 1, "old": 10_000}, "body.old"),
        ({"new": 1, "old": None}, "body.old"),
        ({"new": 1}, "body.old"),
        ({"new": 1, "old": 0, "urgent": 1}, "body.urgent"),
    ],
)
async def test_counts_that_no_mailbox_has_are_refused(
    admin: httpx.AsyncClient, counts: dict[str, Any], field: str
) -> None:
    path = f"{await extension(admin)}/waiting-messages"
    await admin.put(path, json={"new": 3, "old": 1})
    refused = await admin.put(path, json=counts)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    assert (await admin.get(path)).json() == {"new": 3, "old": 1}


async def test_what_waits_is_there_again_after_a_restart(any_server: Server, tmp_path: Path) -> None:
    async with await any_server.as_role(Role.ADMINISTRATOR) as admin:
        first, second = await extension(admin), await extension(admin, "1002")
        await admin.put(f"{first}/waiting-messages", json={"new": 2, "old": 1})
        await admin.put(f"{second}/waiting-messages", json={"new": 4, "old": 0})
        await admin.put(f"{second}/waiting-messages", json={"new": 0, "old": 0})
    async with server_on(any_server.services.database, tmp_path / "again") as restarted:
        await restarted.services.directory.reload()
        await restarted.services.mailboxes.load()
        async with await restarted.as_role(Role.ADMINISTRATOR) as admin:
            assert (await admin.get(f"{first}/waiting-messages")).json() == {"new": 2, "old": 1}
            assert (await admin.get(f"{second}/waiting-messages")).json() == {"new": 0, "old": 0}


async def test_what_waits_goes_with_its_extension_to_another_number_and_away_with_it(
    admin: httpx.AsyncClient, server: Server
) -> None:
    mailboxes = server.services.mailboxes
    server.services.directory.listen(mailboxes.directory_changed)
    path = await extension(admin)
    await admin.put(f"{path}/waiting-messages", json={"new": 2, "old": 1})
    await admin.patch(path, json={"number": "1005", "password": "correct-horse-9"})
    assert (await admin.get(f"{path}/waiting-messages")).json() == {"new": 2, "old": 1}
    successor = await extension(admin)
    assert (await admin.get(f"{successor}/waiting-messages")).json() == {"new": 0, "old": 0}
    await admin.delete(path)
    assert mailboxes._counts == {}, "nothing is left of it"
    assert (await admin.get(f"{path}/waiting-messages")).status_code == 404
    assert (await admin.get(f"{await extension(admin, '1005')}/waiting-messages")).json() == {"new": 0, "old": 0}


async def test_an_extension_that_was_just_removed_elsewhere_takes_no_counts(any_server: Server) -> None:
    async with await any_server.as_role(Role.ADMINISTRATOR) as admin:
        path = await extension(admin)
        async with any_server.services.database.transaction() as session:
            await session.execute(delete(ExtensionRow))
        answer = await admin.put(f"{path}/waiting-messages", json={"new": 2, "old": 1})
        assert answer.status_code == 404
        assert any_server.services.mailboxes.counts("1001").new == 0
