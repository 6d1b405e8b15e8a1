"""A killed process's calls are ended at the next start: at the right time, once, with their recordings repaired."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from core.clock import ManualClock
from core.consumer import ConsumerRunner
from core.database import Database
from core.events import (
    CallEnded,
    CallFact,
    CallOffered,
    Direction,
    Disposition,
    LegAnswered,
    LegCreated,
    LegEnded,
    LegMoved,
    MediaAlive,
    PartyRole,
    RecordingFailed,
    RecordingStarted,
    RecordingStopped,
)
from core.journal import Journal
from pbx.open_calls import OpenCallKeeper, OpenCalls, first_open
from pbx.recovery import recover
from pbx.tables import OpenCallRow

START = ManualClock().now()


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def offered(call: str, seconds: float = 0) -> CallOffered:
    return CallOffered(
        at=at(seconds), call_id=call, direction=Direction.INTERNAL, from_number="1001", to_number="1002", dialled="1002"
    )


def created(call: str, leg: str, seconds: float = 0) -> LegCreated:
    return LegCreated(
        at=at(seconds), call_id=call, leg_id=leg, role=PartyRole.AGENT, number=leg, incoming=True, extension=leg
    )


async def journal_with(folder: Path, *facts: CallFact) -> Journal:
    journal = Journal(folder / "journal", "node1")
    for fact in facts:
        journal.append(fact)
    await journal.flushed()
    return journal


def after(journal: Journal, sequence: int) -> list[CallFact]:
    return [entry.fact for entry in journal.read(sequence)]


async def test_an_open_call_ends_when_it_was_last_alive(database: Database, tmp_path: Path) -> None:
    journal = await journal_with(
        tmp_path,
        offered("a"),
        created("a", "1001"),
        created("a", "1002", 1),
        LegAnswered(at=at(2), call_id="a", leg_id="1002"),
        MediaAlive(at=at(8), call_id="a", leg_ids=("1001", "1002")),
    )
    before = journal.last_sequence
    assert await recover(journal, database, tmp_path) == ["a"]
    reason = "The server stopped in mid-call"
    assert after(journal, before) == [
        LegEnded(at=at(8), call_id="a", leg_id="1001", reason=reason),
        LegEnded(at=at(8), call_id="a", leg_id="1002", reason=reason),
        CallEnded(at=at(8), call_id="a", disposition=Disposition.INTERRUPTED, reason=reason, recovered=True),
    ]
    assert await recover(journal, database, tmp_path) == []
    await journal.close()


async def test_finished_calls_are_left_alone(database: Database, tmp_path: Path) -> None:
    journal = await journal_with(
        tmp_path, offered("a"), CallEnded(at=at(1), call_id="a", disposition=Disposition.CANCELLED)
    )
    assert await recover(journal, database, tmp_path) == []
    async with database.reading() as session:
        assert (await session.scalars(select(OpenCallRow))).all() == []
    await journal.close()


async def test_a_recovery_that_was_killed_is_finished_by_the_next(database: Database, tmp_path: Path) -> None:
    journal = await journal_with(
        tmp_path,
        offered("a"),
        created("a", "1001"),
        created("a", "1002"),
        MediaAlive(at=at(5), call_id="a"),
        LegEnded(at=at(5), call_id="a", leg_id="1001"),
    )
    before = journal.last_sequence
    await recover(journal, database, tmp_path)
    facts = after(journal, before)
    assert [type(fact).__name__ for fact in facts] == ["LegEnded", "CallEnded"]
    assert {fact.at for fact in facts} == {at(5)}
    await journal.close()


async def test_a_moved_leg_ends_in_the_call_it_moved_to(database: Database, tmp_path: Path) -> None:
    journal = await journal_with(
        tmp_path,
        offered("a"),
        offered("b"),
        created("b", "1002", 1),
        LegMoved(at=at(3), call_id="a", leg_id="1002", from_call_id="b"),
    )
    before = journal.last_sequence
    assert await recover(journal, database, tmp_path) == ["a", "b"]
    ends = [fact for fact in after(journal, before) if isinstance(fact, LegEnded)]
    assert [(fact.call_id, fact.leg_id) for fact in ends] == [("a", "1002")]
    await journal.close()


async def test_a_torn_recording_is_repaired_and_a_lost_one_is_told(database: Database, tmp_path: Path) -> None:
    (tmp_path / "whole.wav").write_bytes(
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 2, 8000, 32000, 4, 16) + b"data\0\0\0\0" + bytes(4001)
    )
    journal = await journal_with(
        tmp_path,
        offered("a"),
        RecordingStarted(at=at(1), call_id="a", recording_id="r1", location="whole.wav", channels=2, sample_rate=8000),
        offered("b"),
        RecordingStarted(at=at(2), call_id="b", recording_id="r2", location="gone.wav", channels=2, sample_rate=8000),
    )
    before = journal.last_sequence
    await recover(journal, database, tmp_path)
    facts = after(journal, before)
    assert RecordingStopped(at=at(1), call_id="a", recording_id="r1", location="whole.wav", recovered=True) in facts
    assert [fact.recording_id for fact in facts if isinstance(fact, RecordingFailed)] == ["r2"]
    assert [fact.recording_id for fact in facts if isinstance(fact, RecordingStopped)] == ["r1", "r2"]
    await journal.close()


async def test_recovery_reads_from_the_oldest_open_call_only(database: Database, tmp_path: Path) -> None:
    story: list[CallFact] = []
    for index in range(50):
        story += [
            offered(f"old{index}"),
            CallEnded(at=at(1), call_id=f"old{index}", disposition=Disposition.CANCELLED),
        ]
    journal = await journal_with(tmp_path, *story, offered("open", 9))
    runner = ConsumerRunner(journal, database, OpenCalls(), batch=7)
    while await runner.step():
        pass
    async with database.reading() as session:
        assert await first_open(session, "node1") == {"open": 101}
    assert await recover(journal, database, tmp_path) == ["open"]
    await journal.close()


async def test_the_keeper_of_open_calls_never_holds_calls_up_by_reading_the_file(
    database: Database, tmp_path: Path
) -> None:
    journal = await journal_with(tmp_path)
    keeper = OpenCallKeeper(ConsumerRunner(journal, database, OpenCalls(), batch=7), interval=0.0)
    keeper.start()
    for index in range(20):
        journal.append(offered(f"c{index}"))
    await journal.flushed()
    # All others are done with these facts, and whoever opened the file now would find nothing.
    journal.taken("quick", 20)
    (segment,) = (tmp_path / "journal").glob("*.journal")
    segment.write_bytes(bytes(segment.stat().st_size))
    noted: dict[str, int] = {}
    while len(noted) < 20:
        async with database.reading() as session:
            noted = await first_open(session, "node1")
    assert noted == {f"c{index}": index + 1 for index in range(20)}
    await keeper.close()
    await journal.close()


def test_times_are_aware() -> None:
    assert START.tzinfo is UTC
