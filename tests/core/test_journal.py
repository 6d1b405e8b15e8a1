"""The call journal: order, durability, and what a kill leaves behind."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.events import CallEnded, CallFact, Disposition
from core.journal import Entry, Journal, JournalError
from tests.support.kept import kept_by

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def ended(call: str) -> CallFact:
    return CallEnded(at=AT, call_id=call, disposition=Disposition.ANSWERED)


async def test_facts_come_back_in_order_with_their_sequence(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1")
    for index in range(100):
        assert journal.append(ended(f"c{index}")) == index + 1
    await journal.flushed()
    assert [entry.sequence for entry in journal.read(after=40)] == list(range(41, 101))
    assert [entry.fact.call_id for entry in journal.read(after=97)] == ["c97", "c98", "c99"]
    assert len(journal.read(limit=7)) == 7
    await journal.close()


async def test_a_fact_is_not_read_before_it_is_durable(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1")
    journal.append(ended("c"))
    assert journal.read() == []
    await journal.flushed()
    assert len(journal.read()) == 1
    await journal.close()


async def test_the_sequence_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = Journal(tmp_path, "n1")
    first.append(ended("a"))
    await first.close()
    second = Journal(tmp_path, "n1")
    assert second.append(ended("b")) == 2
    await second.close()
    third = Journal(tmp_path, "n1")
    assert [entry.fact.call_id for entry in third.read()] == ["a", "b"]
    await third.close()


@pytest.mark.parametrize("lost", [1, 5, 20])
async def test_a_torn_last_record_is_cut_away_and_its_sequence_used_again(tmp_path: Path, lost: int) -> None:
    journal = Journal(tmp_path, "n1")
    journal.append(ended("a"))
    journal.append(ended("b"))
    await journal.close()
    (segment,) = tmp_path.glob("*.journal")
    segment.write_bytes(segment.read_bytes()[:-lost])
    again = Journal(tmp_path, "n1")
    assert [entry.fact.call_id for entry in again.read()] == ["a"]
    assert again.append(ended("c")) == 2
    await again.close()


async def test_segments_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1", segment_bytes=500)
    for index in range(60):
        journal.append(ended(f"c{index}"))
        await journal.flushed()
    await journal.close()
    assert len(list(tmp_path.glob("*.journal"))) > 3
    again = Journal(tmp_path, "n1", segment_bytes=500)
    assert [entry.sequence for entry in again.read()] == list(range(1, 61))
    assert [entry.sequence for entry in again.read(after=31, limit=3)] == [32, 33, 34]
    await again.close()


async def test_damage_in_an_older_segment_is_refused_with_the_place(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1", segment_bytes=100)
    for index in range(10):
        journal.append(ended(f"c{index}"))
        await journal.flushed()
    await journal.close()
    first = sorted(tmp_path.glob("*.journal"))[0]
    data = bytearray(first.read_bytes())
    data[20] ^= 0xFF
    first.write_bytes(data)
    with pytest.raises(JournalError, match="damaged at byte 0"):
        Journal(tmp_path, "n1")


async def test_a_folder_that_is_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    with pytest.raises(JournalError, match="write access"):
        Journal(tmp_path / "journal", "n1")


async def test_a_full_disk_keeps_the_facts_and_writes_them_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "n1")
    journal.append(ended("a"))
    await journal.flushed()
    real_write = journal._write

    def refuse(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_write", refuse)
    journal.append(ended("b"))
    with pytest.raises(JournalError, match="No space left"):
        await journal.flushed()
    monkeypatch.setattr(journal, "_write", real_write)
    await journal.wait_beyond(1)
    assert [entry.fact.call_id for entry in journal.read()] == ["a", "b"]
    await journal.close()


async def test_a_disk_that_refuses_even_to_cut_a_half_written_group_off_damages_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "n1")
    journal.append(ended("a"))
    await journal.flushed()

    def refuse(*_arguments: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr("core.journal.os.fsync", refuse)
        journal.append(ended("b"))
        with pytest.raises(JournalError, match="Input/output"):
            await journal.flushed()
        broken.setattr("core.journal.os.ftruncate", refuse)
        journal._grown.set()
        with pytest.raises(JournalError, match="Input/output"):
            await journal.flushed()
    await journal.wait_beyond(1)
    await journal.close()
    again = Journal(tmp_path, "n1")
    assert [entry.fact.call_id for entry in again.read()] == ["a", "b"]
    await again.close()


async def test_a_segment_that_cannot_be_begun_is_begun_later_and_no_fact_is_lost_or_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "n1", segment_bytes=50)
    journal.append(ended("a"))
    await journal.flushed()
    with monkeypatch.context() as broken:

        def refuse(*_arguments: object) -> None:
            raise OSError(24, "Too many open files")

        broken.setattr("core.journal.os.open", refuse)
        journal.append(ended("b"))
        with pytest.raises(JournalError, match="Too many open files"):
            await journal.flushed()
    await journal.wait_beyond(1)
    await journal.close()
    assert len(list(tmp_path.glob("*.journal"))) == 2
    again = Journal(tmp_path, "n1", segment_bytes=50)
    assert [(entry.sequence, entry.fact.call_id) for entry in again.read()] == [(1, "a"), (2, "b")]
    await again.close()


async def test_the_sequence_goes_on_after_a_restart_between_two_segments(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1", segment_bytes=50)
    journal.append(ended("a"))
    await journal.close()
    again = Journal(tmp_path, "n1", segment_bytes=50)
    assert again.append(ended("b")) == 2
    await again.close()
    third = Journal(tmp_path, "n1", segment_bytes=50)
    assert [entry.sequence for entry in third.read()] == [1, 2]
    assert len(list(tmp_path.glob("*.journal"))) == 2
    await third.close()


async def test_one_who_fell_behind_is_read_to_from_near_its_place_and_not_from_the_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.journal._TAIL_ENTRIES", 10)
    journal = Journal(tmp_path, "n1")
    for index in range(3000):
        journal.append(ended(f"c{index}"))
        if index % 100 == 99:
            await journal.flushed()
    (segment,) = tmp_path.glob("*.journal")
    restarted = Journal(tmp_path, "n1")
    # What is unreadable now would end a reader who came past it.
    with segment.open("r+b") as file:
        file.write(bytes(200))
    for either in (journal, restarted):
        assert [entry.sequence for entry in either.read(after=2500, limit=400)] == list(range(2501, 2901))
        assert either.read(after=0) == []
    await journal.close()
    await restarted.close()


async def test_each_segment_is_read_from_its_own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.journal._TAIL_ENTRIES", 10)
    journal = Journal(tmp_path, "n1", segment_bytes=50_000)
    for index in range(4000):
        journal.append(ended(f"c{index}"))
        if index % 50 == 49:
            await journal.flushed()
    assert len(list(tmp_path.glob("*.journal"))) > 3
    for after in (0, 1, 999, 1000, 1001, 2345, 3989):
        assert [entry.sequence for entry in journal.read(after, 1500)] == list(
            range(after + 1, min(after + 1500, 4000) + 1)
        )
    await journal.close()


async def test_what_every_reader_has_taken_is_kept_on_disk_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1")

    def kept() -> list[int]:
        return sorted(one.sequence for one in kept_by(journal) if isinstance(one, Entry))

    journal.taken("quick", 0)
    journal.taken("slow", 0)
    for index in range(10):
        journal.append(ended(f"c{index}"))
    await journal.flushed()
    journal.taken("quick", 10)
    assert kept() == list(range(1, 11))
    journal.taken("slow", 7)
    assert kept() == [8, 9, 10]
    assert [entry.sequence for entry in journal.read(after=5, limit=4)] == [6, 7, 8, 9]
    journal.left("slow")
    journal.taken("quick", 10)
    assert kept() == []
    assert [entry.sequence for entry in journal.read(after=8)] == [9, 10]
    assert journal.read(after=10) == []
    journal.append(ended("late"))
    await journal.flushed()
    assert [entry.fact.call_id for entry in journal.read(after=10)] == ["late"]
    await journal.close()


async def test_a_fact_that_cannot_be_written_is_refused_and_takes_no_place(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n1")
    with pytest.raises(UnicodeEncodeError):
        journal.append(ended("\ud800"))
    assert journal.append(ended("a")) == 1
    await journal.flushed()
    assert [entry.sequence for entry in journal.read()] == [1]
    await journal.close()
