"""Extensions, devices, trunks, numbers and routes over the API."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import pytest

from api.permissions import Role
from pbx.entries import Contact

from .conftest import Server

TRUNK = {"name": "carrier", "host": "sip.carrier.example", "port": 5080, "transport": "tcp", "register": True}
LOGIN = {"username": "aurora", "password": "carrier secret"}


async def test_an_extension_gets_a_password_that_is_shown_once(admin: httpx.AsyncClient, server: Server) -> None:
    made = await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})
    assert made.status_code == 201
    extension = made.json()
    assert len(extension["password"]) >= 16
    assert (extension["registered"], extension["contacts"], extension["state"]) == (False, [], "offline")
    path = f"/api/v1/extensions/{extension['id']}"
    assert "password" not in (await admin.get(path)).json()
    given = await admin.post(
        "/api/v1/extensions", json={"number": "1002", "name": "Boris", "password": "correct-horse-9"}
    )
    assert given.json()["password"] is None
    changed = await admin.patch(path, json={"forward_to": "1002", "language": "ru"})
    assert (changed.json()["forward_to"], changed.json()["language"]) == ("1002", "ru")
    loop = await admin.patch(f"/api/v1/extensions/{given.json()['id']}", json={"forward_to": "1001"})
    assert loop.status_code == 422
    assert loop.json()["errors"][0]["field"] == "body.forward_to"
    assert (await admin.patch(path, json={"forward_to": None})).json()["forward_to"] is None
    assert (await admin.delete(path)).status_code == 204
    listed = (await admin.get("/api/v1/extensions")).json()["items"]
    assert [one["number"] for one in listed] == ["1002"]


async def test_an_extension_is_found_by_its_number_and_by_part_of_its_name(admin: httpx.AsyncClient) -> None:
    for number, name in (("1001", "Ana"), ("1002", "Борис"), ("10010", "Anabel")):
        await admin.post("/api/v1/extensions", json={"number": number, "name": name})

    async def found(**query: str) -> list[str]:
        answer = await admin.get("/api/v1/extensions", params=query)
        return [one["number"] for one in answer.json()["items"]]

    assert await found(search="ANA") == ["1001", "10010"]
    assert await found(search=" борис ") == ["1002"]
    assert await found(search="001") == ["1001", "10010"]
    assert await found(number="1001") == ["1001"]
    assert await found(number="100") == []
    assert await found(search="nobody") == []


async def test_what_becomes_of_an_extensions_calls_is_set_whole_or_by_its_own_path(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1002", "name": "Boris"})
    made = await admin.post(
        "/api/v1/extensions",
        json={"number": "1001", "name": "Ana", "forward_busy_to": "8 916 123-45-67", "call_waiting": False},
    )
    assert made.status_code == 201
    assert (made.json()["forward_busy_to"], made.json()["call_waiting"]) == ("+79161234567", False)
    path = f"/api/v1/extensions/{made.json()['id']}"
    changed = await admin.patch(f"{path}/forwarding", json={"do_not_disturb": True, "forward_busy_to": None})
    assert changed.json() == {
        "forward_to": None,
        "forward_busy_to": None,
        "forward_no_answer_to": None,
        "forward_no_answer_seconds": 0,
        "forward_unavailable_to": None,
        "do_not_disturb": True,
        "call_waiting": False,
    }
    seconds = await admin.patch(path, json={"forward_no_answer_to": "1002", "forward_no_answer_seconds": 15})
    assert (seconds.json()["forward_no_answer_seconds"], seconds.json()["do_not_disturb"]) == (15, True)
    assert (await admin.get(f"{path}/forwarding")).json()["forward_no_answer_to"] == "1002"
    for wrong, field in (
        ({"forward_no_answer_seconds": 2}, "body.forward_no_answer_seconds"),
        ({"forward_busy_to": "1001"}, "body.forward_busy_to"),
        ({"forward_to": "1999"}, "body.forward_to"),
        ({"forward_unavailable_to": "1999"}, "body.forward_unavailable_to"),
        ({"do_not_disturb": None}, "body.do_not_disturb"),
    ):
        answer = await admin.patch(f"{path}/forwarding", json=wrong)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field


async def test_agents_forward_their_own_extension_only(admin: httpx.AsyncClient, server: Server) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1003", "name": "Clara"})
    extension = (await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})).json()
    path = f"/api/v1/extensions/{extension['id']}/forwarding"
    for number, status in (("1001", 200), ("1002", 403)):
        async with await server.as_role(Role.AGENT, number) as agent:
            assert (await agent.patch(path, json={"forward_to": "1003"})).status_code == status
            assert (await agent.get(path)).json()["forward_to"] == "1003"
    async with await server.as_role(Role.AGENT, "1001") as agent:
        assert (await agent.patch(f"/api/v1/extensions/{extension['id']}", json={"name": "Eve"})).status_code == 403


async def test_registered_phones_are_shown_to_agents_only_as_their_own(
    admin: httpx.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})
    until = server.clock.now() + timedelta(hours=1)
    phone = Contact("1001", "sip:1001@192.0.2.20:5060", "192.0.2.20:5060", until, "Desk phone 1.0")
    monkeypatch.setattr(server.services.switch, "contacts", lambda number: [phone] if number == "1001" else [])
    (shown,) = (await admin.get("/api/v1/extensions")).json()["items"]
    assert shown["registered"] is True
    assert shown["contacts"] == [
        {
            "username": "1001",
            "uri": "sip:1001@192.0.2.20:5060",
            "source": "192.0.2.20:5060",
            "expires_at": "2026-01-01T01:00:00Z",
            "user_agent": "Desk phone 1.0",
        }
    ]
    assert datetime.fromisoformat(shown["contacts"][0]["expires_at"]) == until
    for extension, seen in (("1001", 1), ("1002", 0)):
        async with await server.as_role(Role.AGENT, extension) as agent:
            (shown,) = (await agent.get("/api/v1/extensions")).json()["items"]
            assert shown["registered"] is True
            assert len(shown["contacts"]) == seen


async def test_devices_have_logins_of_their_own(admin: httpx.AsyncClient, server: Server) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})
    made = await admin.post("/api/v1/devices", json={"extension": "1001", "username": "ana-desk", "label": "Desk"})
    assert made.status_code == 201
    assert made.json()["password"]
    path = f"/api/v1/devices/{made.json()['id']}"
    assert (await admin.patch(path, json={"label": "Hall", "enabled": False})).json()["label"] == "Hall"
    taken = await admin.post("/api/v1/devices", json={"extension": "1001", "username": "1001"})
    assert taken.status_code == 409
    nobody = await admin.post("/api/v1/devices", json={"extension": "1009", "username": "x-desk"})
    assert nobody.json()["errors"][0]["field"] == "body.extension"
    for extension, seen in (("1001", 1), ("1002", 0)):
        async with await server.as_role(Role.AGENT, extension) as agent:
            assert len((await agent.get("/api/v1/devices")).json()["items"]) == seen
            assert (await agent.get(path)).status_code == (200 if seen else 404)
            assert (await agent.get("/api/v1/devices", params={"extension": "1001"})).status_code == (
                200 if seen else 403
            )
    assert (await admin.delete(path)).status_code == 204


async def test_a_trunk_never_shows_its_password(admin: httpx.AsyncClient, server: Server) -> None:
    made = await admin.post("/api/v1/trunks", json=TRUNK | LOGIN | {"allow_from": ["203.0.113.7", "198.51.100.0/24"]})
    assert made.status_code == 201
    trunk = made.json()
    assert (trunk["register"], trunk["transport"], trunk["port"], trunk["state"]) == (True, "tcp", 5080, "disabled")
    assert trunk["allow_from"] == ["203.0.113.7/32", "198.51.100.0/24"]
    assert "carrier secret" not in made.text
    path = f"/api/v1/trunks/{trunk['id']}"
    assert (await admin.patch(path, json={"register": False, "caller_id": "8 495 111-22-33"})).json()["caller_id"] == (
        "+74951112233"
    )
    assert server.services.directory.snapshot.trunks["carrier"].password == "carrier secret"
    renamed = await admin.patch(path, json={"name": "other"})
    assert renamed.json()["errors"] == [{"field": "body.name", "message": "cannot be changed; create another trunk."}]
    again = await admin.post("/api/v1/trunks", json=TRUNK | LOGIN)
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": "bad host"}, "body.host"),
        ({"port": 70_000}, "body.port"),
        ({"transport": "carrier pigeon"}, "body.transport"),
        ({"allow_from": ["203.0.113.7/24"]}, "body.allow_from"),
        ({"allow_from": ["everywhere"]}, "body.allow_from"),
        ({"username": ""}, "body.username"),
        ({"register": "maybe"}, "body.register"),
        ({"register_": True}, "body.register_"),
        ({"name": "a b"}, "body.name"),
    ],
)
async def test_wrong_trunks_name_the_field(admin: httpx.AsyncClient, change: dict[str, object], field: str) -> None:
    answer = await admin.post("/api/v1/trunks", json=TRUNK | LOGIN | change)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_numbers_lead_somewhere_that_exists(admin: httpx.AsyncClient) -> None:
    extension = (await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})).json()
    to_ana = {"kind": "extension", "target": "1001"}
    made = await admin.post("/api/v1/numbers", json={"number": "8 495 111-22-33", "destination": to_ana})
    assert made.status_code == 201
    number = made.json()
    assert (number["number"], number["destination"]) == ("+74951112233", to_ana)
    path = f"/api/v1/numbers/{number['id']}"
    assert (await admin.patch(path, json={"greeting": "Good day"})).json()["greeting"] == "Good day"
    outside = {"kind": "number", "target": "+79161234567"}
    assert (await admin.patch(path, json={"destination": outside})).json()["destination"] == outside
    loop = await admin.patch(path, json={"destination": {"kind": "number", "target": "+74951112233"}})
    assert loop.status_code == 422
    missing = await admin.post(
        "/api/v1/numbers", json={"number": "+74951112244", "destination": {"kind": "extension", "target": "1009"}}
    )
    assert missing.status_code == 422
    assert missing.json()["hint"]
    await admin.patch(path, json={"destination": to_ana})
    in_use = await admin.delete(f"/api/v1/extensions/{extension['id']}")
    assert in_use.status_code == 409
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.delete(f"/api/v1/extensions/{extension['id']}")).status_code == 204


async def test_routes_are_listed_as_they_are_tried(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/v1/trunks", json=TRUNK | LOGIN)
    for name, prefix, priority in (
        ("all", "", 0),
        ("Moscow later", "+7495", 5),
        ("Moscow", "+7495", 1),
        ("Russia", "+7", 0),
    ):
        body = {"name": name, "prefix": prefix, "trunks": ["carrier"], "priority": priority}
        assert (await admin.post("/api/v1/routes", json=body)).status_code == 201
    first = (await admin.get("/api/v1/routes", params={"limit": 3})).json()
    rest = (await admin.get("/api/v1/routes", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    names = [one["name"] for one in first["items"] + rest["items"]]
    assert names == ["Moscow", "Moscow later", "Russia", "all"]
    route = first["items"][0]
    path = f"/api/v1/routes/{route['id']}"
    changed = await admin.patch(path, json={"strip": 2, "prepend": "8"})
    assert (changed.json()["strip"], changed.json()["prepend"]) == (2, "8")
    assert (await admin.patch(path, json={"trunks": ["nobody"]})).json()["errors"][0]["field"] == "body.trunks"
    assert (await admin.patch(path, json={"trunks": []})).status_code == 422
    trunk = (await admin.get("/api/v1/trunks")).json()["items"][0]
    assert (await admin.delete(f"/api/v1/trunks/{trunk['id']}")).status_code == 409
    assert (await admin.delete(path)).status_code == 204


async def test_a_route_takes_trunks_by_id_and_a_prefix_without_a_plus(admin: httpx.AsyncClient, server: Server) -> None:
    trunk = (await admin.post("/api/v1/trunks", json=TRUNK | LOGIN)).json()
    body = {"name": "Moscow", "prefix": "7495", "trunks": [trunk["id"]]}
    route = (await admin.post("/api/v1/routes", json=body)).json()
    assert (route["prefix"], route["trunks"]) == ("+7495", ["carrier"])
    routes = server.services.directory.snapshot.routes
    assert [one.name for one in routes if one.leads_to("+74957654321", "RU")] == ["Moscow"]
    again = await admin.patch(f"/api/v1/routes/{route['id']}", json={"trunks": [trunk["id"]], "prefix": ""})
    assert (again.json()["prefix"], again.json()["trunks"]) == ("", ["carrier"])


async def test_a_trunk_without_a_login_may_say_so_with_null(admin: httpx.AsyncClient) -> None:
    made = await admin.post("/api/v1/trunks", json=TRUNK | {"username": None, "password": None, "register": False})
    assert made.status_code == 201
    assert made.json()["username"] == ""


RULES = {
    "backup_hosts": ["sip2.carrier.example:5090"],
    "codecs": ["PCMU"],
    "caller_id_policy": "pass",
    "caller_id_format": "e164",
    "asserted_identity": True,
    "max_calls": 30,
    "calls_per_second": 5,
    "responses": {"403": "next", "5xx": "486"},
    "ping_seconds": 0,
}


async def test_a_trunks_rules_are_set_shown_and_changed(admin: httpx.AsyncClient) -> None:
    body = {"name": "carrier", "host": "sip.carrier.example"} | RULES
    made = (await admin.post("/api/v1/trunks", json=body)).json()
    assert made["port"] is None, "left to the DNS"
    assert {name: made[name] for name in RULES} == RULES
    assert (made["usable"], made["hosts"], made["calls_in"], made["calls_out"]) == (False, [], 0, 0)
    path = f"/api/v1/trunks/{made['id']}"
    changed = (await admin.patch(path, json={"port": 5080, "max_calls": 0, "responses": {}})).json()
    assert (changed["port"], changed["max_calls"], changed["responses"]) == (5080, 0, {})
    assert (await admin.patch(path, json={"port": None})).json()["port"] is None
    wrong = await admin.patch(path, json={"responses": {"404": "999"}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "body.responses"


async def test_a_route_is_tested_line_by_line(admin: httpx.AsyncClient, server: Server) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})
    await admin.post("/api/v1/trunks", json={"name": "carrier", "host": "192.0.2.1", "enabled": False})
    await admin.post("/api/v1/trunks", json={"name": "other", "host": "192.0.2.2"})
    route = {"name": "abroad", "prefix": "+55", "trunks": ["carrier", "other"], "extensions": ["10XX"]}
    assert (await admin.post("/api/v1/routes", json=route)).json()["extensions"] == ["10XX"]
    asked = {"number": "+55 11 3333-4444", "from_extension": "1001"}
    told = (await admin.post("/api/v1/routes/test", json=asked)).json()
    assert (told["result"], told["target"], told["status"]) == ("outside", "+551133334444", 0)
    assert told["lines"][1] == "read as the public number +551133334444 (RU)"
    assert "  trunk carrier is switched off" in told["lines"]
    assert [(one["trunk"], one["request_uri"]) for one in told["tries"]] == [("other", "sip:+551133334444@192.0.2.2")]
    forbidden = (await admin.post("/api/v1/routes/test", json={"number": "+551133334444"})).json()
    assert (forbidden["result"], forbidden["status"]) == ("refused", 403)
    for body, field in (
        ({"number": "1001", "from_extension": "1999"}, "body.from_extension"),
        ({"number": "1001", "trunk": "nobody"}, "body.trunk"),
        ({"number": "1001", "from_extension": "1001", "trunk": "other"}, "body.from_extension"),
        ({"number": "sip:x"}, "body.number"),
        ({}, "body.number"),
    ):
        answer = await admin.post("/api/v1/routes/test", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    async with await server.as_role(Role.AGENT, "1001") as agent:
        assert (await agent.post("/api/v1/routes/test", json=asked)).status_code == 403


async def test_whatever_takes_a_call_can_be_told(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana", "supervises": True})
    await admin.post("/api/v1/extensions", json={"number": "1002", "name": "Bia"})
    await admin.post("/api/v1/conferences", json={"number": "8000", "name": "Room"})
    for number, result in (
        ("1002", "extension"),
        ("8000", "conference"),
        ("*501002", "supervision"),
        ("*81002", "pick_up"),
        ("*78", "service"),
        ("*99", "refused"),
    ):
        answer = await admin.post("/api/v1/routes/test", json={"number": number, "from_extension": "1001"})
        assert (answer.status_code, answer.json().get("result")) == (200, result), answer.text


async def test_a_number_that_nobody_dials_is_refused_in_words(admin: httpx.AsyncClient) -> None:
    refused = await admin.post("/api/v1/routes/test", json={"number": "abc"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["message"].startswith("It must be a number as one dials it")
    refused = await admin.post("/api/v1/bans", json={"address": "nonsense"})
    assert "an IP address or a network" in refused.json()["detail"]


async def test_a_pattern_of_numbers_is_listed_with_the_numbers(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})
    destination = {"kind": "extension", "target": "10{2}"}
    made = await admin.post("/api/v1/numbers", json={"number": "+749511122XX", "destination": destination})
    assert made.status_code == 201, made.text
    assert [one["number"] for one in (await admin.get("/api/v1/numbers")).json()["items"]] == ["+749511122XX"]
    assert (await admin.get(f"/api/v1/numbers/{made.json()['id']}")).json()["destination"] == destination


async def test_a_conference_has_a_number_of_its_own_and_its_rules(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/v1/extensions", json={"number": "1001", "name": "Ana"})
    made = await admin.post("/api/v1/conferences", json={"number": "700", "name": "Round", "pin": "4321"})
    assert made.status_code == 201
    room = made.json()
    assert (room["number"], room["pin"], room["max_members"], room["members"]) == ("700", "4321", 50, [])
    path = f"/api/v1/conferences/{room['id']}"
    for taken in ("700", "1001"):
        again = await admin.post("/api/v1/conferences", json={"number": taken, "name": "Other"})
        assert again.status_code == 409
    assert (await admin.post("/api/v1/extensions", json={"number": "700", "name": "Boris"})).status_code == 409
    for wrong in ({"pin": "12"}, {"max_members": 1}, {"number": "701"}):
        assert (await admin.patch(path, json=wrong)).status_code == 422
    changed = await admin.patch(path, json={"pin": "", "max_members": 10, "name": "Evening round"})
    assert (changed.json()["pin"], changed.json()["max_members"], changed.json()["name"]) == (None, 10, "Evening round")
    number = {"number": "+74951112233", "destination": {"kind": "conference", "target": "700"}}
    leading = await admin.post("/api/v1/numbers", json=number)
    assert leading.status_code == 201
    assert (await admin.delete(path)).status_code == 409
    nowhere = {"number": "+74951112244", "destination": {"kind": "conference", "target": "799"}}
    assert (await admin.post("/api/v1/numbers", json=nowhere)).status_code == 422
    assert (await admin.delete(f"/api/v1/numbers/{leading.json()['id']}")).status_code == 204
    assert (await admin.post(f"{path}/members/nobody/kick")).status_code == 404
    assert (await admin.post(f"{path}/members/nobody/mute", json={"muted": False})).status_code == 404
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404
    assert (await admin.get("/api/v1/conferences")).json()["items"] == []


async def test_the_pin_of_a_conference_is_for_those_who_control_it(server: Server, admin: httpx.AsyncClient) -> None:
    path = (await admin.post("/api/v1/conferences", json={"number": "700", "name": "Board", "pin": "4321"})).json()[
        "id"
    ]
    pins = {Role.AGENT: None, Role.OWNER: None, Role.MANAGER: "4321", Role.ADMINISTRATOR: "4321"}
    for role, pin in pins.items():
        async with await server.as_role(role, "1001") as client:
            (listed,) = (await client.get("/api/v1/conferences")).json()["items"]
            shown = (await client.get(f"/api/v1/conferences/{path}")).json()
            assert (listed["pin"], shown["pin"]) == (pin, pin)


@pytest.mark.parametrize(
    ("kind", "new"), [("extensions", {"number": "1001", "name": "Ana"}), ("trunks", TRUNK | LOGIN)]
)
async def test_how_keys_go_to_a_party_is_chosen(admin: httpx.AsyncClient, kind: str, new: dict[str, object]) -> None:
    made = (await admin.post(f"/api/v1/{kind}", json=new)).json()
    assert made["dtmf"] == "rfc4733"
    path = f"/api/v1/{kind}/{made['id']}"
    assert (await admin.patch(path, json={"dtmf": "inband"})).json()["dtmf"] == "inband"
    assert (await admin.patch(path, json={"dtmf": "smoke"})).status_code == 422
    assert (await admin.get(path)).json()["dtmf"] == "inband"
