"""What a request is answered before it becomes a call: checks, challenges, loops, overload, rubbish."""

from __future__ import annotations

import random
import secrets
from ipaddress import ip_network
from typing import NoReturn

import pytest

from sip.address import Address
from sip.authentication import authorise
from sip.capabilities import ALLOW
from sip.config import SipConfig
from sip.core import SipCore
from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import Offered, SessionState
from sip.transaction import ServerTransaction, TransactionLayer
from tests.sip.network import ALICE, ANSWER, BOB, OFFER, Network, Packet, PhoneApplication, established

PASSWORD = "secret"


class Server:
    """One core that a test sends requests to by hand."""

    def __init__(self, config: SipConfig | None = None) -> None:
        self.network = Network()
        self.application = PhoneApplication()
        self.core: SipCore = self.network.add("10.0.0.2", self.application, config=config)

    def send(self, request: Request, source: Address = ALICE) -> list[Response]:
        before = len(self.network.sent)
        self.network.carry(Packet(request.encode(), source, BOB))
        self.network.run(0.05)
        messages = [packet.message for packet in self.network.sent[before + 1 :]]
        return [message for message in messages if isinstance(message, Response)]

    def status(self, request: Request, source: Address = ALICE) -> int:
        return self.send(request, source)[-1].status


def request(
    method: str, *, uri: str = "sip:bob@10.0.0.2", tag: str = "", body: bytes = b"", via: str = "", **headers: str
) -> Request:
    lines = [
        ("Via", via or f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport"),
        ("Max-Forwards", "70"),
        ("From", "<sip:alice@10.0.0.2>;tag=a"),
        ("To", f"<sip:bob@10.0.0.2>{';tag=' + tag if tag else ''}"),
        ("Call-ID", secrets.token_hex(6)),
        ("CSeq", f"1 {method}"),
        ("Contact", "<sip:alice@10.0.0.1:5060>"),
    ]
    message = Request(method, uri, lines, body)
    for name, value in headers.items():
        message.set(name.replace("_", "-"), value)
    return message


def test_options_tells_what_is_understood() -> None:
    answer = Server().send(request("OPTIONS"))[0]
    assert answer.status == 200
    assert answer.get("Allow") == ALLOW
    assert "replaces" in (answer.get("Supported") or "")
    assert "application/sdp" in (answer.get("Accept") or "")
    assert (answer.get("Accept-Encoding"), answer.get("Accept-Language")) == ("identity", "en")


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (request("FROBNICATE"), 501),
        (request("PUBLISH"), 489),
        (request("MESSAGE"), 480),
        (request("PRACK"), 481),
        (request("SUBSCRIBE"), 489),
        (request("BYE", tag="x"), 481),
        (request("BYE"), 481),
        (request("INFO", tag="x"), 481),
        (request("INVITE", tag="x"), 481),
        (request("CANCEL"), 481),
        (request("REFER"), 403),
        (request("NOTIFY", Event="presence"), 481),
        (request("NOTIFY", Event="keep-alive"), 200),
        (request("INVITE", Max_Forwards="0"), 483),
        (request("OPTIONS", Max_Forwards="0"), 200),
        (request("INVITE", Max_Forwards="many"), 400),
        (request("INVITE", Require="precondition"), 420),
        (request("INVITE", uri="http://example.com"), 416),
        (request("INVITE", From="<sip:alice"), 400),
        (request("INVITE", Contact="<sip:"), 400),
        (request("INVITE", Replaces="nonsense"), 400),
    ],
    ids=lambda value: f"{value!r}"[:60],
)
def test_what_cannot_be_carried_out_is_refused_and_leaves_nothing_behind(message: Request, status: int) -> None:
    server = Server()
    assert server.status(message) == status
    assert server.core.transactions.live == 0
    assert not server.core.sessions
    assert not server.application.sessions


def test_an_unknown_extension_is_named() -> None:
    answer = Server().send(request("INVITE", Require="precondition, replaces, gruu"))[-1]
    assert (answer.status, answer.get("Unsupported")) == (420, "precondition, gruu")


def test_a_stray_ack_is_not_answered() -> None:
    assert Server().send(request("ACK", tag="x")) == []


