"""How a trace is shown: a ladder that reads like a drawing, and captures that keep to their formats."""

from __future__ import annotations

from sip.trace.ladder import ladder, participants, repeated
from sip.trace.pcap import pcap
from sip.trace.values import End, TracedMessage
from tests.support.captures import packets

from .messages import CARRIER, PHONE, request, response, traced

START = 1_800_000_000.0


def call() -> list[TracedMessage]:
    return [
        traced(request(body="v=0\r\n"), at=START),
        traced(response("100 Trying"), at=START + 0.001, sent=True),
        traced(request(call_id="two", body="v=0\r\n"), at=START + 0.002, sent=True, peer=CARRIER),
        traced(request(call_id="two", body="v=0\r\n"), at=START + 0.502, sent=True, peer=CARRIER),
        traced(response("486 Busy Here", call_id="two"), at=START + 1, peer=CARRIER),
        traced(response("486 Busy Here"), at=START + 1.25, sent=True),
    ]


def test_the_ladder_shows_who_said_what_to_whom_and_when() -> None:
    drawn = ladder(call(), {PHONE: "extension 1002", CARRIER: "trunk carrier"}).splitlines()
    assert drawn[0].split() == ["extension", "1002", "Ramal", "trunk", "carrier"]
    assert drawn[1].split() == ["192.0.2.7:5062", "127.0.0.1:5060", "198.51.100.9:5060"]
    assert [line[13:24].strip() for line in drawn[2:]] == ["+0.000", "+0.001", "+0.002", "+0.502", "+1.000", "+1.250"]
    rungs = ["".join(line[24:].split()).replace("-", "") for line in drawn[2:]]
    assert rungs == [
        "|INVITESDP>||",
        "|<100Trying||",
        "||INVITESDP>|",
        "||INVITESDPagain>|",
        "||<486BusyHere|",
        "|<486BusyHere||",
    ]
    posts = [index for index, sign in enumerate(drawn[2]) if sign == "|"]
    assert all([index for index, sign in enumerate(line) if sign == "|"] == posts for line in drawn[3:])


def test_further_parties_stand_to_the_right_and_arrows_reach_them() -> None:
    third = End("203.0.113.5", 5070)
    messages = [*call(), traced(request(call_id="three"), at=START + 2, sent=True, peer=third)]
    assert participants(messages) == [PHONE, CARRIER, third]
    last = ladder(messages, {}).splitlines()[-1]
    assert last.rstrip().endswith(">|")
    assert "INVITE" in last


def test_a_long_reason_does_not_break_the_drawing() -> None:
    wide = ladder([traced(response("480 " + "x" * 200), sent=True)], {}).splitlines()
    assert len(wide[-1]) < 140
    controls = ladder([traced(response("480 a\x1b[31m\x07b"), sent=True)], {})
    assert "\x1b" not in controls


def test_retransmissions_are_known_by_their_bytes() -> None:
    assert repeated(call()) == [False, False, False, True, False, False]


def test_a_capture_has_each_message_between_its_ends() -> None:
    messages = call()
    captured = packets(pcap(messages))
    assert [packet.payload for packet in captured] == [message.payload for message in messages]
    assert [(packet.source, packet.destination) for packet in captured[:3]] == [
        ("192.0.2.7:5062", "127.0.0.1:5060"),
        ("127.0.0.1:5060", "192.0.2.7:5062"),
        ("127.0.0.1:5060", "198.51.100.9:5060"),
    ]
    assert [round(packet.time - START, 3) for packet in captured] == [0, 0.001, 0.002, 0.502, 1, 1.25]


def test_ipv6_names_and_oversize_messages_fit_into_a_capture() -> None:
    odd = [
        traced(request(), peer=End("2001:db8::7", 5060)),
        traced(request(), peer=End("sip.example.net", 5060), sent=True),
        traced(request(body="x" * 70_000), peer=PHONE),
    ]
    first, second, third = packets(pcap(odd))
    assert first.source == "[2001:db8::7]:5060"
    assert first.destination == "[::ffff:7f00:1]:5060"
    assert second.destination == "192.0.2.1:5060"
    assert len(third.payload) == 65_507
