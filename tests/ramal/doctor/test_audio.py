"""Which side heard nothing, and why: from packets and descriptions to a sentence and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pbx.call_trace import TraceMessage
from ramal.doctor.audio import CallAudio, LegAudio, examine, suspicious
from ramal.doctor.findings import Finding, Severity
from ramal.doctor.recent_calls import describe

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PORTS = "UDP 20000-29999"
CARRIER = LegAudio("trunk carrier", seconds=60.0, received=3000, sent=3000)
AGENT = replace(
    CARRIER,
    party="extension 1001",
    signals_from="203.0.113.5",
    wants_voice_at="203.0.113.5",
    told_address="198.51.100.1",
)


def look(*legs: LegAudio) -> list[Finding]:
    return examine([CallAudio("call-1", AT, legs)], PORTS)


def test_a_call_that_both_heard_is_well() -> None:
    (finding,) = look(AGENT, CARRIER)
    assert finding.severity is Severity.OK
    assert examine([], PORTS)[0].severity is Severity.OK


def test_who_heard_nothing_of_whom_is_said_once() -> None:
    (finding,) = look(replace(AGENT, received=2), replace(CARRIER, sent=2))
    assert finding.severity is Severity.PROBLEM
    assert finding.code == "one_way_audio"
    assert finding.about == "call-1"
    assert (
        "trunk carrier heard nothing of extension 1001 in the call of 2026-03-02 09:30 UTC (2 packets came)"
        in finding.message
    )


@pytest.mark.parametrize(
    ("agent", "why", "advice"),
    [
        (
            replace(AGENT, told_address="127.0.0.1"),
            "told to send its voice to 127.0.0.1",
            "RAMAL_SIP_ADVERTISED_ADDRESS",
        ),
        (replace(AGENT, told_address="192.168.1.10"), "private address 192.168.1.10", "forward UDP 20000-29999"),
        (replace(AGENT, wants_voice_at="192.168.7.2"), "behind a NAT (192.168.7.2 seen as 203.0.113.5)", "SIP ALG"),
        (replace(AGENT, wants_voice_at="203.0.113.99"), "another host than its signalling", "from 203.0.113.99"),
        (AGENT, "a firewall dropped it", "microphone"),
        (
            replace(AGENT, rejected=2900, wants_voice_at="203.0.113.99"),
            "2900 packets came that were not believed: from another host than 203.0.113.99 and 203.0.113.5",
            "RAMAL_MEDIA_VOICE_FROM_ANYWHERE",
        ),
        (replace(AGENT, signals_from="", wants_voice_at="", told_address=""), "a firewall dropped it", "ramal trace"),
    ],
)
def test_the_surest_cause_is_named_with_what_to_do(agent: LegAudio, why: str, advice: str) -> None:
    (finding,) = look(replace(agent, received=0), CARRIER)
    assert finding.severity is Severity.PROBLEM
    assert why in finding.message
    assert advice in finding.advice


@pytest.mark.parametrize(
    "held",
    [
        replace(AGENT, direction="inactive"),
        replace(AGENT, direction="recvonly"),
        replace(AGENT, wants_voice_at="0.0.0.0"),
    ],
)
def test_a_held_call_is_no_problem(held: LegAudio) -> None:
    (finding,) = look(replace(held, received=0), CARRIER)
    assert finding.severity is Severity.NOTE
    assert "on hold" in finding.message


def test_one_who_was_sent_nothing_though_the_other_spoke_is_told() -> None:
    (finding,) = look(replace(AGENT, sent=1), CARRIER)
    assert "extension 1001 heard nothing" in finding.message
    assert "1 packets left" in finding.message


def test_a_silent_line_on_both_sides_names_both() -> None:
    first, second = look(replace(AGENT, received=0), replace(CARRIER, received=0))
    assert "trunk carrier heard nothing of extension 1001" in first.message
    assert "extension 1001 heard nothing of trunk carrier" in second.message


def test_a_talk_of_two_seconds_proves_nothing() -> None:
    call = CallAudio("call-1", AT, (replace(AGENT, seconds=2, received=0), CARRIER))
    assert not suspicious(call)
    assert examine([call], PORTS)[0].severity is Severity.OK


def test_a_day_full_of_them_is_summed_up() -> None:
    calls = [CallAudio(f"call-{number}", AT, (replace(AGENT, received=0), CARRIER)) for number in range(30)]
    findings = examine(calls, PORTS)
    assert len(findings) == 11
    assert "20 more" in findings[-1].message


def message(*, sent: bool, body: str, source: str = "[2001:db8::7]:5062") -> TraceMessage:
    text = f"INVITE sip:x SIP/2.0\r\nContent-Type: application/sdp\r\n\r\n{body}"
    return TraceMessage(
        at=AT, sent=sent, transport="udp", source=source, destination="", sip_call_id="", leg_id="a", party="",
        summary="", again=False, text=text,
    )  # fmt: skip


def test_the_descriptions_are_read_out_of_the_trace() -> None:
    theirs = "v=0\r\nc=IN IP4 192.168.1.2\r\nm=audio 4000 RTP/AVP 8\r\nc=IN IP4 192.168.1.3\r\na=sendonly\r\n"
    ours = "v=0\r\nc=IN IP4 198.51.100.1\r\nm=audio 20000 RTP/AVP 8\r\na=recvonly\r\n"
    told = describe(CARRIER, [message(sent=False, body=theirs), message(sent=True, body=ours, source="x:1")])
    assert told == replace(
        CARRIER,
        signals_from="2001:db8::7",
        wants_voice_at="192.168.1.3",
        told_address="198.51.100.1",
        direction="sendonly",
    )
    assert describe(CARRIER, []) == CARRIER
