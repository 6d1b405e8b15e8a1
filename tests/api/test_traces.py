"""The SIP trace over the API: in three shapes, by either id, and for administrators only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from api.permissions import Role
from core.events import CallEnded, CallOffered, Direction, Disposition, LegAnswered, LegCreated, LegEnded, PartyRole
from core.identifiers import new_id
from sip.address import Address
from sip.trace.tracer import Tracer
from tests.support.captures import packets

from .conftest import Server

CALL = "018f0000-0000-7000-8000-0000000000aa"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PHONE, CARRIER = Address("192.0.2.7", 5062), Address("198.51.100.9", 5060)


def message(start_line: str, call_id: str, method: str, extra: str = "") -> bytes:
    return f"{start_line}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{extra}Content-Length: 0\r\n\r\n".encode()


@pytest.fixture
async def told(server: Server) -> Server:
    """A server that knows a call of an hour, and what was said at its ends."""
    end = START + timedelta(hours=1)
    await server.journal(
        CallOffered(
            at=START,
            call_id=CALL,
            direction=Direction.OUTBOUND,
            from_number="1001",
            to_number="+79161234567",
            dialled="89161234567",
            sip_call_id="one@phone",
        ),
        LegCreated(
            at=START,
            call_id=CALL,
            leg_id="a",
            role=PartyRole.AGENT,
            number="1001",
            incoming=True,
            extension="1001",
            sip_call_id="one@phone",
        ),
        LegCreated(
            at=START,
            call_id=CALL,
            leg_id="b",
            role=PartyRole.CUSTOMER,
            number="+79161234567",
            incoming=False,
            trunk="carrier",
            sip_call_id="two/[x]",
        ),
        LegAnswered(at=START, call_id=CALL, leg_id="b"),
        LegEnded(at=end, call_id=CALL, leg_id="b"),
        LegEnded(at=end, call_id=CALL, leg_id="a"),
        CallEnded(at=end, call_id=CALL, disposition=Disposition.ANSWERED),
    )
    time = START.timestamp()
    tracer = Tracer(server.folder / "trace", most_bytes=1 << 20, most_seconds=1e9, now=lambda: time)
    tracer.received(message("INVITE sip:89161234567@ramal SIP/2.0", "one@phone", "INVITE"), PHONE)
    tracer.sent(message("INVITE sip:+79161234567@carrier SIP/2.0", "two/[x]", "INVITE"), CARRIER)
    tracer.received(message("INVITE sip:1001@ramal SIP/2.0", "stranger", "INVITE"), CARRIER)
    time += 3600
    tracer.received(message("BYE sip:ramal SIP/2.0", "two/[x]", "BYE"), CARRIER)
    # Another call of a phone that counts its Call-IDs from the start again.
    time += 7200
    tracer.received(message("INVITE sip:1003@ramal SIP/2.0", "one@phone", "INVITE"), PHONE)
    tracer.close()
    return server


def trace_of(call: str) -> str:
    return f"/api/v1/calls/{call}/trace"


@pytest.mark.parametrize("call", [CALL, "one@phone", "two%2F%5Bx%5D", "two/[x]"])
async def test_a_call_is_found_by_its_id_and_by_the_call_id_of_any_leg(
    told: Server, admin: httpx.AsyncClient, call: str
) -> None:
    trace = (await admin.get(trace_of(call))).json()
    assert trace["call_id"] == CALL
    assert [(one["party"], one["summary"], one["sent"]) for one in trace["messages"]] == [
        ("extension 1001", "INVITE", False),
        ("trunk carrier", "INVITE", True),
        ("trunk carrier", "BYE", False),
    ]
    first = trace["messages"][0]
    assert (first["at"], first["source"], first["leg_id"]) == ("2026-03-02T09:00:00Z", "192.0.2.7:5062", "a")


async def test_it_is_shown_as_a_ladder_and_as_a_capture(told: Server, admin: httpx.AsyncClient) -> None:
    ladder = await admin.get(trace_of(CALL), params={"format": "text"})
    assert ladder.headers["content-type"] == "text/plain; charset=utf-8"
    assert "1001 -> +79161234567, answered; 3 messages on 2026-03-02" in ladder.text
    assert "CSeq" not in ladder.text
    assert "CSeq" in (await admin.get(trace_of(CALL), params={"format": "text", "whole": "true"})).text
    capture = await admin.get(trace_of("two/[x]"), params={"format": "pcap"})
    assert capture.headers["content-disposition"] == 'attachment; filename="two--x-.pcap"'
    assert [packet.destination for packet in packets(capture.content)][1] == "198.51.100.9:5060"


async def test_an_invite_that_made_no_call_is_shown_alone(told: Server, admin: httpx.AsyncClient) -> None:
    trace = (await admin.get(trace_of("stranger"))).json()
    assert (trace["call_id"], [one["party"] for one in trace["messages"]]) == (None, [""])


@pytest.mark.parametrize(
    "call", [new_id(), "nobody@nowhere", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"], ids=["an id", "a Call-ID", "a path"]
)
async def test_what_is_not_kept_is_told_with_the_settings(told: Server, admin: httpx.AsyncClient, call: str) -> None:
    answer = await admin.get(trace_of(call))
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:ramal:problem:pbx.trace_not_found"
    assert "RAMAL_TRACE_DAYS" in answer.json()["hint"]


async def test_an_unknown_format_and_an_endless_id_are_refused(told: Server, admin: httpx.AsyncClient) -> None:
    assert (await admin.get(trace_of(CALL), params={"format": "xml"})).status_code == 422
    assert (await admin.get(trace_of("x" * 300))).status_code in {404, 422}
    assert (await admin.get(trace_of("a%20b"))).status_code in {404, 422}


@pytest.mark.parametrize("role", [Role.AGENT, Role.MANAGER, Role.OWNER])
async def test_only_administrators_see_it_and_that_is_noted(told: Server, admin: httpx.AsyncClient, role: Role) -> None:
    async with await told.as_role(role, "1001") as client:
        assert (await client.get(trace_of(CALL))).status_code == 403
    await admin.get(trace_of(CALL))
    (entry,) = (await admin.get("/api/v1/audit", params={"target": CALL})).json()["items"]
    assert (entry["resource"], entry["action"], entry["status"]) == ("calls", "trace", 200)
