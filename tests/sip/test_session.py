"""INVITE sessions between two cores: the ordinary call, every way to give up, and what is left afterwards."""

from __future__ import annotations

import pytest

from sip.errors import SessionStateError
from sip.message import Message, Request, Response
from sip.session import InviteSession
from sip.session_events import (
    Answered,
    Cancelled,
    DigitReceived,
    Ended,
    OfferAnswered,
    Progressed,
    Rejected,
    SessionEvent,
    SessionState,
)
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, Listener, Packet, Pair, established
from tests.support.kept import kept_by


def ring_then_answer(session: InviteSession) -> None:
    session.progress(180)
    session.answer(ANSWER)


def ring(session: InviteSession) -> None:
    session.progress(180)


def test_a_call_rings_is_answered_and_ended() -> None:
    pair = Pair.make(ring_then_answer)
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    assert listener.events == [Progressed(180, "Ringing", None), Answered(ANSWER)]
    assert pair.bob_app.offers == [OFFER]
    assert session.state is SessionState.CONFIRMED
    assert pair.bob_session.state is SessionState.CONFIRMED
    assert pair.bob_app.listener.names == ["Confirmed"]
    session.hang_up()
    pair.network.run(0.1)
    assert listener.last == Ended(by_peer=False, status=200)
    assert pair.bob_app.listener.last == Ended(by_peer=True, status=200)
    expected = ["INVITE", "100 INVITE", "180 INVITE", "200 INVITE", "ACK", "BYE", "200 BYE"]
    assert pair.network.what == expected
    pair.network.run(70)
    assert pair.network.what == expected
    assert pair.settled()


def test_a_call_that_is_confirmed_keeps_none_of_its_messages() -> None:
    pair, session, _ = established()
    assert session.heard
    for one in (session, pair.bob_session):
        with pytest.raises(SessionStateError):
            _ = one.request
    kept = kept_by(pair.network)
    assert session in kept
    assert pair.bob_session in kept
    assert not [one for one in kept if isinstance(one, Message)]
    assert pair.alice.transactions.live == pair.bob.transactions.live == 0


def test_the_callee_can_end_the_call_too() -> None:
    pair, session, listener = established()
    pair.bob_session.hang_up(reason="lunch", status=480)
    pair.network.run(0.1)
    assert listener.last == Ended(by_peer=True, reason="lunch", status=480, cause='SIP;cause=480;text="lunch"')
    assert session.state is SessionState.ENDED
    pair.network.run(70)
    assert pair.settled()


def test_early_media_reaches_the_caller() -> None:
    pair = Pair.make(lambda session: session.progress(183, sdp=ANSWER))
    listener = Listener()
    pair.call(listener)
    pair.network.run(0.1)
    assert listener.events == [Progressed(183, "Session Progress", ANSWER)]


def test_a_refused_call_is_over_on_both_sides() -> None:
    pair = Pair.make(lambda session: session.reject(486, headers=[("Retry-After", "30")]))
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    assert listener.events == [Rejected(486, "Busy Here", 30)]
    assert session.state is SessionState.ENDED
    assert pair.bob_app.listener.last == Ended(by_peer=False, status=486)
    pair.network.run(70)
    assert pair.settled()
    assert pair.network.what == ["INVITE", "100 INVITE", "486 INVITE", "ACK"]


def test_a_ringing_provisional_is_repeated_every_minute_and_no_more_after_the_answer() -> None:
    pair = Pair.make(ring)
    listener = Listener()
    pair.call(listener)
    pair.network.run(130)
    assert pair.network.count("180 INVITE") == 3
    pair.bob_session.answer(ANSWER)
    pair.network.run(130)
    assert pair.network.count("180 INVITE") == 3


