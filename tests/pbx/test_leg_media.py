"""What a leg makes of an offer before anything is opened for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
import soundfile

from media.dtls import DtlsIdentity
from media.engine import Codec, Engine
from pbx.errors import NoPortError
from pbx.leg_endpoint import Names
from pbx.leg_media import LegMedia
from sip.codecs import G722, OPUS, PCMA, PCMU, by_label
from sip.peer_audio import understand
from tests.media.phone import Phone, free_ports, studio, tone
from tests.sip.descriptions import PHONE


@pytest.fixture
def media() -> LegMedia:
    # Nothing is opened: the engine is not asked.
    # It is not started, and no endpoint of it is opened.
    return LegMedia(Engine(port_range=(20_000, 20_001)), cast("Names", None), DtlsIdentity())


def test_an_offer_is_read_once_for_the_codec_and_for_whether_it_can_be_taken(
    media: LegMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert media.acceptable(PHONE)
    monkeypatch.setattr("sip.peer_audio.understand", None)
    assert [codec.label for codec in media.wishes(PHONE)] == ["SPEEX/16000", "PCMA", "PCMU"]
    assert media.warning == ""


@pytest.mark.parametrize(
    ("offer", "warning"),
    [
        (PHONE.replace(b"RTP/AVP 98", b"RTP/SAVP 98"), '302 ramal "Audio over RTP/SAVP is not spoken here."'),
        (PHONE.replace(b"RTP/AVP 98", b'RTP/"A\\ 98'), '302 ramal "Audio over RTP/\'A is not spoken here."'),
        (PHONE.replace(b"m=audio", b"m=image"), '304 ramal "There is no audio in the description."'),
        (PHONE.replace(b"98 8 0 96", b"7 96"), '305 ramal "There is no codec in the description that is spoken here."'),
        (
            PHONE.replace(b"IP4 192.168.1.7\r\nt=", b"IP4 phone..example\r\nt="),
            '301 ramal "The description names no address that voice can be sent to."',
        ),
        (
            PHONE.replace(b"IP4 192.168.1.7\r\nt=", b"IP6 2001:db8::7\r\nt="),
            '301 ramal "The description names no address that voice can be sent to."',
        ),
        (b"v=1", '399 ramal "A session description does not begin with v=0."'),
    ],
)
def test_the_warning_of_a_refusal_tells_why(media: LegMedia, offer: bytes, warning: str) -> None:
    assert not media.acceptable(offer)
    assert media.warning == warning


def test_without_an_offer_no_codec_is_wanted(media: LegMedia) -> None:
    assert media.wishes(None) == ()
    assert media.wishes(b"rubbish") == ()


BROWSER = PHONE.replace(b"AVP 98 8 0 96", b"AVP 111 9 8 0 96").replace(
    b"a=rtpmap:98 speex/16000", b"a=rtpmap:111 opus/48000/2"
)


@pytest.mark.parametrize(
    ("like", "taken"),
    [("", "G722"), ("OPUS", "OPUS"), ("PCMU", "PCMA"), ("PCMA", "PCMA"), ("G722", "G722"), ("L16", "OPUS")],
)
def test_an_offer_is_answered_in_the_codec_of_the_other_party(like: str, taken: str) -> None:
    engine = Engine(port_range=free_ports(1))
    try:
        media = LegMedia(engine, cast("Names", None), DtlsIdentity())
        media.answer(BROWSER, by_label(like))
        assert media.codec == taken
        assert media.wishes(None)[0].label == taken
        assert set(media.wishes(None)) == {OPUS, G722, PCMA, PCMU}
        assert media.wideband == (taken in ("OPUS", "G722"))
    finally:
        engine.close()


def test_a_party_is_asked_for_another_codec_only_where_it_is_known_to_speak_it() -> None:
    engine = Engine(port_range=free_ports(2))
    try:
        browser, desk = [LegMedia(engine, cast("Names", None), DtlsIdentity()) for _ in range(2)]
        browser.answer(BROWSER, OPUS)
        desk.answer(PHONE)
        offer = browser.offer_like(desk)
        assert offer is not None
        assert [codec.label for codec in understand(offer).choices()] == ["PCMA", "PCMU"]
        assert desk.offer_like(browser) is None
        assert browser.offer_like(browser) is None
    finally:
        engine.close()


async def test_an_offer_moves_to_another_address_of_this_machine_with_its_codecs_or_stays_whole() -> None:
    low, _ = free_ports(1)
    engine = Engine(addresses=("127.0.0.1", "127.0.0.2", "127.0.0.3"), port_range=(low, low + 1))
    engine.start(asyncio.get_running_loop())
    try:
        leg = LegMedia(engine, cast("Names", None), DtlsIdentity())
        leg.at = ("127.0.0.1", "127.0.0.1")
        first = leg.offer((PCMU,))
        assert leg.offer_from(leg.at) == first
        taken = engine.create_endpoint("127.0.0.3")
        with pytest.raises(NoPortError):
            leg.offer_from(("127.0.0.3", "127.0.0.3"))
        assert leg.at == ("127.0.0.1", "127.0.0.1")
        assert leg.offer_from(leg.at) == first
        before = leg.endpoint
        moved = leg.offer_from(("127.0.0.2", "192.0.2.2"))
        assert leg.endpoint is not before
        assert b"c=IN IP4 192.0.2.2" in moved
        assert media_lines(moved) == media_lines(first)
        taken.close()
        leg.close()
    finally:
        engine.close()


def media_lines(sdp: bytes) -> bytes:
    return sdp.partition(b"\r\nm=")[2]


async def test_sound_for_a_party_comes_in_packets_as_long_as_its_description_says(tmp_path: Path) -> None:
    sound = tmp_path / "tone.wav"
    soundfile.write(sound, tone(500, 0.5), 8000, subtype="PCM_16")
    async with studio() as room:
        phone = Phone(Codec.PCMA)
        leg = LegMedia(room.engine, cast("Names", None), DtlsIdentity())
        for lines, size in (("a=ptime:40\r\n", 320), ("a=ptime:60\r\na=maxptime:30\r\n", 240), ("", 160)):
            offer = (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {phone.address[1]} RTP/AVP 8\r\n{lines}"
            )
            leg.answer(offer.encode())
            leg.open().play(sound, loop=True)
            while len((await phone.hear()).payload) != size:
                pass
            assert {len(packet.payload) for packet in await phone.hear_many(3)} == {size}
        leg.close()
        phone.close()
