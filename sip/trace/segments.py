"""The trace's files: a ring of segments that never takes more room, nor grows older, than it may.

A segment is a file of blocks named by the millisecond it began at. A block is a header (`_BLOCK`) and records, compressed or not;
a record is `_RECORD`, the two ends and the message. What a kill tears off at the end of a file ends the reading of that file.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from sip.trace.values import End, TracedMessage, call_id_of

_BLOCK: Final = struct.Struct(">4sBddII")
"""Mark, whether compressed, times of the first and the last message, raw bytes, stored bytes."""
_MARK: Final = b"RTR1"
_RECORD: Final = struct.Struct(">dBI")
"""Time, bytes of the ends, bytes of the message."""
_SUFFIX: Final = ".trace"
_SEGMENTS: Final = 16
"""Into how many files the room is cut: the oldest is dropped whole."""
_SMALLEST_SEGMENT: Final = 64 * 1024
_LARGEST_BLOCK: Final = 64 << 20
"""More than a block ever has: a header that says so is damaged."""
_SLACK: Final = 1.0
"""Seconds: a segment's name is rounded, and clocks are set."""


def encode_ends(transport: str, *, sent: bool, local: End, peer: End) -> bytes:
    """Return the two ends of a message as records hold them, at most 255 bytes."""
    text = "\t".join(
        (
            "s" if sent else "r",
            transport[:8],
            local.host[:90],
            str(local.port),
            peer.host[:90],
            str(peer.port),
        )
    )
    return text.encode("ascii", "replace")


def encode_record(time: float, ends: bytes, payload: bytes) -> bytes:
    """Return a record."""
    return _RECORD.pack(time, len(ends), len(payload)) + ends + payload


def encode_block(records: list[bytes], first: float, last: float, *, compress: bool) -> bytes:
    """Return a block of records."""
    raw = b"".join(records)
    stored = zlib.compress(raw, 1) if compress else raw
    return _BLOCK.pack(_MARK, compress, first, last, len(raw), len(stored)) + stored


