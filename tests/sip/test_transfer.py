"""REFER both ways, the NOTIFYs that follow it, and Replaces in its two places."""

from __future__ import annotations

import pytest

from sip.errors import MalformedMessageError
from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import Ended, ReferProgressed, Referred, SessionEvent
from sip.transfer import Refer, Replaces, parse_refer, parse_sipfrag, refer_to, replaces_of
from sip.uri import NameAddress, Uri
from tests.sip.network import ANSWER, OFFER, Listener, Pair, established

CAROL = Uri("sip", "carol", "10.0.0.3")


def request(*headers: tuple[str, str]) -> Request:
    return Request("REFER", "sip:b@example.com", [("Call-ID", "c1"), ("CSeq", "7 REFER"), *headers])


def accepting(session: InviteSession, event: SessionEvent) -> None:
    if isinstance(event, Referred):
        session.accept_refer(event.refer)


def referred(pair: Pair) -> Refer:
    return next(event.refer for event in pair.bob_app.listener.events if isinstance(event, Referred))


class TestReplaces:
    def test_it_is_read_and_written(self) -> None:
        text = "425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only"
        replaces = Replaces.parse(text)
        assert replaces == Replaces("425928@bobster.example.org", "7743", "6472", early_only=True)
        assert Replaces.parse(str(replaces)) == replaces

    def test_order_case_and_blanks_of_its_parameters_do_not_matter(self) -> None:
        assert Replaces.parse("c1 ; From-Tag=f;TO-TAG = t") == Replaces("c1", "t", "f")

    @pytest.mark.parametrize(
        "text", ["", "c1", "c1;to-tag=a", "c1;from-tag=a", ";to-tag=a;from-tag=b", "a b;to-tag=a;from-tag=b"]
    )
    def test_without_call_or_tags_it_is_malformed(self, text: str) -> None:
        with pytest.raises(MalformedMessageError):
            Replaces.parse(text)

    def test_two_in_one_invite_are_malformed(self) -> None:
        one = ("Replaces", "c1;to-tag=a;from-tag=b")
        assert replaces_of(request(one)) == Replaces("c1", "a", "b")
        assert replaces_of(request()) is None
        with pytest.raises(MalformedMessageError):
            replaces_of(request(one, one))


class TestRefer:
    def test_an_attended_transfer_names_the_dialog_to_replace_inside_the_refer_to(self) -> None:
        target = "<sip:carol@10.0.0.3?Replaces=c2%40host%3Bto-tag%3Dt%3Bfrom-tag%3Df>"
        refer = parse_refer(request(("Refer-To", target), ("Referred-By", "<sip:bob@example.com>;cid=1")))
        assert refer.uri == CAROL
        assert refer.replaces == Replaces("c2@host", "t", "f")
        assert refer.referred_by is not None
        assert refer.referred_by.uri.user == "bob"
        assert refer.subscription == "refer"

    def test_our_own_refer_to_is_read_back(self) -> None:
        replaces = Replaces("c2@host", "t", "f")
        refer = parse_refer(request(("Refer-To", refer_to(CAROL, replaces))), first=False)
        assert (refer.uri, refer.replaces) == (CAROL, replaces)
        assert refer.subscription == "refer;id=7"

    @pytest.mark.parametrize("raw", ["c2%40host%3Bto-tag%3Dt%3Bfrom-tag%3Df", "c2@host;to-tag=t;from-tag=f"])
    @pytest.mark.parametrize("form", ["<sip:carol@10.0.0.3?Replaces={}>", "sip:carol@10.0.0.3?Replaces={}"])
    def test_scripts_forget_the_escapes_and_the_angle_brackets_of_an_attended_transfer(
        self, form: str, raw: str
    ) -> None:
        refer = parse_refer(request(("Refer-To", form.format(raw))))
        assert (refer.uri, refer.replaces) == (CAROL, Replaces("c2@host", "t", "f"))

    @pytest.mark.parametrize("told", ["1003", "<sip:", '"Bob'])
    def test_a_referred_by_that_cannot_be_read_costs_no_transfer(self, told: str) -> None:
        refer = parse_refer(request(("Refer-To", f"<{CAROL}>"), ("Referred-By", told)))
        assert (refer.uri, refer.referred_by) == (CAROL, None)

    def test_it_needs_exactly_one_refer_to(self) -> None:
        one = ("Refer-To", "<sip:carol@10.0.0.3>")
        for headers in ((), (one, one)):
            with pytest.raises(MalformedMessageError):
                parse_refer(request(*headers))

    def test_a_sipfrag_begins_with_a_status_line(self) -> None:
        assert parse_sipfrag(b"SIP/2.0 180 Ringing\r\n") == (180, "Ringing")
        assert parse_sipfrag(b"sip/2.0 200\n") == (200, "")
        for body in (b"", b"180 Ringing", b"SIP/2.0 999 X"):
            with pytest.raises(MalformedMessageError):
                parse_sipfrag(body)


