"""A process whose calls are recorded to a disk that stands still for a while; prints what became of voice and files as JSON.

Usage: LD_PRELOAD=LIBRARY python -m tests.media.slow_disk_scene LIBRARY FOLDER
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import sys
from pathlib import Path

import soundfile

from media.engine import Engine, RecordingClosed, RecordingFailed
from tests.media.phone import PORTS, Studio, loudness, tone

PAIRS = 4
SECONDS = 9
"""Of voice; the disk stands still after the first."""
BUFFER = 60_000
"""Bytes: four calls fill that in about a second."""
STANDS_STILL_MS = 600_000


async def run(library: str, folder: Path) -> dict[str, object]:
    """Let pairs of phones talk, and tell what was heard, lost and kept."""
    disk = ctypes.CDLL(library)
    engine = Engine(port_range=PORTS, media_timeout=0, recording_buffer=BUFFER)
    room = Studio(engine)
    engine.on_event = room.told
    engine.start(asyncio.get_running_loop())
    pairs, recordings, kept = [], [], []
    for number in range(PAIRS):
        (anna, a), (boris, b) = room.party(), room.party()
        engine.bridge(a, b)
        recording = engine.create_recording(folder / f"{number}.wav")
        recording.attach(a, 0)
        recording.attach(b, 1)
        pairs.append((anna, boris))
        recordings.append(recording)
        kept += [a, b]

    async def trouble() -> None:
        await asyncio.sleep(1.5)
        disk.ramal_disk_delay(STANDS_STILL_MS)
        await asyncio.sleep(4.5)
        disk.ramal_disk_delay(0)

    voice = tone(700, SECONDS)
    hearing = [asyncio.create_task(boris.hear_many(SECONDS * 50)) for _, boris in pairs]
    await asyncio.gather(trouble(), *(anna.speak(voice) for anna, _ in pairs))
    heard = await asyncio.gather(*hearing)
    for recording in recordings:
        recording.close()
    await room.event(RecordingClosed, count=PAIRS)
    failures = [event for event in room.events if isinstance(event, RecordingFailed)]
    lost = {event.recording_id: event.lost_seconds for event in failures}
    files = []
    for recording in recordings:
        samples, rate = soundfile.read(recording.path, dtype="int16", always_2d=True)
        pieces = [samples[at : at + rate // 2, 0] for at in range(0, len(samples), rate // 2)]
        voiced = [loudness(piece) > 1000 for piece in pieces]
        files.append(
            {
                "seconds": len(samples) / rate,
                "told": recording.seconds,
                "voiced": sum(voiced) / 2,
                "lost": lost.get(recording.id, 0.0),
                "begins": voiced[1],
                "ends": voiced[-2],
            }
        )
    engine.close()
    whole = [[one.sequence - all_[0].sequence & 0xFFFF for one in all_] == list(range(SECONDS * 50)) for all_ in heard]
    return {"whole": whole, "reasons": sorted({event.reason for event in failures}), "files": files}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(sys.argv[1], Path(sys.argv[2])))))
