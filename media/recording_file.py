"""Recordings that a killed process left behind: their header is made to tell what is really in the file.

The engine keeps the header true to about a second; what was written after it last did so is won back here.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from media.errors import RecordingFileError
from media.recording import MOST_CHANNELS

_HEADER: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""RIFF, its size, WAVE, fmt, its size, format, channels, rate, bytes a second, bytes a frame, bits, data, its size."""
_PCM: Final = 1
_SAMPLE_RATES: Final = (8000, 16000)
_SAMPLE_BYTES: Final = 2
_LARGEST_DATA: Final = 0xFFFFFFFF - _HEADER.size


@dataclass(slots=True, frozen=True)
class RepairedFile:
    """What a recording holds."""

    seconds: float
    channels: int
    sample_rate: int
    changed: bool
    """Whether there was anything to repair."""


def repair(path: Path, *, channels: int = 2, sample_rate: int = 8000) -> RepairedFile:
    """Make a recording of the engine whole, and durable; safe to repeat, and to be killed in.

    `channels` and `sample_rate` count only where the file ends before its header does, or the header was never written: such a file
    was never played by anyone. Raises `RecordingFileError` when the file cannot be used or is none of the engine's.
    """
    try:
        with path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            channels, sample_rate = _shape_of(path, file.read(_HEADER.size), (channels, sample_rate))
            frame_bytes = channels * _SAMPLE_BYTES
            frames = min(max(0, size - _HEADER.size), _LARGEST_DATA) // frame_bytes
            changed = _make_whole(file, size, _header(channels, sample_rate, frames * frame_bytes))
    except OSError as error:
        raise RecordingFileError(f"A recording cannot be repaired: {error}.") from error
    return RepairedFile(frames / sample_rate, channels, sample_rate, changed)


def _shape_of(path: Path, head: bytes, default: tuple[int, int]) -> tuple[int, int]:
    """Read channels and sample rate of a header whose sizes may be wrong."""
    if len(head) < _HEADER.size or not any(head):
        return default
    fields = _HEADER.unpack(head)
    names = (fields[0], fields[2], fields[3], fields[11])
    known = names == (b"RIFF", b"WAVE", b"fmt ", b"data") and fields[5] == _PCM and fields[7] in _SAMPLE_RATES
    if not known or not 1 <= fields[6] <= MOST_CHANNELS or fields[10] != 8 * _SAMPLE_BYTES:
        raise RecordingFileError(f"{path} is no recording of this engine.")
    return int(fields[6]), int(fields[7])


def _header(channels: int, sample_rate: int, data: int) -> bytes:
    frame_bytes = channels * _SAMPLE_BYTES
    return _HEADER.pack(
        *(b"RIFF", data + _HEADER.size - 8, b"WAVE"),
        *(b"fmt ", 16, _PCM, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 8 * _SAMPLE_BYTES),
        *(b"data", data),
    )


def _make_whole(file: BinaryIO, size: int, header: bytes) -> bool:
    """Cut off half a frame, and write the header where it differs."""
    data = struct.unpack_from("<I", header, _HEADER.size - 4)[0]
    file.seek(0)
    if size == _HEADER.size + data and file.read(_HEADER.size) == header:
        return False
    file.truncate(_HEADER.size + data)
    file.seek(0)
    file.write(header)
    file.flush()
    os.fsync(file.fileno())
    return True
