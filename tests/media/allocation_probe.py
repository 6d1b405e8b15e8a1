"""Lets phones speak through the media engine and prints how often its thread asked the heap for memory meanwhile.

Run by test_allocations.py in a process of its own, with the counting functions of native/allocations.cpp before the C library's.

Usage: python -m tests.media.allocation_probe KIND BACKEND FOLDER
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from media.codec import Codec
from media.engine import Backend, Endpoint
from media.srtp import SrtpProfile
from tests.media import phone
from tests.media.phone import Phone, Studio, studio, tone
from tests.media.secure_phone import secure_party

FRAMES: Final = 60
Party = tuple[Phone, Endpoint]
Scene = Callable[[Studio, Path], tuple[list[Party], list[Any]]]


def relayed(room: Studio, _folder: Path) -> tuple[list[Party], list[Any]]:
    """Two legs with a codec in common."""
    return _bridged(room, [room.party(), room.party()]), []


def translated(room: Studio, _folder: Path) -> tuple[list[Party], list[Any]]:
    """Two legs without one."""
    return _bridged(room, [room.party(Codec.G722), room.party(Codec.OPUS)]), []


def encrypted(room: Studio, _folder: Path) -> tuple[list[Party], list[Any]]:
    """Two legs under keys of each kind."""
    profiles = (SrtpProfile.AES_CM_128_HMAC_SHA1_80, SrtpProfile.AEAD_AES_128_GCM)
    return _bridged(room, [secure_party(room, profile) for profile in profiles]), []


def mixed(room: Studio, _folder: Path) -> tuple[list[Party], list[Any]]:
    """A conference of three."""
    parties = [room.party() for _ in range(3)]
    mixer = room.engine.create_mixer()
    for _, endpoint in parties:
        mixer.add(endpoint)
    return parties, [mixer]


def recorded(room: Studio, folder: Path) -> tuple[list[Party], list[Any]]:
    """Two legs that are recorded."""
    parties = _bridged(room, [room.party(), room.party()])
    recording = room.engine.create_recording(folder / "call.wav")
    for channel, (_, endpoint) in enumerate(parties):
        recording.attach(endpoint, channel)
    return parties, [recording]


SCENES: Final[dict[str, Scene]] = {scene.__name__: scene for scene in (relayed, translated, encrypted, mixed, recorded)}


def _bridged(room: Studio, parties: list[Party]) -> list[Party]:
    room.engine.bridge(parties[0][1], parties[1][1])
    return parties


async def speak(parties: list[Party], frames: int) -> None:
    """Let all speak at once, and wait until everything has arrived."""
    before = [endpoint.statistics().packets_received for _, endpoint in parties]
    await asyncio.gather(*(party.speak(tone(440, frames * 0.02)) for party, _ in parties))
    async with asyncio.timeout(20):
        for count, (_, endpoint) in zip(before, parties, strict=True):
            while endpoint.statistics().packets_received < count + frames:
                await asyncio.sleep(0.01)


async def main(kind: str, backend: str, folder: Path) -> None:
    """Count once everything has been set up and heard."""
    phone.BACKEND = Backend[backend]
    counter = ctypes.CDLL(None)
    counter.end_counting.restype = ctypes.c_uint64
    async with studio() as room:
        parties, kept = SCENES[kind](room, folder)
        await speak(parties, FRAMES)
        counter.begin_counting()
        await speak(parties, FRAMES)
        print(counter.end_counting())
        del kept


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
