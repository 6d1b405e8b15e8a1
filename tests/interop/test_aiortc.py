"""aiortc, which shares no code with browsers, talks to a leg: full ICE towards our lite agent, DTLS, and voice both ways."""

from __future__ import annotations

import asyncio
import fractions
import re
from typing import cast

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from av import AudioFrame
from numpy.typing import NDArray

from media.dtls import DtlsIdentity
from media.engine import HandshakeReceived, MediaEvent
from pbx.leg_endpoint import Names
from pbx.leg_media import LegMedia
from sip.codecs import PCMU
from tests.media.phone import pitch, studio, tone


class Tone(MediaStreamTrack):
    """A steady tone at the pace of speech."""

    kind = "audio"

    def __init__(self, hertz: float) -> None:
        super().__init__()
        self._samples = tone(hertz, 60)
        self._sent = 0
        self._began = 0.0

    async def recv(self) -> AudioFrame:
        """Give the next 20 ms."""
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        await asyncio.sleep(max(0.0, self._began + self._sent / 8000 - loop.time()))
        frame = AudioFrame.from_ndarray(self._samples[None, self._sent : self._sent + 160], "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 8000, self._sent, fractions.Fraction(1, 8000)
        self._sent += 160
        return frame


async def heard(track: MediaStreamTrack, frames: int) -> NDArray[np.int16]:
    received = [cast("AudioFrame", await asyncio.wait_for(track.recv(), 20)) for _ in range(frames)]
    sound = np.concatenate([frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0] for frame in received])
    return sound[:: received[0].sample_rate // 8000]


async def test_aiortc_and_a_desk_phone_hear_each_other() -> None:
    async with studio() as room:
        media = LegMedia(room.engine, cast("Names", None), DtlsIdentity())

        def told(event: MediaEvent) -> None:
            room.told(event)
            if isinstance(event, HandshakeReceived):
                media.security.handshake_received(event.datagram)

        room.engine.on_event = told
        boris, b = room.party()
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            peer.addTrack(Tone(700))
            tracks: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
            peer.on("track", tracks.set_result)
            await peer.setLocalDescription(await peer.createOffer())
            answer = media.answer(peer.localDescription.sdp.encode(), PCMU)
            assert media.endpoint is not None
            room.engine.bridge(media.endpoint, b)
            await peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
            speaking = asyncio.create_task(boris.speak(tone(1100, 8)))
            packets = await boris.hear_many(100)
            assert abs(pitch(boris.samples(packets[50:])) - 700) < 10
            sound = await heard(await tracks, 150)
            assert abs(pitch(sound[-8000:]) - 1100) < 10
            speaking.cancel()
        finally:
            await peer.close()
            media.close()


class Owner:
    """Hears why there is no safe voice."""

    def __init__(self) -> None:
        self.reason: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def voice_unsafe(self, reason: str) -> None:
        if not self.reason.done():
            self.reason.set_result(reason)


async def test_a_browser_with_another_certificate_than_it_named_gets_no_voice() -> None:
    async with studio() as room:
        media = LegMedia(room.engine, cast("Names", None), DtlsIdentity())
        owner = Owner()

        def told(event: MediaEvent) -> None:
            if isinstance(event, HandshakeReceived):
                media.security.handshake_received(event.datagram)

        room.engine.on_event = told
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        try:
            peer.addTrack(Tone(700))
            await peer.setLocalDescription(await peer.createOffer())
            forged = re.sub(r"(a=fingerprint:\S+ )\S+", rf"\g<1>{':'.join(['5A'] * 32)}", peer.localDescription.sdp)
            answer = media.answer(forged.encode(), PCMU)
            # Leg hangs up at this word.
            media.security.owner = owner
            await peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
            assert "certificate" in await asyncio.wait_for(owner.reason, 20)
            assert media.endpoint is not None
            assert media.endpoint.statistics().packets_sent == 0
        finally:
            await peer.close()
            media.close()
