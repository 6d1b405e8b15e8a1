"""Reliable provisional responses in both roles: numbers, repetitions, what waits for what (RFC 3262)."""

from __future__ import annotations

import pytest

from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    Ended,
    OfferAnswered,
    Offered,
    Progressed,
    Rejected,
    SessionEvent,
    SessionState,
)
from tests.sip.network import ANSWER, OFFER, Listener, Packet, Pair, without

OTHER = ANSWER.replace(b"5000", b"5002")


def early(session: InviteSession) -> None:
    session.progress(183, sdp=ANSWER)


def responses(pair: Pair, status: int) -> list[Response]:
    found = [packet.message for packet in pair.network.sent if packet.what == f"{status} INVITE"]
    return [message for message in found if isinstance(message, Response)]


def requests(pair: Pair, method: str) -> list[Request]:
    found = [packet.message for packet in pair.network.sent if packet.what == method]
    return [message for message in found if isinstance(message, Request)]


def require_100rel(message: Request | Response) -> None:
    if isinstance(message, Request) and message.method == "INVITE":
        message.set("Require", "100rel")


def test_early_media_is_sent_reliably_acknowledged_and_not_repeated_in_the_answer() -> None:
    pair = Pair.make(early)
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    assert pair.network.what == ["INVITE", "100 INVITE", "183 INVITE", "PRACK", "200 PRACK"]
    progress, prack = responses(pair, 183)[0], requests(pair, "PRACK")[0]
    assert progress.get("Require") == "100rel"
    assert prack.get("RAck") == f"{progress.get('RSeq')} 1 INVITE"
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert not responses(pair, 200)[0].body
    assert listener.events == [Progressed(183, "Session Progress", ANSWER), Answered(None)]
    assert session.state is SessionState.CONFIRMED
    session.hang_up()
    pair.network.run(70)
    assert pair.settled()


def test_ringing_without_voice_is_sent_reliably_only_to_a_caller_who_demands_it() -> None:
    pair = Pair.make(lambda session: session.progress(180))
    pair.call(Listener())
    pair.network.run(0.1)
    assert "PRACK" not in pair.network.what
    pair = Pair.make(lambda session: session.progress(180))
    pair.network.rewrite = require_100rel
    pair.call(Listener())
    pair.network.run(0.1)
    assert pair.network.what[-3:] == ["180 INVITE", "PRACK", "200 PRACK"]


def test_a_caller_without_the_extension_gets_plain_early_media() -> None:
    pair = Pair.make(early)
    pair.network.rewrite = without("100rel")
    listener = Listener()
    pair.call(listener)
    pair.network.run(5)
    assert pair.network.what == ["INVITE", "100 INVITE", "183 INVITE"]
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert listener.last == Answered(ANSWER)


def test_a_lost_prack_makes_the_response_come_again_at_doubling_intervals() -> None:
    pair = Pair.make(early)
    pair.network.drop = lambda packet: packet.what == "PRACK"
    listener = Listener()
    pair.call(listener)
    pair.network.run(0.4)
    assert pair.network.count("183 INVITE") == 1
    pair.network.run(0.2)
    assert pair.network.count("183 INVITE") == 2
    pair.network.run(1)
    assert pair.network.count("183 INVITE") == 3
    pair.network.run(14)
    # 0.5, 1.5, 3.5, 7.5 and 15.5 seconds: T2 does not bound them.
    assert pair.network.count("183 INVITE") == 6
    assert listener.names == ["Progressed"]


def test_a_response_that_is_never_acknowledged_ends_the_call_with_504_after_64_t1() -> None:
    pair = Pair.make(early)
    pair.network.drop = lambda packet: packet.what == "PRACK"
    listener = Listener()
    pair.call(listener)
    pair.network.run(31.9)
    assert pair.bob_session.state is SessionState.EARLY
    pair.network.run(0.3)
    assert pair.bob_app.listener.last == Ended(by_peer=False, reason="No PRACK", status=504)
    assert listener.last == Rejected(504, "No PRACK")
    pair.network.run(70)
    assert pair.settled()


def test_the_answer_waits_for_the_prack_of_the_description() -> None:
    pair = Pair.make(early)
    pair.network.drop = lambda packet: packet.what == "PRACK" and pair.network.count("PRACK") < 3
    listener = Listener()
    pair.call(listener)
    pair.network.run(0.1)
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert "200 INVITE" not in pair.network.what
    pair.network.run(3)
    assert pair.network.what[-3:] == ["200 PRACK", "200 INVITE", "ACK"]
    assert listener.names == ["Progressed", "Answered"]


