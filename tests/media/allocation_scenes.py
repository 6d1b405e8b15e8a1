"""A process that lets packets through the engine in one scene, and prints what the packet thread asked the allocator for meanwhile.

Run with the counter of `allocation_counter.c` before the C library. Arguments: the counter's file, the backend, the scene.
"""

from __future__ import annotations

import asyncio
import ctypes
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from media.engine import Backend, Codec, Endpoint
from media.srtp import SrtpProfile
from tests.media import phone
from tests.media.phone import Phone, Studio, studio, tone
from tests.media.secure_phone import secure_party

PACKETS = 150
WARM_UP = 60
"""Packets after which buffers have the size that they keep."""

Talk = tuple[Phone, Phone, list[Endpoint]]


def relayed(room: Studio) -> Talk:
    """Two legs with a codec in common."""
    anna, a = room.party()
    boris, b = room.party()
    room.engine.bridge(a, b)
    return anna, boris, [a, b]


def encrypted(profile: SrtpProfile) -> Callable[[Studio], Talk]:
    """Two encrypted legs."""

    def scene(room: Studio) -> Talk:
        anna, a = secure_party(room, profile)
        boris, b = secure_party(room, profile)
        room.engine.bridge(a, b)
        return anna, boris, [a, b]

    return scene


def translated(one: Codec, other: Codec) -> Callable[[Studio], Talk]:
    """Two legs that speak different codecs."""

    def scene(room: Studio) -> Talk:
        anna, a = room.party(one)
        boris, b = room.party(other)
        room.engine.bridge(a, b)
        return anna, boris, [a, b]

    return scene


def mixed(room: Studio) -> Talk:
    """A conference of three."""
    anna, a = room.party()
    boris, b = room.party()
    _, c = room.party()
    mixer = room.engine.create_mixer()
    for endpoint in (a, b, c):
        mixer.add(endpoint)
    kept.append(mixer)
    return anna, boris, [a, b, c]


def tapped(room: Studio) -> Talk:
    """A relayed call with a tap and ears."""
    anna, boris, legs = relayed(room)
    kept.append(legs[0].tap())
    legs[0].listen(digits=True)
    return anna, boris, legs


def recorded(codec: Codec) -> Callable[[Studio], Talk]:
    """A relayed call whose both sides are recorded."""

    def scene(room: Studio) -> Talk:
        anna, a = room.party(codec)
        boris, b = room.party(codec)
        room.engine.bridge(a, b)
        folder = tempfile.TemporaryDirectory(prefix="ramal-allocations-")
        recording = room.engine.create_recording(Path(folder.name) / "call.wav", sample_rate=16000)
        recording.attach(a, 0)
        recording.attach(b, 1)
        kept.extend((recording, folder))
        return anna, boris, [a, b]

    return scene


kept: list[object] = []
SCENES: dict[str, Callable[[Studio], Talk]] = {
    "relayed": relayed,
    **{f"encrypted {profile.name}": encrypted(profile) for profile in SrtpProfile},
    "translated": translated(Codec.PCMA, Codec.G722),
    "mixed": mixed,
    "tapped": tapped,
    "recorded": recorded(Codec.PCMU),
    "recorded wideband": recorded(Codec.G722),
}


async def run(library: str, scene: str) -> int:
    """Return how often the packet thread allocated while packets went through."""
    counter = ctypes.CDLL(library).ramal_allocations
    counter.restype = ctypes.c_ulong
    async with studio() as room:
        anna, boris, legs = SCENES[scene](room)
        await asyncio.gather(anna.speak(tone(700, WARM_UP / 50)), boris.speak(tone(900, WARM_UP / 50)))
        before = counter()
        heard = asyncio.create_task(boris.hear_many(WARM_UP + PACKETS // 2))
        await asyncio.gather(anna.speak(tone(700, PACKETS / 50)), boris.speak(tone(900, PACKETS / 50)))
        await heard
        counted = counter() - before
        assert all(leg.statistics().packets_received for leg in legs[:2])
        return int(counted)


if __name__ == "__main__":
    phone.BACKEND = Backend[sys.argv[2]]
    print(asyncio.run(run(sys.argv[1], sys.argv[3])))
