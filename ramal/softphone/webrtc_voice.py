"""The voice of a WebRTC call: aiortc's connection, a WAV file that speaks into it, and one that what is heard goes to."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import wave
from collections.abc import Callable
from typing import Final, cast

from aiortc import MediaStreamTrack, RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

_RATE: Final = 8000
_FRAME: Final = _RATE // 50
_SAMPLE_BYTES: Final = 2
_GATHER_SECONDS: Final = 10.0


class Microphone(MediaStreamTrack):
    """Says a WAV file, once or over and over, and silence in between, at the pace of speech."""

    kind = "audio"

    def __init__(self, ended: Callable[[], None]) -> None:
        super().__init__()
        self._ended = ended
        self._samples = b""
        self._at = 0
        self._repeats = False
        self._sent = 0
        self._began = 0.0

    def say(self, file: str, *, loop: bool) -> None:
        """Say a file (mono, 16 bit) from now on; without a name fall silent. Raises `OSError` or `wave.Error`."""
        self._samples = _read(file) if file else b""
        self._at, self._repeats = 0, loop

    async def recv(self) -> AudioFrame:
        """Give the next 20 ms."""
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._sent / _RATE - loop.time()))
        frame = AudioFrame(format="s16", layout="mono", samples=_FRAME)
        frame.planes[0].update(self._next())
        frame.sample_rate, frame.pts, frame.time_base = _RATE, self._sent, fractions.Fraction(1, _RATE)
        self._sent += _FRAME
        return frame

    def _next(self) -> bytes:
        size = _FRAME * _SAMPLE_BYTES
        piece = self._samples[self._at : self._at + size]
        self._at += size
        if self._samples and self._at >= len(self._samples):
            self._at = 0
            if not self._repeats:
                self._samples = b""
                self._ended()
        return piece.ljust(size, b"\0")


class Voice:
    """One call's connection. Descriptions go in and out whole: nothing trickles."""

    def __init__(self, played: Callable[[], None], ice_servers: list[RTCIceServer]) -> None:
        self.microphone = Microphone(played)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=ice_servers))
        self._peer.addTrack(self.microphone)
        self._peer.on("track", self._hear)
        self._recorder: wave.Wave_write | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether voice can flow."""
        return self._peer.connectionState == "connected"

    async def offer(self, *, hold: bool = False) -> bytes:
        """Make an offer with all our candidates; with `hold` the party is not to be heard."""
        for transceiver in self._peer.getTransceivers():
            transceiver.direction = "sendonly" if hold else "sendrecv"
        await asyncio.wait_for(self._peer.setLocalDescription(await self._peer.createOffer()), _GATHER_SECONDS)
        return self._peer.localDescription.sdp.encode()

    async def accept(self, answer: bytes) -> None:
        """Take the answer to our offer. Raises `ValueError` where it does not fit."""
        await self._peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))

    async def answer(self, offer: bytes) -> bytes:
        """Take the party's offer, and return our answer. Raises `ValueError` where it cannot be taken."""
        await self._peer.setRemoteDescription(RTCSessionDescription(offer.decode(), "offer"))
        await asyncio.wait_for(self._peer.setLocalDescription(await self._peer.createAnswer()), _GATHER_SECONDS)
        return self._peer.localDescription.sdp.encode()

    def record(self, file: str) -> None:
        """Write what is heard to a WAV file; without a name close the one that is written. Raises `OSError`."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None
        if file:
            self._recorder = wave.open(file, "wb")  # noqa: SIM115 - closed by the next call, or with the voice
            self._recorder.setnchannels(1)
            self._recorder.setsampwidth(_SAMPLE_BYTES)
            self._recorder.setframerate(_RATE)

    async def close(self) -> None:
        """End it all, and complete the file."""
        if self._listening is not None:
            self._listening.cancel()
        await self._peer.close()
        self.record("")

    def _hear(self, track: MediaStreamTrack) -> None:
        self._listening = asyncio.get_running_loop().create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=_RATE)
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = cast("AudioFrame", await track.recv())
                for piece in resampler.resample(frame):
                    if self._recorder is not None:
                        self._recorder.writeframes(bytes(piece.planes[0])[: piece.samples * _SAMPLE_BYTES])


def _read(file: str) -> bytes:
    """Return the samples of a WAV file at our rate."""
    with wave.open(file) as source:
        if source.getnchannels() != 1 or source.getsampwidth() != _SAMPLE_BYTES:
            raise wave.Error(f"{file} is not mono with 16 bits")
        rate = source.getframerate()
        samples: bytes = source.readframes(source.getnframes())
    if rate == _RATE:
        return samples
    frame = AudioFrame(format="s16", layout="mono", samples=len(samples) // _SAMPLE_BYTES)
    frame.planes[0].update(samples)
    frame.sample_rate, frame.time_base = rate, fractions.Fraction(1, rate)
    resampler = AudioResampler(format="s16", layout="mono", rate=_RATE)
    pieces = [*resampler.resample(frame), *resampler.resample(None)]
    return b"".join(bytes(piece.planes[0])[: piece.samples * _SAMPLE_BYTES] for piece in pieces)
