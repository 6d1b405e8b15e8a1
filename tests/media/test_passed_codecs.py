"""Codecs without a decoder: their packets go between two who speak the same, and what would need their sound is silence, never noise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import soundfile

from media.codec import DECODED_CODECS
from media.coding import decoder
from media.engine import Codec, DigitReceived, Endpoint, FirstPacket, PlaybackEnded, RecordingClosed
from media.srtp import SrtpProfile
from tests.media.phone import TELEPHONE_EVENT, Phone, Studio, studio, tone
from tests.media.secure_phone import secure_party

pytestmark = pytest.mark.usefixtures("on_each_backend")
PASSED = tuple(codec for codec in Codec if codec not in DECODED_CODECS)


def speaks(phone: Phone, endpoint: Endpoint, codec: Codec, payload_type: int | None = None) -> None:
    """Have a phone's endpoint carry another codec."""
    number = codec.payload_type if payload_type is None else payload_type
    endpoint.configure(remote=phone.address, codec=codec, payload_type=number, telephone_event=TELEPHONE_EVENT)


def party(room: Studio, codec: Codec, payload_type: int | None = None) -> tuple[Phone, Endpoint]:
    phone, endpoint = room.party()
    speaks(phone, endpoint, codec, payload_type)
    return phone, endpoint


async def quiet(phone: Phone) -> bool:
    return await phone.listen(0.15) == []


@pytest.mark.parametrize("codec", PASSED)
async def test_packets_go_between_two_of_a_codec_untouched_under_the_number_of_each(codec: Codec) -> None:
    async with studio() as room:
        anna, a = party(room, codec)
        boris, b = party(room, codec, 99)
        room.engine.bridge(a, b)
        for payload in (b"\x01" * 20, b"", b"\xff" * 1200):
            anna.send(payload, payload_type=codec.payload_type)
            heard = await boris.hear()
            assert (heard.payload_type, heard.payload) == (99, payload)
        boris.send(b"\x02" * 10, payload_type=99)
        heard = await anna.hear()
        assert (heard.payload_type, heard.payload) == (codec.payload_type, b"\x02" * 10)
        assert {event.endpoint_id for event in await room.event(FirstPacket, 2)} == {a.id, b.id}


async def test_they_go_over_encrypted_legs_too() -> None:
    async with studio() as room:
        anna, a = secure_party(room, SrtpProfile.AES_CM_128_HMAC_SHA1_80)
        boris, b = secure_party(room, SrtpProfile.AEAD_AES_128_GCM)
        speaks(anna, a, Codec.G729)
        speaks(boris, b, Codec.G729)
        room.engine.bridge(a, b)
        anna.send(b"\x05" * 20, payload_type=18)
        assert ((heard := await boris.hear()).payload_type, heard.payload) == (18, b"\x05" * 20)


@pytest.mark.parametrize("other", [Codec.PCMU, Codec.OPUS, Codec.GSM])
async def test_between_two_codecs_of_which_one_is_not_decoded_nothing_is_sent(other: Codec) -> None:
    async with studio() as room:
        anna, a = party(room, Codec.G729)
        boris, b = party(room, other)
        room.engine.bridge(a, b)
        for _ in range(5):
            anna.send(b"\x01" * 20, payload_type=18)
            boris.send(b"\x01" * 33, payload_type=other.payload_type)
            if other not in DECODED_CODECS:
                # One that switches to G.711 without asking is not understood by the other, either.
                anna.send(b"\x01" * 160, payload_type=0)
        assert await quiet(boris)
        assert await quiet(anna)
        speaks(anna, a, other)
        anna.send(b"\x03" * 33, payload_type=other.payload_type)
        assert (await boris.hear()).payload == b"\x03" * 33


async def test_a_sound_that_is_played_takes_its_time_unheard_and_the_other_party_is_heard_again(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", tone(500, 0.2), 8000, subtype="PCM_16")
    async with studio() as room:
        anna, a = party(room, Codec.G729)
        boris, b = party(room, Codec.G729)
        room.engine.bridge(a, b)
        playback = a.play(tmp_path / "sound.wav")
        assert await room.event(PlaybackEnded) == [PlaybackEnded(a.id, playback, completed=True)]
        assert a.statistics().packets_sent == 0
        boris.send(b"\x04" * 20, payload_type=18)
        assert (await anna.hear()).payload == b"\x04" * 20


async def test_keys_are_told_and_sent_as_events() -> None:
    async with studio() as room:
        anna, a = party(room, Codec.G729)
        boris, b = party(room, Codec.G729)
        room.engine.bridge(a, b)
        for end, duration in ((0, 160), (0x80, 320)):
            anna.send(bytes([5, end | 10]) + duration.to_bytes(2), payload_type=TELEPHONE_EVENT, step=0)
        await room.told_of(DigitReceived(a.id, "5", 40))
        assert (await boris.hear()).payload_type == TELEPHONE_EVENT
        b.send_digit("7")
        assert {packet.payload[0] for packet in await boris.listen(0.3)} >= {7}


async def test_a_recording_a_tap_and_a_room_hear_silence_instead_of_noise(tmp_path: Path) -> None:
    async with studio() as room:
        anna, a = party(room, Codec.G729)
        boris, b = room.party()
        recording = room.engine.create_recording(tmp_path / "call.wav")
        recording.attach(a, 0)
        recording.attach(b, 1)
        a.listen(digits=True, voice=True)
        tap = a.tap(sample_rate=8000)
        mixer = room.engine.create_mixer()
        mixer.add(a)
        mixer.add(b)
        for _ in range(20):
            anna.send(b"\xa5" * 20, payload_type=18)
            await asyncio.sleep(0.02)
        assert await anna.listen(0.1) == []
        assert not any(any(packet.payload.strip(b"\xff\x7f")) for packet in await boris.listen(0.1))
        assert not any(tap.read())
        recording.close()
        await room.event(RecordingClosed)
        assert not soundfile.read(tmp_path / "call.wav")[0][:, 0].any()


@pytest.mark.parametrize("codec", PASSED)
def test_there_is_no_decoder_for_them(codec: Codec) -> None:
    with pytest.raises(ValueError, match="no such codec"):
        decoder(codec)