class TestInASession:
    def test_a_transfer_is_accepted_and_reported_to_its_end(self) -> None:
        pair, session, listener = established()
        pair.bob_app.listener.on = accepting
        session.refer(CAROL, referred_by="<sip:alice@10.0.0.1>")
        pair.network.run(0.1)
        refer = referred(pair)
        assert refer.uri == CAROL
        pair.bob_session.notify_refer(refer, 180)
        pair.bob_session.notify_refer(refer, 200, "OK")
        pair.bob_session.notify_refer(refer, 200, "again")
        pair.network.run(0.1)
        assert listener.events[1:] == [
            ReferProgressed(202, "Accepted", final=False),
            ReferProgressed(100, "Trying", final=False),
            ReferProgressed(180, "Ringing", final=False),
            ReferProgressed(200, "OK", final=True),
        ]
        notifies = [packet.message for packet in pair.network.sent if packet.what == "NOTIFY"]
        assert [notify.get("Subscription-State") for notify in notifies] == [
            "active;expires=180",
            "active;expires=180",
            "terminated;reason=noresource",
        ]
        assert {notify.get("Event") for notify in notifies} == {"refer"}

    def test_a_refused_transfer_is_final_at_once(self) -> None:
        pair, session, listener = established()
        pair.bob_app.listener.on = lambda s, e: s.reject_refer(e.refer, 603) if isinstance(e, Referred) else None
        session.refer(CAROL)
        pair.network.run(0.1)
        assert listener.last == ReferProgressed(603, "Decline", final=True)
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(0.1)
        assert "NOTIFY" not in pair.network.what

    def test_the_second_refer_of_a_call_has_its_number_in_the_event(self) -> None:
        pair, session, _ = established()
        pair.bob_app.listener.on = accepting
        session.refer(CAROL)
        pair.network.run(0.1)
        session.refer(CAROL)
        pair.network.run(0.1)
        events = [packet.message.get("Event") for packet in pair.network.sent if packet.what == "NOTIFY"]
        assert events == ["refer", "refer;id=3"]

    def test_a_peer_that_wants_no_notify_gets_none(self) -> None:
        pair, session, _ = established()
        pair.bob_app.listener.on = accepting
        session.send("REFER", headers=[("Refer-To", f"<{CAROL}>"), ("Refer-Sub", "false")])
        pair.network.run(0.1)
        assert pair.network.what[-1] == "202 REFER"
        assert pair.network.sent[-1].message.get("Refer-Sub") == "false"

    def test_the_transferor_may_hang_up_before_the_last_notify(self) -> None:
        pair, session, _ = established()
        pair.bob_app.listener.on = accepting
        session.refer(CAROL)
        pair.network.run(0.1)
        session.hang_up()
        pair.network.run(0.1)
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(70)
        assert pair.network.what[-2:] == ["NOTIFY", "481 NOTIFY"]
        assert pair.settled()

    def test_a_transferor_that_is_gone_is_told_no_more(self) -> None:
        pair, session, _ = established()
        pair.bob_app.listener.on = accepting
        session.refer(CAROL)
        pair.network.run(0.1)
        session.hang_up()
        pair.network.run(0.1)
        pair.bob_session.notify_refer(referred(pair), 180)
        pair.network.run(0.1)
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(400)
        assert pair.network.what[-2:] == ["NOTIFY", "481 NOTIFY"]
        assert pair.settled()


