"""SIP over WebSocket, seen from the web server that accepted it."""

from __future__ import annotations

import asyncio

import pytest

from sip.address import Address
from sip.transport.ports import StreamLimits
from sip.transport.websocket import WebSocketTransport
from tests.sip.test_transport import OPTIONS, Catcher, until

LOCAL = Address("127.0.0.1", 8080, "ws")


@pytest.fixture
def catcher() -> Catcher:
    return Catcher()


def opened(catcher: Catcher, limits: StreamLimits | None = None) -> WebSocketTransport:
    return WebSocketTransport(catcher, catcher.on_failure, LOCAL, limits or StreamLimits())


async def test_frames_are_messages_and_answers_go_back_by_the_same_websocket(catcher: Catcher) -> None:
    transport = opened(catcher)
    connection = transport.accept("192.0.2.1", 4000)
    assert connection is not None
    connection.feed(OPTIONS)
    assert catcher.datagrams == [OPTIONS]
    assert catcher.sources == [Address("192.0.2.1", 4000, "ws")]
    transport.send(b"one", "192.0.2.1", 4000)
    transport.send(b"two", "192.0.2.1", 4000)
    assert await connection.next_frames() == [b"one", b"two"]
    transport.close()


async def test_a_ping_is_answered(catcher: Catcher) -> None:
    transport = opened(catcher)
    connection = transport.accept("192.0.2.1", 4000)
    assert connection is not None
    connection.feed(b"\r\n\r\n")
    assert await connection.next_frames() == [b"\r\n"]
    assert not catcher.datagrams
    transport.close()


async def test_one_that_is_gone_cannot_be_reached_and_is_told(catcher: Catcher) -> None:
    transport = opened(catcher)
    connection = transport.accept("192.0.2.1", 4000)
    assert connection is not None
    connection.gone()
    assert catcher.failed == [Address("192.0.2.1", 4000, "ws")]
    assert not transport.connected("192.0.2.1", 4000)
    transport.send(b"late", "192.0.2.1", 4000)
    await until(lambda: len(catcher.failed) == 2)
    transport.close()


async def test_clients_behind_a_proxy_that_tells_no_ports_are_told_apart(catcher: Catcher) -> None:
    transport = opened(catcher)
    connections = [transport.accept("192.0.2.1", 0) for _ in range(3)]
    assert len({connection.peer for connection in connections if connection is not None}) == 3
    transport.close()


async def test_connections_are_bounded_by_source_and_in_all(catcher: Catcher) -> None:
    transport = opened(catcher, StreamLimits(max_connections=3, max_per_source=2))
    first = transport.accept("2001:db8::1", 1)
    assert first is not None
    assert transport.accept("2001:db8::2", 2) is not None
    # The same network of 64 bits is one source.
    assert transport.accept("2001:db8::3", 3) is None
    assert transport.accept("2001:db8:0:1::1", 4) is not None
    assert transport.accept("192.0.2.1", 5) is None
    first.gone()
    assert transport.accept("192.0.2.1", 5) is not None
    assert transport.figures.refused == 2
    transport.close()


async def test_one_that_does_not_read_is_closed(catcher: Catcher) -> None:
    transport = opened(catcher, StreamLimits(max_unsent_bytes=1000))
    connection = transport.accept("192.0.2.1", 4000)
    assert connection is not None
    for _ in range(3):
        transport.send(b"x" * 600, "192.0.2.1", 4000)
    assert await connection.next_frames() == []
    await until(lambda: catcher.failed)
    transport.close()


@pytest.mark.parametrize("limits", [StreamLimits(idle_seconds=0.1), StreamLimits(message_seconds=0.1)])
async def test_one_that_says_nothing_is_closed(catcher: Catcher, limits: StreamLimits) -> None:
    transport = opened(catcher, limits)
    connection = transport.accept("192.0.2.1", 4000)
    assert connection is not None
    assert await asyncio.wait_for(connection.next_frames(), 5) == []
    transport.close()


async def test_closing_the_transport_closes_all_and_lets_nobody_in(catcher: Catcher) -> None:
    transport = opened(catcher)
    connection = transport.accept("192.0.2.1", 4000)
    assert connection is not None
    transport.close()
    assert await connection.next_frames() == []
    assert transport.accept("192.0.2.1", 4001) is None
