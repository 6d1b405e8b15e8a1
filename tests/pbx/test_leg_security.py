"""How keys are agreed by descriptions and by DTLS, with real packets behind them: every profile, and other keys in a re-INVITE."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from typing import cast

import pytest
from OpenSSL import SSL

from media.dtls import DtlsHandshake, DtlsIdentity
from media.engine import HandshakeReceived, MediaEvent
from media.srtp import SrtpKeys, SrtpProfile
from pbx.leg_endpoint import Names
from pbx.leg_media import LegMedia
from sip.peer_audio import PeerAudio
from sip.sdp import SessionDescription
from tests.media.phone import Phone, Studio, pitch, studio, tone
from tests.media.secure_phone import SecurePhone
from tests.support.kept import kept_by


def offer(phone: SecurePhone, *lines: str, protocol: str = "RTP/SAVP") -> bytes:
    host, port = phone.address
    rows = (f"m=audio {port} {protocol} 0 101", "a=rtpmap:101 telephone-event/8000", *lines)
    head = ("v=0", f"o=- 1 1 IN IP4 {host}", "s=-", f"c=IN IP4 {host}", "t=0 0")
    return "".join(f"{row}\r\n" for row in (*head, *rows)).encode()


def crypto(phone: SecurePhone, tag: int = 1) -> str:
    return f"a=crypto:{tag} {phone.profile.suite} inline:{b64encode(phone.outgoing).decode()}"


def our_key(answer: bytes) -> tuple[str, str, bytes]:
    """Tag, suite and key of our line."""
    [(tag, suite, key)] = re.findall(r"a=crypto:(\d+) (\S+) inline:(\S+)\r", answer.decode())
    return tag, suite, b64decode(key)


def leg(room: Studio) -> LegMedia:
    return LegMedia(room.engine, cast("Names", None), DtlsIdentity())


async def hears(listener: Phone, speaker: Phone, hertz: float, packets: int = 40) -> bool:
    speaking = asyncio.create_task(speaker.speak(tone(hertz, packets / 50)))
    heard = await listener.hear_many(packets - 5)
    await speaking
    return abs(pitch(listener.samples(heard[-20:])) - hertz) < 15


@pytest.mark.parametrize("profile", SrtpProfile)
async def test_keys_of_a_description_are_agreed_in_each_profile(profile: SrtpProfile) -> None:
    async with studio() as room:
        media = leg(room)
        anna = SecurePhone(profile)
        room.phones.append(anna)
        boris, b = room.party()
        # What is not spoken here stands first.
        foreign = f"a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{b64encode(bytes(46)).decode()}"
        answer = media.answer(offer(anna, foreign, crypto(anna, 2)))
        tag, suite, key = our_key(answer)
        assert (tag, suite, len(key)) == ("2", profile.suite, profile.master_size)
        anna.hear_with(key)
        assert media.endpoint is not None
        anna.call(media.endpoint)
        room.engine.bridge(media.endpoint, b)
        assert await hears(boris, anna, 700)
        assert await hears(anna, boris, 900)
        media.close()


@pytest.mark.parametrize("offering", [False, True])
async def test_of_a_description_nothing_is_kept_once_its_keys_are_taken(*, offering: bool) -> None:
    async with studio() as room:
        media = leg(room)
        anna = SecurePhone(SrtpProfile.AES_CM_128_HMAC_SHA1_80)
        room.phones.append(anna)
        media.security.spoken_to_by("tls")
        if offering:
            media.offer()
            media.accept_answer(offer(anna, crypto(anna)))
        else:
            media.answer(offer(anna, crypto(anna)))
        assert media.security.profile is anna.profile
        assert not [one for one in kept_by(media) if isinstance(one, SessionDescription | PeerAudio)]
        media.close()


@pytest.mark.parametrize("profile", SrtpProfile)
async def test_a_new_key_in_a_re_invite_takes_the_place_of_the_old_one_in_mid_sentence(profile: SrtpProfile) -> None:
    async with studio() as room:
        media = leg(room)
        anna = SecurePhone(profile)
        room.phones.append(anna)
        boris, b = room.party()
        _, _, ours = our_key(media.answer(offer(anna, crypto(anna))))
        anna.hear_with(ours)
        assert media.endpoint is not None
        anna.call(media.endpoint)
        room.engine.bridge(media.endpoint, b)
        assert await hears(boris, anna, 700)
        heard = asyncio.create_task(boris.hear_many(60))
        await anna.speak(tone(700, 0.4))
        anna.outgoing = profile.new_master()
        answer = media.answer(offer(anna, crypto(anna)))
        # Our own direction goes on under its key: its stream does, too.
        assert our_key(answer)[2] == ours
        # What was under way under the old key is heard; then comes the first under the new one.
        await anna.speak(tone(700, 0.4))
        anna.speak_with(anna.outgoing)
        await anna.speak(tone(700, 0.4))
        packets = await heard
        assert [one.sequence - packets[0].sequence & 0xFFFF for one in packets] == list(range(60))
        assert await hears(anna, boris, 900)
        assert media.endpoint.statistics().packets_rejected == 0
        media.close()


@pytest.mark.parametrize(
    ("profile", "protocol"),
    [*((profile, "UDP/TLS/RTP/SAVP") for profile in SrtpProfile), (SrtpProfile.AES_CM_128_HMAC_SHA1_80, "RTP/SAVPF")],
)
async def test_dtls_agrees_the_profile_that_the_party_offers(profile: SrtpProfile, protocol: str) -> None:
    async with studio() as room:
        media, identity = leg(room), DtlsIdentity()
        names = {
            SrtpProfile.AES_CM_128_HMAC_SHA1_80: b"SRTP_AES128_CM_SHA1_80",
            SrtpProfile.AES_CM_128_HMAC_SHA1_32: b"SRTP_AES128_CM_SHA1_32",
            SrtpProfile.AEAD_AES_128_GCM: b"SRTP_AEAD_AES_128_GCM",
        }
        context: SSL.Context = identity.context
        context.set_tlsext_use_srtp(names[profile])

        def told(event: MediaEvent) -> None:
            room.told(event)
            if isinstance(event, HandshakeReceived):
                media.security.handshake_received(event.datagram)

        room.engine.on_event = told
        anna = SecurePhone(profile)
        room.phones.append(anna)
        boris, b = room.party()
        fingerprint = ":".join(f"{byte:02X}" for byte in identity.fingerprint)
        rows = (f"a=fingerprint:sha-256 {fingerprint}", "a=setup:active")
        answer = media.answer(offer(anna, *rows, protocol=protocol))
        assert f" {protocol} 0".encode() in answer
        [theirs] = re.findall(r"a=fingerprint:sha-256 (\S+)", answer.decode())
        handshake = DtlsHandshake(identity, [("sha-256", bytes.fromhex(theirs.replace(":", "")))], client=True)
        assert media.endpoint is not None
        anna.call(media.endpoint)
        keys = await _shake_hands(anna, handshake)
        assert keys.profile is profile
        # What is offered once more holds on to the fingerprint: in the clear the phone would not be understood.
        again = media.offer().decode()
        assert f" {protocol} " in again
        assert f"a=fingerprint:sha-256 {theirs}\r\na=setup:actpass" in again
        assert "a=ice" not in again
        anna.speak_with(keys.outgoing)
        anna.hear_with(keys.incoming)
        room.engine.bridge(media.endpoint, b)
        assert await hears(boris, anna, 700)
        assert await hears(anna, boris, 900)
        media.close()


async def _shake_hands(phone: SecurePhone, handshake: DtlsHandshake) -> SrtpKeys:
    loop = asyncio.get_running_loop()
    for datagram in handshake.start():
        phone.rtp.sendto(datagram, phone.remote)
    async with asyncio.timeout(10):
        while handshake.keys is None:
            for datagram in handshake.receive(await loop.sock_recv(phone.rtp, 2048)):
                phone.rtp.sendto(datagram, phone.remote)
    return handshake.keys
