"""The SIP messages of a call with all its legs, found by the call's id or by the SIP Call-ID of any leg."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from core.errors import NotFoundError
from core.identifiers import time_of
from core.visible import visible
from pbx.cdrs.errors import CdrNotFoundError
from pbx.cdrs.queries import CdrQueries
from pbx.cdrs.values import Cdr, CdrLeg
from sip.trace.ladder import ladder, repeated
from sip.trace.pcap import pcap
from sip.trace.segments import Window, find
from sip.trace.values import End, TracedMessage

_MOST_MESSAGES: Final = 5000
_LONGEST_ID: Final = 255
_BEFORE_SECONDS: Final = 10.0
"""A call's record begins when its INVITE was understood, its messages may be challenged ones before that."""
_AFTER_SECONDS: Final = 70.0
"""How long messages of a call come after its end: BYE and its retransmissions, a NOTIFY that is repeated (RFC 3261 table 4)."""


_NEW_SECONDS: Final = 60.0
_RECORD_SECONDS: Final = 3.0
"""How long the record of a new call is waited for: what makes it rests between its transactions."""
_LOOK_SECONDS: Final = 0.1


class TraceNotFoundError(NotFoundError):
    """No SIP messages of the call are kept."""

    id = "pbx.trace_not_found"


@dataclass(slots=True, frozen=True, kw_only=True)
class TraceMessage:
    """A SIP message of the call."""

    at: datetime
    sent: bool
    """Whether we sent it; else it was received."""
    transport: str
    source: str
    """`host:port`."""
    destination: str
    sip_call_id: str
    leg_id: str | None
    party: str
    """Who is at the other end: `extension 1001`, `trunk carrier`; empty when unknown."""
    summary: str
    """Method, or status and reason."""
    again: bool
    """Whether the same bytes went the same way before: a retransmission."""
    text: str
    """The whole message, secrets masked."""


class CallTrace:
    """What was said in SIP about a call."""

    def __init__(self, cdr: Cdr | None, messages: Sequence[TracedMessage], *, truncated: bool) -> None:
        self._legs = {leg.sip_call_id: leg for leg in cdr.legs} if cdr is not None else {}
        self._cdr = cdr
        self._messages = messages
        self.truncated = truncated
        """Whether there were more messages; the first 5000 are here."""

    @property
    def call_id(self) -> str | None:
        """The call's id; None for messages that made no call, such as a refused INVITE."""
        return self._cdr.call_id if self._cdr is not None else None

    @property
    def sip_call_ids(self) -> list[str]:
        """The SIP Call-IDs in the order in which they appeared."""
        return list(dict.fromkeys(message.call_id for message in self._messages))

    @property
    def messages(self) -> list[TraceMessage]:
        """The messages in the order of time."""
        return [
            self._shown(message, again=again)
            for message, again in zip(self._messages, repeated(self._messages), strict=True)
        ]

    def text(self, *, whole: bool = False) -> str:
        """Return the ladder, and the messages themselves if wanted."""
        lines = [*self._heading(), "", ladder(self._messages, self._names())]
        if self.truncated:
            lines.append(f"Only the first {len(self._messages)} messages are shown.\n")
        if whole:
            for message in self.messages:
                moment = message.at.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
                lines.append(f"--- {moment} {message.transport} {message.source} -> {message.destination}")
                lines.append(message.text.replace("\r\n", "\n").rstrip() + "\n")
        return visible("\n".join(lines))

    def json(self) -> str:
        """Return all of it as JSON, with the fields that the API shows."""
        values = {
            "call_id": self.call_id,
            "sip_call_ids": self.sip_call_ids,
            "truncated": self.truncated,
            "messages": self.messages,
        }
        return msgspec.json.format(msgspec.json.encode(values)).decode() + "\n"

    def pcap(self) -> bytes:
        """Return the messages as a capture file for Wireshark."""
        return pcap(self._messages)

    def _heading(self) -> list[str]:
        day = datetime.fromtimestamp(self._messages[0].time, UTC).strftime("%Y-%m-%d")
        cdr = self._cdr
        title = (
            f"Call {cdr.call_id}: {cdr.direction}, {cdr.from_number or 'unknown'} -> {cdr.to_number or cdr.dialled}"
            if cdr is not None
            else "No call was made of these messages"
        )
        result = f", {cdr.disposition}" if cdr is not None and cdr.disposition else ""
        lines = [f"{title}{result}; {len(self._messages)} messages on {day} (UTC)"]
        for sip_call_id in self.sip_call_ids:
            leg = self._legs.get(sip_call_id)
            lines.append(f"  {_party(leg) or 'unknown'}: Call-ID {sip_call_id}")
        return lines

    def _names(self) -> dict[End, str]:
        names: dict[End, str] = {}
        for message in self._messages:
            names.setdefault(message.peer, _party(self._legs.get(message.call_id)))
        return names

    def _shown(self, message: TracedMessage, *, again: bool) -> TraceMessage:
        sip_call_id = message.call_id
        leg = self._legs.get(sip_call_id)
        return TraceMessage(
            at=datetime.fromtimestamp(message.time, UTC),
            sent=message.sent,
            transport=message.transport,
            source=str(message.source),
            destination=str(message.destination),
            sip_call_id=sip_call_id,
            leg_id=leg.leg_id if leg is not None else None,
            party=_party(leg),
            summary=message.summary,
            again=again,
            text=message.text,
        )


