"""`ramal trace` and its API on a call of real phones through a server process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.captures import Packet, packets
from tests.support.ports import free_port
from tests.support.ramal_process import CARRIER, MOBILE, RamalProcess, only_record, ramal_process, until

pytestmark = pytest.mark.timeout(120)


@contextlib.asynccontextmanager
async def after_a_call(folder: Path) -> AsyncIterator[tuple[RamalProcess, dict[str, Any], int]]:
    """Give a server with the record of one call from 1001 to a mobile number, and the carrier's port."""
    async with ramal_process(folder) as server, contextlib.AsyncExitStack() as stack:
        await server.start()
        port = free_port(host=CARRIER)
        await server.create_company(port)
        agent = await server.phone("1001")
        stack.push_async_callback(agent.close)
        customer = await server.carrier(port)
        stack.push_async_callback(customer.close)
        call = await agent.call(MOBILE)
        answered = await customer.incoming()
        await answered.answer()
        await call.confirmed()
        await live_trace(server)
        await call.hang_up()
        async with server.api() as api:
            record = await until(lambda: only_record(api), "the record of the call")
        yield server, record, port


async def live_trace(server: RamalProcess) -> None:
    """See that a call that goes on, and has perhaps no record yet, is traced over the API and from the command line."""
    async with server.api() as api:
        (live,) = (await api.get("calls"))["items"]
        trace = await api.get(f"calls/{live['id']}/trace")
    assert trace["call_id"] == live["id"]
    assert "INVITE SDP" in {one["summary"] for one in trace["messages"]}
    code, output, errors = await ramal(server, "trace", live["id"])
    assert code == 0, errors
    assert live["id"] in output.decode().splitlines()[0]


async def ramal(server: RamalProcess, *arguments: str) -> tuple[int, bytes, str]:
    """Run a command on the server's folder; return its code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from ramal.cli import main; main()",
        *arguments,
        "--data",
        str(server.data),
        env=server.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output, errors.decode()


async def test_a_call_is_traced_with_both_legs_as_text_json_and_capture(tmp_path: Path) -> None:
    async with after_a_call(tmp_path) as (server, record, carrier_port):
        code, output, errors = await ramal(server, "trace", record["id"], "--messages")
        assert code == 0, errors
        check_text(output.decode(), record["id"], carrier_port)
        trace = json.loads((await ramal(server, "trace", record["id"], "--json"))[1])
        check_messages(trace, record)
        code, output, errors = await ramal(server, "trace", trace["sip_call_ids"][1], "--format", "pcap")
        assert code == 0, errors
        check_capture(packets(output), trace, carrier_port)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.web_port}", trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {server.token}"
            address = f"/api/v1/calls/{record['id']}/trace"
            assert (await client.get(address)).json() == trace
            assert (await client.get(address, params={"format": "pcap"})).content == output
            text = (await client.get(address, params={"format": "text"})).text
            assert "INVITE SDP" in text


def check_text(text: str, call_id: str, carrier_port: int) -> None:
    assert call_id in text.splitlines()[0]
    ladder, _line, whole = text.partition("\n---")
    for part in ("extension 1001", "trunk carrier", "Ramal", f"{CARRIER}:{carrier_port}", "INVITE SDP", "200 OK (BYE)"):
        assert part in ladder
    assert 'response="***"' in whole
    assert 'nonce="***"' in whole


def check_messages(trace: dict[str, Any], record: dict[str, Any]) -> None:
    """The dialogs of both legs are there from INVITE to the answer of BYE, and no digest."""
    assert trace["call_id"] == record["id"]
    assert trace["sip_call_ids"] == [leg["sip_call_id"] for leg in record["legs"]]
    for leg, party in zip(record["legs"], ("extension 1001", "trunk carrier"), strict=True):
        told = [one["summary"] for one in trace["messages"] if one["leg_id"] == leg["id"]]
        assert all(one["party"] == party for one in trace["messages"] if one["leg_id"] == leg["id"])
        for summary in ("INVITE SDP", "200 OK SDP", "ACK", "BYE", "200 OK (BYE)"):
            assert summary in told, (summary, told)
    assert "407 Proxy Authentication Required" in {one["summary"] for one in trace["messages"]}
    authorised = [one["text"] for one in trace["messages"] if "Proxy-Authorization: Digest" in one["text"]]
    assert authorised
    for text in authorised:
        assert 'response="***"' in text
        assert 'nonce="***"' in text
        assert 'username="1001"' in text
    assert [one["at"] for one in trace["messages"]] == sorted(one["at"] for one in trace["messages"])


def check_capture(captured: list[Packet], trace: dict[str, Any], carrier_port: int) -> None:
    assert len(captured) == len(trace["messages"])
    for packet, message in zip(captured, trace["messages"], strict=True):
        assert packet.payload.decode() == message["text"]
        assert (packet.source, packet.destination) == (message["source"], message["destination"])
    assert f"{CARRIER}:{carrier_port}" in {packet.destination for packet in captured}


async def test_a_call_that_is_not_kept_is_told_in_two_lines(tmp_path: Path) -> None:
    async with ramal_process(tmp_path) as server:
        await server.run("token", "create", "--role", "agent")
        code, output, errors = await ramal(server, "trace", "018f0000-0000-7000-8000-000000000000")
        assert (code, output) == (2, b"")
        assert "RAMAL_TRACE_DAYS" in errors
        assert "Traceback" not in errors
        for odd in ("\udcff", "x" * 300, "a\nb"):
            code, _output, errors = await ramal(server, "trace", odd)
            assert code == 2
            assert "Traceback" not in errors
