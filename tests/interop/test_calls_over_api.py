"""Live calls through the REST API, with real phones (pjsua2) at both ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.permissions import Role
from api.services import Services
from api.settings import ApiSettings
from billing.service import Billing
from core.clock import SystemClock
from core.consumer import ConsumerRunner
from core.events import AnswererJudged, CallEnded, CallTransferred, LegHeld, LegResumed, RecordingPaused, TransferResult
from core.settings import FacesSettings
from crm_bridge.embedded import EmbeddedCrm
from face_tracker.service import FaceService
from pbx.call_trace import CallTraces
from pbx.cdrs.consumer import CdrConsumer
from pbx.cdrs.queries import CdrQueries
from ramal.adapters import CallParties
from ramal.softphone.controller import SoftPhone
from recordings.service import Recordings
from recordings.storage import RecordingStore
from recordings.transcripts import Transcripts
from tests.interop.conftest import PhoneFactory
from tests.support.audio import make_speech
from tests.support.buddy_phone import buddy_phone
from tests.support.ramal_server import PASSWORD, RamalServer

CUSTOMER = "+79161234567"


@dataclass(slots=True)
class Api:
    """The API of the running server."""

    app: FastAPI
    server: RamalServer
    cdrs: ConsumerRunner
    clients: list[httpx.AsyncClient]

    async def client(self, role: Role, extension: str | None = None) -> httpx.AsyncClient:
        _token, secret = await self.app.state.tokens.create(label=f"{role} {extension}", role=role, extension=extension)
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(
            transport=transport, base_url="http://ramal.test/api/v1", headers={"Authorization": f"Bearer {secret}"}
        )
        self.clients.append(client)
        return client


@pytest.fixture
async def api(server: RamalServer, tmp_path: Path) -> AsyncIterator[Api]:
    clock, database, bus, company = SystemClock(), server.database, server.bus, server.company
    exchange = server.exchange
    services = Services(
        database=database,
        clock=clock,
        bus=bus,
        company=company,
        directory=exchange.directory,
        switch=exchange.switch,
        messages=exchange.watching.messages,
        mailboxes=exchange.watching.mailboxes,
        trunks=exchange.trunks,
        bans=exchange.bans,
        cdrs=CdrQueries(database),
        traces=CallTraces(CdrQueries(database), tmp_path / "trace"),
        recordings=Recordings(database, RecordingStore(server.recordings), bus),
        transcripts=Transcripts(enabled=False),
        billing=Billing.build(database, company, clock),
        crm=EmbeddedCrm(database, company, bus, clock, live_calls=CallParties(exchange.switch.call)),
        faces=FaceService(
            database, clock, bus, FacesSettings(), tmp_path / "faces.key", lambda: ZoneInfo(company.settings.timezone)
        ),
    )
    app = create_app(services, ApiSettings(argon2_memory_kib=64, argon2_passes=1))
    made = Api(app, server, ConsumerRunner(server.journal, database, CdrConsumer()), [])
    yield made
    for client in made.clients:
        await client.aclose()


async def until(read: Callable[[], Any], seconds: float = 10.0) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not read():
            await asyncio.sleep(0.05)


async def test_an_agent_handles_a_call_from_the_web_page(
    server: RamalServer, api: Api, phone: PhoneFactory, trunk: SoftPhone, voices: dict[str, Path]
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    agent, other = await api.client(Role.AGENT, "1001"), await api.client(Role.AGENT, "1003")
    extensions = (await agent.get("/extensions")).json()["items"]
    assert {one["number"]: one["registered"] for one in extensions} == {"1001": True, "1002": True, "1003": False}
    assert extensions[0]["contacts"][0]["user_agent"]

    call = await trunk.call(f"sip:+74951112233@{server.address}", voices["trunk"])
    incoming = await ana.incoming()
    (ringing,) = (await agent.get("/calls")).json()["items"]
    assert (ringing["state"], ringing["direction"]) == ("ringing", "inbound")
    assert (await other.get("/calls")).json()["items"] == []
    path = f"/calls/{ringing['id']}"
    early = await agent.post(f"{path}/hold")
    assert (early.status_code, early.json()["type"]) == (409, "urn:ramal:problem:pbx.call_state")
    await incoming.answer()
    await call.confirmed()
    await until(lambda: server.exchange.switch.calls()[0].state == "talking")
    assert (await other.post(f"{path}/hangup")).status_code == 404

    held = await agent.post(f"{path}/hold")
    assert held.json()["state"] == "held"
    await server.fact(LegHeld, by_extension="1001")
    assert (await agent.post(f"{path}/resume")).json()["state"] == "talking"
    await server.fact(LegResumed)

    assert (await agent.post(f"{path}/record", json={"on": True})).json() == {"recording": "on"}
    assert (await agent.post(f"{path}/record", json={"on": False})).json() == {"recording": "paused"}
    await server.fact(RecordingPaused, by_extension="1001")
    assert (await agent.post(f"{path}/record")).json() == {"recording": "on"}

    lead = (await agent.post(f"{path}/lead", json={"note": "wants a cake"})).json()
    again = (await agent.post(f"{path}/lead")).json()
    assert lead["id"] == again["id"]
    assert (lead["call_id"], lead["responsible"], lead["source"]) == (ringing["id"], "1001", "call")

    started = await agent.post(f"{path}/transfer", json={"to": "1002", "kind": "attended"})
    assert started.status_code == 200
    consulted = await boris.incoming()
    await consulted.answer()
    await consulted.confirmed()
    await until(lambda: server.exchange.switch.calls()[0].state == "transferring")
    await asyncio.sleep(0.3)
    completed = await agent.post(f"{path}/transfer/complete")
    assert completed.status_code == 200, completed.text
    assert (await server.fact(CallTransferred)).result is TransferResult.COMPLETED
    assert await incoming.over() == 200

    colleague = await api.client(Role.AGENT, "1002")
    assert (await colleague.post(f"{path}/hangup")).status_code == 204
    await call.over()
    await server.fact(CallEnded)
    await server.quiet()
    assert (await agent.get(path)).status_code == 404

    await server.journal.flushed()
    while await api.cdrs.step():
        pass
    (cdr,) = (await agent.get("/cdrs")).json()["items"]
    assert [transfer["to_number"] for transfer in cdr["transfers"]] == ["1002"]
    afterwards = await agent.post(f"{path}/contact", json={"name": "Ivan"})
    assert afterwards.status_code == 201
    assert (await other.post(f"{path}/contact")).status_code == 404


async def test_click_to_call_rings_the_own_phone_first(server: RamalServer, api: Api, phone: PhoneFactory) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    agent = await api.client(Role.AGENT, "1001")
    key = {"Idempotency-Key": "click-1"}
    placed = await agent.post("/calls", json={"from": "1001", "to": "1002"}, headers=key)
    assert placed.status_code == 201
    assert (await agent.post("/calls", json={"from": "1001", "to": "1002"}, headers=key)).content == placed.content
    own = await ana.incoming()
    await own.answer()
    incoming = await boris.incoming()
    await incoming.answer()
    await incoming.confirmed()
    assert len((await agent.get("/calls")).json()["items"]) == 1
    assert (await agent.post(f"/calls/{placed.json()['id']}/hangup")).status_code == 204
    await server.quiet()


async def test_who_takes_a_clicked_call_and_who_speaks_are_told_over_the_api(
    server: RamalServer, api: Api, phone: PhoneFactory, tmp_path: Path
) -> None:
    ana, boris = await phone("1001"), await phone("1002")
    agent, other = await api.client(Role.AGENT, "1001"), await api.client(Role.AGENT, "1003")
    placed = await agent.post("/calls", json={"to": "1002", "detect_machine": True})
    assert placed.status_code == 201
    path = f"/calls/{placed.json()['id']}"
    await (await ana.incoming()).answer()
    called = await boris.incoming()
    await called.answer()
    await called.confirmed()
    assert (await other.post(f"{path}/voice-activity", json={"on": True})).status_code == 404
    assert (await agent.post(f"{path}/voice-activity", json={})).status_code == 422
    watched = (await agent.post(f"{path}/voice-activity", json={"on": True})).json()
    await called.say(make_speech(tmp_path / "hello.wav", "Hello?"))
    await server.fact(AnswererJudged, 15, answerer="person")
    legs = (await agent.get(path)).json()["legs"]
    assert {leg["extension"]: leg["answerer"] for leg in legs} == {"1001": None, "1002": "person"}
    speaker = next(leg["id"] for leg in watched["legs"] if leg["extension"] == "1002")
    told = [(event.kind, event.payload["leg"]) for event in server.events if event.kind.startswith("call.voice_")]
    assert told[:2] == [("call.voice_began", speaker), ("call.voice_ended", speaker)]
    await agent.post(f"{path}/hangup")
    await server.fact(CallEnded)
    await server.journal.flushed()
    while await api.cdrs.step():
        pass
    cdr = (await (await api.client(Role.MANAGER)).get("/cdrs")).json()["items"][0]
    assert {leg["extension"]: leg["answerer"] for leg in cdr["legs"]} == {"1001": None, "1002": "person"}


@pytest.mark.parametrize(
    ("role", "body", "status"),
    [
        (Role.AGENT, {"from": "1002", "to": "1001"}, 403),
        (Role.MANAGER, {"to": "1001"}, 422),
        (Role.MANAGER, {"from": "1009", "to": "1001"}, 422),
        (Role.MANAGER, {"from": "1001", "to": "12"}, 422),
        (Role.MANAGER, {"from": "1001", "to": "DROP TABLE"}, 422),
        (Role.MANAGER, {"from": "1001", "to": "1002"}, 503),
        (Role.OWNER, {"from": "1001", "to": "1002"}, 403),
    ],
)
async def test_calls_that_cannot_be_placed(
    server: RamalServer, api: Api, role: Role, body: dict[str, str], status: int
) -> None:
    client = await api.client(role, "1001" if role is Role.AGENT else None)
    answer = await client.post("/calls", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert server.exchange.switch.calls() == []


async def test_a_voicemail_lights_and_puts_out_the_lamp_of_a_phone(server: RamalServer, api: Api) -> None:
    voicemail = await api.client(Role.MANAGER)
    extension = server.exchange.directory.snapshot.extensions["1003"]
    path = f"/extensions/{extension.id}/waiting-messages"
    async with buddy_phone(server.address, "1003", PASSWORD) as clara:
        await clara.until(lambda: "Messages-Waiting: no" in clara.last("mailbox").get("text", ""), "dark")
        assert (await voicemail.put(path, json={"new": 2, "old": 1})).json() == {"new": 2, "old": 1}
        await clara.until(lambda: "Messages-Waiting: yes" in clara.last("mailbox")["text"], "lit")
        assert "Voice-Message: 2/1 (0/0)" in clara.last("mailbox")["text"]
        assert (await voicemail.put(path, json={"new": 0, "old": 3})).status_code == 200
        await clara.until(lambda: "Messages-Waiting: no" in clara.last("mailbox")["text"], "dark again")
        assert "Voice-Message: 0/3 (0/0)" in clara.last("mailbox")["text"]
