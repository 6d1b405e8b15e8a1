"""One INVITE that a proxy on the way forks: several early dialogs, one answer that counts, ACK and BYE for the others
(RFC 3261 section 13.2.2.4).
"""

from __future__ import annotations

import pytest

from core.clock import ManualClock
from sip.address import Address
from sip.config import SipConfig
from sip.core import SipCore
from sip.message import Headers, Request, Response, response_to
from sip.parser import parse_message
from sip.session import InviteSession
from sip.session_events import Answered, Offered, Progressed, Rejected, SessionEvent, SessionState
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, Listener, PhoneApplication

PROXY = Address("10.0.0.9", 5060)
OTHER = ANSWER.replace(b"5000", b"5002")


class Fork:
    """A caller, and all the branches of its INVITE played by the test."""

    def __init__(self, *, sdp: bytes | None = OFFER) -> None:
        self.clock = ManualClock()
        self.sent: list[Request] = []
        self.answered: list[Response] = []
        own = Address("10.0.0.1", 5060)

        def send(data: bytes, _destination: Address) -> None:
            message = parse_message(data)
            if isinstance(message, Request):
                self.sent.append(message)
            else:
                self.answered.append(message)

        self.core = SipCore(SipConfig(), PhoneApplication(), self.clock, send, local_address=lambda _peer: own)
        self.listener = Listener(self._on)
        self.session = self.core.invite(
            Uri("sip", "bob", "10.0.0.9"),
            from_=NameAddress("", Uri("sip", "alice", "10.0.0.1")),
            listener=self.listener,
            sdp=sdp,
        )

    def _on(self, session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Offered):
            session.accept_offer(OTHER)

    @property
    def invite(self) -> Request:
        return next(request for request in self.sent if request.method == "INVITE")

    def answer(self, branch: str, status: int, sdp: bytes = b"", headers: Headers = ()) -> None:
        lines = [("Contact", f"<sip:{branch}@10.0.0.2>"), ("Record-Route", "<sip:10.0.0.9;lr>"), *headers]
        kind = "application/sdp" if sdp else ""
        response = response_to(self.invite, status, to_tag=branch, headers=lines, content_type=kind, body=sdp)
        self.core.receive_message(response, PROXY)

    def reliably(self, branch: str, number: int, sdp: bytes = b"") -> None:
        headers = [("Require", "100rel"), ("RSeq", str(number)), ("Allow", "INVITE, UPDATE, PRACK")]
        self.answer(branch, 183, sdp, headers)

    def confirm(self) -> None:
        """Answer every request but the INVITE with 200."""
        for request in [request for request in self.sent if request.method not in ("INVITE", "ACK")]:
            self.core.receive_message(response_to(request, 200), PROXY)

    def to(self, branch: str) -> list[str]:
        return [request.method for request in self.sent if request.to_tag == branch]

    def pass_time(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while (due := self.core.timers.next_deadline) is not None and due <= end:
            self.clock.advance(max(due - self.clock.monotonic(), 0) + 1e-9)
            self.core.timers.run_due()
        self.clock.advance(max(end - self.clock.monotonic(), 0))


def test_each_branch_gets_pracks_of_its_own_count_and_dialog() -> None:
    fork = Fork()
    fork.reliably("one", 700, ANSWER)
    fork.reliably("two", 5, OTHER)
    fork.reliably("two", 6)
    fork.reliably("one", 701)
    fork.reliably("one", 703)
    fork.reliably("one", 701)
    pracks = [(request.to_tag, request.get("RAck"), request.cseq[0]) for request in fork.sent[1:]]
    assert pracks == [
        ("one", "700 1 INVITE", 2),
        ("two", "5 1 INVITE", 2),
        ("two", "6 1 INVITE", 3),
        ("one", "701 1 INVITE", 3),
    ]
    assert all(request.get("Route") == "<sip:10.0.0.9;lr>" for request in fork.sent[1:])
    assert [event.sdp for event in fork.listener.events if isinstance(event, Progressed)] == [ANSWER, OTHER, None, None]


def test_the_branch_that_answers_wins_with_the_description_it_gave_before() -> None:
    fork = Fork()
    fork.reliably("one", 1, ANSWER)
    fork.reliably("two", 1, OTHER)
    fork.answer("one", 200)
    assert fork.listener.last == Answered(ANSWER)
    assert fork.to("one") == ["PRACK", "ACK"]
    assert fork.session.remote_tag == "one"
    assert fork.session.state is SessionState.CONFIRMED


def test_the_branch_that_was_heard_last_needs_no_description_again() -> None:
    fork = Fork()
    fork.reliably("one", 1, ANSWER)
    fork.reliably("two", 1, OTHER)
    fork.answer("two", 200)
    assert fork.listener.last == Answered(None)


def test_a_branch_without_an_early_description_answers_with_its_own() -> None:
    fork = Fork()
    fork.reliably("one", 1, ANSWER)
    fork.answer("two", 180)
    fork.answer("two", 200, OTHER)
    assert fork.listener.last == Answered(OTHER)
    assert fork.session.remote_tag == "two"


def test_a_branch_that_answers_without_any_description_is_hung_up() -> None:
    fork = Fork()
    fork.reliably("one", 1, ANSWER)
    fork.answer("two", 200)
    assert fork.to("two") == ["ACK", "BYE"]
    assert fork.listener.names[-1] == "Ended"


def test_an_answer_may_leave_out_the_description_that_its_branch_gave_last() -> None:
    fork = Fork()
    fork.answer("one", 180)
    fork.answer("one", 183, ANSWER)
    fork.answer("one", 200)
    assert [event.sdp for event in fork.listener.events if isinstance(event, Progressed)] == [None, ANSWER]
    assert fork.listener.last == Answered(None)
    assert fork.session.state is SessionState.CONFIRMED
    assert fork.to("one") == ["ACK"]


def test_what_another_branch_described_is_no_answer_of_the_one_that_answers() -> None:
    fork = Fork()
    fork.answer("one", 183, ANSWER)
    fork.answer("two", 183, OTHER)
    fork.answer("one", 200)
    assert fork.to("one") == ["ACK", "BYE"]


def test_later_branches_are_acknowledged_and_hung_up_every_time_they_answer() -> None:
    fork = Fork()
    fork.answer("one", 180)
    fork.answer("two", 180)
    fork.answer("one", 200, ANSWER)
    fork.answer("two", 200, OTHER)
    fork.answer("two", 200, OTHER)
    assert fork.to("one") == ["ACK"]
    assert fork.to("two") == ["ACK", "BYE", "ACK"]
    assert fork.listener.names == ["Progressed", "Progressed", "Answered"]


def test_a_branch_that_answers_after_the_call_is_over_is_hung_up_too() -> None:
    fork = Fork()
    fork.answer("one", 200, ANSWER)
    fork.session.hang_up()
    fork.confirm()
    assert not fork.core.sessions
    fork.answer("one", 200, ANSWER)
    assert fork.to("one") == ["ACK", "BYE", "ACK"]
    fork.answer("two", 200, OTHER)
    assert fork.to("two") == ["ACK", "BYE"]
    assert [request.get("Route") for request in fork.sent if request.to_tag == "two"] == ["<sip:10.0.0.9;lr>"] * 2
    fork.confirm()
    fork.pass_time(70)
    assert not len(fork.core.timers)


def test_of_late_branches_without_end_only_so_many_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sip.late_branches._MOST_BRANCHES", 2)
    fork = Fork()
    fork.answer("one", 200, ANSWER)
    for tag in ("two", "three", "four"):
        fork.answer(tag, 200, OTHER)
    assert [fork.to(tag) for tag in ("three", "four")] == [["ACK", "BYE"], []]


def test_a_branch_that_answers_after_the_refusal_is_hung_up() -> None:
    fork = Fork()
    fork.answer("one", 486)
    assert isinstance(fork.listener.last, Rejected)
    fork.answer("two", 200, OTHER)
    assert fork.to("two") == ["ACK", "BYE"]


def test_an_update_of_any_early_branch_is_answered_in_its_dialog() -> None:
    fork = Fork()
    fork.reliably("one", 1, ANSWER)
    fork.reliably("two", 1, OTHER)
    update = Request(
        "UPDATE",
        "sip:alice@10.0.0.1",
        [
            ("Via", "SIP/2.0/UDP 10.0.0.9;branch=z9hG4bKu"),
            ("From", f"{fork.invite.get('To')};tag=one"),
            ("To", fork.invite.get("From") or ""),
            ("Call-ID", fork.invite.call_id),
            ("CSeq", "8 UPDATE"),
            ("Contact", "<sip:one@10.0.0.2>"),
            ("Content-Type", "application/sdp"),
        ],
        OFFER,
    )
    fork.core.receive_message(update, PROXY)
    assert fork.listener.last == Offered(OFFER)
    assert [(answer.status, answer.body) for answer in fork.answered] == [(200, OTHER)]
    assert fork.session.remote_tag == "one"


def test_endless_branches_are_not_listened_to() -> None:
    fork = Fork()
    for number in range(100):
        fork.reliably(f"b{number}", 1, ANSWER)
    assert len([request for request in fork.sent if request.method == "PRACK"]) == 32
    fork.answer("b99", 200, OTHER)
    assert fork.listener.last == Answered(OTHER)


def test_each_branch_of_a_call_without_an_offer_makes_its_own() -> None:
    fork = Fork(sdp=None)
    fork.reliably("one", 1, OFFER)
    fork.session.accept_offer(ANSWER)
    fork.reliably("two", 1, OFFER)
    fork.session.accept_offer(OTHER)
    assert [(request.to_tag, request.body) for request in fork.sent[1:]] == [("one", ANSWER), ("two", OTHER)]
    fork.answer("two", 200)
    assert fork.listener.last == Answered(None)
    assert fork.to("two") == ["PRACK", "ACK"]