def another(method: str, invite: Request) -> Request:
    """Return the ACK or CANCEL of an INVITE as a script writes it that makes a branch for each of its requests."""
    made = Request(method, invite.uri, list(invite.headers))
    made.set("CSeq", f"{invite.cseq[0]} {method}")
    made.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
    return made


def test_a_cancel_with_a_branch_of_its_own_ends_the_call_of_its_host_that_it_names_by_all_else() -> None:
    server = Server()
    invite = request("INVITE", body=OFFER)
    assert server.status(invite) == 100
    for changed, source in (
        ({"Call-ID": "other"}, ALICE),
        ({"CSeq": "2 CANCEL"}, ALICE),
        ({"From": "<sip:alice@10.0.0.2>;tag=b"}, ALICE),
        ({}, Address("10.0.0.9", 5060)),
    ):
        cancel = another("CANCEL", invite)
        for name, value in changed.items():
            cancel.set(name, value)
        assert server.status(cancel, source) == 481
    answers = server.send(another("CANCEL", invite))
    assert [(one.status, one.cseq[1]) for one in answers] == [(200, "CANCEL"), (487, "INVITE")]


def test_an_ack_with_a_branch_of_its_own_ends_the_repetitions_of_a_refusal() -> None:
    server = Server()
    server.application.on_invite = lambda session: session.reject(486)
    invite = request("INVITE", body=OFFER)
    assert server.status(invite) == 486
    server.send(another("ACK", invite), Address("10.0.0.9", 5060))
    server.network.run(1)
    assert server.network.count("486 INVITE") == 2
    server.send(another("ACK", invite))
    server.network.run(33)
    assert server.network.count("486 INVITE") == 2


def test_the_ack_of_a_challenge_or_a_repeated_one_costs_no_search_however_many_calls_ring(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[Request] = []
    search = TransactionLayer.find_invite

    def note(layer: TransactionLayer, one: Request, source: Address) -> ServerTransaction | None:
        searched.append(one)
        return search(layer, one, source)

    monkeypatch.setattr(TransactionLayer, "find_invite", note)
    server = Server()
    server.application.on_invite = lambda session: session.progress(180)
    ringing = request("INVITE", body=OFFER)
    assert server.status(ringing) == 180
    server.application.trunk = None
    challenged = request("INVITE", body=OFFER)
    assert server.status(challenged) == 407
    server.send(another("ACK", challenged))
    assert server.status(another("CANCEL", challenged)) == 481
    server.application.trunk = "any"
    invite, _ = in_call(server)
    server.send(another("ACK", invite))
    assert not searched
    assert server.status(another("CANCEL", ringing)) == 487
    assert len(searched) == 1


def in_call(server: Server) -> tuple[Request, InviteSession]:
    """Have a call answered and confirmed; return its INVITE with our tag, as a pattern for what follows, and its session."""
    server.application.on_invite = lambda session: session.answer(ANSWER)
    invite = request("INVITE", body=OFFER)
    assert server.status(invite) == 200
    session = server.application.sessions[-1]
    invite.set("To", f"<sip:bob@10.0.0.2>;tag={session.local_tag}")
    server.send(another("ACK", invite))
    assert session.state is SessionState.CONFIRMED
    return invite, session


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({}, 488),
        ({"Require": "precondition"}, 420),
        ({"Content-Type": "application/fax"}, 415),
        ({"CSeq": "0 INVITE"}, 500),
    ],
)
def test_an_ack_with_a_branch_of_its_own_ends_the_repetitions_of_a_refusal_in_a_call(
    changed: dict[str, str], status: int
) -> None:
    server = Server()
    again, session = in_call(server)
    server.application.listener.on = lambda one, event: one.reject_offer(488) if isinstance(event, Offered) else None
    again.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
    for name, value in {"CSeq": "2 INVITE", **changed}.items():
        again.set(name, value)
    refusal = f"{status} INVITE"
    assert server.status(again) == status
    for wrong in ("1", "3"):
        stray = another("ACK", again)
        stray.set("CSeq", f"{wrong} ACK")
        server.send(stray)
    server.network.run(1)
    assert server.network.count(refusal) == 2
    server.send(another("ACK", again))
    server.network.run(33)
    assert server.network.count(refusal) == 2
    assert session.state is SessionState.CONFIRMED


