"""REFER outside of the dialog it means: Target-Dialog proves that its sender is in the call (RFC 4538)."""

from __future__ import annotations

import pytest

from sip.errors import MalformedMessageError
from sip.message import Request, Response
from sip.session import InviteSession
from sip.session_events import Referred, SessionEvent
from sip.target_dialog import TargetDialog, target_of
from tests.sip.network import ALICE, BOB, Packet, Pair, established


def test_a_target_dialog_is_read() -> None:
    assert TargetDialog.parse(
        "fa77as7dad8-sd98ajzz@host.example.com ; LOCAL-tag=kkaz-\t;remote-tag=6544"
    ) == TargetDialog("fa77as7dad8-sd98ajzz@host.example.com", "kkaz-", "6544")


@pytest.mark.parametrize(
    "text", ["", "c", "c;local-tag=a", "c;remote-tag=a", ";local-tag=a;remote-tag=b", "a b;local-tag=a;remote-tag=b"]
)
def test_one_without_call_or_tags_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessageError):
        TargetDialog.parse(text)


def test_two_of_them_are_malformed() -> None:
    one = ("Target-Dialog", "c;local-tag=a;remote-tag=b")
    assert target_of(Request("REFER", "sip:b@c", [])) is None
    with pytest.raises(MalformedMessageError):
        target_of(Request("REFER", "sip:b@c", [one, one]))


def refer(session: InviteSession, **headers: str) -> Request:
    target = f"{session.call_id};local-tag={session.local_tag};remote-tag={session.remote_tag}"
    message = Request(
        "REFER",
        "sip:bob@10.0.0.2",
        [
            ("Via", "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKrefer"),
            ("Max-Forwards", "70"),
            ("From", "<sip:alice@10.0.0.1>;tag=new"),
            ("To", "<sip:bob@10.0.0.2>"),
            ("Call-ID", "of-its-own"),
            ("CSeq", "1 REFER"),
            ("Contact", "<sip:alice@10.0.0.1:5060>"),
            ("Require", "tdialog"),
            ("Target-Dialog", target),
            ("Refer-To", "<sip:carol@10.0.0.3>"),
        ],
    )
    for name, value in headers.items():
        message.set(name.replace("_", "-"), value)
    return message


def send(pair: Pair, message: Request) -> list[Packet]:
    before = len(pair.network.sent)
    pair.network.carry(Packet(message.encode(), ALICE, BOB))
    pair.network.run(0.1)
    return [packet for packet in pair.network.sent[before + 1 :] if packet.source == BOB]


def test_a_party_of_the_call_transfers_it_and_hears_of_it_in_the_dialog_of_its_refer() -> None:
    pair, session, _ = established()

    def accept(callee: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Referred):
            callee.accept_refer(event.refer)
            callee.notify_refer(event.refer, 200)

    pair.bob_app.listener.on = accept
    sent = send(pair, refer(session))
    assert [packet.what for packet in sent] == ["202 REFER", "NOTIFY", "NOTIFY"]
    tag = sent[0].message.to_tag
    assert tag
    assert {(packet.message.call_id, packet.message.from_tag, packet.message.to_tag) for packet in sent[1:]} == {
        ("of-its-own", tag, "new")
    }
    assert [packet.message.cseq[0] for packet in sent[1:]] == [1, 2]
    pair.network.run(70)
    session.hang_up()
    pair.network.run(70)
    assert pair.settled()


def test_a_refusal_reaches_its_sender() -> None:
    pair, session, _ = established()

    def refuse(callee: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Referred):
            callee.reject_refer(event.refer, 603)

    pair.bob_app.listener.on = refuse
    assert [packet.what for packet in send(pair, refer(session))] == ["603 REFER"]


def test_one_that_names_no_call_is_refused() -> None:
    pair, session, _ = established()
    stranger = f"{session.call_id};local-tag=guessed;remote-tag={session.remote_tag}"
    answers = send(pair, refer(session, Target_Dialog=stranger))
    assert [packet.what for packet in answers] == ["403 REFER"]
    assert isinstance(answers[0].message, Response)
    assert "Referred" not in pair.bob_app.listener.names


def test_one_without_a_readable_refer_to_is_malformed() -> None:
    pair, session, _ = established()
    assert [packet.what for packet in send(pair, refer(session, Refer_To="<sip:"))] == ["400 REFER"]


def test_its_subscription_is_refreshed_and_ended_in_its_own_dialog() -> None:
    pair, session, _ = established()

    def accept(callee: InviteSession, event: SessionEvent) -> None:
        if isinstance(event, Referred):
            callee.accept_refer(event.refer)

    pair.bob_app.listener.on = accept
    # The core at the other end knows nothing of this dialog, and would say so.
    pair.network.drop = lambda packet: packet.what == "NOTIFY"
    tag = send(pair, refer(session))[0].message.to_tag

    def subscribe(number: int, expires: str) -> list[str]:
        headers = {"To": f"<sip:bob@10.0.0.2>;tag={tag}", "CSeq": f"{number} SUBSCRIBE", "Event": "refer"}
        message = refer(session, **headers, Expires=expires, Via=f"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{number}")
        message.method = "SUBSCRIBE"
        return [packet.what for packet in send(pair, message)]

    assert subscribe(2, "60") == ["200 SUBSCRIBE", "NOTIFY"]
    assert subscribe(3, "0") == ["200 SUBSCRIBE", "NOTIFY"]
    assert subscribe(4, "60") == ["481 SUBSCRIBE"]
