"""The whole stack on real loopback sockets: UDP and TCP, digest, names, floods of rubbish."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from sip.address import Address
from sip.client_request import ClientCredentials
from sip.config import SipConfig
from sip.errors import TransportError
from sip.message import Response
from sip.parser import parse_message
from sip.session import InviteSession
from sip.session_events import Answered, Ended, Rejected, SessionEvent, SessionState
from sip.stack import SipStack
from sip.trace.segments import find
from sip.trace.tracer import Tracer
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, PhoneApplication

ALICE = NameAddress("Alice", Uri("sip", "alice", "127.0.0.1"))


class QueueListener:
    """Hands the events of a session to a coroutine."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[SessionEvent] = asyncio.Queue()

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        self.events.put_nowait(event)

    async def next(self) -> SessionEvent:
        async with asyncio.timeout(5):
            return await self.events.get()


Start = Callable[[PhoneApplication], contextlib.AbstractAsyncContextManager[SipStack]]


@contextlib.asynccontextmanager
async def running(application: PhoneApplication, config: SipConfig | None = None) -> AsyncIterator[SipStack]:
    ports = (Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"))
    stack = SipStack(config or SipConfig(listen=ports), application)
    await stack.start()
    try:
        yield stack
    finally:
        await stack.close()
        await asyncio.sleep(0.02)


def where(stack: SipStack, transport: str) -> Address:
    return next(address for address in stack.addresses if address.transport == transport)


def target(address: Address, user: str = "bob") -> Uri:
    parameters = () if address.transport == "udp" else (("transport", address.transport),)
    return Uri("sip", user, address.host, address.port, parameters)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_call_over_real_sockets(transport: str) -> None:
    bob_app = PhoneApplication(lambda session: session.answer(ANSWER))
    async with running(PhoneApplication()) as alice, running(bob_app) as bob:
        listener = QueueListener()
        session = alice.invite(target(where(bob, transport)), from_=ALICE, listener=listener, sdp=OFFER)
        assert await listener.next() == Answered(ANSWER)
        assert session.state is SessionState.CONFIRMED
        session.hang_up()
        assert isinstance(await listener.next(), Ended)
        for _ in range(100):
            if not alice.core.sessions and not bob.core.sessions:
                break
            await asyncio.sleep(0.01)
        assert not alice.core.sessions
        assert not bob.core.sessions


async def test_the_callee_hangs_up_over_the_connection_the_call_came_by() -> None:
    bob_app = PhoneApplication(lambda session: session.answer(ANSWER))
    async with running(PhoneApplication()) as alice, running(bob_app) as bob:
        listener = QueueListener()
        alice.invite(target(where(bob, "tcp")), from_=ALICE, listener=listener, sdp=OFFER)
        await listener.next()
        bob_app.sessions[0].hang_up()
        ended = await listener.next()
        assert isinstance(ended, Ended)
        assert ended.by_peer


async def test_a_peer_with_time_to_hang_up_itself_gets_our_bye_before_the_stack_closes() -> None:
    bob_app = PhoneApplication(lambda session: session.answer(ANSWER))
    listener = QueueListener()
    async with running(PhoneApplication()) as alice:
        async with running(bob_app) as bob:
            alice.invite(target(where(bob, "udp")), from_=ALICE, listener=listener, sdp=OFFER)
            await listener.next()
            async with asyncio.timeout(5):
                while bob_app.sessions[0].state is not SessionState.CONFIRMED:
                    await asyncio.sleep(0.01)
            bob_app.sessions[0].hang_up(patience=60.0)
            assert listener.events.empty()
        assert isinstance(await listener.next(), Ended)


async def test_a_call_from_a_stranger_is_challenged_and_goes_through_with_the_password() -> None:
    bob_app = PhoneApplication(lambda session: session.answer(ANSWER))
    bob_app.trunk = None
    bob_app.users = {"alice": "secret"}
    async with running(PhoneApplication()) as alice, running(bob_app) as bob:
        listener = QueueListener()
        there = target(where(bob, "udp"))
        alice.invite(there, from_=ALICE, listener=listener, sdp=OFFER)
        refused = await listener.next()
        assert isinstance(refused, Rejected)
        assert refused.status == 407
        assert not bob_app.sessions
        wrong = ClientCredentials("alice", "guess")
        alice.invite(there, from_=ALICE, listener=listener, sdp=OFFER, credentials=wrong)
        refused = await listener.next()
        assert isinstance(refused, Rejected)
        assert refused.status == 407
        right = ClientCredentials("alice", "secret")
        alice.invite(there, from_=ALICE, listener=listener, sdp=OFFER, credentials=right)
        assert await listener.next() == Answered(ANSWER)
        assert bob_app.sessions[0].identity == "alice"


async def test_a_peer_that_is_there_answers_the_ping_and_one_that_is_not_fails_at_once_over_tcp() -> None:
    async with running(PhoneApplication()) as alice, running(PhoneApplication()) as bob:
        assert await alice.ping(target(where(bob, "udp")))
        assert await alice.ping(target(where(bob, "tcp")))
        nowhere = where(bob, "tcp")._replace(port=1)
        async with asyncio.timeout(3):
            assert not await alice.ping(target(nowhere))


async def test_a_name_is_resolved_and_one_that_does_not_exist_fails_at_once() -> None:
    async with running(PhoneApplication()) as alice, running(PhoneApplication()) as bob:
        there = target(where(bob, "udp"))
        assert await alice.ping(there.with_(host="localhost"))
        assert await alice.ping(there.with_(host="localhost"))
        async with asyncio.timeout(30):
            assert not await alice.ping(there.with_(host="no-such-host.invalid"))


async def test_a_taken_port_is_said_plainly() -> None:
    async with running(PhoneApplication()) as bob:
        for address in bob.addresses:
            stack = SipStack(SipConfig(listen=(address,)), PhoneApplication())
            with pytest.raises(TransportError, match=str(address.port)):
                await stack.start()


async def test_rubbish_on_both_transports_leaves_the_stack_working() -> None:
    rubbish = [
        b"\r\n\r\n",
        b"\0",
        b"INVITE",
        b"INVITE sip:a SIP/2.0\r\n\r\n",
        b"\xff" * 3000,
        b"SIP/2.0 200 OK\r\n\r\n",
    ]
    async with running(PhoneApplication()) as alice, running(PhoneApplication()) as bob:
        udp, tcp = where(bob, "udp"), where(bob, "tcp")
        loop = asyncio.get_running_loop()
        sender, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=udp[:2])
        for data in rubbish:
            sender.sendto(data)
            reader, writer = await asyncio.open_connection(*tcp[:2])
            writer.write(data)
            with contextlib.suppress(OSError):
                await writer.drain()
            writer.close()
            del reader
        assert await alice.ping(target(udp))
        assert await alice.ping(target(tcp))
        sender.close()