@pytest.mark.parametrize("sloppy", [{"CSeq": "1 ACK"}, {"To": "<sip:bob@10.0.0.2>"}], ids=["other number", "no tag"])
def test_an_ack_of_a_sloppy_script_ends_the_repetitions_of_the_answer(sloppy: dict[str, str]) -> None:
    server = Server()
    server.application.on_invite = lambda session: session.answer(ANSWER)
    invite = request("INVITE", body=OFFER, CSeq="2 INVITE")
    assert server.status(invite) == 200
    (session,) = server.application.sessions
    ack = another("ACK", invite)
    for name, value in {"To": f"<sip:bob@10.0.0.2>;tag={session.local_tag}", **sloppy}.items():
        ack.set(name, value)
    server.send(ack)
    server.network.run(33)
    assert server.network.count("200 INVITE") == 1
    assert session.state is SessionState.CONFIRMED


def test_an_ack_with_a_branch_of_its_own_ends_the_repetitions_of_the_487_to_a_re_invite_that_is_cancelled() -> None:
    server = Server()
    again, session = in_call(server)
    again.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
    again.set("CSeq", "2 INVITE")
    assert server.status(again) == 100
    answers = server.send(another("CANCEL", again))
    assert [(one.status, one.cseq[1]) for one in answers] == [(200, "CANCEL"), (487, "INVITE")]
    server.send(another("ACK", again), Address("10.0.0.9", 5060))
    server.network.run(1)
    assert server.network.count("487 INVITE") == 2
    server.send(another("ACK", again))
    server.network.run(33)
    assert server.network.count("487 INVITE") == 2
    assert session.state is SessionState.CONFIRMED


def test_a_re_invite_wants_an_ack_of_its_own_number() -> None:
    server = Server()
    again, _session = in_call(server)
    server.application.listener.on = lambda one, event: one.accept_offer(ANSWER) if isinstance(event, Offered) else None
    again.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
    again.set("CSeq", "2 INVITE")
    assert server.status(again) == 200
    late = another("ACK", again)
    late.set("CSeq", "1 ACK")
    server.send(late)
    server.network.run(1)
    assert server.network.count("200 INVITE") == 3


def test_who_lacks_our_tag_and_sends_from_another_host_ends_no_call() -> None:
    server = Server()
    invite, session = in_call(server)
    bye = another("BYE", invite)
    bye.set("To", "<sip:bob@10.0.0.2>")
    assert server.status(bye, Address("10.0.0.66", 5060, "udp")) == 481
    assert list(server.core.sessions.values()) == [session]


class Unwalked(dict[tuple[str, str], InviteSession]):
    """The sessions of a large house: who looks through all of them holds up the others' calls."""

    def values(self) -> NoReturn:
        raise AssertionError("looked through all calls")


def test_a_call_without_our_tag_is_found_without_a_look_at_all_others() -> None:
    server = Server()
    invite, session = in_call(server)
    server.core.sessions = Unwalked(server.core.sessions)
    bye = another("BYE", invite)
    bye.set("To", "<sip:bob@10.0.0.2>")
    assert server.status(bye) == 200
    assert session.state is SessionState.ENDED


def test_a_later_call_of_the_same_names_is_found_when_the_first_is_over() -> None:
    server = Server()
    invite, first = in_call(server)
    later = Request("INVITE", invite.uri, list(invite.headers), OFFER)
    later.set("Via", f"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK{secrets.token_hex(4)};rport")
    later.set("To", "<sip:bob@10.0.0.2>")
    later.set("CSeq", "2 INVITE")
    assert server.status(later) == 200
    first.hang_up()
    server.network.run(33)
    (second,) = server.core.sessions.values()
    bye = another("BYE", later)
    bye.set("CSeq", "3 BYE")
    assert server.status(bye) == 200
    assert second.state is SessionState.ENDED
    assert not server.core.sessions