class TestTheEndOfTheTransferor:
    """Who was told that its transfer went well hangs up itself (RFC 5589 section 6.1), and gets our BYE only where it does not."""

    @staticmethod
    def transferred() -> tuple[Pair, InviteSession, Listener]:
        pair, session, listener = established()
        pair.bob_app.listener.on = accepting
        before = pair.bob_session.referred
        session.refer(CAROL)
        pair.network.run(0.1)
        pair.bob_session.notify_refer(referred(pair), 200)
        assert (before, pair.bob_session.referred) == (False, True)
        pair.bob_session.hang_up(patience=1.0)
        pair.network.run(0.1)
        return pair, session, listener

    def test_its_own_bye_is_answered_and_meets_none_of_ours(self) -> None:
        pair, session, listener = self.transferred()
        assert pair.bob_app.listener.last == Ended(by_peer=False, reason="", status=200)
        assert listener.last == ReferProgressed(200, "OK", final=True)
        pair.network.run(0.5)
        session.hang_up()
        pair.network.run(70)
        assert pair.network.what[-2:] == ["BYE", "200 BYE"]
        assert pair.network.count("BYE") == 1
        assert pair.settled()

    def test_without_one_it_gets_ours_when_its_time_is_over(self) -> None:
        pair, _, listener = self.transferred()
        pair.network.run(0.85)
        assert pair.network.count("BYE") == 0
        pair.network.run(0.1)
        assert pair.network.count("BYE") == 1
        assert isinstance(listener.last, Ended)
        pair.network.run(70)
        assert pair.settled()

    def test_it_changes_nothing_in_the_call_any_more(self) -> None:
        pair, session, listener = self.transferred()
        session.offer(OFFER)
        pair.network.run(0.1)
        assert "481 INVITE" in pair.network.what
        assert isinstance(listener.last, Ended)
        pair.network.run(70)
        assert pair.settled()


