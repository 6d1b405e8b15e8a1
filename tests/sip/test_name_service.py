"""Names to servers with a real DNS server: what is asked, what is remembered, and what happens when it is dead."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import ManualClock
from sip.address import Address
from sip.name_service import NameService, SystemDns
from sip.resolver import RecordKind, Target
from tests.support.dns_server import DnsServer, dns_server

CARRIER = Target("carrier.example", None, "udp")


@pytest.fixture
async def dns(tmp_path: Path) -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        server.add("_sip._udp.carrier.example", "SRV", "1 0 5080 a.carrier.example.", "2 0 5090 b.carrier.example.")
        server.add("a.carrier.example", "A", "192.0.2.1")
        server.add("b.carrier.example", "A", "192.0.2.2")
        server.add("b.carrier.example", "AAAA", "2001:db8::2")
        yield server


def service(dns: DnsServer, clock: ManualClock, *, seconds: float = 2.0, hosts: Path | None = None) -> NameService:
    lookup = SystemDns(dns.servers, seconds=seconds, hosts=hosts or Path("/nonexistent"))
    return NameService(clock, lookup, seconds=seconds)


async def test_servers_are_located_once_and_remembered(dns: DnsServer) -> None:
    names = service(dns, ManualClock())
    assert names.locate_at_once(CARRIER) is None
    found = await names.locate(CARRIER)
    assert found == (
        Address("192.0.2.1", 5080),
        Address("192.0.2.2", 5090),
        Address("2001:db8::2", 5090),
    )
    asked = len(dns.asked)
    assert names.locate_at_once(CARRIER) == found
    assert len(dns.asked) == asked
    assert names.addresses_of("B.carrier.example.") == {"192.0.2.2", "2001:db8::2"}


async def test_the_naptr_is_read_from_the_wire(dns: DnsServer) -> None:
    dns.add("carrier.example", "NAPTR", '10 10 "s" "SIP+D2U" "" _sip._udp.carrier.example.', '5 1 "u" "x" "!a!b!" .')
    found = await service(dns, ManualClock()).locate(Target("carrier.example"))
    assert found[0] == Address("192.0.2.1", 5080, "udp")


async def test_many_who_ask_at_once_make_one_question(dns: DnsServer) -> None:
    names = service(dns, ManualClock())
    found = await asyncio.gather(*(names.locate(Target("a.carrier.example", 5060)) for _ in range(50)))
    assert set(found) == {(Address("192.0.2.1", 5060),)}
    assert sorted(dns.asked) == [("a.carrier.example", "A"), ("a.carrier.example", "AAAA")]


async def test_what_just_expired_serves_at_once_and_is_asked_for_anew(dns: DnsServer) -> None:
    clock = ManualClock()
    names = service(dns, clock)
    target = Target("a.carrier.example", 5060)
    await names.locate(target)
    dns.add("a.carrier.example", "A", "192.0.2.77")
    clock.advance(65)
    assert names.locate_at_once(target) == (Address("192.0.2.1", 5060),)
    async with asyncio.timeout(5):
        while names.addresses_of("a.carrier.example") != {"192.0.2.77"}:
            await asyncio.sleep(0.01)
    assert await names.locate(target) == (Address("192.0.2.77", 5060),)


@pytest.mark.parametrize("how", ["silent", "failing"])
async def test_a_dead_dns_does_not_hold_up_a_call_and_what_was_known_goes_on(dns: DnsServer, how: str) -> None:
    clock = ManualClock()
    names = service(dns, clock, seconds=0.3)
    known = await names.locate(CARRIER)
    setattr(dns, how, True)
    clock.advance(7200)
    begun = time.monotonic()
    assert await names.locate(CARRIER) == known
    assert time.monotonic() - begun < 1.0
    # And while it stays dead, nobody waits again.
    assert names.locate_at_once(CARRIER) == known
    assert await names.locate(Target("other.example", 5060)) == ()
    while names._asking:
        await asyncio.wait(names._asking.values())
    clock.advance(6)
    setattr(dns, how, False)
    dns.add("a.carrier.example", "A", "192.0.2.9")
    assert (await names.locate(CARRIER))[0] == Address("192.0.2.9", 5080)


async def test_an_unknown_name_is_remembered_as_such(dns: DnsServer) -> None:
    clock = ManualClock()
    names = service(dns, clock)
    nowhere = Target("nowhere.example", 5060)
    assert await names.locate(nowhere) == ()
    asked = len(dns.asked)
    assert names.locate_at_once(nowhere) == ()
    assert len(dns.asked) == asked
    clock.advance(61)
    dns.add("nowhere.example", "A", "192.0.2.5")
    assert await names.locate(nowhere) == (Address("192.0.2.5", 5060),)


async def test_the_hosts_file_comes_first_and_is_read_again_when_it_changes(dns: DnsServer, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# ours\n192.0.2.50  A.carrier.example alias # here\n2001:db8::50 a.carrier.example\nnonsense x\n")
    clock = ManualClock()
    names = service(dns, clock, hosts=hosts)
    target = Target("a.carrier.example", 5060)
    assert await names.locate(target) == (Address("192.0.2.50", 5060), Address("2001:db8::50", 5060))
    assert dns.asked == []
    hosts.unlink()
    clock.advance(100)
    assert await names.locate(target) == (Address("192.0.2.1", 5060),)


async def test_a_name_that_no_dns_may_hold_is_no_error(dns: DnsServer) -> None:
    names = service(dns, ManualClock())
    for name in ("a" * 300, "x..y", "-", "_"):
        assert await names.locate(Target(name, 5060)) == ()


async def test_whoever_waits_is_told_when_it_is_located(dns: DnsServer) -> None:
    names = service(dns, ManualClock())
    told: asyncio.Future[tuple[Address, ...]] = asyncio.get_running_loop().create_future()
    names.when_located(CARRIER, told.set_result)
    assert (await asyncio.wait_for(told, 5))[0] == Address("192.0.2.1", 5080)
    names.when_located(CARRIER, lambda found: dns.asked.append(("told", found[0].host)))
    assert dns.asked[-1] == ("told", "192.0.2.1")
    names.close()


async def test_only_addresses_we_can_send_to_are_looked_for(dns: DnsServer) -> None:
    lookup = SystemDns(dns.servers, hosts=Path("/nonexistent"))
    names = NameService(ManualClock(), lookup, families=(RecordKind.AAAA,))
    assert await names.locate(Target("b.carrier.example", 5060)) == (Address("2001:db8::2", 5060),)
    assert dns.asked == [("b.carrier.example", "AAAA")]