async def test_closing_ends_the_wait_for_a_response() -> None:
    async with running(PhoneApplication()) as alice:
        nobody = Address("127.0.0.1", 9, "udp")
        waiting = asyncio.create_task(alice.ping(target(nobody)))
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_tracer_sees_every_message_of_a_call_both_ways(transport: str, tmp_path: Path) -> None:
    bob_app = PhoneApplication(lambda session: session.answer(ANSWER))
    tracer = Tracer(tmp_path, most_bytes=1 << 20, most_seconds=3600)
    listen = (Address("127.0.0.1", 0, "udp"), Address("127.0.0.1", 0, "tcp"))
    bob = SipStack(SipConfig(listen=listen), bob_app, tracer=tracer)
    async with running(PhoneApplication()) as alice:
        await bob.start()
        listener = QueueListener()
        session = alice.invite(target(where(bob, transport)), from_=ALICE, listener=listener, sdp=OFFER)
        await listener.next()
        session.hang_up()
        async with asyncio.timeout(5):
            while bob.core.sessions:
                await asyncio.sleep(0.01)
        await bob.close()
    tracer.close()
    found = find(tmp_path, {session.call_id}, None, most=20).messages
    told = [message.summary for message in found if message.summary != "100 Trying"]
    assert told == ["INVITE SDP", "200 OK SDP", "ACK", "BYE", "200 OK (BYE)"]
    assert {message.transport for message in found} == {transport}
    assert {str(message.local) for message in found} == {f"127.0.0.1:{found[0].local.port}"}
    assert found[0].payload.endswith(OFFER)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_request_that_is_too_large_is_answered_so(transport: str) -> None:
    async with running(PhoneApplication()) as bob:
        there = where(bob, transport)
        head = (
            f"INVITE sip:bob@{there.host} SIP/2.0\r\nVia: SIP/2.0/{transport.upper()} 127.0.0.1:9;branch=z9hG4bK1;rport\r\n"
            "From: <sip:a@a>;tag=a\r\nTo: <sip:bob@b>\r\nCall-ID: large\r\nCSeq: 1 INVITE\r\n"
        )
        large = f"{head}Subject: {'x' * 40_000}\r\n\r\n".encode()
        if transport == "tcp":
            reader, writer = await asyncio.open_connection(*there[:2])
            writer.write(large)
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
                phone.setblocking(False)
                phone.bind(("127.0.0.1", 0))
                phone.sendto(large, there[:2])
                answer = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(phone, 4096), 5)
        response = parse_message(answer)
        assert isinstance(response, Response)
        assert (response.status, response.call_id, bool(response.to_tag)) == (513, "large", True)
        assert not bob.core.sessions


async def test_the_log_names_websockets_only_where_something_listens() -> None:
    async with running(PhoneApplication()) as stack:
        with structlog.testing.capture_logs() as told:
            stack.open_websockets(Address("127.0.0.1", 8080, "ws"))
            stack.open_websockets(Address("127.0.0.1", 443, "wss"), listens=False)
        assert [line["address"] for line in told if line["event"] == "sip_over_websocket"] == ["ws:127.0.0.1:8080"]
        assert stack.addresses[-1] == Address("127.0.0.1", 443, "wss"), "a proxy may bring some all the same"