class TestItsSubscription:
    """What a REFER begins without saying so: SUBSCRIBE refreshes and ends it (RFC 3515 section 2.4.4)."""

    @staticmethod
    def subscribe(pair: Pair, session: InviteSession, event: str = "refer", expires: str = "60") -> list[Response]:
        answers: list[Response] = []
        headers = [("Contact", session.contact), ("Event", event), *([("Expires", expires)] if expires else [])]
        session.send("SUBSCRIBE", headers=headers, on_response=lambda response, _: answers.append(response))
        pair.network.run(0.1)
        return answers

    @staticmethod
    def referring() -> tuple[Pair, InviteSession]:
        pair, session, _ = established()
        pair.bob_app.listener.on = accepting
        session.refer(CAROL)
        pair.network.run(0.1)
        return pair, session

    @staticmethod
    def states(pair: Pair) -> list[str | None]:
        notifies = [packet.message for packet in pair.network.sent if packet.what == "NOTIFY"]
        return [notify.get("Subscription-State") for notify in notifies]

    def test_it_ends_after_its_time(self) -> None:
        pair, _ = self.referring()
        pair.network.run(200)
        assert self.states(pair) == ["active;expires=180", "terminated;reason=timeout"]
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(1)
        assert len(self.states(pair)) == 2

    @pytest.mark.parametrize(("expires", "seconds"), [("60", 60), ("", 180), ("86400", 180)])
    def test_it_is_refreshed_and_told_where_the_transfer_stands(self, expires: str, seconds: int) -> None:
        pair, session = self.referring()
        pair.bob_session.notify_refer(referred(pair), 180, "Ringing")
        pair.network.run(100)
        (answer,) = self.subscribe(pair, session, expires=expires)
        assert (answer.status, answer.get("Expires")) == (200, str(seconds))
        assert pair.network.find("200 SUBSCRIBE")
        last = [packet.message for packet in pair.network.sent if packet.what == "NOTIFY"][-1]
        assert (last.get("Subscription-State"), last.body) == (f"active;expires={seconds}", b"SIP/2.0 180 Ringing\r\n")
        pair.network.run(seconds - 10)
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(1)
        assert self.states(pair)[-1] == "terminated;reason=noresource"

    def test_it_is_ended_by_the_one_who_asked(self) -> None:
        pair, session = self.referring()
        (answer,) = self.subscribe(pair, session, expires="0")
        assert (answer.status, answer.get("Expires")) == (200, "0")
        assert self.states(pair)[-1] == "terminated;reason=timeout"
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(1)
        assert len(self.states(pair)) == 2
        assert self.subscribe(pair, session)[0].status == 481

    def test_each_of_several_is_meant_by_its_number(self) -> None:
        pair, session = self.referring()
        session.refer(CAROL)
        pair.network.run(0.1)
        second = next(packet.message for packet in reversed(pair.network.sent) if packet.what == "NOTIFY").get("Event")
        assert self.subscribe(pair, session, second or "", "0")[0].status == 200
        assert self.subscribe(pair, session, "refer", "0")[0].status == 200
        assert self.subscribe(pair, session, second or "", "0")[0].status == 481

    @pytest.mark.parametrize(
        ("event", "expires", "status"),
        [("dialog", "60", 489), ("", "60", 489), ("refer;id=99", "60", 481), ("refer", "soon", 400)],
    )
    def test_what_means_none_is_refused(self, event: str, expires: str, status: int) -> None:
        pair, session = self.referring()
        assert self.subscribe(pair, session, event, expires)[0].status == status
        assert pair.bob_session.established

    def test_without_a_transfer_there_is_none(self) -> None:
        pair, session, _ = established()
        assert self.subscribe(pair, session)[0].status == 481

    def test_a_peer_may_be_asked_to_tell_nothing(self) -> None:
        pair, session, listener = established()
        pair.bob_app.listener.on = accepting
        session.refer(CAROL, told=False)
        pair.network.run(0.1)
        assert listener.last == ReferProgressed(202, "Accepted", final=True)
        pair.bob_session.notify_refer(referred(pair), 200)
        pair.network.run(0.1)
        assert "NOTIFY" not in pair.network.what

    def test_a_malformed_refer_is_refused_with_400(self) -> None:
        pair, session, _ = established()
        session.send("REFER", headers=[("Refer-To", "<sip:carol")])
        pair.network.run(0.1)
        assert pair.network.what[-1] == "400 REFER"

    def test_a_transfer_that_nobody_takes_is_refused_with_500(self) -> None:
        pair, session, listener = established()
        pair.bob_session.listener = None
        session.refer(CAROL)
        pair.network.run(0.1)
        assert listener.last == ReferProgressed(500, "Server Internal Error", final=True)

    def test_a_notify_without_a_refer_is_refused(self) -> None:
        pair, session, _ = established()
        session.send("NOTIFY", headers=[("Event", "refer")], content_type="message/sipfrag", body=b"SIP/2.0 200 OK")
        session.send("NOTIFY", headers=[("Event", "dialog")])
        pair.network.run(0.1)
        assert pair.network.what[-2:] == ["481 NOTIFY", "489 NOTIFY"]

    def test_an_invite_with_replaces_finds_the_dialog_it_means(self) -> None:
        pair, _, listener = established()
        pair.bob_app.on_invite = None
        own = pair.bob_session
        replaces = Replaces(own.call_id, own.local_tag, own.remote_tag)
        pair.alice.invite(
            Uri("sip", "bob", "10.0.0.2"),
            from_=NameAddress("", Uri("sip", "alice", "10.0.0.1")),
            listener=listener,
            sdp=OFFER,
            headers=[("Replaces", str(replaces)), ("Require", "replaces")],
        )
        pair.network.run(0.1)
        second = pair.bob_app.sessions[1]
        assert second.replaces == replaces
        assert pair.bob.find_session(replaces.call_id, replaces.to_tag, replaces.from_tag) is own
        assert pair.bob.find_session(replaces.call_id, replaces.to_tag, "wrong") is None
        second.answer(ANSWER)
