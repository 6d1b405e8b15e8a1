"""Encrypted legs: what libsrtp speaks is heard, strangers and the past are not, and the source of authentic packets is followed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from media.codec import DECODED_CODECS
from media.engine import Codec, DigitReceived, Endpoint, RecordingClosed
from media.errors import InvalidEndpointError
from media.srtp import SrtpKeys, SrtpProfile
from tests.media.phone import Phone, Studio, pitch, studio, tone
from tests.media.secure_phone import SecurePhone, secure_party
from tests.media.test_relay import pump

pytestmark = pytest.mark.usefixtures("on_each_backend")
PROFILE = SrtpProfile.AES_CM_128_HMAC_SHA1_80


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def rejected(endpoint: Endpoint, count: int) -> None:
    await until(lambda: endpoint.statistics().packets_rejected >= count)


async def call(room: Studio) -> tuple[SecurePhone, Endpoint, Phone, Endpoint]:
    anna, a = secure_party(room, PROFILE)
    boris, b = room.party()
    room.engine.bridge(a, b)
    return anna, a, boris, b


@pytest.mark.parametrize("profile", list(SrtpProfile))
@pytest.mark.parametrize("codec", DECODED_CODECS)
async def test_an_encrypted_leg_and_a_clear_one_hear_each_other(profile: SrtpProfile, codec: Codec) -> None:
    async with studio() as room:
        anna, a = secure_party(room, profile, codec)
        boris, b = room.party()
        room.engine.bridge(a, b)
        assert pitch(boris.samples(await pump(room, anna, boris, 50, 440))) == pytest.approx(440, abs=5)
        assert pitch(anna.samples(await pump(room, boris, anna, 50, 1000))) == pytest.approx(1000, abs=5)
        assert (a.statistics().packets_received, a.statistics().packets_lost) == (50, 0)


async def test_two_encrypted_legs_of_other_profiles_hear_each_other_over_a_rollover() -> None:
    async with studio() as room:
        anna, a = secure_party(room, SrtpProfile.AEAD_AES_128_GCM)
        boris, b = secure_party(room, SrtpProfile.AES_CM_128_HMAC_SHA1_32)
        room.engine.bridge(a, b)
        anna.sequence, boris.sequence = 65520, 65530
        for count in range(100):
            anna.send(bytes([count]) * 160)
            assert (await boris.hear()).payload == bytes([count]) * 160
            boris.send(bytes([count]) * 160)
            assert (await anna.hear()).payload == bytes([count]) * 160


async def test_an_encrypted_call_is_recorded_in_the_clear(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = secure_party(room, PROFILE)
        boris, b = secure_party(room, SrtpProfile.AEAD_AES_128_GCM)
        room.engine.bridge(a, b)
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        recording.attach(b, 1)
        await asyncio.gather(anna.speak(tone(440, 1.0)), boris.speak(tone(1000, 1.0)))
        recording.close()
        await room.told_of(RecordingClosed(recording.id))
        samples, _ = soundfile.read(recording.path, dtype="int16")
        assert pitch(samples[1600:6400, 0]) == pytest.approx(440, abs=5)
        assert pitch(samples[1600:6400, 1]) == pytest.approx(1000, abs=5)


async def test_prompts_and_digits_go_out_encrypted_and_digits_come_in(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = secure_party(room, PROFILE)
        sound = tmp_path / "tone.wav"
        soundfile.write(sound, tone(600, 0.5), 8000, subtype="PCM_16")
        a.play(sound)
        heard = await anna.hear_many(20)
        assert pitch(anna.samples(heard)) == pytest.approx(600, abs=10)
        a.stop_play()
        a.send_digit("5")
        async with asyncio.timeout(20):
            while (packet := await anna.hear()).payload_type != 101:
                pass
        assert packet.payload[0] == 5
        for duration in (320, 640):
            anna.timestamp = 99
            anna.send(bytes([7, 0x8A if duration == 640 else 0x0A]) + duration.to_bytes(2), payload_type=101)
        assert await room.event(DigitReceived) == [DigitReceived(a.id, "7", 80)]


async def test_clear_packets_never_reach_the_other_leg_of_an_encrypted_one() -> None:
    async with studio() as room:
        anna, a, boris, _b = await call(room)
        await pump(room, anna, boris, 5)
        for _ in range(20):
            anna.rtp.sendto(b"\x80\x00" + bytes(170), anna.remote)
        await rejected(a, 20)
        anna.send(b"\x42" * 160)
        assert (await boris.hear()).payload == b"\x42" * 160


async def test_without_keys_an_encrypted_leg_is_deaf_and_mute() -> None:
    async with studio() as room:
        anna, a = room.party()
        boris, b = room.party()
        a.encrypt()
        room.engine.bridge(a, b)
        for _ in range(5):
            anna.send(b"\x01" * 160)
            boris.send(b"\x02" * 160)
        await rejected(a, 5)
        assert await anna.listen(0.2) == []
        assert await boris.listen(0.05) == []
        assert a.statistics().packets_sent == 0
        a.speak_clear()
        boris.send(b"\x03" * 160)
        assert (await anna.hear()).payload == b"\x03" * 160


async def test_what_was_sent_before_is_not_heard_again_from_wherever_it_comes() -> None:
    async with studio() as room:
        anna, a, boris, _b = await call(room)
        intruder = Phone()
        room.phones.append(intruder)
        packets = [anna.protected(bytes([number]) * 160) for number in range(8)]
        for packet in packets:
            anna.rtp.sendto(packet, anna.remote)
        await boris.hear_many(8)
        for packet in packets:
            intruder.rtp.sendto(packet, anna.remote)
            anna.rtp.sendto(packet, anna.remote)
        await rejected(a, 16)
        boris.send(b"\x55" * 160)
        assert (await anna.hear()).payload == b"\x55" * 160
        assert await intruder.listen(0.1) == []
        assert await boris.listen(0.05) == []


async def test_a_phone_that_moves_is_followed_with_its_first_authentic_packet() -> None:
    async with studio() as room:
        anna, _, boris, b = await call(room)
        await pump(room, anna, boris, 5)
        elsewhere = Phone()
        room.phones.append(elsewhere)
        elsewhere.rtp.sendto(anna.protected(b"\x66" * 160), anna.remote)
        assert (await boris.hear()).payload == b"\x66" * 160
        boris.call(b)
        boris.send(b"\x77" * 160)
        assert len(await elsewhere.listen(0.3)) == 1


async def test_rtcp_is_encrypted_beside_rtp_and_with_it() -> None:
    async with studio() as room:
        anna, a, boris, _b = await call(room)
        await pump(room, anna, boris, 3)
        await pump(room, boris, anna, 3)
        assert (await anna.reported(multiplexed=False))[1] == 200
        anna.rtp.sendto(anna.report(), anna.remote)
        a.multiplex()
        assert (await anna.reported(multiplexed=True))[1] == 201
        before = a.statistics().packets_rejected
        anna.rtcp.sendto(b"\x80\xc9\x00\x01" + bytes(4), (a.address, a.port + 1))
        await rejected(a, before + 1)


async def test_a_key_change_in_mid_call_loses_nothing() -> None:
    async with studio() as room:
        anna, a, boris, _b = await call(room)
        await pump(room, anna, boris, 5)
        late = anna.protected(b"\x01" * 160)
        anna.speak_with(PROFILE.new_master())
        a.encrypt(anna.keys)
        await asyncio.sleep(0.06)
        anna.rtp.sendto(late, anna.remote)
        assert (await boris.hear()).payload == b"\x01" * 160
        assert len(await pump(room, anna, boris, 20)) == 20
        assert len(await pump(room, boris, anna, 20)) == 20
        # Both at once, as an answer with a fresh key of ours does it.
        anna.speak_with(PROFILE.new_master())
        anna.hear_with(PROFILE.new_master())
        a.encrypt(anna.keys)
        await asyncio.sleep(0.06)
        assert len(await pump(room, anna, boris, 20)) == 20
        assert len(await pump(room, boris, anna, 20)) == 20


async def test_the_same_keys_again_change_nothing() -> None:
    async with studio() as room:
        anna, a, boris, _b = await call(room)
        anna.sequence = 65530
        await pump(room, anna, boris, 20)
        a.encrypt(anna.keys)
        a.configure(remote=anna.address)
        assert len(await pump(room, anna, boris, 20)) == 20
        assert len(await pump(room, boris, anna, 20)) == 20


async def test_a_key_of_another_length_is_refused() -> None:
    async with studio() as room:
        endpoint = room.engine.create_endpoint()
        with pytest.raises(InvalidEndpointError, match="length"):
            endpoint.encrypt(SrtpKeys(PROFILE, bytes(28), bytes(30)))
