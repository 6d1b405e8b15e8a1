"""What a REGISTER does to the registrations, and what a user's contacts go through until they end."""

from __future__ import annotations

import secrets

import pytest

from sip.address import Address
from sip.authentication import authorise
from sip.message import Request, Response
from sip.register_request import reads_plain
from tests.sip.by_hand import PASSWORD, Server, request
from tests.sip.network import ALICE


@pytest.mark.parametrize(
    ("contact", "plain"),
    [
        ('<sip:alice@10.0.0.1:5060;ob>;+sip.instance="<urn:uuid:1>";reg-id=1', True),
        ('"Alice A" <sips:alice@10.0.0.1>', True),
        ("sip:alice@10.0.0.1;expires=60", True),
        ("*", True),
        ("sip:alice@10.0.0.1?Route=%3Csip:b%3E", False),
        ("<sip:alice@10.0.0.1>, <sip:alice@10.0.0.9>", False),
        ("<tel:+551133334444>", False),
        ("<sip:alice@10.0.0.1", False),
    ],
)
def test_addresses_in_their_usual_form_are_told_from_odd_ones_without_being_read(contact: str, plain: bool) -> None:
    assert reads_plain(request("REGISTER", Contact=contact)) is plain


@pytest.mark.parametrize(
    ("to", "plain"),
    [
        ("<sip:alice@10.0.0.2>;tag=a1", True),
        ("<sip:alice@10.0.0.2>;tag=a1?b", False),
        ("<sip:alice@10.0.0.2>;tag=a,<sip:bob@10.0.0.2>", False),
        ("<sip:alice>;tag=a1>;tag=a1", False),
        ("<tel:+551133334444>;tag=a1", False),
    ],
)
def test_an_address_is_as_odd_with_a_tag_as_without(to: str, plain: bool) -> None:
    for _ in range(2):
        assert reads_plain(request("REGISTER", To=to)) is plain


class TestRegister:
    def server(self) -> Server:
        server = Server()
        server.application.users = {"alice": "secret", "bob": "hunter2"}
        return server

    def register(self, server: Server, username: str = "alice", password: str = PASSWORD, **headers: str) -> Response:
        first = request("REGISTER", uri="sip:10.0.0.2", body=b"", To="<sip:alice@10.0.0.2>", **headers)
        challenge = server.send(first)[-1]
        if challenge.status != 401:
            return challenge
        second = Request("REGISTER", first.uri, list(first.headers))
        second.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
        second.set("CSeq", "2 REGISTER")
        proof = authorise(challenge.get_all("WWW-Authenticate"), username, password, "REGISTER", second.uri)
        second.add("Authorization", proof)
        self.last = second
        return server.send(second)[-1]

    def test_a_user_registers_and_call_control_is_told(self) -> None:
        server = self.server()
        answer = self.register(server, Expires="600")
        assert answer.status == 200
        assert "expires=600" in (answer.get("Contact") or "")
        user, bindings = server.application.registrations[-1]
        assert user == "alice"
        assert bindings[0].source == ALICE
        assert server.core.inbound.registrations.bindings("alice") == bindings

    def test_a_repeated_register_gets_the_same_answer_though_its_nonce_was_used(self) -> None:
        server = self.server()
        assert self.register(server).status == 200
        assert server.status(self.last) == 200
        assert len(server.application.registrations) == 1

    def test_a_wrong_password_is_challenged_again(self) -> None:
        server = self.server()
        assert self.register(server, password="guess").status == 401
        assert not server.application.registrations

    def test_nobody_registers_for_another(self) -> None:
        server = self.server()
        assert self.register(server, "bob", "hunter2").status == 403

    def test_too_short_a_registration_is_refused(self) -> None:
        assert self.register(self.server(), Expires="5").status == 423

    def test_an_expired_contact_is_told_and_gone(self) -> None:
        server = self.server()
        self.register(server, Expires="60")
        server.network.run(70)
        assert server.application.registrations[-1] == ("alice", [])
        assert len(server.core.timers) <= 1

    def test_the_contacts_behind_a_closed_connection_are_dropped(self) -> None:
        server = self.server()
        self.register(server)
        flow = Address("10.0.0.1", 45000, "tcp")
        server.core.inbound.registrations.registrar.register(
            "bob", request("REGISTER"), flow, server.network.clock.now()
        )
        server.core.transport_failed(flow)
        assert server.application.registrations[-1] == ("bob", [])

    @pytest.mark.parametrize("listens", [True, False])
    def test_a_phone_that_may_listen_where_its_connection_came_from_is_asked_before_it_is_dropped(
        self, listens: bool
    ) -> None:
        server = self.server()
        flow = Address("10.0.0.1", 5070, "tcp")
        registrations, asked = server.core.inbound.registrations, list[Address]()

        def connect(destination: Address) -> None:
            asked.append(destination)
            if not listens:
                server.core.transport_failed(destination)

        registrations._connect = connect
        contact = request("REGISTER", Contact="<sip:bob@10.0.0.1:5070;transport=tcp>")
        registrations.registrar.register("bob", contact, flow, server.network.clock.now())
        server.core.transport_failed(flow)
        server.network.run(29)
        assert len(registrations.bindings("bob")) == 1
        assert not asked
        server.network.run(2)
        assert asked == [flow]
        assert len(registrations.bindings("bob")) == listens
        server.network.run(10)
        assert not registrations._doubted

    def test_a_phone_whose_connection_is_refused_to_a_call_is_dropped_at_once(self) -> None:
        server = self.server()
        flow = Address("10.0.0.1", 5070, "tcp")
        registrations = server.core.inbound.registrations
        contact = request("REGISTER", Contact="<sip:bob@10.0.0.1:5070;transport=tcp>")
        registrations.registrar.register("bob", contact, flow, server.network.clock.now())
        server.core.transport_failed(flow)
        server.core.transport_failed(flow)
        assert registrations.bindings("bob") == []

    def test_a_deleted_user_is_dropped(self) -> None:
        server = self.server()
        self.register(server)
        server.core.inbound.registrations.remove("alice")
        assert server.application.registrations[-1] == ("alice", [])

    def test_an_application_that_fails_does_not_spoil_the_registration(self) -> None:
        server = self.server()

        def fail(aor: str, bindings: object) -> None:
            raise RuntimeError("application")

        server.application.registered = fail  # type: ignore[method-assign]
        assert self.register(server).status == 200
