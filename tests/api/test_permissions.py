"""The permission table, cell by cell, asked through the paths themselves."""

from __future__ import annotations

import re

import pytest

from api.app import openapi_description
from api.permissions import TABLE, Action, Resource, Role, Scope, scope_of

from .conftest import Server

_ACTIONS = {
    "get": Action.READ,
    "post": Action.CREATE,
    "patch": Action.CHANGE,
    "put": Action.CHANGE,
    "delete": Action.DELETE,
}


def _operations() -> list[tuple[str, str, Resource, Action]]:
    names = set(Resource)
    return [
        (method, path, Resource(parts[0]), _action(method, parts))
        for path, methods in openapi_description()["paths"].items()
        if (parts := path.removeprefix("/api/v1/").split("/"))[0] in names
        for method in methods
    ]


def _action(method: str, parts: list[str]) -> Action:
    if parts[0] == "calls" and len(parts) > 2:
        special = {
            "lead": Action.CREATE,
            "contact": Action.CREATE,
            "trace": Action.TRACE,
            "supervise": Action.SUPERVISE,
        }
        return special.get(parts[2], Action.CONTROL)
    if parts[0] == "conferences" and len(parts) > 2:
        return Action.CONTROL
    if parts[0] == "recordings" and len(parts) > 2:
        return Action.LISTEN if parts[2] == "audio" else Action.READ
    if parts == ["routes", "test"]:
        return Action.READ
    return _ACTIONS[method]


def _resource(method: str, path: str, resource: Resource) -> Resource:
    if (method, path.rsplit("/", 1)[-1]) == ("patch", "forwarding"):
        return Resource.FORWARDING
    if path.endswith("/waiting-messages"):
        return Resource.WAITING_MESSAGES
    return {"lead": Resource.LEADS, "contact": Resource.CONTACTS}.get(path.rsplit("/", 1)[-1], resource)


@pytest.mark.parametrize("role", list(Role))
async def test_every_operation_follows_the_table(server: Server, role: Role) -> None:
    operations = _operations()
    assert operations
    async with await server.as_role(role, "1001") as client:
        for method, path, resource, action in operations:
            address = re.sub(r"\{[^}]+\}", "018f0000-0000-7000-8000-000000000000", path)
            answer = await client.request(method, address, json={} if method in {"post", "patch", "put"} else None)
            refused = answer.status_code == 403
            expected = scope_of(role, _resource(method, path, resource), action) is Scope.NONE
            assert refused == expected, f"{role} {method} {path}: {answer.status_code} {answer.text}"
            assert answer.status_code < 500, answer.text


async def test_nothing_is_open_to_one_who_is_not_signed_in(server: Server) -> None:
    async with server.client() as client:
        for path, methods in openapi_description()["paths"].items():
            for method in methods:
                if (method, path) == ("post", "/api/v1/session"):
                    continue
                address = re.sub(r"\{[^}]+\}", "018f0000-0000-7000-8000-000000000000", path)
                assert (await client.request(method, address, json={})).status_code == 401, f"{method} {path}"


def test_the_table_gives_administrators_everything_and_agents_never_more_than_managers() -> None:
    order = [Scope.NONE, Scope.OWN, Scope.ALL]
    for (resource, action), (agent, manager, _owner, administrator) in TABLE.items():
        assert administrator is Scope.ALL, (resource, action)
        assert order.index(agent) <= order.index(manager), (resource, action)


def test_what_the_table_does_not_name_is_allowed_to_nobody() -> None:
    assert scope_of(Role.ADMINISTRATOR, Resource.AUDIT, Action.DELETE) is Scope.NONE


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/calls", {"to": "1002"}),
        ("/api/v1/calls/018f0000-0000-7000-8000-000000000000/supervise", {}),
        ("/api/v1/messages", {"to": "1002", "text": "x"}),
    ],
)
async def test_who_has_no_extension_has_to_name_the_one_it_is_for(
    server: Server, path: str, body: dict[str, str]
) -> None:
    async with await server.as_role(Role.MANAGER) as manager:
        answer = await manager.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == "body.from"
