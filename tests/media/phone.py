"""A party of a call made of two real sockets on loopback, and voices that can be told apart by their pitch."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from media.coding import Resampler, decoder, encoder
from media.engine import Backend, Codec, Endpoint, Engine, MediaEvent
from media.errors import EngineUnavailableError
from tests.support.ports import share

Samples = NDArray[np.int16]
Event = TypeVar("Event")
PATIENCE = 20.0
"""Seconds after which something expected will not come any more."""
TELEPHONE_EVENT = 101


PORTS = share(30_000, 32_767)
"""For engines under test: below the ports that the kernel hands out by itself."""

BACKEND = Backend.BEST
"""What engines under test are to use."""


def io_uring_offered() -> bool:
    """Tell whether this kernel and container offer what the engine needs of io_uring."""
    try:
        Engine(port_range=PORTS, backend=Backend.IO_URING).close()
    except EngineUnavailableError:
        return False
    return True


def free_ports(pairs: int) -> tuple[int, int]:
    """A range of so many pairs of ports that nobody uses now."""
    for low in random.sample(range(*PORTS, 2), 500):
        with contextlib.ExitStack() as held:
            try:
                for port in range(low, low + 2 * pairs):
                    taken = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    taken.bind(("127.0.0.1", port))
            except OSError:
                continue
            return low, low + 2 * pairs - 1
    raise RuntimeError("no ports are free")


@dataclass
class Heard:
    """An RTP packet that came in."""

    source: tuple[str, int]
    marker: bool
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def decode_g711(payload: bytes, codec: Codec) -> Samples:
    """Decode by the formulas of ITU-T G.711, independent of the engine's tables."""
    codes = np.frombuffer(payload, dtype=np.uint8).astype(np.int32)
    if codec is Codec.PCMU:
        bits = ~codes & 0xFF
        magnitude = ((((bits & 15) << 3) + 132) << (bits >> 4 & 7)) - 132
        return np.where(bits & 0x80, -magnitude, magnitude).astype(np.int16)
    bits = codes ^ 0x55
    segment = bits >> 4 & 7
    step = (bits & 15) << 4
    magnitude = np.where(segment == 0, step + 8, (step + 264) << np.maximum(segment - 1, 0))
    return np.where(bits & 0x80, magnitude, -magnitude).astype(np.int16)


def encode_g711(samples: Samples, codec: Codec) -> bytes:
    """Encode each sample as the code whose value is nearest."""
    codes = np.arange(256, dtype=np.uint8)
    values = decode_g711(codes.tobytes(), codec).astype(np.int32)
    order = np.argsort(values, kind="stable")
    at = np.searchsorted(values[order], samples.astype(np.int32)).clip(1, 255)
    below, above = order[at - 1], order[at]
    nearer = np.abs(values[below] - samples) <= np.abs(values[above] - samples)
    return bytes(codes[np.where(nearer, below, above)])


def tone(hertz: float, seconds: float, level: float = 0.3) -> Samples:
    """A sine at 8 kHz."""
    times = np.arange(round(seconds * 8000)) / 8000
    return np.asarray(np.sin(2 * np.pi * hertz * times) * 32767 * level, dtype=np.int16)


def pitch(samples: Samples) -> float:
    """The strongest frequency in hertz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 8000 / len(samples))


def loudness(samples: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


class Coder:
    """Turns 8 kHz samples into payloads of 20 ms and back: G.711 by formula, the others by the engine's own coders."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._encoder = encoder(codec, sample_rate=codec.sample_rate)
        self._decoder = decoder(codec, sample_rate=codec.sample_rate)
        self._up = Resampler(8000, self._encoder.rate)
        self._down = Resampler(self._decoder.rate, 8000)

    def encode(self, samples: Samples) -> bytes:
        """Encode samples of 8 kHz; 20 ms of them unless it is G.711."""
        if self._codec in (Codec.PCMU, Codec.PCMA):
            return encode_g711(samples, self._codec)
        return self._encoder.encode(self._up.process(samples.tobytes()))

    def decode(self, payload: bytes) -> Samples:
        """Decode to samples of 8 kHz."""
        if self._codec in (Codec.PCMU, Codec.PCMA):
            return decode_g711(payload, self._codec)
        return np.frombuffer(self._down.process(self._decoder.decode(payload)), np.int16)


