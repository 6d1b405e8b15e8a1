"""STUN on the SIP port: what a phone asks to keep its NAT open, and nothing else."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.address import Address
from sip.stun import binding_response
from sip.transport.udp import UdpTransport
from tests.sip.test_transport import Catcher, until

TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
REQUEST = bytes.fromhex("000100002112a442") + TRANSACTION


def test_an_ipv4_sender_is_told_its_address_as_in_rfc_5769() -> None:
    answer = binding_response(REQUEST, "192.0.2.1", 32853)
    assert answer is not None
    assert answer[:20] == bytes.fromhex("0101000c2112a442") + TRANSACTION
    # Section 2.2 of RFC 5769 has this very attribute.
    assert answer[20:] == bytes.fromhex("002000080001a147e112a643")


def test_an_ipv6_sender_is_told_its_address_as_in_rfc_5769() -> None:
    answer = binding_response(REQUEST, "2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert answer is not None
    # Section 2.3.
    assert answer[20:] == bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def test_an_attribute_that_has_to_be_understood_and_is_not_is_refused_by_its_number() -> None:
    body = bytes.fromhex("0003000400000006")
    answer = binding_response(b"\x00\x01" + len(body).to_bytes(2, "big") + REQUEST[4:] + body, "192.0.2.1", 1000)
    assert answer is not None
    assert answer[:2] == b"\x01\x11"
    assert b"\x00\x00\x04\x14" in answer
    assert answer.endswith(b"\x00\x0a\x00\x02\x00\x03\x00\x00")


def test_an_attribute_that_may_be_ignored_is_ignored() -> None:
    body = bytes.fromhex("8022000474657374")
    answer = binding_response(b"\x00\x01\x00\x08" + REQUEST[4:] + body, "192.0.2.1", 1000)
    assert answer is not None
    assert answer[:2] == b"\x01\x01"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST[:19],
        b"\x00\x01\x00\x04" + REQUEST[4:],
        b"\x01\x01" + REQUEST[2:],
        REQUEST[:4] + b"\0\0\0\0" + TRANSACTION,
        b"\x00\x01\x00\x08" + REQUEST[4:] + b"\x80\x22\x00\xff1234",
    ],
)
def test_what_is_no_binding_request_is_not_answered(data: bytes) -> None:
    assert binding_response(data, "192.0.2.1", 1000) is None


@given(st.binary(max_size=600))
def test_no_datagram_upsets_it(data: bytes) -> None:
    binding_response(data, "192.0.2.1", 1000)
    binding_response(REQUEST[:2] + len(data).to_bytes(2, "big") + REQUEST[4:] + data, "::1", 1000)


async def test_the_sip_port_answers_and_sip_goes_on() -> None:
    catcher = Catcher()
    transport = await UdpTransport.open(catcher, catcher.on_failure, Address("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.setblocking(False)
        phone.bind(("127.0.0.1", 0))
        await loop.sock_sendto(phone, REQUEST, transport.local[:2])
        answer = await asyncio.wait_for(loop.sock_recv(phone, 1500), 5)
        assert answer == binding_response(REQUEST, *phone.getsockname())
        await loop.sock_sendto(phone, b"OPTIONS", transport.local[:2])
        await until(lambda: catcher.datagrams)
    assert catcher.datagrams == [b"OPTIONS"]
    transport.close()
    await asyncio.sleep(0)
