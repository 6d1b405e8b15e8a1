"""One server is out of order, silent or gone: the request goes to the next (RFC 3263 section 4.3)."""

from __future__ import annotations

import pytest

from sip.address import Address
from sip.client_request import ClientCredentials, ClientRequest
from sip.core import SipCore
from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import Rejected
from sip.transaction import ClientTransaction
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, Listener, Network, Packet, PhoneApplication

US = NameAddress("", Uri("sip", "us", "10.0.0.1"))
FIRST, SECOND, THIRD = (Address(f"10.0.0.{number}", 5060) for number in (2, 3, 4))
CARRIER = Uri("sip", "+74951112233", "carrier.example")


class Servers:
    """We and three servers; what the application of each does with an INVITE is up to the test."""

    def __init__(self) -> None:
        self.network = Network()
        self.us = self.network.add("10.0.0.1", PhoneApplication())
        self.applications = [PhoneApplication() for _ in range(3)]
        for address, application in zip((FIRST, SECOND, THIRD), self.applications, strict=True):
            self.network.add(address.host, application)
        self.final: list[int] = []
        self.given_up: list[tuple[str, int]] = []
        self.wait = 0
        self.next_offer: bytes | None = None

    def request(self, method: str = "OPTIONS", *, silence_limit: float = 0.0) -> ClientRequest:
        return self.us.request(
            method,
            CARRIER,
            on_response=self.responded,
            from_=US,
            destination=FIRST,
            headers=[("Contact", "<sip:us@10.0.0.1:5060>;expires=60")],
            alternatives=(SECOND, THIRD),
            on_failover=self.failed_over,
            silence_limit=silence_limit,
            credentials=ClientCredentials("us", "secret"),
        )

    def invite(self, listener: Listener) -> InviteSession:
        return self.us.invite(
            CARRIER,
            from_=US,
            listener=listener,
            sdp=OFFER,
            destination=FIRST,
            alternatives=(SECOND, THIRD),
            on_failover=self.failed_over,
            credentials=ClientCredentials("us", "secret"),
        )

    def responded(self, response: Response, _transaction: ClientTransaction) -> None:
        if response.status >= 200:
            self.final.append(response.status)

    def failed_over(self, server: Address, status: int, retry_after: int) -> bytes | None:
        self.given_up.append((server.host, status))
        self.wait = retry_after
        return self.next_offer

    def dead(self, *addresses: Address) -> None:
        self.network.drop = lambda packet: packet.destination in addresses

    def asked(self, method: str) -> list[str]:
        """Return the hosts that a request was sent to, without repetitions, in order."""
        return list(dict.fromkeys(p.destination.host for p in self.network.sent if p.what == method))

    @property
    def cores(self) -> list[SipCore]:
        return list(self.network.cores.values())


@pytest.fixture
def servers() -> Servers:
    return Servers()


def test_a_request_that_nobody_answers_goes_to_the_next_server(servers: Servers) -> None:
    servers.dead(FIRST)
    servers.request()
    servers.network.run(31)
    assert servers.asked("OPTIONS") == ["10.0.0.2"]
    servers.network.run(2)
    assert servers.final == [200]
    assert servers.asked("OPTIONS") == ["10.0.0.2", "10.0.0.3"]
    assert servers.given_up == [("10.0.0.2", 408)]


def test_silence_may_be_given_less_time_than_a_transaction(servers: Servers) -> None:
    servers.dead(FIRST, SECOND)
    servers.request(silence_limit=3.0)
    servers.network.run(7)
    assert servers.final == [200]
    assert servers.given_up == [("10.0.0.2", 408), ("10.0.0.3", 408)]


def test_when_all_are_silent_the_last_word_is_a_408(servers: Servers) -> None:
    servers.dead(FIRST, SECOND, THIRD)
    servers.request(silence_limit=1.0)
    servers.network.run(4)
    assert servers.final == [408]
    assert len(servers.given_up) == 2
    assert servers.us.transactions.live == 0


def test_a_broken_transport_is_no_reason_to_wait(servers: Servers) -> None:
    servers.dead(FIRST)
    servers.request()
    servers.us.transport_failed(FIRST)
    servers.network.run(1)
    assert servers.final == [200]
    assert servers.given_up == [("10.0.0.2", 503)]