def test_hanging_up_while_it_rings_cancels() -> None:
    pair = Pair.make(ring)
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    session.hang_up(status=200, reason="Call completed elsewhere")
    assert listener.last == Ended(by_peer=False, reason="Call completed elsewhere", status=200)
    pair.network.run(0.1)
    assert pair.bob_app.listener.last == Cancelled(
        "Call completed elsewhere", 'SIP;cause=200;text="Call completed elsewhere"'
    )
    assert pair.network.what[3:] == ["CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
    assert session.state is SessionState.ENDED
    pair.network.run(70)
    assert pair.settled()


def test_a_cancel_waits_for_the_first_sign_of_the_peer() -> None:
    pair = Pair.make(ring)
    pair.network.drop = lambda packet: packet.what == "INVITE" and pair.network.count("INVITE") < 3
    session = pair.call(Listener())
    session.hang_up()
    pair.network.run(1.4)
    assert "CANCEL" not in pair.network.what
    pair.network.run(1)
    assert pair.network.count("CANCEL") == 1
    assert isinstance(pair.bob_app.listener.last, Cancelled)
    pair.network.run(70)
    assert pair.settled()


def invite_for(pair: Pair, seconds: str) -> Listener:
    listener = Listener()
    pair.alice.invite(
        Uri("sip", "bob", "10.0.0.2"),
        from_=NameAddress("", Uri("sip", "alice", "10.0.0.1")),
        listener=listener,
        sdp=OFFER,
        headers=[("Expires", seconds)],
    )
    return listener


def test_an_invitation_expires_when_its_caller_said() -> None:
    pair = Pair.make(ring)
    listener = invite_for(pair, "20")
    pair.network.run(19.9)
    assert listener.names == ["Progressed"]
    pair.network.run(0.2)
    assert listener.last == Rejected(487, "Request Terminated")
    assert pair.bob_app.listener.last == Cancelled("The invitation expired")
    pair.network.run(70)
    assert pair.settled()


@pytest.mark.parametrize("seconds", ["20", "0", "soon"])
def test_an_answered_call_does_not_expire_and_a_time_that_means_nothing_is_none(seconds: str) -> None:
    pair = Pair.make(ring)
    listener = invite_for(pair, seconds)
    pair.network.run(1)
    pair.bob_session.answer(ANSWER)
    pair.network.run(60)
    assert listener.last == Answered(ANSWER)
    assert pair.bob_session.state is SessionState.CONFIRMED


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_ended_with_bye() -> None:
    pair = Pair.make(ring)
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    pair.bob_session.answer(ANSWER)
    session.hang_up()
    pair.network.run(0.1)
    assert listener.names == ["Progressed", "Ended"]
    assert pair.bob_app.listener.names == ["Confirmed", "Ended"]
    assert {"ACK", "BYE", "200 CANCEL"} <= set(pair.network.what)
    pair.network.run(70)
    assert pair.settled()


def test_a_cancelled_call_that_never_gets_its_final_answer_is_given_up() -> None:
    pair = Pair.make(ring)
    session = pair.call(Listener())
    pair.network.run(0.1)
    pair.network.drop = lambda packet: packet.source.host == "10.0.0.2"
    session.hang_up()
    states = []
    for seconds in (31.5, 1):
        pair.network.run(seconds)
        states.append(session.state)
    assert states == [SessionState.CANCELLING, SessionState.ENDED]
    assert not pair.alice.sessions


def test_a_late_cancel_changes_nothing() -> None:
    pair, _, listener = established()
    invite = pair.network.find("INVITE").message
    assert isinstance(invite, Request)
    cancel = Request("CANCEL", invite.uri, list(invite.headers))
    cancel.set("CSeq", "1 CANCEL")
    pair.network.carry(Packet(cancel.encode(), *list(pair.network.cores)[:2]))
    pair.network.run(0.1)
    assert pair.network.what[-1] == "200 CANCEL"
    assert listener.names == ["Answered"]
    assert pair.bob_session.state is SessionState.CONFIRMED


def test_nobody_there_is_a_rejection_with_408() -> None:
    pair = Pair.make()
    pair.network.drop = lambda _packet: True
    listener = Listener()
    pair.call(listener)
    pair.network.run(33)
    assert listener.events == [Rejected(408, "Request Timeout")]
    assert pair.network.count("INVITE") == 7
    assert pair.settled()


def test_a_2xx_is_repeated_until_its_ack_comes() -> None:
    pair = Pair.make(lambda session: session.answer(ANSWER))
    pair.network.drop = lambda packet: packet.what == "ACK" and pair.network.count("ACK") < 4
    listener = Listener()
    pair.call(listener)
    pair.network.run(20)
    assert pair.network.count("200 INVITE") == 4
    assert pair.network.count("ACK") == 4
    assert listener.names == ["Answered"]
    assert pair.bob_app.listener.names == ["Confirmed"]


def test_without_any_ack_the_answered_call_is_ended_with_bye_after_64_t1() -> None:
    pair = Pair.make(lambda session: session.answer(ANSWER))
    pair.network.drop = lambda packet: packet.what == "ACK"
    listener = Listener()
    pair.call(listener)
    pair.network.run(31.9)
    assert pair.bob_session.state is SessionState.ANSWERED
    pair.network.run(0.5)
    assert pair.bob_app.listener.last == Ended(by_peer=False, reason="No ACK for the answer", status=408)
    assert isinstance(listener.last, Ended)
    assert listener.last.by_peer
    pair.network.run(70)
    assert pair.settled()


def test_hanging_up_before_the_ack_waits_for_it() -> None:
    pair = Pair.make(lambda session: session.answer(ANSWER))
    pair.network.drop = lambda packet: packet.what == "ACK" and pair.network.count("ACK") < 3
    pair.call(Listener())
    pair.network.run(0.1)
    pair.bob_session.hang_up()
    pair.network.run(0.1)
    assert "BYE" not in pair.network.what
    pair.network.run(5)
    assert pair.network.what[-2:] == ["BYE", "200 BYE"]
    pair.network.run(70)
    assert pair.settled()


def test_one_who_answered_without_a_tag_is_the_peer_under_whatever_tag_it_writes_later() -> None:
    def untagged(message: Request | Response) -> None:
        if isinstance(message, Response) and message.cseq[1] == "INVITE":
            message.set("To", (message.get("To") or "").partition(";tag=")[0])

    pair = Pair.make(lambda session: session.answer(ANSWER))
    pair.network.rewrite = untagged
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    assert session.remote_tag == ""
    pair.bob_session.hang_up()
    pair.network.run(0.1)
    assert pair.network.what[-2:] == ["BYE", "200 BYE"]
    assert listener.last == Ended(by_peer=True, status=200)


def test_the_second_branch_of_a_fork_that_answers_is_acknowledged_and_ended() -> None:
    pair, session, listener = established()
    first = pair.network.find("200 INVITE").message
    first.set("To", (first.get("To") or "").replace(";tag=", ";tag=other"))
    pair.network.carry(Packet(first.encode(), *reversed(list(pair.network.cores)[:2])))
    pair.network.run(0.1)
    tail = [packet for packet in pair.network.sent if packet.what in ("ACK", "BYE")][-2:]
    assert [packet.what for packet in tail] == ["ACK", "BYE"]
    assert all(packet.message.to_tag.startswith("other") for packet in tail)
    assert listener.names == ["Answered"]
    assert session.state is SessionState.CONFIRMED


@pytest.mark.parametrize(
    "line", [("Contact", "<sip:bob@10.0.0.2"), ("Record-Route", "rubbish <"), ("Contact", "<sip:b@c;transport=%ff>")]
)
def test_an_answer_with_rubbish_where_its_way_should_stand_makes_a_call_that_can_be_ended(
    line: tuple[str, str],
) -> None:
    def spoil(packet: Packet) -> bool:
        if packet.what != "200 INVITE" or packet.message.get("Subject"):
            return False
        spoiled = packet.message
        spoiled.set(*line)
        spoiled.set("Subject", "spoiled")
        pair.network.carry(Packet(spoiled.encode(), packet.source, packet.destination))
        return True

    pair = Pair.make(ring_then_answer)
    pair.network.drop = spoil
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(0.1)
    assert listener.names == ["Progressed", "Answered"]
    session.hang_up()
    pair.network.run(70)
    assert pair.bob_app.listener.names == ["Confirmed", "Ended"]
    assert pair.settled()


def test_a_call_without_offer_gets_the_offer_in_the_answer_and_answers_in_the_ack() -> None:
    pair = Pair.make(lambda session: session.answer(OFFER))
    listener = Listener()
    session = pair.call(listener, sdp=None)
    pair.network.run(0.1)
    assert pair.bob_app.offers == [None]
    assert listener.events == [Answered(OFFER)]
    assert "ACK" not in pair.network.what
    session.accept_offer(ANSWER)
    pair.network.run(0.6)
    assert session.state is SessionState.CONFIRMED
    assert pair.bob_app.listener.names == ["OfferAnswered", "Confirmed"]
    assert pair.bob_app.listener.events[0] == OfferAnswered(ANSWER)


def test_keys_pressed_arrive_as_info_in_every_form_that_devices_use() -> None:
    pair, session, _ = established()
    relay, plain = "application/dtmf-relay", "application/dtmf"
    for content_type, body in (
        (relay, b"Signal=5\r\nDuration=240\r\n"),
        (plain, b"#"),
        (relay, b"Signal= 11\r\n"),
        (plain, b"Signal=7\r\nDuration=100\r\n"),
        (relay, b"3\r\n"),
        (plain, b"10"),
    ):
        session.send("INFO", content_type=content_type, body=body)
    # A flash of the hook is no key and no error either.
    session.send("INFO", content_type=relay, body=b"Signal=16\r\nDuration=100\r\n")
    session.send("INFO", content_type="text/plain", body=b"hello")
    pair.network.run(0.1)
    digits = [event for event in pair.bob_app.listener.events if isinstance(event, DigitReceived)]
    assert [(one.digit, one.duration_ms) for one in digits] == [
        ("5", 240),
        ("#", 160),
        ("#", 160),
        ("7", 100),
        ("3", 160),
        ("*", 160),
    ]
    assert pair.network.what.count("200 INFO") == 7
    assert pair.network.what.count("415 INFO") == 1


def test_a_peer_that_lost_the_call_ends_it() -> None:
    pair, session, listener = established()
    pair.bob.sessions.clear()
    session.offer(OFFER)
    pair.network.run(0.1)
    assert listener.last == Ended(by_peer=True, reason="Call/Transaction Does Not Exist", status=481)
    pair.network.run(70)
    assert not pair.alice.sessions


def test_a_call_is_ended_by_a_bye_of_which_only_the_tags_can_be_read() -> None:
    pair, _, listener = established()

    def garble(message: Request | Response) -> None:
        if isinstance(message, Request) and message.method == "BYE":
            message.headers = [(name, value.replace("<", '"<')) for name, value in message.headers]

    pair.network.rewrite = garble
    pair.bob_session.hang_up()
    pair.network.run(0.1)
    assert pair.network.what[-1] == "200 BYE"
    assert listener.last == Ended(by_peer=True, status=200)


def test_a_peer_that_vanished_is_noticed_by_the_next_request() -> None:
    pair, session, listener = established()
    pair.network.drop = lambda _packet: True
    session.offer(OFFER)
    pair.network.run(33)
    assert isinstance(listener.last, Ended)
    assert (listener.last.by_peer, listener.last.status) == (False, 408)
    pair.network.run(70)
    assert not pair.alice.sessions


def test_methods_that_come_too_late_do_nothing() -> None:
    pair, session, listener = established()
    session.hang_up()
    pair.network.run(0.1)
    told = len(listener.events)
    sent = len(pair.network.sent)
    session.hang_up()
    session.offer(OFFER)
    session.accept_offer(ANSWER)
    session.reject_offer(488)
    pair.bob_session.answer(ANSWER)
    pair.bob_session.progress(180)
    pair.bob_session.reject(486)
    pair.network.run(0.1)
    assert len(pair.network.sent) == sent
    assert len(listener.events) == told


def test_a_bye_in_the_early_dialog_ends_the_call() -> None:
    pair = Pair.make(ring)
    session = pair.call(Listener())
    pair.network.run(0.1)
    session.send("BYE")
    pair.network.run(0.1)
    assert pair.bob_app.listener.names == ["Cancelled"]
    assert pair.network.what[-3:].count("ACK") == 1


def test_a_listener_that_fails_harms_neither_the_call_nor_the_stack() -> None:
    pair = Pair.make(ring_then_answer)

    def fail(_session: InviteSession, _event: SessionEvent) -> None:
        raise RuntimeError("listener")

    session = pair.call(Listener(fail))
    pair.network.run(0.1)
    assert session.state is SessionState.CONFIRMED


def test_the_loss_of_a_third_of_all_packets_changes_no_call() -> None:
    for seed in range(40):
        pair, session, listener = established(loss=0.33, seed=seed)
        if session.state is not SessionState.CONFIRMED:
            # Eleven lost packets in a row happen; then both sides must agree that there is no call.
            assert listener.names[-1] in ("Rejected", "Ended"), seed
            continue
        assert listener.names == ["Answered"], seed
        session.hang_up()
        pair.network.run(70)
        assert pair.bob_app.listener.names[-1] == "Ended", seed
        pair.network.run(70)
        assert pair.settled(), seed
