"""The call journal: an append-only file of facts, the one source that CDRs, bills and CRM activities are made from.

A record is framed as `length (4 bytes, big endian) | CRC-32 of the body (4) | body (msgpack)`. `append` gives the fact its sequence
number at once and buffers it; a thread writes and fsyncs whole groups, so that many facts share one fsync. What a kill tears off at
the end of the file is cut away at the next start. Sequences are monotonic per node and never reused.
"""

from __future__ import annotations

import asyncio
import bisect
import collections
import io
import itertools
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from core.errors import StorageError
from core.events import CallFact
from core.tasks import stopped

log = structlog.get_logger(__name__)

_HEADER: Final = struct.Struct(">II")
_MAX_RECORD: Final = 1 << 20
_SEGMENT_BYTES: Final = 64 << 20
_GATHER_SECONDS: Final = 0.01
"""How long facts gather for one write; a kill loses at most those."""
_TAIL_ENTRIES: Final = 32_768
"""The newest entries that some reader has still to take are kept in memory, so that who keeps up never reads the file again."""
_MARK_EVERY: Final = 1_000
"""Entries between two whose place in the file is remembered, so that one who fell behind need not read it from its beginning."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A fact with its place in the journal."""

    sequence: int
    fact: CallFact


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


class JournalError(StorageError):
    """The journal cannot be written or is damaged in the middle."""

    id = "core.journal"