def test_each_attempt_has_a_branch_of_its_own_and_the_same_call_id(servers: Servers) -> None:
    servers.dead(FIRST)
    servers.request(silence_limit=1.0)
    servers.network.run(2)
    first, second = (
        next(p.message for p in servers.network.sent if p.destination == server) for server in (FIRST, SECOND)
    )
    assert first.via.branch != second.via.branch
    assert (first.call_id, first.cseq, first.get("From")) == (second.call_id, second.cseq, second.get("From"))
    assert second.get("Contact") == "<sip:us@10.0.0.1:5060>;expires=60"


def test_a_call_that_is_refused_with_503_goes_to_the_next_server(servers: Servers) -> None:
    servers.applications[0].on_invite = lambda session: session.reject(503, headers=[("Retry-After", "120")])
    servers.applications[1].on_invite = lambda session: session.answer(ANSWER)
    listener = Listener()
    session = servers.invite(listener)
    servers.network.run(1)
    assert listener.names == ["Answered"]
    assert servers.given_up == [("10.0.0.2", 503)]
    assert servers.wait == 120
    assert session.source == SECOND
    session.hang_up()
    servers.network.run(40)
    assert servers.asked("BYE") == ["10.0.0.3"]
    assert all(not core.sessions and core.transactions.live == 0 for core in servers.cores)


def test_the_next_server_may_be_made_another_offer(servers: Servers) -> None:
    servers.applications[0].on_invite = lambda session: session.reject(503)
    servers.applications[1].on_invite = lambda session: session.answer(ANSWER)
    servers.next_offer = OFFER.replace(b"10.0.0.1", b"10.0.0.11") + b"a=x-next\r\n"
    session = servers.invite(Listener())
    servers.network.run(1)
    offers = [packet.message for packet in servers.network.sent if packet.what == "INVITE"]
    assert [message.body for message in offers] == [OFFER, servers.next_offer]
    assert [message.get("Content-Type") for message in offers] == ["application/sdp"] * 2
    assert session.local_sdp == servers.next_offer


def test_only_503_makes_a_call_go_on_and_a_server_that_rang_keeps_it(servers: Servers) -> None:
    def ring_and_refuse(session: InviteSession) -> None:
        session.progress(180)
        session.reject(503)

    for behaviour, status in ((lambda session: session.reject(500), 500), (ring_and_refuse, 503)):
        servers.applications[0].on_invite = behaviour
        listener = Listener()
        servers.invite(listener)
        servers.network.run(1)
        assert isinstance(listener.last, Rejected)
        assert listener.last.status == status
    assert servers.given_up == []


def test_a_cancelled_call_does_not_go_on(servers: Servers) -> None:
    servers.applications[0].on_invite = lambda session: None
    servers.dead(SECOND)
    listener = Listener()
    session = servers.invite(listener)
    servers.network.run(0.1)
    session.hang_up()
    servers.network.run(40)
    assert servers.given_up == []
    assert servers.asked("INVITE") == ["10.0.0.2"]


def test_the_cancel_goes_to_the_server_that_has_the_call(servers: Servers) -> None:
    servers.applications[0].on_invite = lambda session: session.reject(503)
    servers.applications[1].on_invite = lambda session: session.progress(180)
    session = servers.invite(Listener())
    servers.network.run(1)
    session.hang_up()
    servers.network.run(40)
    assert servers.asked("CANCEL") == ["10.0.0.3"]
    assert all(core.transactions.live == 0 for core in servers.cores)


def test_the_next_server_challenges_on_its_own_account(servers: Servers) -> None:
    for application in servers.applications:
        application.trunk = None
        application.users = {"us": "secret"}
    servers.applications[0].on_invite = lambda session: session.reject(503)
    servers.applications[1].on_invite = lambda session: session.answer(ANSWER)
    listener = Listener()
    servers.invite(listener)
    servers.network.run(1)
    assert listener.names == ["Answered"]

    def to_second(packet: Packet) -> Request | None:
        message = packet.message
        return message if packet.destination == SECOND and isinstance(message, Request) else None

    invites = [request for request in map(to_second, servers.network.sent) if request and request.method == "INVITE"]
    assert [request.get("Proxy-Authorization") is not None for request in invites] == [False, True]
