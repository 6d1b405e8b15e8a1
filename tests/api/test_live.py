"""The event WebSocket: who may listen, who hears what, and what becomes of a slow reader."""

from __future__ import annotations

import asyncio

import pytest

from api import live
from api.permissions import Role

from .asgi_websocket import connect
from .conftest import BASE, PASSWORD, Server

EVENTS = "/api/v1/events"


async def test_a_manager_hears_every_call(server: Server) -> None:
    token = await server.token(Role.MANAGER)
    async with connect(server.app, EVENTS, {"Authorization": f"Bearer {token}"}) as socket:
        assert (await socket.next_json())["kind"] == "hello"
        server.services.bus.publish("call.offered", {"from_number": "+74951234567"}, call_id="c1")
        event = await socket.next_json()
    assert (event["sequence"], event["kind"], event["call_id"]) == (1, "call.offered", "c1")
    assert event["payload"] == {"from_number": "+74951234567"}
    assert event["at"].endswith("Z")


async def test_an_agent_hears_own_calls_from_the_first_event_that_names_the_extension(server: Server) -> None:
    token = await server.token(Role.AGENT, "1001")
    publish = server.services.bus.publish
    async with connect(server.app, f"{EVENTS}?token={token}") as socket:
        await socket.next_json()
        publish("call.offered", {"from_number": "+74951234567"}, call_id="c1")
        publish("call.offered", {"from_number": "+74957654321"}, call_id="c2")
        publish("call.ringing", {"legs": [{"extension": ""}, {"extension": "1001"}]}, call_id="c1")
        publish("call.ringing", {"legs": [{"extension": "1002"}]}, call_id="c2")
        publish("card.shown", {"extensions": ["1002"]}, call_id="c1")
        publish("card.shown", {"extensions": ["1001"]}, call_id="c1")
        publish("visit.started", {"camera": "door"})
        publish("call.answered", {"leg_id": "x"}, call_id="c1")
        publish("call.ended", {"disposition": "answered"}, call_id="c2")
        publish("call.ended", {"disposition": "answered"}, call_id="c1")
        publish("recording.sealed", {"id": "r1"}, call_id="c1")
        publish("recording.sealed", {"id": "r2"}, call_id="c2")
        publish("lead.created", {"id": "l1"})
        heard = [(one["kind"], one["call_id"]) for one in [await socket.next_json() for _ in range(6)]]
    assert heard == [
        ("call.ringing", "c1"),
        ("card.shown", "c1"),
        ("call.answered", "c1"),
        ("call.ended", "c1"),
        ("recording.sealed", "c1"),
        ("lead.created", None),
    ]


@pytest.mark.parametrize(
    ("path", "headers", "code"),
    [
        (EVENTS, {}, live.NOT_SIGNED_IN),
        (f"{EVENTS}?token=nonsense", {}, live.NOT_SIGNED_IN),
        (EVENTS, {"Authorization": "Bearer nonsense"}, live.NOT_SIGNED_IN),
        (EVENTS, {"Cookie": "ramal_session=nonsense"}, live.NOT_SIGNED_IN),
        (EVENTS, {"Cookie": "ramal_session=x", "Origin": "http://evil.test"}, live.FORBIDDEN),
    ],
)
async def test_strangers_and_other_sites_are_turned_away(
    server: Server, path: str, headers: dict[str, str], code: int
) -> None:
    async with connect(server.app, path, headers) as socket:
        assert await socket.close_code() == code


async def test_an_agent_without_an_extension_is_told_why(server: Server) -> None:
    token = await server.token(Role.AGENT)
    async with connect(server.app, f"{EVENTS}?token={token}") as socket:
        assert await socket.close_code() == live.FORBIDDEN


async def test_the_cookie_of_an_own_page_opens_it(server: Server) -> None:
    await server.make_user("boss", Role.MANAGER)
    async with server.client() as client:
        await client.post("/api/v1/session", json={"username": "boss", "password": PASSWORD})
        cookie = f"ramal_session={client.cookies['ramal_session']}"
    async with connect(server.app, EVENTS, {"Cookie": cookie, "Origin": BASE}) as socket:
        assert (await socket.next_json())["payload"] == {"role": "manager"}


async def test_one_who_reads_nothing_is_dropped_and_others_are_not(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_POLL_SECONDS", 0.01)
    token = await server.token(Role.MANAGER)
    async with (
        connect(server.app, f"{EVENTS}?token={token}") as slow,
        connect(server.app, f"{EVENTS}?token={token}") as quick,
    ):
        await slow.next_json()
        await quick.next_json()
        slow.reading.clear()
        for number in range(1200):
            server.services.bus.publish("call.offered", {"number": number}, call_id="c")
            if number % 100 == 0:
                await asyncio.sleep(0)
                while not quick.from_server.empty():
                    quick.from_server.get_nowait()
        await asyncio.sleep(0.05)
        slow.reading.set()
        assert await slow.close_code() == live.TOO_SLOW
    assert len(server.services.bus._subscriptions) == 0
    assert server.app.state.live_clients == set()


async def test_a_session_that_ends_closes_the_socket(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(live, "_RECHECK_SECONDS", 0.02)
    token, secret = await server.app.state.tokens.create(label="till", role=Role.MANAGER)
    async with connect(server.app, f"{EVENTS}?token={secret}") as socket:
        await socket.next_json()
        await server.app.state.tokens.delete(token.id)
        assert await socket.close_code() == live.NOT_SIGNED_IN


async def test_who_is_given_another_role_hears_nothing_more_in_the_old_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(live, "_RECHECK_SECONDS", 0.02)
    user = await server.make_user("rui", Role.MANAGER)
    async with server.client() as client:
        await client.post("/api/v1/session", json={"username": "rui", "password": PASSWORD})
        cookie = f"ramal_session={client.cookies['ramal_session']}"
    async with connect(server.app, EVENTS, {"Cookie": cookie}) as socket:
        await socket.next_json()
        await server.app.state.users.change(user, {"role": Role.AGENT, "extension": "1001"})
        assert await socket.close_code() == live.FORBIDDEN
    async with connect(server.app, EVENTS, {"Cookie": cookie}) as socket:
        assert (await socket.next_json())["payload"] == {"role": "agent"}


async def test_there_is_room_for_so_many_and_no_more(server: Server) -> None:
    token = await server.token(Role.MANAGER)
    server.app.state.live_clients.update(object() for _ in range(2000))
    async with connect(server.app, f"{EVENTS}?token={token}") as socket:
        assert await socket.close_code() == live.TOO_MANY
