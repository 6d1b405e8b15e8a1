"""Requests whose branch, tag or number is not as it should be: the call they mean is found, and nobody else's is touched."""

from __future__ import annotations

import secrets
from typing import NoReturn

import pytest

from sip.address import Address
from sip.authentication import authorise
from sip.message import Request
from sip.session import InviteSession
from sip.session_events import Offered, SessionState
from sip.transaction import ServerTransaction
from sip.transaction_layer import TransactionLayer
from tests.sip.by_hand import PASSWORD, Server, another, in_call, request
from tests.sip.network import ALICE, ANSWER, BOB, OFFER, established


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


@pytest.mark.parametrize(
    "sloppy",
    [
        {"CSeq": "0 BYE"},
        {"To": "<sip:bob@10.0.0.2>"},
        {"To": "<sip:bob@10.0.0.2>;tag=made-up"},
        {"From": "<sip:alice@10.0.0.2>;tag=another"},
    ],
    ids=["lower number", "no tag", "made-up tag", "another tag of its own"],
)
def test_a_bye_of_a_sloppy_script_ends_its_call(sloppy: dict[str, str]) -> None:
    server = Server()
    invite, session = in_call(server)
    bye = another("BYE", invite)
    for name, value in sloppy.items():
        bye.set(name, value)
    stranger = another("BYE", invite)
    stranger.set("From", "<sip:alice@10.0.0.2>;tag=b")
    stranger.set("To", "<sip:bob@10.0.0.2>;tag=c")
    assert server.status(stranger) == 481
    stranger.set("To", f"<sip:bob@10.0.0.2>;tag={session.local_tag}")
    assert server.status(stranger, Address("10.0.0.9", 5060)) == 481
    assert list(server.core.sessions.values()) == [session]
    assert server.status(bye) == 200
    assert not server.core.sessions


def test_a_callee_that_exchanges_both_tags_in_its_bye_ends_the_call_and_another_branch_does_not() -> None:
    pair, session, _ = established()
    other, own = session.remote_tag, session.local_tag
    for theirs, ours, host, ends in (
        ("branch", own, BOB, False),
        (own, "branch", BOB, False),
        (own, other, Address("10.0.0.9", 5060), False),
        (own, other, BOB, True),
    ):
        bye = request("BYE", uri="sip:alice@10.0.0.1", tag=ours, Call_ID=session.call_id, CSeq="2 BYE")
        bye.set("Via", f"SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK{secrets.token_hex(4)}")
        bye.set("From", f"<sip:bob@10.0.0.2>;tag={theirs}")
        pair.alice.receive(bye.encode(), host)
        assert (session.state is SessionState.ENDED) is ends


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


def test_an_ack_without_the_answer_that_it_owes_leaves_the_call_without_voice_until_the_next_offer() -> None:
    server = Server()
    server.application.on_invite = lambda session: session.answer(OFFER)
    invite = request("INVITE")
    assert server.status(invite) == 200
    (session,) = server.application.sessions
    invite.set("To", f"<sip:bob@10.0.0.2>;tag={session.local_tag}")
    server.send(another("ACK", invite))
    server.network.run(33)
    assert session.state is SessionState.CONFIRMED
    assert server.application.listener.names == ["Confirmed"]
    server.application.listener.on = lambda one, event: one.accept_offer(ANSWER) if isinstance(event, Offered) else None
    again = request("INVITE", tag=session.local_tag, body=OFFER, Call_ID=invite.call_id, CSeq="2 INVITE")
    (answered,) = server.send(again)
    assert (answered.status, answered.body) == (200, ANSWER)
