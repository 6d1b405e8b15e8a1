"""Several addresses, IPv4 and IPv6: each peer is spoken to from the socket that it knows, and told the address it reaches."""

from __future__ import annotations

import asyncio
import socket

import pytest

from sip.address import Address
from sip.config import SipConfig
from sip.stack import SipStack
from tests.sip.network import PhoneApplication
from tests.sip.test_stack import running, target

OPTIONS = (
    "OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{branch};rport\r\nFrom: <sip:a>;tag=a\r\n"
    "To: <sip:b>\r\nCall-ID: c{branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


def config(*addresses: tuple[str, str], advertised: str = "") -> SipConfig:
    listen = tuple(Address(host, 0, transport) for host, transport in addresses)
    return SipConfig(listen=listen, advertised_host=advertised)


def of(stack: SipStack, host: str, transport: str) -> Address:
    return next(address for address in stack.addresses if address.host == host and address.transport == transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ipv4_and_ipv6_are_answered_and_asked_side_by_side(transport: str) -> None:
    both = config(("127.0.0.1", transport), ("::1", transport))
    async with running(PhoneApplication(), both) as here, running(PhoneApplication(), both) as there:
        for host in ("127.0.0.1", "::1"):
            peer = of(there, host, transport)
            assert await here.ping(target(peer))
            assert here.core.local_address(peer) == of(here, host, transport)
            assert here.contact(peer, "ana").startswith(f"<sip:ana@{of(here, host, transport).host_port}")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_datagram_is_answered_from_the_port_it_was_sent_to(host: str) -> None:
    async with running(PhoneApplication(), config((host, "udp"), (host, "udp"), ("127.0.0.5", "udp"))) as stack:
        first, second = [address for address in stack.addresses if address.host == host]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as phone:
            phone.settimeout(5)
            phone.bind((host, 0))
            for number, address in enumerate((first, second, first, second, second)):
                text = OPTIONS.format(host=host if ":" not in host else f"[{host}]", branch=number)
                phone.sendto(text.encode(), address[:2])
                data, source = await asyncio.to_thread(phone.recvfrom, 4096)
                assert data.startswith(b"SIP/2.0 200")
                assert source[:2] == address[:2]


async def test_a_peer_that_was_not_heard_is_asked_from_the_address_on_the_way_to_it() -> None:
    async with (
        running(PhoneApplication(), config(("127.0.0.7", "udp"), ("127.0.0.1", "udp"), ("::1", "udp"))) as here,
        running(PhoneApplication(), config(("127.0.0.1", "udp"))) as there,
    ):
        peer = of(there, "127.0.0.1", "udp")
        assert here.core.local_address(peer) == of(here, "127.0.0.1", "udp")
        assert await here.ping(target(peer))


async def test_any_address_is_told_as_the_one_on_the_way() -> None:
    async with running(PhoneApplication(), config(("0.0.0.0", "udp"), ("::", "udp"))) as stack:
        assert stack.core.local_address(Address("127.0.0.1", 5060)).host == "127.0.0.1"
        assert stack.core.local_address(Address("::1", 5060)).host == "::1"


async def test_an_advertised_address_is_told_to_its_own_family_only() -> None:
    listen = (("127.0.0.1", "udp"), ("::1", "udp"))
    for advertised, told in (("203.0.113.5", ("203.0.113.5", "::1")), ("pbx.example", ("pbx.example",) * 2)):
        async with running(PhoneApplication(), config(*listen, advertised=advertised)) as stack:
            hosts = tuple(stack.core.local_address(Address(host, 5060)).host for host in ("127.0.0.1", "::1"))
            assert hosts == told


async def test_a_port_that_may_be_missing_does_not_keep_the_stack_from_starting() -> None:
    async with running(PhoneApplication(), config(("127.0.0.1", "tcp"))) as first:
        taken = of(first, "127.0.0.1", "tcp")
        settings = SipConfig(listen=(Address("127.0.0.1", 0, "udp"),), listen_where_free=(taken,))
        async with running(PhoneApplication(), settings) as second:
            assert [address.transport for address in second.addresses] == ["udp"]


async def test_the_figures_of_all_sockets_are_counted_together() -> None:
    both = config(("127.0.0.1", "tcp"), ("::1", "tcp"))
    async with running(PhoneApplication(), both) as here, running(PhoneApplication(), both) as there:
        for host in ("127.0.0.1", "::1"):
            assert await here.ping(target(of(there, host, "tcp")))
        count, figures = there.connections["tcp"]
        assert (count, figures.accepted, figures.opened) == (2, 2, 0)
        assert here.connections["tcp"][1].opened == 2
