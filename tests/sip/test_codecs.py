"""Codecs in descriptions: what is offered to whom, the numbers they have, and key presses at their clock."""

from __future__ import annotations

import pytest

from sip.codecs import DEFAULT_CODECS, L16, L16_WIDE, OFFERED_CODECS, OPUS, PCMA, PCMU, by_label, order
from sip.offer_answer import MediaNegotiation, understand
from sip.sdp import SessionDescription

BROWSER = b"""v=0\r
o=- 1 2 IN IP4 192.0.2.1\r
s=-\r
c=IN IP4 192.0.2.1\r
t=0 0\r
m=audio 4000 RTP/AVP 96 111 9 0 8 97 13 110 126\r
a=rtpmap:96 opus/48000/2\r
a=rtpmap:111 speex/16000\r
a=rtpmap:97 L16/16000/2\r
a=rtpmap:110 telephone-event/48000\r
a=rtpmap:126 telephone-event/8000\r
a=fmtp:96 minptime=10;useinbandfec=1\r
"""


def ours() -> MediaNegotiation:
    return MediaNegotiation("10.0.0.1", 20000, session_id=77)


def labels(codecs: object) -> list[str]:
    assert isinstance(codecs, tuple | list | dict)
    return [codec.label for codec in codecs]


def test_an_offer_of_ours_names_every_codec_and_keys_at_each_clock() -> None:
    media = SessionDescription.parse(ours().offer()).media[0]
    assert media.formats == ["8", "0", "9", "111", "101", "110"]
    assert media.attributes("rtpmap") == [
        "8 PCMA/8000",
        "0 PCMU/8000",
        "9 G722/8000",
        "111 OPUS/48000/2",
        "101 telephone-event/8000",
        "110 telephone-event/48000",
    ]
    assert "111 useinbandfec=1" in media.attributes("fmtp")


def test_all_codecs_of_an_offer_are_known_in_its_order_but_for_music_in_stereo() -> None:
    audio = understand(BROWSER)
    assert labels(audio.choices()) == ["OPUS", "G722", "PCMU", "PCMA"]
    assert (audio.codec, audio.payload_type, audio.telephone_event) == (OPUS, 96, 110)
    assert labels(understand(BROWSER.replace(b"L16/16000/2", b"L16/16000")).choices())[-1] == "L16/16000"


def test_another_codec_of_the_offer_is_taken_with_its_number_and_keys() -> None:
    audio = understand(BROWSER)
    agreed = ours().answer(audio.choose(PCMU, audio.choices()[PCMU]))
    answer = SessionDescription.parse(agreed.answer).media[0]
    assert (agreed.codec, agreed.telephone_event, answer.formats) == (PCMU, 126, ["0", "126"])
    assert "126 telephone-event/8000" in answer.attributes("rtpmap")


def test_an_answer_in_opus_has_the_peers_numbers_and_keys_at_its_clock() -> None:
    answer = SessionDescription.parse(ours().answer(BROWSER).answer).media[0]
    assert answer.formats == ["96", "110"]
    assert answer.attributes("rtpmap") == ["96 OPUS/48000/2", "110 telephone-event/48000"]


def test_opus_with_keys_at_8_khz_only_keeps_them() -> None:
    offer = BROWSER.replace(b"110 telephone-event/48000", b"110 telephone-event/8000")
    agreed = ours().answer(offer)
    assert agreed.telephone_event == 110
    assert b"a=rtpmap:110 telephone-event/8000" in agreed.answer


def test_numbers_keep_their_meaning_in_a_later_offer_of_ours() -> None:
    negotiation = ours()
    negotiation.answer(BROWSER)
    negotiation.codecs = (OPUS, PCMU, L16)
    media = SessionDescription.parse(negotiation.offer()).media[0]
    # 97 and 111 mean something else in this session: L16 takes a free number.
    assert media.formats == ["96", "0", "127", "110", "126"]
    assert media.attributes("rtpmap")[2] == "127 L16/8000"


@pytest.mark.parametrize(
    ("wishes", "offered"),
    [
        ((), ["PCMA", "PCMU", "G722", "OPUS"]),
        (("PCMU",), ["PCMU", "PCMA", "G722", "OPUS"]),
        (("G722", "PCMU"), ["G722", "PCMU", "PCMA", "OPUS"]),
        (("OPUS", "L16/16000"), ["OPUS", "L16/16000", "PCMA", "PCMU", "G722"]),
        (("GSM",), ["PCMA", "PCMU", "G722", "OPUS"]),
    ],
)
def test_the_other_partys_codecs_come_first_in_an_offer(wishes: tuple[str, ...], offered: list[str]) -> None:
    assert labels(order(wishes)) == offered


def test_a_trunk_is_offered_what_it_may_speak_and_of_that_first_what_the_other_party_speaks() -> None:
    assert order(("PCMU", "OPUS"), (PCMA, PCMU)) == (PCMU, PCMA)
    assert order((), (PCMU, PCMA)) == (PCMU, PCMA)


def test_every_codec_is_found_by_its_label() -> None:
    assert [by_label(codec.label) for codec in DEFAULT_CODECS] == list(DEFAULT_CODECS)
    assert (by_label("GSM"), L16_WIDE.label, set(OFFERED_CODECS) <= set(DEFAULT_CODECS)) == (None, "L16/16000", True)