class Phone:
    """Sends and receives RTP; nothing is sent by itself."""

    def __init__(self, codec: Codec = Codec.PCMU, *, ssrc: int = 0x1234, host: str = "127.0.0.1") -> None:
        self.codec = codec
        self.coder = Coder(codec)
        self.ssrc = ssrc
        self.sequence = 65500
        self.timestamp = 0xFFFFF000
        self.rtp, self.rtcp = _socket_pair(host)
        self.remote: tuple[str, int] = ("127.0.0.1", 9)

    @property
    def address(self) -> tuple[str, int]:
        """Where it receives RTP."""
        host, port = self.rtp.getsockname()
        return str(host), int(port)

    def call(self, endpoint: Endpoint) -> None:
        """Speak to an endpoint from now on."""
        self.remote = (endpoint.address, endpoint.port)

    def send(self, payload: bytes, *, payload_type: int | None = None, marker: bool = False, step: int = 160) -> None:
        """Send one packet."""
        number = self.codec.payload_type if payload_type is None else payload_type
        header = struct.pack(
            "!BBHII", 0x80, number | marker << 7, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc
        )
        self.rtp.sendto(header + payload, self.remote)
        self.sequence += 1
        self.timestamp += step

    def frame(self, samples: Samples) -> None:
        """Send one packet of samples."""
        self.send(self.coder.encode(samples), step=len(samples) * self.codec.clock_rate // 8000)

    async def speak(self, samples: Samples) -> None:
        """Send samples at the pace of speech."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        for start in range(0, len(samples) - 159, 160):
            self.frame(samples[start : start + 160])
            due += 0.02
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def hear(self, seconds: float = PATIENCE) -> Heard:
        """Wait for the next packet."""
        data, source = await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(self.rtp, 2048), seconds)
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        assert first == 0x80
        return Heard(source, bool(second >> 7), second & 127, sequence, timestamp, ssrc, data[12:])

    async def hear_many(self, count: int) -> list[Heard]:
        """Wait for packets."""
        return [await self.hear() for _ in range(count)]

    async def listen(self, seconds: float) -> list[Heard]:
        """Take everything that comes within a time."""
        heard: list[Heard] = []
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        with contextlib.suppress(TimeoutError):
            while (left := end - loop.time()) > 0:
                heard.append(await self.hear(left))
        return heard

    def samples(self, heard: list[Heard]) -> Samples:
        """Decode the payloads of packets in this phone's codec."""
        return np.concatenate([self.coder.decode(packet.payload) for packet in heard])

    def close(self) -> None:
        """Give the ports back."""
        self.rtp.close()
        self.rtcp.close()


def _socket_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """An even port and the one above it."""
    while True:
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtp.bind((host, 0))
        port = rtp.getsockname()[1]
        try:
            if port % 2 == 0:
                rtcp.bind((host, port + 1))
                rtp.setblocking(False)
                rtcp.setblocking(False)
                return rtp, rtcp
        except OSError:
            pass
        rtp.close()
        rtcp.close()


@dataclass
class Studio:
    """An engine, its events, and the phones that are in a test."""

    engine: Engine
    events: list[MediaEvent] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self, event: MediaEvent) -> None:
        """Keep an event."""
        self.events.append(event)
        self._news.set()

    async def event(self, kind: type[Event], count: int = 1) -> list[Event]:
        """Wait until there are `count` events of a kind, and return them."""
        events: Sequence[object] = self.events
        async with asyncio.timeout(PATIENCE):
            while len(found := [event for event in events if isinstance(event, kind)]) < count:
                self._news.clear()
                await self._news.wait()
        return found

    async def told_of(self, event: MediaEvent) -> None:
        """Wait for one certain event."""
        async with asyncio.timeout(PATIENCE):
            while event not in self.events:
                self._news.clear()
                await self._news.wait()

    def party(self, codec: Codec = Codec.PCMU, *, events: int | None = TELEPHONE_EVENT) -> tuple[Phone, Endpoint]:
        """A phone and the endpoint that stands for it."""
        phone = Phone(codec, ssrc=0x1000 + len(self.phones))
        self.phones.append(phone)
        endpoint = self.engine.create_endpoint()
        endpoint.configure(remote=phone.address, codec=codec, telephone_event=events)
        phone.call(endpoint)
        return phone, endpoint


@contextlib.asynccontextmanager
async def studio(*, media_timeout: float = 0.0, port_range: tuple[int, int] = PORTS) -> AsyncIterator[Studio]:
    """A running engine that leaves nothing behind."""
    engine = Engine(port_range=port_range, media_timeout=media_timeout, backend=BACKEND)
    room = Studio(engine)
    engine.on_event = room.told
    engine.start(asyncio.get_running_loop())
    try:
        yield room
    finally:
        engine.close()
        for phone in room.phones:
            phone.close()
