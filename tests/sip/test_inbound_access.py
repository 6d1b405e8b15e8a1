"""Who has to prove who he is: the kind of challenge, and networks that need none."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sip.address import Address
from sip.authentication import authorise
from sip.config import SipConfig
from tests.sip.by_hand import PASSWORD, Server, request
from tests.sip.network import ANSWER, OFFER


class TestProxyChallenge:
    """Scripts know one kind of challenge only: that of the server they were written for."""

    @pytest.mark.parametrize(
        ("proxy", "status", "asks", "answers"),
        [
            (True, 407, "Proxy-Authenticate", "Proxy-Authorization"),
            (False, 401, "WWW-Authenticate", "Authorization"),
        ],
    )
    def test_callers_are_asked_for_their_password_as_it_is_set(
        self, proxy: bool, status: int, asks: str, answers: str
    ) -> None:
        server = Server(SipConfig(proxy_challenge=proxy))
        server.application.trunk = None
        server.application.users["alice"] = PASSWORD
        first = request("INVITE", body=OFFER, Content_Type="application/sdp")
        (asked,) = server.send(first)
        assert asked.status == status
        value = authorise(asked.get_all(asks), "alice", PASSWORD, "INVITE", first.uri)
        second = request("INVITE", body=OFFER, Content_Type="application/sdp", **{answers.replace("-", "_"): value})
        assert server.status(second) not in (401, 407)

    def test_a_registration_is_always_asked_by_a_401(self) -> None:
        assert Server(SipConfig(proxy_challenge=True)).status(request("REGISTER", Expires="60")) == 401


class TestTrustedNetworks:
    """Whoever sends from there needs no password, but has to be one of our users."""

    @staticmethod
    def server(network: str = "10.0.0.0/24") -> Server:
        server = Server(SipConfig(trusted=(ip_network(network),)))
        server.application.trunk = None
        server.application.users["alice"] = PASSWORD
        return server

    def test_a_user_is_let_in_by_the_address(self) -> None:
        server = self.server()
        assert server.status(request("REGISTER", To="<sip:alice@10.0.0.2>", Expires="60")) == 200
        server.application.on_invite = lambda session: session.answer(ANSWER)
        assert server.status(request("INVITE", body=OFFER, Content_Type="application/sdp")) == 200
        assert [session.identity for session in server.application.sessions] == ["alice"]

    def test_a_user_is_known_whatever_stands_behind_the_name(self) -> None:
        server, alice = self.server(), "<sip:alice;phone-context=national@10.0.0.2>"
        assert server.status(request("REGISTER", From=f"{alice};tag=a", To=alice, Expires="60")) == 200
        assert [user for user, _ in server.application.registrations] == ["alice"]
        assert server.core.inbound.registrations.bindings("alice")
        server.status(request("INVITE", From=f"{alice};tag=a", body=OFFER, Content_Type="application/sdp"))
        assert [session.identity for session in server.application.sessions] == ["alice"]

    def test_one_who_is_no_user_is_asked_for_a_password(self) -> None:
        assert self.server().status(request("INVITE", From="<sip:mallory@10.0.0.2>;tag=a")) == 407

    def test_from_elsewhere_everybody_is_asked(self) -> None:
        assert self.server("10.0.1.0/24").status(request("INVITE")) == 407

    def test_a_user_cannot_register_for_another(self) -> None:
        assert self.server().status(request("REGISTER", Expires="60")) == 403

    def test_browsers_are_asked_for_they_all_come_from_the_proxy(self) -> None:
        server = self.server()
        assert server.status(request("INVITE"), Address("10.0.0.1", 5060, "wss")) == 407

    def test_a_wrong_password_is_wrong_all_the_same(self) -> None:
        server = self.server()
        first = request("REGISTER", To="<sip:alice@10.0.0.2>")
        challenged = Server(SipConfig())
        challenged.application.users["alice"] = PASSWORD
        challenge = challenged.send(first)[-1].get_all("WWW-Authenticate")
        wrong = authorise(challenge, "alice", "wrong", "REGISTER", first.uri, b"")
        assert server.status(request("REGISTER", To="<sip:alice@10.0.0.2>", Authorization=wrong)) == 401
