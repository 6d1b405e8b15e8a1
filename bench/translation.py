"""What a call costs whose two legs have no codec in common: CPU of decoding, jitter buffer, resampling and encoding both ways.

Speakers in a process of their own send ready-made packets at the pace of speech; nothing of them is in the figures.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import struct
import time
from multiprocessing.connection import Connection

import numpy as np

from media.codec import Codec
from media.coding import encoder
from media.engine import Engine

PAIRS = ((Codec.PCMU, Codec.G722), (Codec.PCMU, Codec.OPUS), (Codec.G722, Codec.OPUS), (Codec.PCMU, Codec.L16_WIDE))
CALLS = 20
SECONDS = 5
PORTS = (20000, 29999)
_FRAME_SECONDS = 0.02


def measure() -> dict[str, float]:
    """Measure each pair, print a line for each, and return the figures by the names of `bench/results/latest.json`."""
    figures: dict[str, float] = {}
    for one, other in PAIRS:
        cost = asyncio.run(measure_pair(one, other))
        print(f"{CALLS} calls {one} - {other}, translated: {cost:.2f} ms/s a call")
        name = f"translated_{one}_{other}_cpu_ms_per_s".lower().replace("/", "_")
        figures[name] = round(cost, 3)
    return figures


async def measure_pair(one: Codec, other: Codec, *, calls: int = CALLS, seconds: float = SECONDS) -> float:
    """Return the CPU milliseconds a second of one call between these codecs."""
    engine = Engine(port_range=PORTS, media_timeout=0)
    engine.start(asyncio.get_running_loop())
    ours, theirs = multiprocessing.Pipe()
    legs = [(codec, engine.create_endpoint()) for _ in range(calls) for codec in (one, other)]
    packets = {codec: _packets(codec) for codec in (one, other)}
    targets = [(leg.port, codec.value) for codec, leg in legs]
    coded = {codec.value: (codec.payload_type, codec.clock_rate // 50, packets[codec]) for codec in packets}
    speakers = multiprocessing.get_context("spawn").Process(
        target=speak, args=(theirs, targets, coded, seconds + 2), daemon=True
    )
    speakers.start()
    try:
        ports: list[int] = await asyncio.to_thread(ours.recv)
        for (codec, leg), port in zip(legs, ports, strict=True):
            leg.configure(remote=("127.0.0.1", port), codec=codec)
        for (_, a), (_, b) in zip(legs[::2], legs[1::2], strict=True):
            engine.bridge(a, b)
        await asyncio.sleep(0.1)
        ours.send(None)
        await asyncio.sleep(1.0)
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        cost = (time.process_time() - cpu) * 1000 / (time.monotonic() - began) / calls
        sent = [leg.statistics().packets_sent for _, leg in legs]
        if min(sent) < 50 * seconds:
            print(f"  A leg was sent only {min(sent)} packets: the machine was too busy.")
        return cost
    finally:
        speakers.join(seconds + 5)
        engine.close()


def _packets(codec: Codec) -> list[bytes]:
    """A second of something like a voice: harmonics that swell and fade, in packets of 20 ms."""
    machine = encoder(codec, sample_rate=codec.sample_rate)
    times = np.arange(machine.rate) / machine.rate
    voice = np.sum([np.sin(2 * np.pi * 140 * k * times) / k for k in range(1, 20)], axis=0)
    samples = np.asarray(6000 * voice * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * times)), dtype=np.int16)
    frame = machine.rate // 50
    return [machine.encode(samples[at : at + frame].tobytes()) for at in range(0, len(samples), frame)]


def speak(
    news: Connection, targets: list[tuple[int, str]], coded: dict[str, tuple[int, int, list[bytes]]], seconds: float
) -> None:
    """Send each target its codec's packets from a socket of its own; the ports are told first, then a word is waited for."""
    sockets = []
    for _ in targets:
        speaker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        speaker.bind(("127.0.0.1", 0))
        sockets.append(speaker)
    news.send([speaker.getsockname()[1] for speaker in sockets])
    news.recv()
    due = time.monotonic()
    for number in range(round(seconds / _FRAME_SECONDS)):
        for ssrc, (speaker, (port, codec)) in enumerate(zip(sockets, targets, strict=True)):
            payload_type, step, packets = coded[codec]
            header = struct.pack("!BBHII", 0x80, payload_type, number, number * step, ssrc + 1)
            speaker.sendto(header + packets[number % len(packets)], ("127.0.0.1", port))
        due += _FRAME_SECONDS
        time.sleep(max(0.0, due - time.monotonic()))
