"""Trunks with several hosts: SIPp as the carrier's servers, one of them out of order, dead or full."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Unpack

import pytest

from core.events import CallEnded, Disposition, LegAnswered, LegCreated, LegEnded
from pbx.entry_fields import TrunkFields
from ramal.softphone.controller import PhoneSetup, SoftPhone
from sip.address import Address
from sip.config import SipConfig
from sip.stack import SipStack
from tests.interop.conftest import PhoneFactory
from tests.sip.network import PhoneApplication
from tests.support.dns_server import dns_server
from tests.support.ports import free_port
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server
from tests.support.scripted_phone import scripted_phone
from tests.support.sipp import SippResult, run_sipp

SCENARIOS = Path(__file__).with_name("scenarios")
NUMBER = "+79161234567"


@contextlib.asynccontextmanager
async def carrier_host(
    scenario: str, folder: Path, *, calls: int = 1
) -> AsyncIterator[tuple[int, asyncio.Task[SippResult]]]:
    """Run SIPp as one host of a carrier; give its port and what becomes of it."""
    port = free_port()
    task = asyncio.create_task(run_sipp(SCENARIOS / scenario, folder=folder, port=port, calls=calls))
    await asyncio.sleep(0.5)
    try:
        yield port, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def route_by(server: RamalServer, **fields: Unpack[TrunkFields]) -> None:
    directory = server.exchange.directory
    named: TrunkFields = {"name": "carrier", "ping_seconds": 0}
    await directory.create_trunk(**named | fields)
    await directory.create_route(name="all", prefix="+", trunks=["carrier"])


async def test_a_host_that_answers_503_gives_way_to_the_next_within_one_leg(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    async with (
        carrier_host("refuse.xml", tmp_path) as (first, refused),
        carrier_host("answer.xml", tmp_path) as (
            second,
            answered,
        ),
    ):
        await route_by(server, host="127.0.0.1", port=first, backup_hosts=[f"127.0.0.1:{second}"])
        ana = await phone("1001")
        call = await ana.call(NUMBER)
        await call.confirmed()
        results = await asyncio.gather(refused, answered)
        await call.over(15)
    assert [(one.code, one.successful) for one in results] == [(0, 1), (0, 1)]
    assert len(server.told(LegCreated, trunk="carrier")) == 1
    end = await server.fact(CallEnded)
    assert end.disposition is Disposition.ANSWERED
    trunk = server.exchange.directory.snapshot.trunks["carrier"]
    assert [address.port for address in await server.exchange.trunks.servers(trunk)] == [second]
    assert server.exchange.trunks.status("carrier").calls_out == 0


async def test_a_host_that_is_dead_is_given_up_and_passed_over_by_the_next_call(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    dead = free_port()
    async with carrier_host("answer.xml", tmp_path, calls=2) as (alive, answered):
        await route_by(server, host="127.0.0.1", port=dead, backup_hosts=[f"127.0.0.1:{alive}"])
        ana = await phone("1001")
        begun = asyncio.get_running_loop().time()
        first = await ana.call(NUMBER)
        await first.confirmed(15)
        took = asyncio.get_running_loop().time() - begun
        await first.over(15)
        begun = asyncio.get_running_loop().time()
        second = await ana.call(NUMBER)
        await second.confirmed()
        assert asyncio.get_running_loop().time() - begun < min(took, 3.0), "the dead host was asked again"
        await second.over(15)
        assert (await answered).successful == 2


async def test_a_trunk_whose_only_host_is_out_of_order_gives_way_to_the_next_trunk(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone, tmp_path: Path
) -> None:
    async with carrier_host("refuse.xml", tmp_path) as (port, refused):
        directory = server.exchange.directory
        await directory.create_trunk(name="cheap", host="127.0.0.1", port=port, ping_seconds=0)
        await directory.create_route(name="first", prefix="+7", trunks=["cheap", "carrier"])
        ana = await phone("1001")
        call = await ana.call(NUMBER)
        outside = await trunk.incoming()
        await outside.answer()
        await call.confirmed()
        assert (await refused).successful == 1
        assert [fact.trunk for fact in server.told(LegCreated, incoming=False)] == ["cheap", "carrier"]
        cheap = directory.snapshot.trunks["cheap"]
        refusal = re.search("passed over for ([0-9]+) s", server.exchange.trunks.refusal(cheap))
        assert refusal is not None
        assert 60 < int(refusal[1]) <= 90, "it asked to be left alone for so long"
        await call.hang_up()
        await server.fact(CallEnded)


async def test_the_trunk_says_what_its_answers_mean(server: RamalServer, phone: PhoneFactory, tmp_path: Path) -> None:
    async with carrier_host("refuse.xml", tmp_path) as (port, refused):
        await route_by(server, host="127.0.0.1", port=port, responses={"503": "486"})
        ana = await phone("1001")
        call = await ana.call(NUMBER)
        assert await call.over(20) == 486
        assert (await refused).successful == 1
        assert (await server.fact(CallEnded)).disposition is Disposition.BUSY


async def test_a_full_trunk_takes_no_further_call_in_either_direction(
    server: RamalServer, phone: PhoneFactory, trunk: SoftPhone
) -> None:
    directory = server.exchange.directory
    await directory.update_trunk(directory.snapshot.trunks["carrier"].id, max_calls=1)
    ana, boris = await phone("1001"), await phone("1002")
    call = await ana.call(NUMBER)
    outside = await trunk.incoming()
    await outside.answer()
    await call.confirmed()
    assert server.exchange.trunks.status("carrier").calls_out == 1
    second = await boris.call(NUMBER)
    assert await second.over(20) == 503
    third = await trunk.call(f"sip:+74951112233@{server.address}")
    assert await third.over(10) == 486
    await call.hang_up()
    await server.quiet()
    status = server.exchange.trunks.status("carrier")
    assert (status.calls_in, status.calls_out, status.refused) == (0, 0, 2)
    again = await boris.call(NUMBER)
    await (await trunk.incoming()).answer()
    await again.confirmed()


async def test_a_trunk_speaks_its_own_codecs_and_shows_the_number_it_is_told_to(
    server: RamalServer, phone: PhoneFactory, tmp_path: Path
) -> None:
    async with carrier_host("expect_identity.xml", tmp_path) as (port, expected):
        await server.exchange.directory.create_number(number="+74951112244", kind="extension", target="1001")
        await route_by(
            server,
            host="127.0.0.1",
            port=port,
            codecs=["PCMU"],
            caller_id_policy="pass",
            caller_id_format="e164",
            asserted_identity=True,
            domain="carrier.example",
        )
        ana = await phone("1001")
        call = await ana.call(NUMBER)
        await call.confirmed()
        result = await expected
        assert (result.code, result.successful) == (0, 1), result.log
        await call.over(15)
        assert server.told(LegAnswered)
        assert server.told(LegEnded)


async def test_a_carrier_known_by_its_srv_records_is_called_where_they_lead(tmp_path: Path, prompts: Path) -> None:
    async with (
        dns_server() as dns,
        carrier_host("refuse.xml", tmp_path) as (first, refused),
        carrier_host("answer.xml", tmp_path) as (second, answered),
        ramal_server(tmp_path / "server", prompts=prompts, dns=dns.servers) as server,
    ):
        dns.add(
            "_sip._udp.carrier.example", "SRV", f"1 0 {first} a.carrier.example.", f"2 0 {second} b.carrier.example."
        )
        for name in ("a.carrier.example", "b.carrier.example"):
            dns.add(name, "A", "127.0.0.1")
        await server.exchange.directory.create_extension(number="1001", name="Ana", password=PASSWORD)
        await route_by(server, host="carrier.example")
        setup = PhoneSetup(
            server=server.address, username="1001", port=free_port(), rtp_port=free_port(), password=PASSWORD
        )
        ana = await SoftPhone.start(setup)
        try:
            call = await ana.call(NUMBER)
            await call.confirmed()
            await call.over(15)
            assert [one.successful for one in await asyncio.gather(refused, answered)] == [1, 1]
            # A dead DNS changes nothing for the next call: what is known serves on.
            dns.silent = True
            trunk = server.exchange.directory.snapshot.trunks["carrier"]
            assert [address.port for address in await server.exchange.trunks.servers(trunk)] == [second]
        finally:
            await ana.close()


@pytest.mark.parametrize("realm", ["", "ramal", "elsewhere"])
async def test_a_call_proves_the_password_of_a_trunk_in_its_realm_only(server: RamalServer, realm: str) -> None:
    application = PhoneApplication()
    application.trunk, application.users = None, {"acme": "to the carrier"}
    carrier = SipStack(SipConfig(listen=(Address("127.0.0.1", 0, "udp"),)), application)
    await carrier.start()
    application.on_invite = lambda session: session.reject(486)
    try:
        port = carrier.addresses[0].port
        await route_by(server, host="127.0.0.1", port=port, username="acme", password="to the carrier", realm=realm)
        async with scripted_phone(server, "1001") as ana:
            await ana.call(NUMBER).over()
    finally:
        await carrier.close()
    assert len(application.sessions) == (0 if realm == "elsewhere" else 1)
