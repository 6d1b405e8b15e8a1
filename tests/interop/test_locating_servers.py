"""A carrier that is known by its SRV records only: SIPp as its servers, one of them out of order or dead."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sip.address import Address
from sip.config import SipConfig
from sip.session import InviteSession
from sip.session_events import Answered, Ended, Rejected, SessionEvent
from sip.stack import SipStack
from sip.transaction_tables import Timing
from sip.uri import NameAddress, Uri
from tests.sip.network import OFFER, PhoneApplication
from tests.support.dns_server import DnsServer, dns_server
from tests.support.ports import free_port
from tests.support.sipp import run_sipp

REFUSE = Path(__file__).with_name("scenarios") / "refuse.xml"
CARRIER = Uri("sip", "+74951112233", "carrier.example", None, (("transport", "udp"),))


class OneCall:
    """Hangs up when it is answered."""

    def __init__(self) -> None:
        self.over: asyncio.Future[SessionEvent] = asyncio.get_running_loop().create_future()
        self.answered = False

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Answered):
            self.answered = True
            session.hang_up()
        elif isinstance(event, Ended | Rejected) and not self.over.done():
            self.over.set_result(event)


@contextlib.asynccontextmanager
async def stack_with_dns(t1: float = 0.5) -> AsyncIterator[tuple[SipStack, DnsServer]]:
    async with dns_server() as dns:
        dns.add("primary.carrier.example", "A", "127.0.0.1")
        dns.add("backup.carrier.example", "A", "127.0.0.1")
        listen = (Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"))
        config = SipConfig(listen=listen, dns_servers=dns.servers, timing=Timing(t1=t1))
        stack = SipStack(config, PhoneApplication())
        await stack.start()
        try:
            yield stack, dns
        finally:
            await stack.close()


def at(dns: DnsServer, primary: int, backup: int) -> None:
    srv = f"1 0 {primary} primary.carrier.example.", f"2 0 {backup} backup.carrier.example."
    dns.add("_sip._udp.carrier.example", "SRV", *srv)


async def test_a_call_goes_to_the_second_server_when_the_first_is_out_of_order(tmp_path: Path) -> None:
    primary, backup = free_port(), free_port()
    async with stack_with_dns() as (stack, dns):
        at(dns, primary, backup)
        refusing = asyncio.create_task(run_sipp(REFUSE, folder=tmp_path, port=primary))
        answering = asyncio.create_task(run_sipp("uas", folder=tmp_path, port=backup))
        await asyncio.sleep(0.5)
        first, *others = await stack.locate_uri(CARRIER)
        given_up: list[tuple[int, int]] = []
        call = OneCall()
        stack.invite(
            CARRIER,
            from_=NameAddress("", Uri("sip", "ramal", "127.0.0.1")),
            listener=call,
            sdp=OFFER,
            destination=first,
            alternatives=others,
            on_failover=lambda server, status, _wait: given_up.append((server.port, status)),
        )
        await asyncio.wait_for(call.over, 10)
        results = await asyncio.gather(refusing, answering)
    assert call.answered
    assert given_up == [(primary, 503)]
    assert [(one.code, one.successful) for one in results] == [(0, 1), (0, 1)]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_request_goes_to_the_second_server_when_nobody_is_at_the_first(transport: str) -> None:
    async with stack_with_dns(t1=0.02) as (stack, dns), stack_with_dns() as (peer, _):
        there = next(address.port for address in peer.addresses if address.transport == transport)
        srv = f"1 0 {free_port()} primary.carrier.example.", f"2 0 {there} backup.carrier.example."
        dns.add(f"_sip._{transport}.carrier.example", "SRV", *srv)
        uri = CARRIER.with_(parameters=(("transport", transport),))
        async with asyncio.timeout(10):
            response = await stack.request("OPTIONS", uri)
    assert response.status == 200