class Journal:
    """The journal of one node, in a folder of segment files named by their first sequence."""

    def __init__(self, folder: Path, node: str, *, segment_bytes: int = _SEGMENT_BYTES) -> None:
        """Open the journal, repairing its torn end.

        Args:
            folder: where the segments live; created when missing.
            node: this node's name; consumers key their effects by (node, sequence).
            segment_bytes: a segment that has grown past this is followed by a new one.

        Raises:
            JournalError: the folder cannot be written, or a segment is damaged before its end.
        """
        self.node = node
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._listeners: list[Callable[[Entry], None]] = []
        self._tail: collections.deque[Entry] = collections.deque(maxlen=_TAIL_ENTRIES)
        self._taken: dict[str, int] = {}
        self._marks: dict[int, list[tuple[int, int]]] = {}
        """By the first sequence of a segment: sequences and the bytes at which their records begin."""
        self._buffer: list[bytes] = []
        self._grown = asyncio.Event()
        self._durable = asyncio.Condition()
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.last_sequence = self._repair()
            self._file = self._open_segment()
            self._segment = int(Path(os.fsdecode(self._file.name)).stem)
            """The first sequence of the segment that is written."""
            self._written = os.fstat(self._file.fileno()).st_size
            self._torn = False
            """Whether a write has failed, and may have left something behind what is written."""
        except OSError as error:
            raise JournalError(
                f"The call journal in {folder} cannot be written: {error.strerror}.",
                hint="Give the server's user write access to the data folder, or free some disk space.",
            ) from error
        self.durable_sequence = self.last_sequence

    @property
    def failing(self) -> bool:
        """Whether the disk refuses new facts at present."""
        return self._failure is not None

    def listen(self, listener: Callable[[Entry], None]) -> None:
        """Call `listener` with every new entry, at once and on the event loop."""
        self._listeners.append(listener)

    def append(self, fact: CallFact) -> int:
        """Add a fact and return its sequence. It is durable once `flushed` has returned."""
        sequence = self.last_sequence + 1
        entry = Entry(sequence, fact)
        body = _encoder.encode(entry)
        if not self._buffer:
            self._grow()
        self._buffer.append(_HEADER.pack(len(body), zlib.crc32(body)) + body)
        self._tail.append(entry)
        self.last_sequence = sequence
        for listener in self._listeners:
            listener(entry)
        return sequence

    def _grow(self) -> None:
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_groups(), name="journal")
        self._grown.set()

    async def flushed(self, sequence: int | None = None) -> None:
        """Wait until the fact with this sequence (default: the last one) is on disk.

        Raises:
            JournalError: the disk refuses it; the fact stays buffered and is tried again.
        """
        wanted = self.last_sequence if sequence is None else sequence
        async with self._durable:
            while self.durable_sequence < wanted:
                if self._failure is not None:
                    raise JournalError(f"The call journal cannot be written: {self._failure}.") from self._failure
                await self._durable.wait()

    async def wait_beyond(self, sequence: int) -> None:
        """Wait until there are durable facts after `sequence`."""
        async with self._durable:
            await self._durable.wait_for(lambda: self.durable_sequence > sequence)

    def read(self, after: int = 0, limit: int | None = None) -> list[Entry]:
        """Return durable entries with a sequence above `after`, oldest first, at most `limit`."""
        if after >= self.durable_sequence:
            return []
        if self._tail and self._tail[0].sequence <= after + 1:
            # From the end, where those who keep up begin; a deque is slow in its middle.
            wanted = self.durable_sequence - after if limit is None else min(limit, self.durable_sequence - after)
            newer = self.last_sequence - after - wanted
            found = list(itertools.islice(reversed(self._tail), newer, newer + wanted))
            found.reverse()
            return found
        entries: list[Entry] = []
        segments = self._segments()
        for index, (first, path) in enumerate(segments):
            following = segments[index + 1][0] if index + 1 < len(segments) else None
            if following is not None and following <= after + 1:
                continue
            for entry, _end in _records(path, self._place(first, after + 1)):
                if entry.sequence > self.durable_sequence:
                    return entries
                if entry.sequence > after:
                    entries.append(entry)
                    if limit is not None and len(entries) >= limit:
                        return entries
        return entries

    def taken(self, reader: str, sequence: int) -> None:
        """Take note of how far a standing reader has got: what all of them have taken need not be kept in memory."""
        self._taken[reader] = sequence
        done, tail = min(self._taken.values()), self._tail
        while tail and tail[0].sequence <= done:
            tail.popleft()

    def left(self, reader: str) -> None:
        """Take note that a reader reads no more."""
        self._taken.pop(reader, None)

    def _mark(self, segment: int, sequence: int, place: int) -> None:
        """Remember where a record begins in its segment, if none shortly before it is known."""
        marks = self._marks.setdefault(segment, [])
        if not marks or sequence - marks[-1][0] >= _MARK_EVERY:
            marks.append((sequence, place))

    def _place(self, segment: int, sequence: int) -> int:
        """Return a byte of a segment at which a record at or before this sequence begins."""
        marks = self._marks.get(segment, [])
        index = bisect.bisect_right(marks, sequence, key=lambda mark: mark[0]) - 1
        return marks[index][1] if index >= 0 else 0

    async def close(self) -> None:
        """Write out what is buffered and close the file."""
        try:
            if self._writer is not None:
                await self.flushed()
        finally:
            await stopped(self._writer)
            self._writer = None
            self._file.close()

    async def _write_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._grown.wait()
            # A write and its fsync cost the same for one fact as for twenty.
            await asyncio.sleep(_GATHER_SECONDS)
            self._grown.clear()
            group, until = self._buffer, self.last_sequence
            self._buffer = []
            data = b"".join(group)
            try:
                await loop.run_in_executor(None, self._write, data)
            except OSError as error:
                log.warning("journal_write_failed", error=str(error))
                self._buffer = group + self._buffer
                await self._announce(failure=error)
                await asyncio.sleep(1.0)
                self._grown.set()
                continue
            self._mark(self._segment, until - len(group) + 1, self._written - len(data))
            await self._announce(until=until)

    async def _announce(self, *, until: int | None = None, failure: BaseException | None = None) -> None:
        async with self._durable:
            self._failure = failure
            if until is not None:
                self.durable_sequence = until
            self._durable.notify_all()

    def _write(self, data: bytes) -> None:
        """Write a group and fsync it; runs in a thread.

        A segment that is full is followed by a new one before the group, so that whatever fails, the group is either whole and
        durable or not there at all, and can be written again.
        """
        if self._written >= self._segment_bytes:
            first = self.durable_sequence + 1
            following = self._open_segment(first)
            self._file.close()
            self._file, self._segment, self._written = following, first, 0
        if self._torn:
            # Cut off here and not where the write failed, for the disk may have refused that too.
            os.ftruncate(self._file.fileno(), self._written)
        self._torn = True
        written = 0
        while written < len(data):
            written += self._file.write(data[written:])
        os.fsync(self._file.fileno())
        self._written += len(data)
        self._torn = False

    def _open_segment(self, first: int | None = None) -> io.FileIO:
        """Open the segment that begins with sequence `first`, or by default the last one there is."""
        segments = self._segments()
        if first is None and segments:
            return io.FileIO(segments[-1][1], "ab")
        # A file is only sure to be found again after a loss of power when its folder is on disk too.
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            file = io.FileIO(self._folder / f"{first or 1:020d}.journal", "ab")
            os.fsync(folder)
        finally:
            os.close(folder)
        return file

    def _segments(self) -> list[tuple[int, Path]]:
        return sorted((int(path.stem), path) for path in self._folder.glob("*.journal") if path.stem.isdigit())

    def _repair(self) -> int:
        """Cut off a torn record at the end of the last segment; return the last sequence."""
        last = 0
        segments = self._segments()
        for index, (first, path) in enumerate(segments):
            end = 0
            last = max(last, first - 1)
            for entry, record_end in _records(path):
                self._mark(first, entry.sequence, end)
                last, end = entry.sequence, record_end
            if end == path.stat().st_size:
                continue
            if index + 1 < len(segments):
                raise JournalError(
                    f"The call journal {path} is damaged at byte {end}.", hint="Restore the file from a backup."
                )
            log.warning("journal_torn_end_cut", file=path.name, kept_bytes=end, lost_bytes=path.stat().st_size - end)
            os.truncate(path, end)
        return last


def _records(path: Path, start: int = 0) -> Iterator[tuple[Entry, int]]:
    """Yield each whole record from byte `start` on with the offset of its end; stop at the first that is torn or damaged."""
    end = start
    with path.open("rb") as file:
        file.seek(start)
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, checksum = _HEADER.unpack(header)
            if length > _MAX_RECORD:
                return
            body = file.read(length)
            if len(body) != length or zlib.crc32(body) != checksum:
                return
            try:
                entry = _decoder.decode(body)
            except msgspec.DecodeError:
                return
            end += _HEADER.size + length
            yield entry, end
