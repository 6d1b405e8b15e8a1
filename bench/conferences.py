"""What a participant of a conference costs in the media engine, in rooms of 3 and of 50: all speak all the time, in G.711.

The engine runs on one core and the native generator of `bench.relay` on another; what it sends is loud, so that everybody is mixed.
"""

from __future__ import annotations

import asyncio
import time

from bench.relay import PORTS, engine_goes_first, more_files, on_core, start_generator
from media.engine import Codec, Endpoint, Engine, Mixer

ROOMS = {3: 50, 50: 3}
"""So many rooms of each size: about as many participants."""
SECONDS = 6


def measure() -> dict[str, float]:
    """Measure each size, print a line for it, and return the figures by the names of `bench/results/latest.json`."""
    figures: dict[str, float] = {}
    for size, rooms in ROOMS.items():
        with more_files(), on_core(0):
            cost = asyncio.run(_measure(size, rooms))
        print(f"{rooms} rooms of {size}: {cost:.2f} ms/s a participant")
        figures[f"conference_{size}_participant_cpu_ms_per_s"] = round(cost, 3)
    return figures


async def _measure(size: int, rooms: int) -> float:
    """Return the CPU milliseconds a second of one participant."""
    generator = await start_generator(size * rooms, SECONDS)
    engine = Engine(port_range=PORTS, media_timeout=0)
    engine.start(asyncio.get_running_loop())
    try:
        engine_goes_first()
        legs, mixers = _seat(engine, generator.phones, size)
        await generator.speak_to([leg.port for leg in legs])
        await asyncio.sleep(1.0)
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(SECONDS - 1.0)
        seconds = time.monotonic() - began
        cost = (time.process_time() - cpu) * 1000 / seconds / len(legs)
        sent = min(leg.statistics().packets_sent for leg in legs)
        if sent < 50 * (SECONDS - 1):
            print(f"  A participant was sent only {sent} packets: the machine was too busy.")
        await generator.result()
        del mixers
        return cost
    finally:
        engine.close()


def _seat(engine: Engine, phones: list[int], size: int) -> tuple[list[Endpoint], list[Mixer]]:
    """Let so many phones at a time into a room."""
    legs: list[Endpoint] = []
    mixers: list[Mixer] = []
    for index, port in enumerate(phones):
        if index % size == 0:
            mixers.append(engine.create_mixer())
        leg = engine.create_endpoint()
        leg.configure(remote=("127.0.0.1", port), codec=Codec.PCMU)
        mixers[-1].add(leg)
        legs.append(leg)
    return legs, mixers