@pytest.mark.parametrize("sloppy", [{"CSeq": "0 BYE"}, {"To": "<sip:bob@10.0.0.2>"}], ids=["lower number", "no tag"])
def test_a_bye_of_a_sloppy_script_ends_its_call(sloppy: dict[str, str]) -> None:
    server = Server()
    invite, session = in_call(server)
    bye = another("BYE", invite)
    for name, value in sloppy.items():
        bye.set(name, value)
    stranger = another("BYE", bye)
    stranger.set("From", "<sip:alice@10.0.0.2>;tag=b")
    assert server.status(stranger) == 481
    assert list(server.core.sessions.values()) == [session]
    assert server.status(bye) == 200
    assert not server.core.sessions


def test_a_body_that_nobody_understands_is_refused_with_415() -> None:
    server = Server()
    for headers in (
        {"Content_Type": "application/fax"},
        {"Content_Type": "application/sdp", "Content_Encoding": "gzip"},
        {"Content_Type": "text/plain", "Content_Disposition": "session;handling=required"},
    ):
        (refusal,) = server.send(request("INVITE", body=OFFER, **headers))
        assert refusal.status == 415
        assert "application/sdp" in (refusal.get("Accept") or "")
    optional = request("INVITE", body=OFFER, Content_Type="text/plain", Content_Disposition="render; handling=optional")
    assert server.status(optional) == 100


def test_the_same_call_by_two_ways_is_a_loop() -> None:
    server = Server()
    invite = request("INVITE", body=OFFER)
    assert server.status(invite) == 100
    twin = Request("INVITE", invite.uri, list(invite.headers), OFFER)
    twin.set("Via", "SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bKother;rport")
    assert server.status(twin) == 482
    assert len(server.application.sessions) == 1
    server.application.sessions[0].reject(486)
    server.network.run(33)
    again = Request("INVITE", invite.uri, list(invite.headers), OFFER)
    again.set("Via", "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKagain;rport")
    assert server.status(again) == 100


def test_a_merged_request_is_a_loop_also_after_the_refusal_of_the_first_until_its_transaction_is_over() -> None:
    server = Server()
    server.application.on_invite = lambda session: session.reject(486)
    first = request("INVITE")
    assert server.status(first) == 486
    twin = Request("INVITE", first.uri, list(first.headers))
    twin.set("Via", "SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKotherway")
    assert server.status(twin) == 482
    server.network.run(32)
    twin.set("Via", "SIP/2.0/UDP 10.0.0.8:5060;branch=z9hG4bKmuchlater")
    assert server.status(twin) == 486
    server.network.run(70)
    assert not len(server.core.timers)


def test_an_unknown_extension_is_named_inside_of_a_call_too_but_never_keeps_it_from_its_end() -> None:
    pair, session, _ = established()
    session.send("INFO", headers=[("Require", "precondition, timer")])
    pair.network.run(0.1)
    assert pair.network.find("420 INFO").message.get("Unsupported") == "precondition"
    session.send("BYE", headers=[("Require", "precondition")])
    pair.network.run(0.1)
    assert "200 BYE" in pair.network.what


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_body_that_nobody_understands_is_refused_inside_of_a_call_too(method: str) -> None:
    pair, session, _ = established()
    session.send(method, content_type="text/plain", body=b"hold, please")
    pair.network.run(0.1)
    assert f"415 {method}" in pair.network.what
    assert session.state is SessionState.CONFIRMED


def test_an_info_of_a_package_that_nobody_announced_is_refused_and_the_keys_of_old_phones_are_taken() -> None:
    pair, session, _ = established()
    package = [("Info-Package", "nobody")]
    session.send("INFO", headers=package, content_type="application/dtmf-relay", body=b"Signal=5\r\nDuration=100\r\n")
    pair.network.run(0.1)
    assert pair.network.find("469 INFO").message.get("Recv-Info") == ""
    assert "DigitReceived" not in pair.bob_app.listener.names
    session.send("INFO", content_type="application/dtmf-relay", body=b"Signal=5\r\nDuration=100\r\n")
    pair.network.run(0.1)
    assert pair.bob_app.listener.names[-1] == "DigitReceived"


