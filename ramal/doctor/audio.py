"""One-way audio: which side of a recent call heard nothing, and why, judged by packets and by what was said in SDP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.addresses import is_loopback
from ramal.doctor.addresses import is_private
from ramal.doctor.findings import Finding, Severity, ok

_SUBJECT: Final = "audio"
_SHORTEST: Final = 3.0
"""Seconds: in a shorter talk the first packets may be all there are."""
_PACKETS_A_SECOND: Final = 50
"""Of G.711 in packets of 20 ms."""
_FEW: Final = 0.05
"""The share of the packets that were to be expected below which nobody heard anything of use."""
_MOST_NAMED: Final = 10
_NOWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - the old spelling of hold


@dataclass(slots=True, frozen=True)
class LegAudio:
    """The voice of one party of a call."""

    party: str
    """`extension 1001`, `trunk carrier`."""
    seconds: float
    """From its answer to its end."""
    received: int
    """RTP packets that came from the party."""
    sent: int
    """RTP packets that we sent to it."""
    signals_from: str = ""
    """The address its SIP came from; empty when not known."""
    wants_voice_at: str = ""
    """The address in its SDP."""
    told_address: str = ""
    """The address in our SDP, where it was to send its voice."""
    direction: str = ""
    """The last direction in its SDP: `sendrecv`, `sendonly`, `recvonly`, `inactive`; empty when not known."""
    rejected: int = 0
    """Packets that came and were not believed."""


@dataclass(slots=True, frozen=True)
class CallAudio:
    """A call that was answered."""

    call_id: str
    started_at: datetime
    legs: tuple[LegAudio, ...]


@dataclass(slots=True, frozen=True)
class _Cause:
    why: str
    advice: str
    severity: Severity = Severity.PROBLEM


def suspicious(call: CallAudio) -> bool:
    """Tell whether a party of the call was not heard or heard nothing."""
    return any(is_silent(leg) or _hears_nothing(leg) for leg in call.legs)


def examine(calls: Sequence[CallAudio], rtp_ports: str) -> list[Finding]:
    """Tell which sides of which calls heard nothing, and why.

    Args:
        calls: recent ones, the newest first.
        rtp_ports: the RTP range in words, for the advice.
    """
    findings: list[Finding] = []
    for call in calls:
        findings.extend(_examine_call(call, rtp_ports))
    if len(findings) > _MOST_NAMED:
        more = len(findings) - _MOST_NAMED
        message = f"{more} more of the last {len(calls)} calls had trouble of this kind."
        findings = [*findings[:_MOST_NAMED], Finding(_SUBJECT, Severity.NOTE, "more_silence", message)]
    if findings:
        return findings
    if not calls:
        return [ok(_SUBJECT, "no_calls", "No call was answered within the last day.")]
    return [ok(_SUBJECT, "both_ways", f"Voice went both ways in the last {len(calls)} answered calls.")]


def is_silent(leg: LegAudio) -> bool:
    """Tell whether next to nothing came from a party."""
    return leg.seconds >= _SHORTEST and leg.received < leg.seconds * _PACKETS_A_SECOND * _FEW


def _hears_nothing(leg: LegAudio) -> bool:
    return leg.seconds >= _SHORTEST and leg.sent < leg.seconds * _PACKETS_A_SECOND * _FEW


def _examine_call(call: CallAudio, rtp_ports: str) -> list[Finding]:
    moment = f"{call.started_at:%Y-%m-%d %H:%M} UTC"
    silent = [leg for leg in call.legs if is_silent(leg)]
    findings = []
    for leg in silent:
        others = [other.party for other in call.legs if other is not leg and other.seconds >= _SHORTEST]
        who = " and ".join(others) or "the server"
        cause = _cause_of_disbelief(leg) or _cause_of_silence(leg, rtp_ports)
        message = (
            f"{who} heard nothing of {leg.party} in the call of {moment} ({leg.received} packets came): {cause.why}."
        )
        findings.append(Finding(_SUBJECT, cause.severity, "one_way_audio", message, cause.advice, call.call_id))
    for leg in call.legs:
        # Who hears nothing because the other side is silent is told above.
        if _hears_nothing(leg) and not [other for other in silent if other is not leg]:
            cause = _cause_of_deafness(leg)
            message = f"{leg.party} heard nothing in the call of {moment} ({leg.sent} packets left): {cause.why}."
            findings.append(Finding(_SUBJECT, cause.severity, "one_way_audio", message, cause.advice, call.call_id))
    return findings


def _cause_of_disbelief(leg: LegAudio) -> _Cause | None:
    """Return why packets of a party came in vain; None where next to none did."""
    if leg.rejected < leg.seconds * _PACKETS_A_SECOND * _FEW:
        return None
    hosts = (
        " and ".join(dict.fromkeys(filter(None, (leg.wants_voice_at, leg.signals_from)))) or "the one that was named"
    )
    why = f"{leg.rejected} packets came that were not believed: from another host than {hosts}, or not encrypted as agreed"
    advice = (
        "See where they come from with tcpdump. A carrier that sends voice from a host it never names needs "
        "RAMAL_MEDIA_VOICE_FROM_ANYWHERE=true; a NAT that gives a phone's voice another address than its signalling is to be mended."
    )
    return _Cause(why, advice)


def _cause_of_silence(leg: LegAudio, rtp_ports: str) -> _Cause:
    """Return why nothing came from a party, the surest cause first."""
    remote = leg.signals_from != "" and not is_loopback(leg.signals_from)
    if leg.direction in {"inactive", "recvonly"} or leg.wants_voice_at in _NOWHERE:
        why = f"its phone had put the call on hold or was muted (its SDP says {leg.direction or 'no address'})"
        return _Cause(why, "Nothing to do if that was meant.", Severity.NOTE)
    if remote and is_loopback(leg.told_address):
        why = f"it was told to send its voice to {leg.told_address}, which is itself"
        return _Cause(why, "Set RAMAL_SIP_ADVERTISED_ADDRESS to the address at which phones reach this server.")
    if remote and is_private(leg.told_address) and not is_private(leg.signals_from):
        why = f"it is outside ({leg.signals_from}) and was told to send its voice to the private address {leg.told_address}"
        advice = (
            f"Set RAMAL_SIP_ADVERTISED_ADDRESS to this site's public address, and forward {rtp_ports} to this machine."
        )
        return _Cause(why, advice)
    if remote and is_private(leg.wants_voice_at) and not is_private(leg.signals_from):
        why = (
            f"it is behind a NAT ({leg.wants_voice_at} seen as {leg.signals_from}) and none of its packets came through"
        )
        advice = f"Open {rtp_ports} in this site's firewall; at the phone's router, switch SIP ALG off and let UDP out."
        return _Cause(why, advice)
    if leg.wants_voice_at and leg.signals_from and leg.wants_voice_at != leg.signals_from:
        why = f"its voice was to come from {leg.wants_voice_at}, another host than its signalling ({leg.signals_from})"
        advice = f"See that the firewall lets {rtp_ports} in from {leg.wants_voice_at}, too."
        return _Cause(why, advice)
    why = f"it sent nothing to {leg.told_address or 'the address it was told'}, or a firewall dropped it"
    advice = (
        f"Open {rtp_ports} between it and this machine; on the phone, check the microphone and mute, and switch silence suppression "
        "off. `ramal trace` of the call shows both descriptions."
    )
    return _Cause(why, advice)


def _cause_of_deafness(leg: LegAudio) -> _Cause:
    if leg.direction in {"inactive", "sendonly"} or leg.wants_voice_at in _NOWHERE:
        return _Cause("its phone had put the call on hold", "Nothing to do if that was meant.", Severity.NOTE)
    why = "there was nothing to send, or no address to send it to"
    return _Cause(why, "See with `ramal trace` of the call which address its SDP names, and what the other side was.")
