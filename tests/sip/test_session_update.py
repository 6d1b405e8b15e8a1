"""Offers before the answer: UPDATE in early dialogs, both ways, and what it may cross (RFC 3311, RFC 6337)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    Ended,
    OfferAnswered,
    Offered,
    OfferRejected,
    Rejected,
    SessionEvent,
    SessionState,
)
from tests.sip.network import ANSWER, OFFER, Listener, Pair, without

HOLD = OFFER + b"a=sendonly\r\n"
HELD = ANSWER + b"a=recvonly\r\n"


def early(session: InviteSession) -> None:
    session.progress(183, sdp=ANSWER)


def answering(sdp: bytes) -> Callable[[InviteSession, SessionEvent], None]:
    def on(session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Offered):
            session.accept_offer(sdp)

    return on


def ringing(rewrite: Callable[[Request | Response], None] | None = None) -> tuple[Pair, InviteSession, Listener]:
    """A call with early media that was acknowledged; both sides answer offers."""
    pair = Pair.make(early)
    pair.network.rewrite = rewrite
    listener = Listener(answering(HELD))
    pair.bob_app.listener.on = answering(HELD)
    session = pair.call(listener)
    pair.network.run(0.1)
    return pair, session, listener


def test_the_caller_changes_the_early_media_with_update() -> None:
    pair, session, listener = ringing()
    session.offer(HOLD)
    pair.network.run(0.1)
    assert pair.network.what[-2:] == ["UPDATE", "200 UPDATE"]
    assert pair.bob_app.listener.events == [Offered(HOLD)]
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert listener.events[-2:] == [OfferAnswered(HELD), Answered(None)]
    assert session.state is SessionState.CONFIRMED


def test_the_callee_does_too_once_its_answer_is_acknowledged() -> None:
    pair = Pair.make(early)
    pair.network.drop = lambda packet: packet.what == "PRACK" and pair.network.count("PRACK") < 3
    listener = Listener(answering(HELD))
    pair.call(listener)
    pair.network.run(0.1)
    pair.bob_session.offer(HOLD)
    pair.network.run(0.1)
    assert "UPDATE" not in pair.network.what
    pair.network.run(3)
    assert pair.network.what[-2:] == ["UPDATE", "200 UPDATE"]
    assert listener.last == Offered(HOLD)
    assert pair.bob_app.listener.last == OfferAnswered(HELD)


def test_without_update_the_offer_waits_for_the_answer() -> None:
    pair, session, listener = ringing(without(allow="UPDATE"))
    session.offer(HOLD)
    pair.network.run(1)
    assert pair.network.what[-1] == "200 PRACK"
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert pair.network.count("INVITE") == 2
    assert listener.last == OfferAnswered(HELD)


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_that_refuses_update_as_unknown_gets_the_offer_after_the_answer(status: int) -> None:
    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.cseq[1] == "UPDATE":
            message.status = status
            message.body = b""

    pair, session, listener = ringing(refuse)
    session.offer(HOLD)
    pair.network.run(1)
    assert pair.network.count("UPDATE") == 1
    assert OfferRejected(status) not in listener.events
    pair.network.rewrite = None
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert pair.network.count("INVITE") == 2
    assert listener.last == OfferAnswered(HELD)


def test_an_update_before_the_first_offer_is_answered_gets_500_and_its_sender_waits() -> None:
    pair = Pair.make(lambda session: session.progress(180))
    pair.call(Listener())
    pair.network.run(0.1)
    session = next(iter(pair.alice.sessions.values()))
    session.send("UPDATE", content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    refusal = pair.network.find("500 UPDATE").message
    assert 0 <= int(refusal.get("Retry-After") or "-1") <= 10
    pair.bob_session.send("UPDATE", content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    assert pair.network.count("491 UPDATE") == 1


def test_updates_that_cross_before_the_answer_are_both_made_again_one_after_the_other() -> None:
    pair, session, listener = ringing()
    session.offer(HOLD)
    pair.bob_session.offer(OFFER)
    pair.network.run(0.1)
    assert pair.network.count("491 UPDATE") == 2
    pair.network.run(10)
    assert OfferAnswered(HELD) in listener.events
    assert OfferAnswered(HELD) in pair.bob_app.listener.events


def test_a_500_with_a_time_to_wait_is_heeded() -> None:
    pair, session, listener = ringing()
    refusals = iter([True])

    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.cseq[1] == "UPDATE" and next(refusals, False):
            message.status = 500
            message.set("Retry-After", "3")

    pair.network.rewrite = refuse
    session.offer(HOLD)
    pair.network.run(2.9)
    assert pair.network.count("UPDATE") == 1
    pair.network.run(0.2)
    assert pair.network.count("UPDATE") == 2
    assert isinstance(listener.last, OfferAnswered)


def test_a_refused_update_leaves_what_was_agreed() -> None:
    pair, session, listener = ringing()
    pair.bob_app.listener.on = lambda s, e: s.reject_offer(488) if isinstance(e, Offered) else None
    session.offer(HOLD)
    pair.network.run(0.1)
    assert listener.last == OfferRejected(488)
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert session.state is SessionState.CONFIRMED


def test_an_update_without_a_description_is_answered_in_an_early_dialog_without_a_session_timer() -> None:
    pair, session, _ = ringing()
    session.send("UPDATE", headers=[("Contact", session.contact)])
    pair.network.run(0.1)
    answer = pair.network.find("200 UPDATE").message
    assert not answer.body
    assert answer.get("Session-Expires") is None


def test_the_answer_waits_for_an_open_offer_of_the_caller() -> None:
    pair, session, listener = ringing()
    pair.bob_app.listener.on = None
    session.offer(HOLD)
    pair.network.run(0.1)
    pair.bob_session.answer(ANSWER)
    pair.network.run(1)
    assert "200 INVITE" not in pair.network.what
    pair.bob_session.accept_offer(HELD)
    pair.network.run(0.1)
    assert listener.names[-2:] == ["OfferAnswered", "Answered"]


def test_a_slow_answer_to_an_update_is_announced_with_100_when_timer_e_has_reached_t2() -> None:
    pair, session, listener = ringing()
    pair.bob_app.listener.on = None
    session.offer(HOLD)
    pair.network.run(3.4)
    assert "100 UPDATE" not in pair.network.what
    pair.network.run(0.2)
    # One at its time, one for the repetition that crossed it.
    assert pair.network.count("100 UPDATE") == 2
    pair.bob_session.accept_offer(HELD)
    pair.network.run(0.1)
    assert listener.last == OfferAnswered(HELD)
    session.hang_up()
    pair.network.run(70)
    assert pair.settled()


def test_a_peer_that_vanishes_before_the_answer_is_given_up_by_the_update() -> None:
    pair, session, listener = ringing()
    pair.network.drop = lambda _packet: True
    session.offer(HOLD)
    pair.network.run(33)
    assert isinstance(listener.last, Ended)
    assert listener.last.status == 408
    assert session.state is SessionState.CANCELLING
    pair.network.run(70)
    assert not pair.alice.sessions


def test_a_caller_that_lost_the_call_is_refused_by_the_callee() -> None:
    pair, _, _ = ringing()
    pair.alice.sessions.clear()
    pair.bob_session.offer(HOLD)
    pair.network.run(0.1)
    last = pair.bob_app.listener.last
    assert isinstance(last, Ended)
    assert (last.by_peer, last.status) == (True, 481)
    assert "500 INVITE" in pair.network.what


def test_a_cancel_ends_an_open_update() -> None:
    pair, session, _ = ringing()
    pair.bob_app.listener.on = None
    session.offer(HOLD)
    pair.network.run(0.1)
    session.hang_up()
    pair.network.run(0.1)
    assert isinstance(pair.bob_app.listener.last, Cancelled)
    assert "487 UPDATE" in pair.network.what
    pair.network.run(70)
    assert pair.settled()


@pytest.mark.parametrize("seed", range(25))
def test_early_offers_both_ways_survive_loss_doubling_and_reordering(seed: int) -> None:
    pair = Pair.make(early, loss=0.15, seed=seed)
    pair.network.doubling = pair.network.reordering = 0.3
    listener = Listener(answering(HELD))
    pair.bob_app.listener.on = answering(HELD)
    session = pair.call(listener)
    pair.network.run(20)
    if {session.state, pair.bob_session.state} != {SessionState.EARLY}:
        pytest.skip("the call itself was lost")
    session.offer(HOLD)
    pair.bob_session.offer(HOLD)
    pair.network.run(60)
    pair.bob_session.answer(ANSWER)
    pair.network.run(60)
    for heard in (listener, pair.bob_app.listener):
        assert heard.names.count("OfferAnswered") + heard.names.count("OfferRejected") == 1
    assert session.state is SessionState.CONFIRMED
    session.hang_up()
    pair.network.run(140)
    assert pair.settled()


def test_a_call_refused_after_an_update_is_over() -> None:
    pair, session, listener = ringing()
    session.offer(HOLD)
    pair.network.run(0.1)
    pair.bob_session.reject(486)
    pair.network.run(0.1)
    assert listener.last == Rejected(486, "Busy Here")
    pair.network.run(70)
    assert pair.settled()