@pytest.mark.parametrize("seconds", ["20", "89"])
def test_a_call_with_too_short_a_session_interval_is_refused_with_the_shortest_one(seconds: str) -> None:
    server = Server()
    answer = server.send(request("INVITE", Session_Expires=seconds, Supported="timer"))[-1]
    assert (answer.status, answer.get("Min-SE")) == (422, "90")
    assert server.status(request("INVITE", Session_Expires=seconds)) == 100


def test_a_repeated_invite_makes_one_call() -> None:
    server = Server()
    invite = request("INVITE", body=OFFER)
    assert server.status(invite) == 100
    assert server.status(invite) == 100
    assert len(server.application.sessions) == 1


def test_responses_go_back_where_the_request_came_from() -> None:
    server = Server()
    mapped = Address("203.0.113.7", 40001)
    answer = server.send(request("OPTIONS"), mapped)[0]
    assert server.network.sent[-1].destination == mapped
    assert answer.via.parameter("received") == "203.0.113.7"
    assert answer.via.parameter("rport") == "40001"


def test_without_rport_and_without_symmetry_the_via_says_where() -> None:
    server = Server(SipConfig(symmetric_responses=False))
    server.send(request("OPTIONS", via="SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1"), Address("10.0.0.1", 40001))
    assert server.network.sent[-1].destination == Address("10.0.0.1", 5070)


def test_a_nated_users_calls_are_ended_at_the_source_of_their_packets() -> None:
    server = Server()
    server.application.trunk = None
    server.application.users = {"alice": "secret"}
    mapped = Address("203.0.113.7", 40001)
    invite = request("INVITE", body=OFFER, Contact="<sip:alice@192.168.1.20:5060>")
    challenge = server.send(invite, mapped)[-1]
    assert challenge.status == 407
    again = request("INVITE", body=OFFER, Contact="<sip:alice@192.168.1.20:5060>")
    proof = authorise(challenge.get_all("Proxy-Authenticate"), "alice", "secret", "INVITE", again.uri, OFFER)
    again.add("Proxy-Authorization", proof)
    assert server.status(again, mapped) == 100
    session = server.application.sessions[0]
    assert session.identity == "alice"
    session.answer(ANSWER)
    server.network.run(33)
    goodbye = server.network.find("BYE")
    assert goodbye.destination == mapped
    assert "BYE sip:alice@192.168.1.20:5060 SIP/2.0" in goodbye.data.decode()


def test_under_overload_new_calls_get_503_with_retry_after_and_all_else_goes_on() -> None:
    server = Server(SipConfig(max_transactions=-1, retry_after_seconds=7))
    answer = server.send(request("INVITE", body=OFFER))[-1]
    assert (answer.status, answer.get("Retry-After")) == (503, "7")
    assert server.core.transactions.live == 0
    assert server.status(request("OPTIONS")) == 200


def test_an_application_that_fails_is_a_500_and_the_call_is_gone() -> None:
    server = Server()

    def fail(_session: InviteSession) -> None:
        raise RuntimeError("application")

    server.application.on_invite = fail
    assert server.status(request("INVITE", body=OFFER)) == 500
    server.network.run(40)
    assert not server.core.sessions
    assert server.core.transactions.live == 0


def test_an_application_that_fails_to_look_up_a_user_is_a_500() -> None:
    server = Server()

    def fail(request: Request, source: Address) -> str | None:
        raise RuntimeError("database")

    server.application.identify_trunk = fail  # type: ignore[method-assign]
    assert server.status(request("INVITE", body=OFFER)) == 500


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


