"""Session timers in both roles: who refreshes, how, and what becomes of a call whose other end is gone (RFC 4028)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sip.config import SipConfig
from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import Ended, OfferAnswered, Offered, Rejected, SessionEvent, SessionState
from sip.session_tables import TimerState
from tests.sip.network import ANSWER, OFFER, Listener, Packet, Pair, without

SHORT = SipConfig(session_expires=120, min_session_expires=90)
OFF = SipConfig(session_expires=0)


def answer(session: InviteSession) -> None:
    session.answer(ANSWER)


def answer_offers(session: InviteSession, event: SessionEvent) -> None:
    if isinstance(event, Offered):
        session.accept_offer(ANSWER)


def called(
    config: SipConfig,
    bob_config: SipConfig | None = None,
    rewrite: Callable[[Request | Response], None] | None = None,
) -> tuple[Pair, InviteSession, Listener]:
    pair = Pair.make(answer, config=config, bob_config=bob_config)
    pair.network.rewrite = rewrite
    listener = Listener(answer_offers)
    pair.bob_app.listener.on = answer_offers
    session = pair.call(listener)
    return pair, session, listener


def header(pair: Pair, what: str, name: str) -> str | None:
    return [packet for packet in pair.network.sent if packet.what == what][-1].message.get(name)


def test_both_ends_agree_and_the_callee_refreshes_with_update_for_as_long_as_the_call_lasts() -> None:
    pair, session, listener = called(SHORT)
    pair.network.run(0.1)
    assert header(pair, "INVITE", "Session-Expires") == "120"
    assert header(pair, "200 INVITE", "Session-Expires") == "120;refresher=uas"
    assert header(pair, "200 INVITE", "Require") == "timer"
    assert session.timer is not None
    assert session.timer.state is TimerState.THEIRS
    pair.network.run(60)
    assert pair.network.what[-2:] == ["UPDATE", "200 UPDATE"]
    assert not pair.network.sent[-2].message.body
    assert header(pair, "UPDATE", "Session-Expires") == "120;refresher=uac"
    assert header(pair, "200 UPDATE", "Session-Expires") == "120;refresher=uac"
    pair.network.run(600)
    assert pair.network.count("UPDATE") == 10
    assert session.state is SessionState.CONFIRMED
    assert listener.names == ["Answered"]
    session.hang_up()
    pair.network.run(70)
    assert pair.settled()


def test_a_peer_that_is_gone_is_noticed_by_both_sides() -> None:
    pair, _, listener = called(SHORT)
    pair.network.run(0.1)
    pair.network.drop = lambda _packet: True
    pair.network.run(91)
    # The callee's refresh found no one; the caller waited for it until 32 seconds before the end of the interval.
    assert listener.last == Ended(by_peer=False, reason="Session expired", status=408)
    pair.network.run(5)
    last = pair.bob_app.listener.last
    assert isinstance(last, Ended)
    assert (last.by_peer, last.status) == (False, 408)
    pair.network.run(100)
    assert pair.settled()


def test_a_caller_that_knows_no_timers_is_refreshed_by_the_callee() -> None:
    pair, session, _ = called(SHORT, rewrite=without("timer"))
    pair.network.run(0.1)
    assert header(pair, "200 INVITE", "Session-Expires") == "120;refresher=uas"
    assert header(pair, "200 INVITE", "Require") is None
    assert session.timer is not None


@pytest.mark.parametrize("update", [True, False])
def test_a_callee_that_knows_no_timers_is_refreshed_by_us_in_the_way_it_knows(update: bool) -> None:
    def ignorant(message: Request | Response) -> None:
        without("timer", allow="" if update else "UPDATE")(message)
        for name in ("Session-Expires", "Require"):
            message.remove(name)

    pair, session, listener = called(SHORT, OFF, ignorant)
    pair.network.run(61)
    assert session.timer is not None
    assert session.timer.state is TimerState.OURS
    assert pair.network.count("UPDATE") == (1 if update else 0)
    if not update:
        assert pair.network.what[-3:] == ["INVITE", "200 INVITE", "ACK"]
        assert pair.network.sent[-3].message.body == OFFER
        assert listener.last == OfferAnswered(ANSWER)
    pair.network.run(600)
    assert session.state is SessionState.CONFIRMED
    session.hang_up()
    pair.network.run(100)
    assert pair.settled()


def test_the_repeated_offer_of_the_callee_is_its_answer() -> None:
    pair, _, _ = called(SHORT, rewrite=without(allow="UPDATE"))
    pair.network.run(61)
    assert pair.network.count("INVITE") == 2
    assert pair.network.find("ACK").source != pair.network.sent[-1].source
    invite = [packet for packet in pair.network.sent if packet.what == "INVITE"][-1]
    assert invite.message.body == ANSWER


class Describer:
    def description(self) -> bytes:
        return OFFER


def test_a_description_that_can_be_written_again_is_not_kept_and_is_offered_at_the_refresh() -> None:
    def answer_described(session: InviteSession) -> None:
        session.describer = Describer()
        session.answer(ANSWER)
        assert session.local_sdp == ANSWER

    pair = Pair.make(answer_described, config=SHORT)
    pair.network.rewrite = without(allow="UPDATE")
    session = pair.call(Listener(answer_offers))
    pair.network.run(1)
    callee = pair.bob_app.sessions[-1]
    assert callee.state is SessionState.CONFIRMED
    assert callee.local_sdp == b""
    assert session.local_sdp == OFFER
    pair.network.run(60)
    invite = [packet for packet in pair.network.sent if packet.what == "INVITE"][-1]
    assert invite.message.body == OFFER
    assert callee.local_sdp == b""
    pair.network.run(600)
    assert callee.state is SessionState.CONFIRMED


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_that_boasts_of_update_and_refuses_it_is_refreshed_with_a_re_invite(status: int) -> None:
    pair, _, _ = called(SHORT)

    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.cseq[1] == "UPDATE":
            message.status, message.reason = status, "Unknown"

    pair.network.rewrite = refuse
    pair.network.run(61)
    assert pair.network.what[-5:] == ["UPDATE", f"{status} UPDATE", "INVITE", "200 INVITE", "ACK"]


def test_a_refused_refresh_is_tried_again_and_at_last_the_call_is_ended() -> None:
    pair, session, _ = called(SHORT)

    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.cseq[1] == "UPDATE":
            message.status = 500

    pair.network.rewrite = refuse
    pair.network.run(80)
    assert pair.network.count("UPDATE") == 1
    pair.network.run(30)
    assert pair.network.count("UPDATE") > 1
    pair.network.run(20)
    assert session.state is SessionState.ENDED


def test_a_peer_that_never_agreed_on_a_timer_may_refuse_refreshes_and_stays() -> None:
    def ignorant(message: Request | Response) -> None:
        without("timer")(message)
        message.remove("Session-Expires")
        if isinstance(message, Response) and message.cseq[1] == "UPDATE":
            message.status = 403

    pair, session, _ = called(SHORT, OFF, rewrite=ignorant)
    pair.network.run(400)
    assert session.state is SessionState.CONFIRMED
    assert pair.network.count("UPDATE") == 6


def test_too_short_an_interval_is_refused_and_asked_for_again_with_what_the_callee_wants() -> None:
    pair, session, _ = called(SipConfig(session_expires=90), SipConfig(session_expires=1800, min_session_expires=300))
    pair.network.run(0.2)
    assert pair.network.what[:5] == ["INVITE", "422 INVITE", "ACK", "INVITE", "100 INVITE"]
    assert header(pair, "422 INVITE", "Min-SE") == "300"
    assert (header(pair, "INVITE", "Session-Expires"), header(pair, "INVITE", "Min-SE")) == ("300", "300")
    assert header(pair, "INVITE", "CSeq") == "2 INVITE"
    assert session.state is SessionState.CONFIRMED
    assert header(pair, "200 INVITE", "Session-Expires") == "300;refresher=uas"
    assert len(pair.bob_app.sessions) == 1


def test_a_422_that_makes_no_sense_is_a_refusal() -> None:
    pair, _, listener = called(SHORT)

    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.status == 200:
            message.status, message.reason = 422, "Session Interval Too Small"
            message.set("Min-SE", "60")

    pair.network.rewrite = refuse
    pair.network.run(0.2)
    assert listener.last == Rejected(422, "Session Interval Too Small")


def test_a_callee_that_always_wants_longer_intervals_is_given_up() -> None:
    pair, _, listener = called(SHORT)
    wanted = iter(range(1000, 2000, 100))

    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.status == 200:
            message.status = 422
            message.set("Min-SE", str(next(wanted)))

    pair.network.rewrite = refuse
    pair.network.run(1)
    assert isinstance(listener.last, Rejected)
    assert pair.network.count("INVITE") == 4


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_too_short_an_interval_in_the_call_is_refused_too_and_harms_nothing(method: str) -> None:
    pair, session, _ = called(SHORT)
    pair.network.run(0.1)
    session.send(method, headers=[("Session-Expires", "30"), ("Supported", "timer")])
    pair.network.run(0.1)
    assert f"422 {method}" in pair.network.what
    assert header(pair, f"422 {method}", "Min-SE") == "90"
    assert session.state is SessionState.CONFIRMED


def test_our_own_refresh_asks_again_after_a_422() -> None:
    pair, _, _ = called(SHORT)
    refusals = iter([True, False])

    def refuse(message: Request | Response) -> None:
        if isinstance(message, Response) and message.cseq[1] == "UPDATE" and next(refusals):
            message.status = 422
            message.set("Min-SE", "240")

    pair.network.rewrite = refuse
    pair.network.run(61)
    assert pair.network.count("UPDATE") == 2
    assert (header(pair, "UPDATE", "Session-Expires"), header(pair, "UPDATE", "Min-SE")) == ("240;refresher=uac", "240")


def test_the_caller_that_wants_to_refresh_does() -> None:
    def want(message: Request | Response) -> None:
        if isinstance(message, Request) and message.method == "INVITE":
            message.set("Session-Expires", "120;refresher=uac")

    pair, session, _ = called(SHORT, rewrite=want)
    pair.network.run(0.1)
    assert header(pair, "200 INVITE", "Session-Expires") == "120;refresher=uac"
    pair.network.rewrite = None
    pair.network.run(600)
    updates = [packet for packet in pair.network.sent if packet.what == "UPDATE"]
    assert updates
    assert {packet.source.host for packet in updates} == {"10.0.0.1"}
    assert session.state is SessionState.CONFIRMED


def test_timers_switched_off_are_still_kept_for_a_peer_that_asks() -> None:
    pair, session, _ = called(SHORT, OFF)
    pair.network.run(61)
    assert pair.network.count("UPDATE") == 1
    pair, session, _ = called(OFF)
    pair.network.run(0.1)
    assert session.timer is None
    assert header(pair, "INVITE", "Session-Expires") is None
    assert header(pair, "200 INVITE", "Session-Expires") is None


@pytest.mark.parametrize(
    ("asked", "minimum", "agreed"),
    [
        ("3600", "", "120"),
        ("100", "", "100"),
        ("3600", "600", "600"),
        ("nonsense", "", "120"),
        ("99999999999999", "", "120"),
        ("100" + " " * 600 + ";x", "", "120"),
    ],
)
def test_the_callee_shortens_the_interval_but_never_below_the_minimum(asked: str, minimum: str, agreed: str) -> None:
    pair, _, _ = called(SHORT)

    def ask(message: Request | Response) -> None:
        if isinstance(message, Request) and message.method == "INVITE":
            message.set("Session-Expires", asked)
            if minimum:
                message.set("Min-SE", minimum)

    pair, _, _ = called(SHORT, rewrite=ask)
    pair.network.run(0.1)
    assert header(pair, "200 INVITE", "Session-Expires") == f"{agreed};refresher=uas"


def test_a_proxys_interval_for_a_caller_without_timers_is_not_refused_but_bounded() -> None:
    def insert(message: Request | Response) -> None:
        if isinstance(message, Request) and message.method == "INVITE":
            without("timer")(message)
            message.set("Session-Expires", "1")

    pair, _, _ = called(SHORT, rewrite=insert)
    pair.network.run(0.1)
    assert header(pair, "200 INVITE", "Session-Expires") == "90;refresher=uas"
    assert header(pair, "200 INVITE", "Require") is None


def test_a_stray_answer_to_a_refresh_after_the_end_changes_nothing() -> None:
    pair, session, listener = called(SHORT)
    pair.network.run(61)
    session.hang_up()
    update = pair.network.find("200 UPDATE")
    pair.network.carry(Packet(update.data, update.source, update.destination))
    pair.network.run(100)
    assert listener.names[-1] == "Ended"
    assert pair.settled()


@pytest.mark.parametrize("seed", range(10))
def test_refreshes_survive_loss_doubling_and_reordering(seed: int) -> None:
    pair = Pair.make(answer, loss=0.2, seed=seed, config=SipConfig(session_expires=300))
    pair.network.doubling = pair.network.reordering = 0.2
    listener = Listener(answer_offers)
    session = pair.call(listener)
    pair.network.run(40)
    if session.state is not SessionState.CONFIRMED:
        pytest.skip("the call itself was lost")
    pair.network.run(1500)
    assert session.state is SessionState.CONFIRMED
    assert pair.bob_session.state is SessionState.CONFIRMED
    session.hang_up()
    pair.network.run(140)
    assert pair.settled()