class SegmentRing:
    """Appends blocks, and drops the oldest segments when there are too many bytes or they are too old."""

    def __init__(self, folder: Path, *, most_bytes: int, most_seconds: float) -> None:
        """Take up the ring in a folder.

        Args:
            folder: where the segments are; made when missing.
            most_bytes: all segments together never take more.
            most_seconds: a segment is dropped when its newest message is older.

        Raises:
            OSError: the folder cannot be made or read.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_seconds = most_seconds
        self._segment_bytes = max(most_bytes // _SEGMENTS, _SMALLEST_SEGMENT)
        self._sizes: dict[Path, int] = {}
        self._last_written: dict[Path, float] = {}
        for path in segments(folder):
            status = path.stat()
            self._sizes[path], self._last_written[path] = status.st_size, status.st_mtime
        self._file: BinaryIO | None = None
        self._current: Path | None = None

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(self._sizes.values())

    def append(self, block: bytes, first: float, last: float) -> None:
        """Add a block with messages from the time `first` to `last`.

        Raises:
            OSError: the disk refuses it; the segment ends before it.
        """
        if len(block) > self._most_bytes:
            return
        self.drop_old(last, room=len(block))
        if self._file is None or self._current is None or self._sizes[self._current] + len(block) > self._segment_bytes:
            self._begin(first)
        if self._file is None or self._current is None:
            return
        try:
            self._file.write(block)
        except OSError:
            self.close()
            raise
        self._sizes[self._current] += len(block)
        self._last_written[self._current] = last

    def drop_old(self, now: float, *, room: int = 0) -> None:
        """Drop segments until `room` bytes are free, and those that are too old.

        Raises:
            OSError: a segment cannot be removed.
        """
        total = self.size
        for path in sorted(self._sizes):
            expired = self._last_written[path] < now - self._most_seconds
            if not expired and total + room <= self._most_bytes:
                break
            if path == self._current:
                self.close()
            path.unlink(missing_ok=True)
            total -= self._sizes.pop(path)
            del self._last_written[path]

    def close(self) -> None:
        """Close the segment that is written to; the next block begins another."""
        if self._file is not None:
            self._file.close()
        self._file = self._current = None

    def _begin(self, now: float) -> None:
        self.close()
        began = int(now * 1000)
        while (path := self._folder / f"{began:015d}{_SUFFIX}").exists():
            began += 1
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        self._current = path
        self._sizes[path], self._last_written[path] = 0, now


def segments(folder: Path) -> list[Path]:
    """Return the segments of a folder, the oldest first; none when there is no such folder."""
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdigit())


@dataclass(slots=True, frozen=True)
class Window:
    """From when to when, in seconds since the epoch, both included."""

    begin: float
    end: float


@dataclass(slots=True, frozen=True)
class Found:
    """The messages that were looked for, in the order of time."""

    messages: list[TracedMessage]
    truncated: bool
    """Whether there were more than wanted; the first ones are there."""


def find(folder: Path, call_ids: Collection[str], window: Window | None, *, most: int) -> Found:
    """Read the messages with these Call-IDs.

    Blocks while it reads: call it in a thread.

    Args:
        folder: where the segments are.
        call_ids: SIP Call-IDs.
        window: when the messages were; None: at any time, which reads the whole ring.
        most: at most so many messages.
    """
    wanted = frozenset(call_ids)
    needles = [call_id.encode() for call_id in wanted if call_id]
    found: list[TracedMessage] = []
    paths = segments(folder)
    for index, path in enumerate(paths):
        follower = _began(paths[index + 1]) if index + 1 < len(paths) else None
        if window is not None and (
            _began(path) > window.end + _SLACK or (follower is not None and follower < window.begin - _SLACK)
        ):
            continue
        for block in _blocks(path, window):
            if not any(needle in block for needle in needles):
                continue
            for message in _messages(block):
                if call_id_of(message.payload) in wanted and _within(message.time, window):
                    found.append(message)
                    if len(found) > most:
                        return Found(found[:most], truncated=True)
    found.sort(key=lambda message: message.time)
    return Found(found, truncated=False)


def _blocks(path: Path, window: Window | None) -> Iterator[bytes]:
    """Yield the records of each whole block of a segment that has messages of the window."""
    try:
        with path.open("rb") as file:
            while len(header := file.read(_BLOCK.size)) == _BLOCK.size:
                mark, compressed, first, last, raw_size, size = _BLOCK.unpack(header)
                if mark != _MARK or size > _LARGEST_BLOCK or raw_size > _LARGEST_BLOCK:
                    return
                if window is not None and (last < window.begin or first > window.end):
                    file.seek(size, os.SEEK_CUR)
                    continue
                stored = file.read(size)
                if len(stored) < size:
                    return
                yield zlib.decompressobj().decompress(stored, raw_size) if compressed else stored
    except (FileNotFoundError, zlib.error):
        # The ring went on while it was read, or the rest of the file is damaged.
        return


def _messages(block: bytes) -> Iterator[TracedMessage]:
    """Yield the messages of a block, as far as they can be read."""
    position = 0
    while position + _RECORD.size <= len(block):
        time, ends_size, size = _RECORD.unpack_from(block, position)
        begin = position + _RECORD.size
        position = begin + ends_size + size
        ends = block[begin : begin + ends_size].decode("ascii", "replace").split("\t")
        try:
            sent, transport, local_host, local_port, peer_host, peer_port = ends
            local, peer = End(local_host, int(local_port)), End(peer_host, int(peer_port))
        except ValueError:
            return
        yield TracedMessage(time, sent == "s", transport, local, peer, block[begin + ends_size : position])


def _within(time: float, window: Window | None) -> bool:
    return window is None or window.begin <= time <= window.end


def _began(path: Path) -> float:
    return int(path.stem) / 1000
