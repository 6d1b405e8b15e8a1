"""The limits of the transports: idle, too many, too slow, too large, and gone."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import structlog

from sip.address import Address
from sip.errors import MalformedMessageError
from sip.message import Request, Response
from sip.transport.outages import Outages
from sip.transport.ports import StreamLimits, plain_host
from sip.transport.tcp import TcpTransport
from sip.transport.udp import UdpTransport

OPTIONS = (
    b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a>;tag=a\r\nTo: <sip:b>\r\n"
    b"Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
LOCAL = Address("127.0.0.1", 0, "tcp")


class Catcher:
    """Keeps what the transports deliver."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.messages: list[Request | Response] = []
        self.malformed: list[MalformedMessageError] = []
        self.failed: list[Address] = []
        self.sources: list[Address] = []
        self.welcome = True

    def admits(self, source: Address) -> bool:
        return self.welcome

    def receive(self, data: bytes, source: Address) -> None:
        self.datagrams.append(data)
        self.sources.append(source)

    def receive_message(self, message: Request | Response, source: Address) -> None:
        self.messages.append(message)
        self.sources.append(source)

    def receive_malformed(self, error: MalformedMessageError, source: Address) -> None:
        self.malformed.append(error)

    def on_failure(self, destination: Address) -> None:
        self.failed.append(destination)


@pytest.fixture
def catcher() -> Catcher:
    return Catcher()


@contextlib.asynccontextmanager
async def listening(catcher: Catcher, limits: StreamLimits | None = None) -> AsyncIterator[TcpTransport]:
    transport = await TcpTransport.open(catcher, catcher.on_failure, LOCAL, limits or StreamLimits())
    try:
        yield transport
    finally:
        transport.close()
        await asyncio.sleep(0.02)


async def until(condition: object) -> None:
    async with asyncio.timeout(5):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.005)


