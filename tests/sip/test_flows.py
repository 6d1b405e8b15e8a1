"""The way to a registered phone: its flow, the edge it came through, or the port it listens at."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sip.address import Address
from sip.binding import Binding
from sip.config import SipConfig
from sip.session_events import Answered
from sip.stack import SipStack
from sip.uri import Uri
from tests.sip.network import ANSWER, OFFER, PhoneApplication
from tests.sip.test_stack import ALICE, QueueListener, running, where

NOW = datetime.now(UTC)
PHONE = "sip:1001@127.0.0.1:5070;transport=tcp"
_number = iter(range(1_000_000))


def binding(
    uri: str, source: tuple[str, int, str], *path: str, instance: str = "", reg_id: str = "", age: int = 0
) -> Binding:
    return Binding(
        uri=Uri.parse(uri),
        source=source,
        expires_at=NOW + timedelta(hours=1),
        refreshed_at=NOW - timedelta(seconds=age),
        user_agent="",
        call_id=str(next(_number)),
        cseq=1,
        path=path,
        instance=instance,
        reg_id=reg_id,
    )


@pytest.fixture
async def stack() -> AsyncIterator[SipStack]:
    async with running(PhoneApplication()) as started:
        yield started


@contextlib.contextmanager
def connected(stack: SipStack, peer: Address) -> Iterator[None]:
    """Have a connection with the peer, as far as the core can tell."""
    before = stack.core._connected
    stack.core._connected = lambda address: address == peer
    try:
        yield
    finally:
        stack.core._connected = before


@pytest.mark.parametrize(
    ("contact", "source", "path", "way"),
    [
        # Datagrams go where they came from, behind a NAT or not.
        ("sip:1001@192.168.1.7:5060", ("203.0.113.5", 40000, "udp"), (), Address("203.0.113.5", 40000, "udp")),
        # A closed connection of a phone that can be reached itself is opened anew at the port it listens at ...
        (PHONE, ("127.0.0.1", 40000, "tcp"), (), Address("127.0.0.1", 5070, "tcp")),
        # ... and of one behind a NAT there is only the old way, which fails at once.
        ("sip:a@192.168.1.7;transport=tls", ("203.0.113.5", 40000, "tls"), (), Address("203.0.113.5", 40000, "tls")),
        ("sip:a@x.invalid;transport=ws", ("203.0.113.5", 40000, "ws"), (), Address("203.0.113.5", 40000, "ws")),
        # An edge is reached at what it wrote into the Path.
        (
            "sip:1001@192.168.1.7",
            ("203.0.113.9", 33000, "tcp"),
            ("<sip:203.0.113.9:5080;transport=tcp;lr>",),
            Address("203.0.113.9", 5080, "tcp"),
        ),
        (
            "sip:1001@192.168.1.7",
            ("203.0.113.9", 5060, "udp"),
            ("<sip:9.9.9.9:5080;lr>", "<sip:203.0.113.7;lr>"),
            Address("9.9.9.9", 5080, "udp"),
        ),
    ],
)
async def test_without_a_connection(
    stack: SipStack, contact: str, source: tuple[str, int, str], path: tuple[str, ...], way: Address
) -> None:
    assert stack.way_to(binding(contact, source, *path)) == way


@pytest.mark.parametrize(
    ("contact", "direct", "way"),
    [
        ("sip:1001@192.168.1.7:5062", True, Address("192.168.1.7", 5062)),
        ("sip:1001@192.168.1.7", True, Address("192.168.1.7", 5060)),
        # A relay on the phone's own host, a NAT that keeps ports, another host's Contact.
        ("sip:1001@192.168.1.7:5062", False, Address("192.168.1.7", 40000)),
        ("sip:1001@10.1.1.1:40000", True, Address("192.168.1.7", 40000)),
        ("sip:1001@9.9.9.9", True, Address("192.168.1.7", 40000)),
    ],
)
async def test_a_phone_without_a_nat_is_reached_by_datagrams_where_it_says_that_it_listens(
    stack: SipStack, contact: str, direct: bool, way: Address
) -> None:
    one = dataclasses.replace(binding(contact, ("192.168.1.7", 40000, "udp")), direct=direct)
    assert stack.way_to(one) == way


@pytest.mark.parametrize("path", [(), ("<sip:127.0.0.1:5080;transport=tcp;lr>",)])
async def test_an_open_connection_is_used_again(stack: SipStack, path: tuple[str, ...]) -> None:
    source = Address("127.0.0.1", 40000, "tcp")
    with connected(stack, source):
        assert stack.way_to(binding(PHONE, source, *path)) == source


async def test_a_phone_with_several_flows_is_rung_over_the_freshest(stack: SipStack) -> None:
    one = "<urn:uuid:1>"
    old = binding("sip:a@127.0.0.1:1", ("127.0.0.1", 1, "udp"), instance=one, reg_id="1", age=60)
    new = binding("sip:a@127.0.0.1:2", ("127.0.0.1", 2, "udp"), instance=one, reg_id="2")
    other = binding("sip:a@127.0.0.1:3", ("127.0.0.1", 3, "udp"), instance="<urn:uuid:2>", reg_id="1", age=30)
    plain = binding("sip:a@127.0.0.1:4", ("127.0.0.1", 4, "udp"), age=90)
    stack.registrations.restore("1001", [old, new, other, plain])
    assert stack.targets("1001") == [new, other, plain]
    assert stack.other_flows("1001", new) == (Address("127.0.0.1", 1, "udp"),)
    assert stack.other_flows("1001", other) == stack.other_flows("1001", plain) == ()


async def test_a_call_whose_flow_fails_goes_by_the_other_one_of_the_phone() -> None:
    phone_app = PhoneApplication(lambda session: session.answer(ANSWER))
    async with running(PhoneApplication()) as server, running(phone_app) as phone:
        there = where(phone, "udp")
        dead = binding(PHONE, ("192.168.77.7", 9, "ws"), instance="<urn:uuid:1>", reg_id="2")
        lives = binding(f"sip:1001@{there.host_port}", there, instance="<urn:uuid:1>", reg_id="1", age=60)
        server.registrations.registrar.restore("1001", [dead, lives])
        listener = QueueListener()
        (chosen,) = server.targets("1001")
        server.invite(
            chosen.uri,
            from_=ALICE,
            listener=listener,
            sdp=OFFER,
            destination=server.way_to(chosen),
            symmetric=True,
            alternatives=server.other_flows("1001", chosen),
        )
        assert chosen is dead
        assert await listener.next() == Answered(ANSWER)


async def test_websockets_of_before_a_restart_are_not_restored(stack: SipStack) -> None:
    gone = binding("sip:a@x.invalid;transport=ws", ("127.0.0.1", 1, "ws"))
    there = binding("sip:a@127.0.0.1:4", ("127.0.0.1", 4, "udp"))
    stack.registrations.restore("1001", [gone, there])
    assert stack.bindings("1001") == [there]


async def test_nobody_asks_the_dns_for_a_browser() -> None:
    listen = (Address("127.0.0.1", 0, "udp"),)
    async with running(PhoneApplication(), SipConfig(listen=listen)) as stack:
        asked: list[object] = []
        stack.names.when_located = lambda target, then: asked.append(target)  # type: ignore[method-assign]
        there = where(stack, "udp")._replace(host="x.invalid")
        assert not await stack.ping(Uri("sip", "a", "x.invalid", 5060), destination=there)
        assert not asked