class TestRubbish:
    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\r\n\r\n",
            b"\x00" * 4,
            b"\xff" * 60_000,
            b"INVITE sip:x SIP/2.0\r\n\r\n",
            b"SIP/2.0 200 OK\r\n\r\n",
            b"A" * 20,
        ],
        ids=lambda data: repr(data[:20]),
    )
    def test_bytes_that_are_no_message_are_dropped(self, data: bytes) -> None:
        server = Server()
        server.core.receive(data, ALICE)
        assert server.network.sent == []

    def test_a_malformed_request_with_the_headers_for_an_answer_gets_400(self) -> None:
        server = Server()
        data = request("INVITE").encode().replace(b"CSeq: 1 INVITE", b"CSeq: one INVITE")
        server.core.receive(data, ALICE)
        assert server.network.sent[0].data.startswith(b"SIP/2.0 400 The CSeq is not a number")

    def test_a_truncated_request_gets_400(self) -> None:
        server = Server()
        data = request("INVITE", body=OFFER).encode()[:-10]
        server.core.receive(data, ALICE)
        assert server.network.what == ["400 INVITE"]

    def test_random_damage_never_raises_and_never_leaks(self) -> None:
        server = Server()
        dice = random.Random(3)
        good = request("INVITE", body=OFFER, Content_Type="application/sdp").encode()
        for _ in range(2000):
            data = bytearray(good)
            for _ in range(dice.randint(1, 6)):
                where = dice.randrange(len(data))
                if dice.random() < 0.5:
                    data[where] = dice.randrange(256)
                else:
                    del data[where : where + dice.randint(1, 30)]
            server.core.receive(bytes(data), ALICE)
        for session in list(server.core.sessions.values()):
            session.reject(480)
        server.network.run(140)
        assert server.core.transactions.live == 0
        assert server.core.transactions.finished == 0
        assert not server.core.sessions


@pytest.mark.parametrize(
    "headers", [{"Record_Route": "<sip:p1.example;lr"}, {"Contact": "<sip:alice@10.0.0.1;transport=%ff>"}]
)
def test_a_call_whose_way_back_cannot_be_read_is_refused_before_it_begins(headers: dict[str, str]) -> None:
    server = Server()
    assert server.status(request("INVITE", body=OFFER, **headers)) == 400
    assert server.application.sessions == []
    assert not server.core.sessions


class TestOneBranchForAll:
    """Scripts write one branch for all that they send: what is new is told by Call-ID and number."""

    VIA = "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1"

    def test_each_call_is_a_new_one_and_each_repeated_invite_an_old_one(self) -> None:
        server = Server()
        server.application.on_invite = lambda session: session.progress(180)
        first, second = request("INVITE", via=self.VIA, body=OFFER), request("INVITE", via=self.VIA, body=OFFER)
        for message in (first, second, first, second):
            assert server.status(message) == 180
        assert [session.call_id for session in server.application.sessions] == [first.call_id, second.call_id]
        cancel = another("CANCEL", first)
        cancel.set("Via", self.VIA)
        assert [(one.status, one.call_id) for one in server.send(cancel)] == [
            (200, first.call_id),
            (487, first.call_id),
        ]

    def test_a_challenge_is_answered_under_the_branch_that_was_challenged(self) -> None:
        server = Server()
        server.application.users["alice"] = PASSWORD
        fields = {"To": "<sip:alice@10.0.0.2>", "Call_ID": "one", "Expires": "60"}
        first = request("REGISTER", uri="sip:10.0.0.2", via=self.VIA, body=b"", tag="", **fields)
        (asked,) = server.send(first)
        value = authorise(asked.get_all("WWW-Authenticate"), "alice", PASSWORD, "REGISTER", first.uri)
        fields |= {"CSeq": "2 REGISTER", "Authorization": value}
        assert server.status(request("REGISTER", uri="sip:10.0.0.2", via=self.VIA, body=b"", tag="", **fields)) == 200

    def test_a_re_invite_under_the_branch_of_the_invite_is_answered(self) -> None:
        server = Server()
        server.application.on_invite = lambda session: session.answer(ANSWER)
        invite = request("INVITE", via=self.VIA, body=OFFER)
        answered = server.send(invite)[-1]
        ack = another("ACK", invite)
        ack.set("To", f"<sip:bob@10.0.0.2>;tag={answered.to_tag}")
        server.send(ack)
        again = request(
            "INVITE", via=self.VIA, tag=answered.to_tag, Call_ID=invite.call_id, CSeq="2 INVITE", body=OFFER
        )
        server.application.listener.on = lambda session, _event: session.accept_offer(ANSWER)
        assert server.status(again) == 200


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