class CallTraces:
    """Finds what was said about a call."""

    def __init__(self, cdrs: CdrQueries, folder: Path, flush: Callable[[], None] | None = None) -> None:
        """Look in a folder.

        Args:
            cdrs: know the calls and their legs.
            folder: where the tracer writes.
            flush: has the tracer of this process write what it holds, and blocks; None: another process writes.
        """
        self._cdrs = cdrs
        self._folder = folder
        self._flush = flush
        self._reading = asyncio.Semaphore(1)
        """Reading a whole ring takes a core for seconds: one at a time."""

    async def find(self, call: str) -> CallTrace:
        """Return the messages of a call.

        Args:
            call: its id, live or over, or the SIP Call-ID of one of its legs.

        Raises:
            TraceNotFoundError: no messages are kept of such a call.
        """
        if not 0 < len(call) <= _LONGEST_ID or not call.isprintable():
            raise TraceNotFoundError("That is neither the id of a call nor a SIP Call-ID.")
        async with self._reading:
            if self._flush is not None:
                await asyncio.to_thread(self._flush)
            cdr = await self._record(call)
            if cdr is not None:
                legs = {leg.sip_call_id for leg in cdr.legs if leg.sip_call_id}
                found = await asyncio.to_thread(find, self._folder, legs, _window(cdr), most=_MOST_MESSAGES)
            else:
                found = await asyncio.to_thread(find, self._folder, {call}, None, most=_MOST_MESSAGES)
        if not found.messages:
            raise TraceNotFoundError(
                f"No SIP messages are kept of a call “{call[:80]}”.",
                hint="They are kept for RAMAL_TRACE_DAYS days in RAMAL_TRACE_MEGABYTES; RAMAL_TRACE_ENABLED=false keeps none.",
            )
        return CallTrace(cdr, found.messages, truncated=found.truncated)

    async def _record(self, call: str) -> Cdr | None:
        """Return the record of the call of this id, or with a leg of this SIP Call-ID."""
        deadline = time.monotonic() + _RECORD_SECONDS
        while True:
            try:
                return await self._cdrs.get(call)
            except CdrNotFoundError:
                # That of a call which has only just begun is on its way.
                if not _is_new(call) or time.monotonic() >= deadline:
                    break
            await asyncio.sleep(_LOOK_SECONDS)
        first = await asyncio.to_thread(find, self._folder, {call}, None, most=1)
        if not first.messages:
            return None
        return await self._cdrs.with_leg(call, datetime.fromtimestamp(first.messages[0].time, UTC))


def _is_new(call: str) -> bool:
    """Tell whether this is the id of a call that began within the last minute: the ids tell when they were made."""
    made = time_of(call)
    return made is not None and abs(time.time() - made) < _NEW_SECONDS


def _window(cdr: Cdr) -> Window:
    begin = min([cdr.started_at, *(leg.created_at for leg in cdr.legs)]).timestamp()
    end = cdr.ended_at.timestamp() if cdr.ended_at is not None else time.time()
    return Window(begin - _BEFORE_SECONDS, end + _AFTER_SECONDS)


def _party(leg: CdrLeg | None) -> str:
    if leg is None:
        return ""
    if leg.extension:
        return f"extension {leg.extension}"
    return f"trunk {leg.trunk}" if leg.trunk else leg.number
