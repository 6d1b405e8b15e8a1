"""Our password is proved to the peer that it is for, and to nobody who merely asks."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from sip.address import Address
from sip.client_request import ClientCredentials, ClientRequest
from sip.core import SipCore
from sip.message import Response
from sip.session_events import SessionState
from sip.transaction import ClientTransaction
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, Listener, Network, Packet, PhoneApplication

US = NameAddress("", Uri("sip", "us", "10.0.0.1"))
CARRIER = Address("10.0.0.2", 5060)
STRANGER = Address("9.9.9.9", 5060)
TARGET = Uri("sip", "+74951112233", "10.0.0.2")
MINE = ClientCredentials("us", "secret")


class World:
    """We, a carrier that challenges, and a stranger who does so too."""

    def __init__(self) -> None:
        self.network = Network()
        self.us: SipCore = self.network.add("10.0.0.1", PhoneApplication())
        self.carrier, self.stranger = PhoneApplication(), PhoneApplication()
        for address, application in ((CARRIER, self.carrier), (STRANGER, self.stranger)):
            application.trunk, application.users = None, {"us": "secret"}
            self.network.add(address.host, application)
        self.statuses: list[int] = []

    def ask(self, credentials: ClientCredentials = MINE, *, where: Address = CARRIER) -> ClientRequest:
        return self.us.request(
            "REGISTER",
            Uri("sip", "", where.host),
            on_response=self._responded,
            from_=US,
            to=US,
            destination=where,
            headers=[("Contact", "<sip:us@10.0.0.1:5060>;expires=60")],
            credentials=credentials,
        )

    def _responded(self, response: Response, _transaction: ClientTransaction) -> None:
        self.statuses.append(response.status)

    def proofs(self) -> set[str]:
        """Return who was given a digest."""
        return {packet.destination.host for packet in self.network.sent if b"\r\nAuthorization: " in packet.data} | {
            packet.destination.host for packet in self.network.sent if b"\r\nProxy-Authorization: " in packet.data
        }


def challenge(packet: Packet, by: Address, realm: bytes) -> Packet:
    """Return what somebody answers to a request who asks for a digest of this realm."""
    wanted = (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
    kept = [line for line in packet.data.split(b"\r\n") if line.startswith(wanted)]
    asks = b'Proxy-Authenticate: Digest realm="' + realm + b'", nonce="abc", algorithm=MD5, qop="auth"'
    head = [b"SIP/2.0 407 Prove It", *kept, asks, b"Content-Length: 0", b"", b""]
    return Packet(b"\r\n".join(head), by, packet.source)


def test_the_peer_that_a_request_was_sent_to_gets_the_proof() -> None:
    world = World()
    world.ask()
    world.network.run(1)
    assert world.statuses == [200]
    assert world.proofs() == {CARRIER.host}


def test_a_challenge_that_comes_from_elsewhere_is_not_met() -> None:
    world = World()
    world.ask()
    world.network.run(0.007)
    (challenge,) = [packet for packet in world.network.sent if packet.what == "401 REGISTER"]
    world.network.drop = lambda packet: packet.source == CARRIER
    world.network.carry(Packet(challenge.data, STRANGER, challenge.destination))
    world.us.receive(challenge.data, STRANGER)
    world.network.run(0.1)
    assert 401 in world.statuses
    assert world.proofs() == set()


@pytest.mark.parametrize(("realm", "statuses"), [("ramal", [200]), ("elsewhere", [401])])
def test_only_the_realm_that_is_named_is_answered(realm: str, statuses: list[int]) -> None:
    world = World()
    world.ask(replace(MINE, realm=realm))
    world.network.run(1)
    assert world.statuses == statuses


def test_hosts_and_networks_that_are_named_may_ask_and_no_others() -> None:
    credentials = replace(MINE, hosts=frozenset(("carrier.example",)))
    assert credentials.are_for("carrier.example")
    assert not credentials.are_for("10.0.0.2")
    wider = replace(credentials, networks=(ipaddress.ip_network("10.0.0.0/28"),))
    assert wider.are_for("10.0.0.2")
    assert not wider.are_for("9.9.9.9")
    assert not wider.are_for("elsewhere.example")
    world = World()
    world.ask(wider, where=STRANGER)
    world.network.run(1)
    assert world.statuses == [401]
    assert world.proofs() == set()


def test_whom_a_contact_leads_to_gets_no_digest_for_the_end_of_a_call() -> None:
    # Who is called may name any address in the Contact, and challenge our BYE there.
    world = World()

    def meddle(packet: Packet) -> bool:
        if packet.what == "200 INVITE":
            packet.data = packet.data.replace(b"@10.0.0.2:5060>", b"@9.9.9.9:5060>")
        elif packet.what == "BYE" and packet.destination == STRANGER:
            world.network.carry(challenge(packet, STRANGER, b"ramal"))
        return False

    world.network.drop = meddle
    world.carrier.on_invite = lambda session: session.answer(ANSWER)
    session = world.us.invite(TARGET, from_=US, listener=Listener(), sdp=OFFER, destination=CARRIER, credentials=MINE)
    world.network.run(1)
    assert session.state is SessionState.CONFIRMED
    session.hang_up()
    world.network.run(1)
    assert world.network.count("407 BYE") == 1
    assert world.proofs() == {CARRIER.host}


def test_one_who_is_called_behind_the_carrier_gets_no_digest_for_a_realm_of_their_own() -> None:
    # A carrier that merely passes messages on passes challenges on, too.
    world = World()

    def meddle(packet: Packet) -> bool:
        if packet.what == "BYE":
            world.network.carry(challenge(packet, CARRIER, b"evil"))
            return True
        return False

    world.network.drop = meddle
    world.carrier.on_invite = lambda session: session.answer(ANSWER)
    session = world.us.invite(TARGET, from_=US, listener=Listener(), sdp=OFFER, destination=CARRIER, credentials=MINE)
    world.network.run(1)
    assert session.state is SessionState.CONFIRMED
    session.hang_up()
    world.network.run(1)
    assert world.network.count("407 BYE") == 1
    assert not [packet for packet in world.network.sent if b'realm="evil", nonce="abc", uri' in packet.data]
    assert world.network.count("BYE") == 1
