"""Large requests: by TCP where there is TCP, as datagrams where it is refused and to phones that registered by datagrams."""

from __future__ import annotations

import asyncio

import pytest

from core.clock import ManualClock
from sip.address import Address
from sip.client_request import ClientCredentials
from sip.config import SipConfig
from sip.message import Request, Response
from sip.oversize import LARGEST_DATAGRAM, Oversize
from sip.session_events import Answered, Ended
from sip.stack import SipStack
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, PhoneApplication
from tests.sip.test_stack import ALICE, QueueListener, running, target, where
from tests.support.ports import free_port

LARGE = [("X-Large", "x" * LARGEST_DATAGRAM)]


def one_port(*transports: str, port: int = 0) -> SipConfig:
    port = port or free_port()
    return SipConfig(listen=tuple(Address("127.0.0.1", port, transport) for transport in transports))


class Seen:
    """Keeps the top Via's transport of every request that a stack receives."""

    def __init__(self, stack: SipStack) -> None:
        self.ways: list[tuple[str, str, str]] = []
        self._receive = stack.core.inbound.receive
        stack.core.inbound.receive = self.receive  # type: ignore[method-assign]

    def receive(self, request: Request, source: Address) -> None:
        self.ways.append((request.method, request.via.transport, source.transport))
        self._receive(request, source)


async def test_a_large_call_goes_by_tcp_with_its_cancel_and_a_small_one_by_udp() -> None:
    bob_app = PhoneApplication(lambda session: session.progress(180))
    async with running(PhoneApplication()) as alice, running(bob_app, one_port("udp", "tcp")) as bob:
        seen = Seen(bob)
        for headers in ([], LARGE):
            listener = QueueListener()
            call = alice.invite(target(where(bob, "udp")), from_=ALICE, listener=listener, sdp=OFFER, headers=headers)
            await listener.next()
            call.hang_up()
            assert isinstance(await listener.next(), Ended)
            async with asyncio.timeout(5):
                while alice.core.sessions or bob.core.sessions:
                    await asyncio.sleep(0.01)
        udp = [("INVITE", "UDP", "udp"), ("CANCEL", "UDP", "udp"), ("ACK", "UDP", "udp")]
        assert seen.ways == udp + [(method, "TCP", "tcp") for method, _, _ in udp]


async def test_where_tcp_is_refused_a_large_call_goes_by_udp_and_the_next_one_at_once() -> None:
    bob_app = PhoneApplication(lambda session: session.answer(ANSWER))
    async with running(PhoneApplication()) as alice, running(bob_app, one_port("udp")) as bob:
        seen = Seen(bob)
        for _ in range(2):
            listener = QueueListener()
            call = alice.invite(target(where(bob, "udp")), from_=ALICE, listener=listener, sdp=OFFER, headers=LARGE)
            assert await listener.next() == Answered(ANSWER)
            call.hang_up()
            await listener.next()
        assert [way for way in seen.ways if way[0] == "INVITE"] == [("INVITE", "UDP", "udp")] * 2
        assert alice.connections["tcp"][1].opened == 0


async def test_a_phone_that_registered_by_datagrams_is_rung_by_datagrams() -> None:
    server_app, phone_app = PhoneApplication(), PhoneApplication(lambda session: session.answer(ANSWER))
    server_app.users = {"1001": "secret"}
    async with running(server_app) as server, running(phone_app, one_port("udp", "tcp")) as phone:
        seen = Seen(phone)
        there = where(phone, "udp")
        await _register(phone, server)
        listener = QueueListener()
        server.invite(
            Uri("sip", "1001", there.host, there.port), from_=ALICE, listener=listener, sdp=OFFER, headers=LARGE
        )
        assert await listener.next() == Answered(ANSWER)
        assert seen.ways[0] == ("INVITE", "UDP", "udp")


async def _register(phone: SipStack, server: SipStack) -> None:
    there = where(server, "udp")
    own = NameAddress("", Uri("sip", "1001", there.host))
    answer: Response = await phone.request(
        "REGISTER",
        Uri("sip", "", there.host, there.port),
        from_=own,
        to=own,
        destination=there,
        headers=[("Contact", phone.contact(there, "1001"))],
        credentials=ClientCredentials("1001", "secret"),
    )
    assert answer.status == 200


@pytest.mark.parametrize(("tcp", "flow", "goes"), [(True, False, True), (False, False, False), (True, True, False)])
def test_the_way_of_a_large_request(tcp: bool, flow: bool, goes: bool) -> None:
    clock, peer = ManualClock(), Address("192.0.2.1", 5060, "udp")
    oversize = Oversize(
        clock,
        tcp=lambda: tcp,
        is_flow=lambda _address: flow,
        local_address=lambda address: Address("192.0.2.9", 5070, address.transport),
    )
    expected = (Address("192.0.2.1", 5060, "tcp"), "192.0.2.9:5070")
    assert oversize.way(peer) == (expected if goes else None)
    oversize.refused(peer)
    assert oversize.way(peer) is None
    clock.advance(3601)
    assert oversize.way(peer) == (expected if goes else None)
