"""The voice of recent calls as the records have it, and, where it failed, what was said about it in SIP."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from core.events import Disposition
from pbx.call_trace import CallTraces, TraceMessage, TraceNotFoundError
from pbx.cdrs.queries import CdrFilter, CdrQueries
from pbx.cdrs.values import Cdr, CdrLeg
from ramal.doctor.audio import CallAudio, LegAudio, suspicious

_SINCE: Final = timedelta(days=1)
_MOST_CALLS: Final = 200
_MOST_TRACED: Final = 10
"""Calls whose messages are looked at; reading them takes a while."""
_ADDRESS: Final = re.compile(r"^c=IN IP[46] (\S+)", re.MULTILINE)
_DIRECTION: Final = re.compile(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", re.MULTILINE)


async def gather(cdrs: CdrQueries, traces: CallTraces, now: datetime) -> list[CallAudio]:
    """Return the voice of the calls that were answered within a day, the newest first."""
    page = await cdrs.page(CdrFilter(begin=now - _SINCE, disposition=Disposition.ANSWERED), limit=_MOST_CALLS)
    calls = []
    traced = 0
    for cdr in page.items:
        legs = [leg for leg in cdr.legs if leg.answered_at and leg.ended_at and leg.packets_received is not None]
        call = CallAudio(cdr.call_id, cdr.started_at, tuple(map(_voice, legs)))
        if suspicious(call) and traced < _MOST_TRACED:
            traced += 1
            call = await _with_descriptions(call, cdr, legs, traces)
        calls.append(call)
    return calls


def _voice(leg: CdrLeg) -> LegAudio:
    seconds = (leg.ended_at - leg.answered_at).total_seconds() if leg.ended_at and leg.answered_at else 0.0
    party = f"extension {leg.extension}" if leg.extension else f"trunk {leg.trunk}" if leg.trunk else leg.number
    received, sent, rejected = leg.packets_received or 0, leg.packets_sent or 0, leg.packets_rejected or 0
    return LegAudio(party, seconds, received, sent, rejected=rejected)


async def _with_descriptions(call: CallAudio, cdr: Cdr, legs: list[CdrLeg], traces: CallTraces) -> CallAudio:
    try:
        trace = await traces.find(cdr.call_id)
    except TraceNotFoundError:
        return call
    messages = trace.messages
    described = [
        describe(voice, [message for message in messages if message.leg_id == leg.leg_id])
        for voice, leg in zip(call.legs, legs, strict=True)
    ]
    return replace(call, legs=tuple(described))


def describe(voice: LegAudio, messages: list[TraceMessage]) -> LegAudio:
    """Add to a leg's voice what its SIP messages say: who sent from where, and wanted what to be sent where."""
    sources = [message.source for message in messages if not message.sent]
    theirs = [message.text for message in messages if not message.sent and "\nv=0" in message.text]
    ours = [message.text for message in messages if message.sent and "\nv=0" in message.text]
    directions = _DIRECTION.findall(theirs[-1]) if theirs else []
    return replace(
        voice,
        signals_from=sources[0].rpartition(":")[0].strip("[]") if sources else "",
        wants_voice_at=_last_address(theirs),
        told_address=_last_address(ours),
        direction=directions[-1] if directions else "",
    )


def _last_address(descriptions: list[str]) -> str:
    found = _ADDRESS.findall(descriptions[-1]) if descriptions else []
    # The address of the medium stands below the session's and counts (RFC 8866 section 5.7).
    return str(found[-1]) if found else ""
