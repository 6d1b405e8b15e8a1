"""What a request is answered before it becomes a call: checks, loops, overload, rubbish."""

from __future__ import annotations

import random

import pytest

from sip.address import Address
from sip.authentication import authorise
from sip.capabilities import ALLOW
from sip.config import SipConfig
from sip.message import Request
from sip.session import InviteSession
from sip.session_events import SessionState
from tests.sip.by_hand import Server, request
from tests.sip.network import ALICE, ANSWER, OFFER, established


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