async def test_a_source_has_a_bounded_number_of_connections(catcher: Catcher) -> None:
    async with listening(catcher, StreamLimits(max_per_source=1)) as transport:
        _, first = await asyncio.open_connection("127.0.0.1", transport.local.port)
        await until(lambda: transport.open_connections == 1)
        reader, second = await asyncio.open_connection("127.0.0.1", transport.local.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert transport.figures.refused == 1
        other = socket.create_connection(("127.0.0.1", transport.local.port), source_address=("127.0.0.9", 0))
        await until(lambda: transport.open_connections == 2)
        other.close()
        first.close()
        await until(lambda: transport.open_connections == 0)
        second.close()


@pytest.mark.parametrize(("named", "found"), [("127.0.0.1", True), ("192.168.9.9", False)])
async def test_a_response_whose_connection_is_gone_goes_to_where_its_request_said(
    catcher: Catcher, named: str, found: bool
) -> None:
    came: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        came.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    phone = await asyncio.start_server(take, "127.0.0.1", 0)
    port = phone.sockets[0].getsockname()[1]
    async with listening(catcher) as transport:
        _, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(OPTIONS.replace(b"TCP 127.0.0.1", f"TCP {named}:{port}".encode()))
        await until(lambda: catcher.messages)
        writer.close()
        await until(lambda: transport.open_connections == 0)
        source = catcher.sources[0]
        catcher.failed.clear()
        transport.send(b"SIP/2.0 180 Ringing\r\n\r\n", source.host, source.port)
        transport.send(b"SIP/2.0 200 OK\r\n\r\n", source.host, source.port)
        if found:
            async with asyncio.timeout(5):
                assert [await came.get(), await came.get()] == [
                    b"SIP/2.0 180 Ringing\r\n\r\n",
                    b"SIP/2.0 200 OK\r\n\r\n",
                ]
        else:
            # Behind a NAT nobody knows who listens at that port.
            await until(lambda: source in catcher.failed)
        # A request belongs to the flow, and fails with it.
        catcher.failed.clear()
        transport.send(OPTIONS, source.host, source.port)
        await until(lambda: source in catcher.failed)
    phone.close()


@pytest.mark.parametrize("sent", [b"", OPTIONS[:60], OPTIONS + OPTIONS[:60]])
async def test_a_connection_that_brings_nothing_whole_is_closed(catcher: Catcher, sent: bytes) -> None:
    async with listening(catcher, StreamLimits(message_seconds=0.2)) as transport:
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        assert transport.figures.expired == 1
        writer.close()


async def test_a_connection_that_brought_something_stays(catcher: Catcher) -> None:
    async with listening(catcher, StreamLimits(message_seconds=0.1)) as transport:
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(OPTIONS)
        await asyncio.sleep(0.4)
        writer.write(b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        writer.close()


async def test_a_silent_peer_is_asked_and_dropped_when_it_stops_to_answer(catcher: Catcher) -> None:
    answers = True

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readexactly(len(OPTIONS))
            while await reader.readexactly(4) == b"\r\n\r\n":
                asked.set()
                if answers:
                    writer.write(b"\r\n")
        writer.close()

    asked = asyncio.Event()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    peer = Address(host, port, "tcp")
    async with listening(catcher, StreamLimits(ping_seconds=0.1, pong_seconds=0.1)) as transport:
        transport.send(OPTIONS, peer.host, peer.port)
        await asyncio.wait_for(asked.wait(), 5)
        await asyncio.sleep(0.4)
        assert transport.connected(peer.host, peer.port)
        answers = False
        await until(lambda: catcher.failed)
        assert catcher.failed == [peer]
    server.close()


async def test_a_silent_peer_that_knows_no_pings_is_left_in_peace(catcher: Catcher) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    async with listening(catcher, StreamLimits(ping_seconds=0.1, pong_seconds=0.1)) as transport:
        transport.send(OPTIONS, *address)
        await asyncio.sleep(0.6)
        assert transport.connected(*address)
        assert not catcher.failed
    server.close()


async def test_messages_are_cut_out_of_the_stream_and_pings_answered() -> None:
    catcher = Catcher()
    async with listening(catcher) as transport:
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(OPTIONS + OPTIONS[:50])
        await writer.drain()
        writer.write(OPTIONS[50:] + b"\r\n\r\n")
        assert await reader.readexactly(2) == b"\r\n"
        assert len(catcher.messages) == 2
        assert catcher.sources[0][:2] == writer.get_extra_info("sockname")
        writer.close()
        await writer.wait_closed()


async def test_a_broken_stream_is_told_and_closed() -> None:
    catcher = Catcher()
    async with listening(catcher) as transport:
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(b"X" * 100_000)
        assert await reader.read() == b""
        assert len(catcher.malformed) == 1
        writer.close()


TOO_LARGE = OPTIONS.replace(b"Content-Length: 0", b"Content-Length: 500000")


class Answering(Catcher):
    """Answers what breaks a stream."""

    transport: TcpTransport

    def receive_malformed(self, error: MalformedMessageError, source: Address) -> None:
        super().receive_malformed(error, source)
        if error.request is not None:
            self.transport.send(b"SIP/2.0 513 Message Too Large\r\n\r\n", source.host, source.port)


async def test_a_peer_that_sends_too_much_reads_why_before_the_connection_is_closed() -> None:
    catcher = Answering()
    async with listening(catcher) as transport:
        catcher.transport = transport
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(TOO_LARGE)
        await until(lambda: catcher.malformed)
        for _ in range(10):
            # It goes on, as one does that has not looked for an answer yet.
            writer.write(b"x" * 50_000)
            await writer.drain()
        assert await reader.read() == b"SIP/2.0 513 Message Too Large\r\n\r\n"
        writer.write(OPTIONS)
        source = LOCAL._replace(port=writer.get_extra_info("sockname")[1])
        transport.send(b"SIP/2.0 200 OK\r\n\r\n", source.host, source.port)
        await until(lambda: source in catcher.failed)
        assert not catcher.messages, "the frame is lost: nothing behind it is read"
        writer.close()
        await until(lambda: transport.open_connections == 0)


async def test_one_that_never_ends_what_was_too_much_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.transport.tcp_connection._LAST_SECONDS", 0.1)
    catcher = Answering()
    async with listening(catcher) as transport:
        catcher.transport = transport
        silent = await asyncio.open_connection("127.0.0.1", transport.local.port)
        silent[1].write(TOO_LARGE)
        await until(lambda: catcher.malformed)
        await until(lambda: transport.open_connections == 0)
        monkeypatch.setattr("sip.transport.tcp_connection._LAST_SECONDS", 60.0)
        _, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.write(TOO_LARGE)
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 100_000)
                await writer.drain()
        assert transport.open_connections == 0
        for one in (silent[1], writer):
            one.close()


async def test_a_silent_connection_is_closed() -> None:
    catcher = Catcher()
    async with listening(catcher, StreamLimits(idle_seconds=0.1)) as transport:
        reader, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()


async def test_one_connection_too_many_is_closed_at_once() -> None:
    catcher = Catcher()
    async with listening(catcher, StreamLimits(max_connections=1)) as transport:
        _, first = await asyncio.open_connection("127.0.0.1", transport.local.port)
        first.write(OPTIONS)
        await until(lambda: catcher.messages)
        reader, second = await asyncio.open_connection("127.0.0.1", transport.local.port)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        for writer in (first, second):
            writer.close()


async def test_connections_of_those_who_are_not_welcome_are_closed_and_what_they_say_is_not_read() -> None:
    catcher = Catcher()
    async with listening(catcher) as transport:
        reader, early = await asyncio.open_connection("127.0.0.1", transport.local.port)
        early.write(OPTIONS)
        await until(lambda: catcher.messages)
        catcher.welcome = False
        early.write(OPTIONS)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        other, late = await asyncio.open_connection("127.0.0.1", transport.local.port)
        with contextlib.suppress(ConnectionError):
            assert await other.read() == b""
        assert len(catcher.messages) == 1
        for writer in (early, late):
            writer.close()


async def test_one_connection_carries_all_requests_to_a_peer_in_order_and_their_answers() -> None:
    ours, theirs = Catcher(), Catcher()
    async with listening(ours) as here, listening(theirs) as there:
        host, port, _ = there.local
        for number in (1, 2, 3):
            here.send(OPTIONS.replace(b"CSeq: 1", b"CSeq: %d" % number), host, port)
        await until(lambda: len(theirs.messages) == 3)
        assert [message.cseq[0] for message in theirs.messages] == [1, 2, 3]
        assert len(set(theirs.sources)) == 1
        back = theirs.sources[0]
        assert there.connected(back.host, back.port)
        there.send(OPTIONS, back.host, back.port)
        await until(lambda: ours.messages)
        assert ours.sources[0] == there.local


async def test_a_peer_that_refuses_or_goes_away_is_told() -> None:
    catcher, peer = Catcher(), Catcher()
    async with listening(catcher) as transport:
        transport.send(OPTIONS, "127.0.0.1", 1)
        await until(lambda: catcher.failed)
        assert catcher.failed == [Address("127.0.0.1", 1, "tcp")]
        async with listening(peer) as other:
            transport.send(OPTIONS, other.local.host, other.local.port)
            await until(lambda: peer.messages)
        await until(lambda: len(catcher.failed) == 2)
        assert not transport.connected(other.local.host, other.local.port)


async def test_a_peer_that_cannot_be_reached_is_told_once_until_it_can() -> None:
    catcher, peer = Catcher(), Catcher()
    with structlog.testing.capture_logs() as told:
        async with listening(peer) as gone:
            there = gone.local
        async with listening(catcher) as transport:
            for times in (1, 2, 3):
                transport.send(OPTIONS, there.host, there.port)
                await until(lambda times=times: len(catcher.failed) == times)
            again = await TcpTransport.open(peer, peer.on_failure, there, StreamLimits())
            transport.send(OPTIONS, there.host, there.port)
            await until(lambda: peer.messages)
            again.close()
    news = [line["event"] for line in told if line.get("peer") == str(there)]
    assert news == ["peer_cannot_be_reached", "peer_is_reached_again"]


async def test_a_peer_of_an_address_family_that_is_not_listened_on_is_told_once() -> None:
    catcher = Catcher()
    udp = await UdpTransport.open(catcher, catcher.on_failure, Address("127.0.0.1", 0, "udp"))
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            udp.send(b"x", "2001:db8::1", 5060)
        await until(lambda: len(catcher.failed) == 3)
        udp.send(b"x", *udp.local[:2])
    (line,) = told
    assert (line["event"], line["peer"]) == ("peer_cannot_be_reached", "udp:[2001:db8::1]:5060")
    assert line["problem"] == "SIP listens on no address of its family"
    udp.close()


def test_many_peers_that_cannot_be_reached_are_not_all_remembered() -> None:
    outages = Outages()
    for port in range(5000):
        outages.begin(Address("192.0.2.1", port, "tcp"), "refused")
    assert len(outages._peers) < 4096


async def test_a_peer_that_does_not_read_is_dropped() -> None:
    catcher = Catcher()
    async with listening(catcher, StreamLimits(max_unsent_bytes=10_000)) as transport:
        _, writer = await asyncio.open_connection("127.0.0.1", transport.local.port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(OPTIONS)
        await until(lambda: catcher.messages)
        peer = catcher.sources[0]
        for _ in range(400):
            if not transport.connected(peer.host, peer.port):
                break
            transport.send(b"x" * 100_000, peer.host, peer.port)
            await asyncio.sleep(0)
        await until(lambda: catcher.failed)
        writer.close()


async def test_a_peer_that_only_pings_and_does_not_read_is_dropped() -> None:
    async with listening(Catcher(), StreamLimits(max_unsent_bytes=10_000)) as transport:
        with socket.socket() as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            peer.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(peer, ("127.0.0.1", transport.local.port))
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(20):
                    while True:
                        await loop.sock_sendall(peer, b"\r\n\r\n" * 50_000)


async def test_datagrams_arrive_with_their_source_and_an_impossible_one_is_told() -> None:
    catcher = Catcher()
    first = await UdpTransport.open(catcher, catcher.on_failure, Address("127.0.0.1", 0))
    second = await UdpTransport.open(catcher, catcher.on_failure, Address("127.0.0.1", 0))
    first.send(b"hello", second.local.host, second.local.port)
    await until(lambda: catcher.datagrams)
    assert catcher.sources == [first.local]
    assert second.backlog() >= 0
    first.send(b"x" * 70_000, second.local.host, second.local.port)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await until(lambda: catcher.failed)
    first.close()
    second.close()
    first.send(b"late", second.local.host, second.local.port)
    await asyncio.sleep(0.02)
    assert len(catcher.datagrams) == 1


@pytest.mark.parametrize(
    ("given", "plain"), [("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1"), ("10.0.0.1", "10.0.0.1")]
)
def test_a_peers_host_is_written_plainly(given: str, plain: str) -> None:
    assert plain_host(given) == plain
