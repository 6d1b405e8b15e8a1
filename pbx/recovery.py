"""After a killed process: every call that has no end in the journal gets one, at the last time its media was alive.

The journal itself is the only state: what a recovery that was killed in turn had written already is seen by the next one, so each
end is written exactly once. Recordings are made whole before their end is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from core.consumer import ConsumerRunner
from core.database import Database
from core.events import (
    CallEnded,
    CallFact,
    CallOffered,
    Disposition,
    LegCreated,
    LegEnded,
    LegMoved,
    RecordingFailed,
    RecordingStarted,
    RecordingStopped,
)
from core.journal import Entry, Journal
from media.errors import MediaError
from media.recording_file import repair
from pbx.open_calls import OpenCalls, first_open

log = structlog.get_logger(__name__)

_BATCH: Final = 5000
_REASON: Final = "The server stopped in mid-call"


@dataclass(slots=True)
class OpenCall:
    """What the journal tells of a call that has no end."""

    id: str
    alive_until: datetime
    """When the call was last seen alive: `MediaAlive` tells it every few seconds while voice flows, any other fact does too."""
    legs: dict[str, None] = field(default_factory=dict)
    recordings: dict[str, str] = field(default_factory=dict)
    """The location of each recording that was not stopped, by its id."""


def unfinished(entries: Iterable[Entry]) -> dict[str, OpenCall]:
    """Return the calls that these entries begin and do not end, oldest first."""
    calls: dict[str, OpenCall] = {}
    for entry in entries:
        fact = entry.fact
        if isinstance(fact, CallOffered):
            calls[fact.call_id] = OpenCall(fact.call_id, fact.at)
        elif isinstance(fact, CallEnded):
            calls.pop(fact.call_id, None)
        elif (call := calls.get(fact.call_id)) is not None:
            _take(call, fact, calls)
    return calls


def _take(call: OpenCall, fact: CallFact, calls: dict[str, OpenCall]) -> None:
    # A recovery's own facts carry the time of the end that it had found: they move nothing.
    call.alive_until = max(call.alive_until, fact.at)
    match fact:
        case LegCreated(leg_id=leg_id):
            call.legs[leg_id] = None
        case LegMoved(leg_id=leg_id, from_call_id=other):
            call.legs[leg_id] = None
            if other in calls:
                calls[other].legs.pop(leg_id, None)
        case LegEnded(leg_id=leg_id):
            call.legs.pop(leg_id, None)
        case RecordingStarted(recording_id=recording_id, location=location):
            call.recordings[recording_id] = location
        case RecordingStopped(recording_id=recording_id):
            call.recordings.pop(recording_id, None)
        case _:
            pass


async def recover(journal: Journal, database: Database, recordings: Path) -> list[str]:
    """End the calls that a killed process left open; return their ids.

    To be called before the first new call, and before other consumers start.

    Args:
        journal: this node's journal.
        database: where the open calls are kept.
        recordings: the folder that recordings' locations are relative to.
    """
    runner = ConsumerRunner(journal, database, OpenCalls())
    while await runner.step():
        pass
    async with database.reading() as session:
        known = await first_open(session, journal.node)
    if not known:
        return []
    calls = unfinished(_read(journal, min(known.values()) - 1))
    for call in calls.values():
        for fact in closing_facts(call, recordings):
            journal.append(fact)
        log.warning("call_recovered", call_id=call.id, ended_at=call.alive_until.isoformat(), legs=len(call.legs))
    if calls:
        await journal.flushed()
    return list(calls)


def closing_facts(call: OpenCall, recordings: Path) -> Sequence[CallFact]:
    """Repair what the call had recorded, and return the facts that are missing at its end."""
    at = call.alive_until
    facts: list[CallFact] = [LegEnded(at=at, call_id=call.id, leg_id=leg, reason=_REASON) for leg in call.legs]
    for recording_id, location in call.recordings.items():
        trouble = _repair(recordings / location)
        if trouble:
            facts.append(RecordingFailed(at=at, call_id=call.id, recording_id=recording_id, reason=trouble))
        facts.append(
            RecordingStopped(at=at, call_id=call.id, recording_id=recording_id, location=location, recovered=True)
        )
    facts.append(CallEnded(at=at, call_id=call.id, disposition=Disposition.INTERRUPTED, reason=_REASON, recovered=True))
    return facts


def _repair(path: Path) -> str:
    try:
        repair(path)
    except (MediaError, OSError) as error:
        log.warning("recording_not_repaired", file=path.name, error=str(error))
        return f"The recording could not be repaired: {error}"
    return ""


def _read(journal: Journal, after: int) -> Iterable[Entry]:
    while batch := journal.read(after, _BATCH):
        yield from batch
        after = batch[-1].sequence
