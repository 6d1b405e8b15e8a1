"""What the header of a WAV file promises, to tell a whole file from a torn one."""

from __future__ import annotations

import struct
from typing import IO, Final

_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_UNKNOWN: Final = 0xFFFF_FFFF
_MOST_CHUNKS: Final = 64


def missing_seconds(file: IO[bytes], size: int) -> float:
    """Return how many seconds the header promises beyond the end of the file; 0 for a whole file and for what is no WAV.

    Args:
        file: open at its start.
        size: of the file, in bytes.
    """
    if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
        return 0.0
    at, bytes_per_second = 12, 0
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        header = file.read(_CHUNK.size)
        if len(header) < _CHUNK.size:
            return 0.0
        name, length = _CHUNK.unpack(header)
        at += _CHUNK.size
        if name == b"fmt ":
            fields = file.read(_FORMAT.size)
            bytes_per_second = _FORMAT.unpack(fields)[3] if len(fields) == _FORMAT.size else 0
        if name == b"data":
            lost = at + length - size
            return lost / bytes_per_second if lost > 0 and bytes_per_second and length != _UNKNOWN else 0.0
        at += length + length % 2
    return 0.0