def test_a_call_that_is_cancelled_while_the_answer_waits_is_not_answered() -> None:
    pair = Pair.make(early)
    pair.network.drop = lambda packet: packet.what == "PRACK"
    session = pair.call(Listener())
    pair.network.run(0.1)
    pair.bob_session.answer(ANSWER)
    session.hang_up()
    pair.network.run(5)
    assert "200 INVITE" not in pair.network.what
    assert pair.bob_app.listener.last == Cancelled()
    pair.network.drop = None
    pair.network.run(100)
    assert pair.settled()


def test_the_second_reliable_response_waits_for_the_prack_of_the_first_and_counts_up() -> None:
    def ring_twice(session: InviteSession) -> None:
        session.progress(183, sdp=ANSWER)
        session.progress(180)
        session.progress(182)

    pair = Pair.make(ring_twice)
    pair.network.rewrite = require_100rel
    listener = Listener()
    pair.call(listener)
    pair.network.run(0.1)
    flow = [what for what in pair.network.what if "PRACK" in what or what.startswith("18")]
    assert flow == [
        "183 INVITE", "PRACK", "200 PRACK", "180 INVITE", "PRACK", "200 PRACK", "182 INVITE", "PRACK", "200 PRACK",
    ]  # fmt: skip
    numbers = [int(responses(pair, status)[0].get("RSeq") or "0") for status in (183, 180, 182)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    assert [event.status for event in listener.events if isinstance(event, Progressed)] == [183, 180, 182]
    assert not responses(pair, 180)[0].body


@pytest.mark.parametrize(
    "rack", ["", "nonsense", "1 1 INVITE", "99999999999 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 UPDATE"]
)
def test_a_prack_that_names_no_open_response_is_answered_481(rack: str) -> None:
    pair = Pair.make(early)
    pair.network.drop = lambda packet: packet.what == "PRACK" and "RAck: " + rack not in packet.data.decode()
    session = pair.call(Listener())
    pair.network.run(0.1)
    rack = rack.format(rseq=responses(pair, 183)[0].get("RSeq"))
    session.send("PRACK", headers=[("RAck", rack)])
    pair.network.run(0.1)
    assert "481 PRACK" in pair.network.what
    assert pair.bob_session.state is SessionState.EARLY
    assert session.state is SessionState.EARLY


def test_a_repeated_response_is_told_once_and_one_ahead_of_its_turn_is_left_alone() -> None:
    pair = Pair.make(early)
    listener = Listener()
    pair.call(listener)
    pair.network.run(0.1)
    packet = pair.network.find("183 INVITE")
    pair.network.carry(packet)
    ahead = packet.message
    ahead.set("RSeq", str(int(ahead.get("RSeq") or "0") + 2))
    pair.network.carry(Packet(ahead.encode(), packet.source, packet.destination))
    pair.network.run(0.1)
    assert pair.network.count("PRACK") == 1
    assert listener.names == ["Progressed"]


def test_a_later_description_of_the_callee_is_no_answer() -> None:
    pair = Pair.make(early)
    listener = Listener()
    pair.call(listener)
    pair.network.run(0.1)

    def second_answer(message: Request | Response) -> None:
        if isinstance(message, Response) and message.status == 200 and message.cseq[1] == "INVITE":
            message.set("Content-Type", "application/sdp")
            message.body = OTHER

    pair.network.rewrite = second_answer
    pair.bob_session.answer(ANSWER)
    pair.network.run(0.1)
    assert listener.last == Answered(None)


def test_a_caller_without_an_offer_gets_it_in_the_183_and_answers_in_the_prack() -> None:
    pair = Pair.make(lambda session: session.progress(183, sdp=OFFER))
    listener = Listener()
    session = pair.call(listener, sdp=None)
    pair.network.run(0.1)
    assert listener.events == [Progressed(183, "Session Progress", OFFER)]
    assert "PRACK" not in pair.network.what
    session.accept_offer(ANSWER)
    pair.network.run(0.1)
    assert requests(pair, "PRACK")[0].body == ANSWER
    assert pair.bob_app.listener.events == [OfferAnswered(ANSWER)]
    pair.bob_session.answer(OFFER)
    pair.network.run(0.1)
    assert not responses(pair, 200)[0].body
    assert listener.last == Answered(None)
    assert session.state is SessionState.CONFIRMED
    assert pair.bob_app.listener.names == ["OfferAnswered", "Confirmed"]


def test_without_the_extension_a_call_without_an_offer_gets_none_before_the_answer() -> None:
    pair = Pair.make(lambda session: session.progress(183, sdp=OFFER))
    pair.network.rewrite = without("100rel")
    listener = Listener()
    pair.call(listener, sdp=None)
    pair.network.run(0.1)
    assert listener.events == [Progressed(183, "Session Progress", None)]
    pair.bob_session.answer(OFFER)
    pair.network.run(0.1)
    assert listener.last == Answered(OFFER)


def test_a_prack_without_the_answer_it_owes_ends_the_call() -> None:
    pair = Pair.make(lambda session: session.progress(183, sdp=OFFER))
    listener = Listener()
    session = pair.call(listener, sdp=None)
    pair.network.run(0.1)
    session.send("PRACK", headers=[("RAck", f"{responses(pair, 183)[0].get('RSeq')} 1 INVITE")])
    pair.network.run(0.1)
    assert isinstance(listener.last, Rejected)
    assert listener.last.status == 488


def test_an_offer_in_a_prack_is_answered_in_its_200() -> None:
    def accept(session: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Offered):
            session.accept_offer(OTHER)

    pair = Pair.make(early)
    pair.bob_app.listener.on = accept
    pair.network.drop = lambda packet: packet.what == "PRACK" and not packet.message.body
    session = pair.call(Listener())
    pair.network.run(0.1)
    rack = ("RAck", f"{responses(pair, 183)[0].get('RSeq')} 1 INVITE")
    session.send("PRACK", headers=[rack], content_type="application/sdp", body=OFFER)
    pair.network.run(0.1)
    assert pair.bob_app.listener.last == Offered(OFFER)
    assert pair.network.sent[-1].what == "200 PRACK"
    assert pair.network.sent[-1].message.body == OTHER


def test_an_offer_in_a_prack_that_cannot_be_taken_is_acknowledged_and_refuses_the_call() -> None:
    pair = Pair.make(early)
    pair.bob_app.listener.on = lambda session, event: session.reject_offer(488) if isinstance(event, Offered) else None
    pair.network.drop = lambda packet: packet.what == "PRACK" and not packet.message.body
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    rack = ("RAck", f"{responses(pair, 183)[0].get('RSeq')} 1 INVITE")
    session.send("PRACK", headers=[rack], content_type="application/sdp", body=OTHER)
    pair.network.run(0.1)
    assert pair.network.what[-3:] == ["200 PRACK", "488 INVITE", "ACK"]
    assert isinstance(listener.last, Rejected)
    assert isinstance(pair.bob_app.listener.last, Ended)
    pair.network.run(70)
    assert pair.settled()


def test_the_ringing_of_a_demanding_caller_comes_every_minute_under_a_new_number() -> None:
    pair = Pair.make(lambda session: session.progress(180))
    pair.network.rewrite = require_100rel
    listener = Listener()
    pair.call(listener)
    pair.network.run(130)
    numbers = [int(response.get("RSeq") or "0") for response in responses(pair, 180)]
    assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
    assert pair.network.count("200 PRACK") == 3


def test_early_media_is_refreshed_every_minute_without_its_description() -> None:
    pair = Pair.make(early)
    listener = Listener()
    pair.call(listener)
    pair.network.run(70)
    assert [bool(response.body) for response in responses(pair, 183)] == [True, False]
    assert listener.events == [Progressed(183, "Session Progress", ANSWER), Progressed(183, "Session Progress", None)]
    assert pair.network.count("200 PRACK") == 2


def test_over_a_reliable_transport_only_the_response_is_repeated() -> None:
    pair = Pair.make(early, transport="tcp")
    pair.network.drop = lambda packet: packet.what == "PRACK"
    pair.call(Listener())
    pair.network.run(10)
    assert pair.network.count("183 INVITE") == 5
    assert pair.network.count("PRACK") == 1
    pair.network.run(120)
    assert pair.settled()


def test_a_refusal_ends_the_wait_for_the_prack() -> None:
    def refuse(session: InviteSession) -> None:
        session.progress(183, sdp=ANSWER)
        session.reject(486)

    pair = Pair.make(refuse)
    listener = Listener()
    pair.call(listener)
    pair.network.run(40)
    assert isinstance(listener.last, Rejected)
    assert pair.network.count("183 INVITE") == 1
    pair.network.run(70)
    assert pair.settled()


@pytest.mark.parametrize("seed", range(30))
def test_early_media_survives_loss_doubling_and_reordering(seed: int) -> None:
    pair = Pair.make(early, loss=0.2, seed=seed)
    pair.network.doubling = pair.network.reordering = 0.3
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(25)
    if not pair.bob_app.sessions or pair.bob_session.state is not SessionState.EARLY:
        pytest.skip("the call itself was lost")
    pair.bob_session.answer(ANSWER)
    pair.network.run(40)
    if session.state is SessionState.CONFIRMED:
        assert listener.names == ["Progressed", "Answered"]
        session.hang_up()
    pair.network.run(200)
    assert pair.settled()
