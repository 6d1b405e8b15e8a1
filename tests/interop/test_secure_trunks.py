"""Mutual TLS with a carrier: it proves by its certificate who it is, in calls of both directions, or it is no carrier."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.events import CallOffered
from sip.address import Address
from sip.config import SipConfig
from sip.session_events import Ended, Rejected
from sip.stack import SipStack
from sip.transport.tls import Tls, TlsFiles
from tests.sip.network import ANSWER, OFFER, PhoneApplication
from tests.sip.test_stack import ALICE, QueueListener, target, where
from tests.support.certificates import Authority
from tests.support.ramal_server import PASSWORD, RamalServer, ramal_server

LISTEN = [Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tls")]
NUMBER = "+74951112233"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path / "authority")


@pytest.fixture
async def server(tmp_path: Path, prompts: Path, authority: Authority) -> AsyncIterator[RamalServer]:
    tls = Tls(TlsFiles(authority.issue(tmp_path / "server.pem", "127.0.0.1"), None, authority.file))
    async with ramal_server(tmp_path / "server", prompts=prompts, listen=LISTEN, tls=tls) as running:
        await running.exchange.directory.create_extension(number="1001", name="Ana", password=PASSWORD)
        await running.exchange.directory.create_number(number=NUMBER, kind="extension", target="1001")
        yield running


@contextlib.asynccontextmanager
async def carrier(server: RamalServer, tls: Tls, application: PhoneApplication) -> AsyncIterator[SipStack]:
    """A carrier at 127.0.0.1 that has to prove it, set up as the trunk `carrier`."""
    stack = SipStack(SipConfig(listen=(Address("127.0.0.1", 0, "tls"),), tls=tls), application)
    await stack.start()
    port = stack.addresses[0].port
    await server.exchange.directory.create_trunk(
        name="carrier", host="127.0.0.1", port=port, transport="tls", tls_verify=True, ping_seconds=5
    )
    try:
        yield stack
    finally:
        await stack.close()
        await asyncio.sleep(0.05)


async def state(server: RamalServer) -> str:
    async with asyncio.timeout(10):
        while (found := server.exchange.trunks.state("carrier")[0]) == "unknown":
            await asyncio.sleep(0.02)
    return found


async def test_a_carrier_with_the_right_certificate_is_reached_and_calls_in(
    server: RamalServer, authority: Authority, tmp_path: Path
) -> None:
    tls = Tls(TlsFiles(authority.issue(tmp_path / "carrier.pem", "127.0.0.1"), None, authority.file))
    async with carrier(server, tls, PhoneApplication(lambda session: session.answer(ANSWER))) as stack:
        assert await state(server) == "reachable"
        listener = QueueListener()
        stack.invite(target(where(server.exchange.sip, "tls"), NUMBER), from_=ALICE, listener=listener, sdp=OFFER)
        offered = await server.fact(CallOffered)
        assert offered.trunk == "carrier"


@pytest.mark.parametrize("name", ["127.0.0.9", "stranger"])
async def test_a_carrier_with_another_certificate_is_not_reached_and_cannot_call(
    server: RamalServer, authority: Authority, tmp_path: Path, name: str
) -> None:
    own = Authority.make(tmp_path / "own", "Own") if name == "stranger" else authority
    file = own.issue(tmp_path / "carrier.pem", "127.0.0.1" if name == "stranger" else name)
    tls = Tls(TlsFiles(file, None, authority.file))
    async with carrier(server, tls, PhoneApplication()) as stack:
        listener = QueueListener()
        there = where(server.exchange.sip, "tls")
        stack.invite(target(there, NUMBER), from_=ALICE, listener=listener, sdp=OFFER)
        assert isinstance(await listener.next(), Rejected | Ended)
        assert not server.told(CallOffered)
        assert server.exchange.sip.connections["tls"][1].handshakes_failed
        assert not await server.exchange.sip.ping(target(stack.addresses[0]))


async def test_without_tls_it_is_no_carrier_either(server: RamalServer, authority: Authority, tmp_path: Path) -> None:
    tls = Tls(TlsFiles(authority.issue(tmp_path / "carrier.pem", "127.0.0.1"), None, authority.file))
    async with carrier(server, tls, PhoneApplication()):
        plain = SipStack(SipConfig(listen=(Address("127.0.0.1", 0, "udp"),)), PhoneApplication())
        await plain.start()
        listener = QueueListener()
        plain.invite(target(where(server.exchange.sip, "udp"), NUMBER), from_=ALICE, listener=listener, sdp=OFFER)
        refused = await listener.next()
        assert isinstance(refused, Rejected)
        assert refused.status == 407
        await plain.close()
        await asyncio.sleep(0.02)
