"""Offers in a running call: hold by re-INVITE, UPDATE, glare, lost packets."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from sip.message import Request
from sip.session import InviteSession
from sip.session_events import Ended, OfferAnswered, Offered, OfferRejected, SessionEvent, SessionState
from tests.sip.network import ANSWER, OFFER, Listener, Pair, established

HOLD = OFFER + b"a=sendonly\r\n"
HELD = ANSWER + b"a=recvonly\r\n"


def answering(sdp: bytes) -> Callable[[InviteSession, SessionEvent], None]:
    def on(session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Offered):
            session.accept_offer(sdp)

    return on


def test_hold_is_a_re_invite_that_is_answered_and_acknowledged() -> None:
    pair, session, listener = established()
    pair.bob_app.listener.on = answering(HELD)
    session.offer(HOLD)
    pair.network.run(0.1)
    assert pair.bob_app.listener.last == Offered(HOLD)
    assert listener.last == OfferAnswered(HELD)
    assert pair.network.what[-3:] == ["INVITE", "200 INVITE", "ACK"]
    pair.network.run(40)
    assert pair.network.what[-1] == "ACK"


def test_the_callee_can_offer_too_and_later_refuse() -> None:
    pair, _, listener = established()
    listener.on = lambda session, event: session.reject_offer(488) if isinstance(event, Offered) else None
    pair.bob_session.offer(HOLD)
    pair.network.run(0.1)
    assert pair.bob_app.listener.last == OfferRejected(488)
    assert pair.bob_session.state is SessionState.CONFIRMED


def test_a_re_invite_without_offer_gets_one_and_answers_it_in_the_ack() -> None:
    pair, session, listener = established()
    pair.bob_app.listener.on = answering(OFFER)
    listener.on = answering(ANSWER)
    session.offer(None)
    pair.network.run(0.1)
    assert pair.bob_app.listener.events[-2:] == [Offered(None), OfferAnswered(ANSWER)]
    assert listener.last == Offered(OFFER)
    pair.network.run(40)
    assert session.state is SessionState.CONFIRMED


def test_an_offer_that_nobody_can_take_is_refused_with_500() -> None:
    pair, session, listener = established()

    def fail(_session: InviteSession, _event: SessionEvent) -> None:
        raise RuntimeError("listener")

    pair.bob_app.listener.on = fail
    session.offer(HOLD)
    pair.network.run(0.1)
    assert listener.last == OfferRejected(500)


@pytest.mark.parametrize("seed", range(8))
def test_glare_is_refused_with_491_and_both_offers_get_through_in_the_end(seed: int) -> None:
    pair, session, listener = established(seed=seed)
    listener.on = answering(ANSWER)
    pair.bob_app.listener.on = answering(ANSWER)
    session.offer(HOLD)
    pair.bob_session.offer(HOLD)
    pair.network.run(30)
    assert pair.network.count("491 INVITE") >= 2
    assert OfferAnswered(ANSWER) in listener.events
    assert OfferAnswered(ANSWER) in pair.bob_app.listener.events
    assert session.state is SessionState.CONFIRMED
    assert pair.bob_session.state is SessionState.CONFIRMED


def test_offers_wait_for_the_one_under_way() -> None:
    pair, session, listener = established()
    pair.bob_app.listener.on = answering(HELD)
    session.offer(HOLD)
    session.offer(OFFER)
    pair.network.run(0.1)
    assert [event for event in pair.bob_app.listener.events if isinstance(event, Offered)] == [
        Offered(HOLD),
        Offered(OFFER),
    ]
    assert listener.names[-2:] == ["OfferAnswered", "OfferAnswered"]


def test_an_offer_before_the_ack_of_the_first_answer_waits_for_it() -> None:
    pair = Pair.make(lambda session: session.answer(ANSWER))
    pair.network.drop = lambda packet: packet.what == "ACK" and pair.network.count("ACK") < 3
    listener = Listener(answering(ANSWER))
    pair.call(listener)
    pair.network.run(0.1)
    pair.bob_session.offer(HOLD)
    pair.network.run(0.1)
    assert pair.network.count("INVITE") == 1
    pair.network.run(5)
    assert pair.bob_app.listener.last == OfferAnswered(ANSWER)


def test_a_second_re_invite_before_the_first_is_answered_gets_500_with_retry_after() -> None:
    pair, session, _ = established()
    session.offer(HOLD)
    pair.network.run(0.1)
    session.send("INVITE", content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    refusal = pair.network.find("500 INVITE").message
    assert 0 <= int(refusal.get("Retry-After") or "-1") <= 10


def test_an_update_is_answered_with_or_without_an_offer() -> None:
    pair, session, _ = established()
    pair.bob_app.listener.on = answering(HELD)
    session.send("UPDATE", headers=[("Contact", session.contact)])
    pair.network.run(0.1)
    assert pair.network.what[-2:] == ["UPDATE", "200 UPDATE"]
    assert not pair.network.sent[-1].message.body
    session.send("UPDATE", headers=[("Contact", session.contact)], content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    assert pair.network.sent[-1].message.body == HELD
    assert pair.bob_app.listener.last == Offered(HOLD)


def test_an_update_that_crosses_our_offer_gets_491() -> None:
    pair, session, _ = established()
    pair.bob_session.offer(HOLD)
    session.send("UPDATE", content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    assert pair.network.count("491 UPDATE") == 1


def test_an_offer_moves_the_target_only_when_it_is_accepted() -> None:
    pair, session, _ = established()
    assert session.dialog is not None
    assert pair.bob_session.dialog is not None
    elsewhere = [("Contact", "<sip:alice@10.0.0.9:5060>")]
    pair.bob_app.listener.on = lambda s, e: s.reject_offer(488) if isinstance(e, Offered) else None
    session.send("INVITE", headers=elsewhere, content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    assert pair.bob_session.dialog.remote_target.host == "10.0.0.1"
    pair.bob_app.listener.on = answering(HELD)
    session.send("UPDATE", headers=elsewhere, content_type="application/sdp", body=HOLD)
    pair.network.run(0.1)
    assert pair.bob_session.dialog.remote_target.host == "10.0.0.9"


def test_a_bye_ends_an_open_offer() -> None:
    pair, session, listener = established()
    session.offer(HOLD)
    pair.network.run(0.1)
    session.hang_up()
    pair.network.run(0.1)
    assert isinstance(pair.bob_app.listener.last, Ended)
    assert pair.network.count("487 INVITE") == 1
    assert listener.names[-1] == "Ended"
    pair.network.run(70)
    assert pair.settled()


def test_a_cancelled_re_invite_changes_nothing() -> None:
    pair, session, listener = established()
    session.offer(HOLD)
    pair.network.run(0.1)
    invite = [packet for packet in pair.network.sent if packet.what == "INVITE"][-1].message
    assert isinstance(invite, Request)
    cancel = Request("CANCEL", invite.uri, list(invite.headers))
    cancel.set("CSeq", f"{invite.cseq[0]} CANCEL")
    cancel.remove("Content-Type")
    packet = pair.network.sent[-1]
    pair.network.carry(type(packet)(cancel.encode(), *list(pair.network.cores)[:2]))
    pair.network.run(0.1)
    assert listener.last == OfferRejected(487)
    pair.bob_session.accept_offer(HELD)
    pair.network.run(1)
    assert session.state is SessionState.CONFIRMED
    assert pair.bob_session.state is SessionState.CONFIRMED


def test_only_a_re_invite_that_is_not_answered_at_once_gets_a_100() -> None:
    pair, session, _ = established()
    pair.bob_app.listener.on = lambda _session, _event: None
    session.offer(HOLD)
    pair.network.run(0.1)
    assert pair.network.what[-2:] == ["INVITE", "100 INVITE"]
    pair.bob_session.accept_offer(HELD)
    pair.network.run(0.1)
    assert pair.network.what[-2:] == ["200 INVITE", "ACK"]


def test_no_ack_for_the_answer_to_a_re_invite_ends_the_call() -> None:
    pair, session, _ = established()
    pair.bob_app.listener.on = answering(HELD)
    pair.network.drop = lambda packet: packet.what == "ACK"
    session.offer(HOLD)
    pair.network.run(33)
    last = pair.bob_app.listener.last
    assert isinstance(last, Ended)
    assert last.status == 408


@pytest.mark.parametrize("seed", range(25))
def test_offers_both_ways_survive_the_loss_of_a_quarter_of_all_packets(seed: int) -> None:
    random.seed(seed)
    pair, session, listener = established(loss=0.25, seed=seed)
    if session.state is not SessionState.CONFIRMED or pair.bob_session.state is not SessionState.CONFIRMED:
        pytest.skip("the call itself was lost")
    listener.on = answering(ANSWER)
    pair.bob_app.listener.on = answering(HELD)
    for _ in range(3):
        session.offer(HOLD)
        pair.bob_session.offer(HOLD)
        pair.network.run(60)
    assert listener.names.count("OfferAnswered") + listener.names.count("OfferRejected") == 3
    ours = pair.bob_app.listener.names
    assert ours.count("OfferAnswered") + ours.count("OfferRejected") == 3
    session.hang_up()
    pair.network.run(140)
    assert pair.settled()
