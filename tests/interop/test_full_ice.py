"""Legs that need full ICE or a TURN server: aiortc talks to a desk phone through them, with coturn on the way."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from media.dtls import DtlsIdentity
from media.engine import HandshakeReceived, MediaEvent
from media.full_ice import IceServers, IceWays
from pbx.leg_endpoint import Names
from pbx.leg_media import LegMedia
from ramal.softphone.controller import PhoneSetup, SoftPhone
from sip.codecs import PCMU
from tests.interop.test_aiortc import Owner, Tone, heard
from tests.interop.test_webrtc_softphone import until_heard
from tests.media.phone import Phone, Studio, pitch, studio, tone
from tests.support.browser_phone import server_with_browser
from tests.support.ports import free_port
from tests.support.ramal_process import PASSWORD, ramal_process
from tests.support.tones import share, write_tone
from tests.support.turn_server import TurnServer, own_host, turn_server

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def turn(tmp_path: Path) -> AsyncIterator[TurnServer]:
    async with turn_server(tmp_path) as server:
        yield server


def relay_only(server: TurnServer) -> IceServers:
    return IceServers(
        turn=server.address, turn_username=server.username, turn_password=server.password, relay_only=True
    )


@dataclass
class Talk:
    """A leg of full ICE, a desk phone it is bridged with, and aiortc at the other end."""

    media: LegMedia
    desk: Phone
    peer: RTCPeerConnection
    track: asyncio.Future[MediaStreamTrack]
    lost: asyncio.Future[str]

    async def both_ways(self) -> None:
        """See that each hears the other."""
        speaking = asyncio.create_task(self.desk.speak(tone(1100, 8)))
        packets = await self.desk.hear_many(100)
        assert abs(pitch(self.desk.samples(packets[50:])) - 700) < 10
        sound = await heard(await self.track, 150)
        assert abs(pitch(sound[-8000:]) - 1100) < 10
        speaking.cancel()


@contextlib.asynccontextmanager
async def talk(room: Studio, ways: IceWays) -> AsyncIterator[Talk]:
    media = LegMedia(room.engine, cast("Names", None), DtlsIdentity(), ways)
    owner = Owner()
    media.security.owner = owner

    def told(event: MediaEvent) -> None:
        room.told(event)
        if isinstance(event, HandshakeReceived):
            media.security.handshake_received(event.datagram)

    room.engine.on_event = told
    desk, endpoint = room.party()
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(Tone(700))
    track: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
    peer.on("track", track.set_result)
    room.engine.bridge(media.open(), endpoint)
    try:
        yield Talk(media, desk, peer, track, owner.reason)
    finally:
        await peer.close()
        media.close()


@contextlib.asynccontextmanager
async def kept_ready(servers: IceServers, spare: int = 1) -> AsyncIterator[IceWays]:
    ways = IceWays(servers, spare=spare)
    ways.start()
    await asyncio.wait_for(ways.ready.wait(), 20)
    try:
        yield ways
    finally:
        await ways.close()


def candidates(sdp: bytes) -> set[tuple[str, str]]:
    """Kind and address of each candidate of a description."""
    found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) \d+ typ (\w+)", sdp.decode(), re.IGNORECASE)
    return {(kind, address) for address, kind in found}


async def test_a_leg_is_called_and_talks_through_a_turn_server_alone(turn: TurnServer) -> None:
    async with studio() as room, kept_ready(relay_only(turn)) as ways, talk(room, ways) as call:
        await call.peer.setLocalDescription(await call.peer.createOffer())
        answer = call.media.answer(call.peer.localDescription.sdp.encode(), PCMU)
        assert candidates(answer) == {("relay", turn.relay_host)}
        assert b"ice-lite" not in answer
        await call.peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
        await call.both_ways()
        assert not call.lost.done()


async def test_a_leg_that_calls_makes_the_offer_and_finds_its_way_without_a_server() -> None:
    async with studio() as room, kept_ready(IceServers()) as ways, talk(room, ways) as call:
        call.media.security.spoken_to_by("wss")
        offer = call.media.offer((PCMU,))
        assert ("host", own_host()) in candidates(offer)
        await call.peer.setRemoteDescription(RTCSessionDescription(offer.decode(), "offer"))
        await call.peer.setLocalDescription(await call.peer.createAnswer())
        call.media.accept_answer(call.peer.localDescription.sdp.encode())
        await call.both_ways()


async def test_a_party_that_cannot_be_reached_is_told_of(turn: TurnServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("media.full_ice._CONNECT_SECONDS", 1.0)
    async with studio() as room, kept_ready(relay_only(turn)) as ways, talk(room, ways) as call:
        await call.peer.setLocalDescription(await call.peer.createOffer())
        # Whoever is at that address does not answer.
        offer = re.sub(
            r"(a=candidate:\S+ \d udp \d+) \S+ \d+", rf"\1 {own_host()} {free_port()}", call.peer.localDescription.sdp
        )
        call.media.answer(offer.encode(), PCMU)
        assert "no way" in await asyncio.wait_for(call.lost, 20)


async def test_without_a_way_that_is_ready_the_engines_own_address_is_told() -> None:
    nobody = IceServers(turn=("127.0.0.1", free_port()), turn_username="a", turn_password="b", relay_only=True)
    ways = IceWays(nobody, spare=1)
    async with studio() as room, talk(room, ways) as call:
        await call.peer.setLocalDescription(await call.peer.createOffer())
        answer = call.media.answer(call.peer.localDescription.sdp.encode(), PCMU)
        assert b"ice-lite" in answer
        await call.peer.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))
        await call.both_ways()
    await ways.close()


async def test_as_many_ways_as_wanted_are_kept_ready_and_all_are_given_back(turn: TurnServer) -> None:
    async with kept_ready(relay_only(turn), spare=2) as ways:
        taken = [ways.take(), ways.take()]
        assert ways.take() is None
        assert None not in taken
        async with asyncio.timeout(20):
            while (third := ways.take()) is None:
                await asyncio.sleep(0.05)
        for way in (*taken, third):
            if way is not None:
                way.close()
                way.close()
                await way.ended()
    # Each allocation is given back by a refresh with no time left.
    text = turn.log.read_text()
    assert len(re.findall(r"ALLOCATE processed, success", text)) >= 3


async def test_a_whole_server_behind_a_turn_server_serves_a_webrtc_phone(turn: TurnServer, tmp_path: Path) -> None:
    host, port = turn.address
    own, other = write_tone(tmp_path / "own.wav", 700), write_tone(tmp_path / "other.wav", 1100)
    settings = {"TURN_SERVER": f"{host}:{port}", "TURN_USERNAME": turn.username, "TURN_PASSWORD": turn.password}
    media = {f"MEDIA_{name}": value for name, value in settings.items()}
    async with ramal_process(tmp_path, MEDIA_ICE="relay", **media) as server, contextlib.AsyncExitStack() as stack:
        await server.start()
        async with server.api() as api:
            for number in ("1001", "1002"):
                await api.post("extensions", number=number, name=f"Desk {number}", password=PASSWORD)
        setup = PhoneSetup(f"127.0.0.1:{server.web_port}", "1001", password=PASSWORD, transport="ws")
        phone = await SoftPhone.start(setup)
        stack.push_async_callback(phone.close)
        desk = await server.phone("1002")
        stack.push_async_callback(desk.close)
        call = await phone.call("1002", own)
        incoming = await desk.incoming()
        await incoming.answer()
        await call.confirmed()
        await incoming.play(other)
        await until_heard(incoming, tmp_path / "1.wav", 700)
        await until_heard(call, tmp_path / "2.wav", 1100)
        await call.hang_up()
        await incoming.over()
        assert "voice_passes_through_python" in server.log.read_text()
    assert turn.password not in server.log.read_text()


@pytest.mark.timeout(180)
async def test_a_browser_is_reached_by_full_ice_and_again_after_a_restart(tmp_path: Path) -> None:
    microphone, voice = write_tone(tmp_path / "browser.wav", 700, 20), write_tone(tmp_path / "desk.wav", 1100, 20)
    async with server_with_browser(tmp_path, microphone, MEDIA_ICE="full") as (server, browser):
        desk = await server.phone("1002")
        try:
            await browser.do("call", to="1002")
            call = await desk.incoming()
            await call.answer()
            await call.confirmed()
            await browser.wait_for("connection", state="connected")
            await call.play(voice)
            await until_heard(call, tmp_path / "1.wav", 700)
            assert share(await browser.hear(2), 1100) > 0.8
            await browser.do("restart")
            async with asyncio.timeout(20):
                while server.log.read_text().count("voice_passes_through_python") < 2:
                    await asyncio.sleep(0.1)
            await until_heard(call, tmp_path / "2.wav", 700)
            assert share(await browser.hear(2), 1100) > 0.8
            await browser.do("hangUp")
            await call.over()
        finally:
            await desk.close()
