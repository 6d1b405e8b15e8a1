"""`ramal doctor` beside a server process with real peers: an unreachable trunk, a call in which one side heard nothing."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from ramal.demo.company import Api
from tests.interop.test_call_trace import ramal
from tests.support.certificates import Authority
from tests.support.dns_server import dns_server
from tests.support.ports import free_port
from tests.support.ramal_process import MOBILE, PASSWORD, RamalProcess, only_record, ramal_process, until
from tests.support.sipp import run_sipp
from tests.support.tones import write_tone

pytestmark = pytest.mark.timeout(120)


async def examined(server: RamalProcess) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """Run the doctor; return its exit code and the findings by their codes."""
    code, output, errors = await ramal(server, "doctor", "--json")
    assert output, errors
    told = json.loads(output)
    assert (code == 1) == (told["status"] == "problem")
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in told["findings"]:
        found.setdefault(finding["code"], []).append(finding)
    return code, found


async def state_of_trunk(api: Api, name: str, state: str) -> bool:
    """Tell whether a trunk is in a state."""
    return any(one["name"] == name and one["state"] == state for one in (await api.get("trunks"))["items"])


async def test_without_a_server_it_finds_a_taken_port_and_an_expired_certificate(tmp_path: Path) -> None:
    expired = Authority.make(tmp_path).issue(tmp_path / "old.pem", "pbx.example.com", days=-1)
    async with ramal_process(tmp_path, TLS_CERTIFICATE=str(expired)) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", server.sip_port))
            code, found = await examined(server)
        assert code == 1
        assert [one["about"] for one in found["port_taken"]] == [f"udp:{server.sip_port}"]
        assert found["certificate_expired"][0]["about"] == str(expired)
        assert "not_running" in found


async def test_a_server_without_its_tls_port_tells_so(tmp_path: Path) -> None:
    async with ramal_process(tmp_path) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.bind(("127.0.0.1", server.sip_port + 1))
            taken.listen()
            await server.start()
            _code, found = await examined(server)
    (finding,) = found["port_taken"]
    assert (finding["about"], finding["severity"]) == (f"tcp:{server.sip_port + 1}", "warning")
    assert "SIP over TLS" in finding["message"]


async def test_without_a_server_it_asks_the_dns_that_is_set(tmp_path: Path) -> None:
    async with dns_server() as names, ramal_process(tmp_path, SIP_DNS_SERVERS=f"127.0.0.1:{names.port}") as server:
        names.add("sip.carrier.example", "A", "192.0.2.7")
        await server.start()
        async with server.api() as api:
            line = {"register": False, "transport": "udp", "ping_seconds": 0}
            await api.post("trunks", name="named", host="sip.carrier.example", **line)
        await server.stop()
        _code, found = await examined(server)
    assert "not_running" in found
    assert "name_unknown" not in found


async def test_a_running_server_tells_of_a_dead_trunk_and_of_a_side_that_heard_nothing(tmp_path: Path) -> None:
    voice = write_tone(tmp_path / "voice.wav", 500.0)
    carrier_port, dead_port = free_port(), free_port()
    async with ramal_process(tmp_path) as server:
        await server.start()
        async with server.api() as api:
            await api.patch("company", name="Test", country="RU", currency="RUB")
            await api.post("extensions", number="1001", name="Ana", password=PASSWORD)
            # SIPp plays one call: an OPTIONS would be taken for it.
            line = {"host": "127.0.0.1", "register": False, "transport": "udp", "ping_seconds": 0}
            await api.post("trunks", name="mute", **line, port=carrier_port)
            # One that registers is known to be dead at the first try.
            login = {"register": True, "username": "u", "password": "p", "transport": "tcp"}
            await api.post("trunks", name="dead", **(line | login), port=dead_port)
            await api.post("routes", name="out", prefix="", trunks=["mute"], strip=0, prepend="", priority=10)
        # SIPp answers and never sends a packet of voice.
        carrier = asyncio.create_task(run_sipp("uas", folder=tmp_path, port=carrier_port, timeout=60))
        agent = await server.phone("1001")
        try:
            call = await agent.call(MOBILE, voice)
            await call.confirmed()
            await asyncio.sleep(4)
            await call.hang_up()
        finally:
            await agent.close()
        async with server.api() as api:
            record = await until(lambda: only_record(api), "the record of the call")
            await until(lambda: state_of_trunk(api, "dead", "unreachable"), "the first look at the trunk", 40)
        assert (await carrier).successful == 1
        code, found = await examined(server)
        assert code == 1
        assert "dead" in {one["about"] for one in found["trunk_unreachable"]}
        (silence,) = found["one_way_audio"]
        assert silence["about"] == record["id"]
        assert "extension 1001 heard nothing of trunk mute" in silence["message"]
        assert "ramal trace" in silence["advice"]
        assert "not_running" not in found
        async with server.api() as api:
            shown = await api.get("doctor")
            assert (await api.get("tokens"))["items"][0]["label"] == "command line"
        assert {one["code"] for one in shown["findings"]} >= {"trunk_unreachable", "one_way_audio"}
