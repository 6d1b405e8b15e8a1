"""Codecs in descriptions: what is offered to whom, the numbers they have, and key presses at their clock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sip.codecs import (
    AMR,
    DEFAULT_CODECS,
    G722,
    G729,
    KNOWN_CODECS,
    L16,
    L16_WIDE,
    OFFERED_CODECS,
    OPUS,
    PCMA,
    PCMU,
    Codec,
    alike,
    by_label,
    order,
)
from sip.errors import NotAcceptableHereError
from sip.offer_answer import MediaNegotiation
from sip.peer_audio import understand
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
        "111 opus/48000/2",
        "101 telephone-event/8000",
        "110 telephone-event/48000",
    ]
    assert "111 useinbandfec=1" in media.attributes("fmtp")


def test_encodings_are_written_as_they_are_registered_since_some_peers_compare_case() -> None:
    written = {codec.encoding for codec in KNOWN_CODECS}
    assert {"opus/48000/2", "iLBC/8000", "speex/16000", "PCMU/8000", "G722/8000"} <= written


def test_all_codecs_of_an_offer_are_known_in_its_order_but_for_music_in_stereo() -> None:
    audio = understand(BROWSER)
    assert labels(audio.choices()) == ["OPUS", "G722", "PCMU", "PCMA"]
    assert (audio.codec, audio.payload_type, audio.telephone_event) == (OPUS, 96, 110)
    assert labels(understand(BROWSER.replace(b"L16/16000/2", b"L16/16000")).choices())[-1] == "L16/16000"


def test_another_codec_of_the_offer_is_taken_with_its_number_and_keys() -> None:
    audio = understand(BROWSER)
    local = ours()
    agreed = local.answer(audio.choose(PCMU, audio.choices()[PCMU]))
    answer = SessionDescription.parse(local.description()).media[0]
    assert (agreed.codec, agreed.telephone_event, answer.formats) == (PCMU, 126, ["0", "126"])
    assert "126 telephone-event/8000" in answer.attributes("rtpmap")


def test_an_answer_in_opus_has_the_peers_numbers_and_keys_at_its_clock() -> None:
    local = ours()
    local.answer(BROWSER)
    answer = SessionDescription.parse(local.description()).media[0]
    assert answer.formats == ["96", "110"]
    assert answer.attributes("rtpmap") == ["96 opus/48000/2", "110 telephone-event/48000"]


def test_opus_with_keys_at_8_khz_only_keeps_them() -> None:
    offer = BROWSER.replace(b"110 telephone-event/48000", b"110 telephone-event/8000")
    local = ours()
    assert local.answer(offer).telephone_event == 110
    assert b"a=rtpmap:110 telephone-event/8000" in local.description()


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
        ((PCMU,), ["PCMU", "PCMA", "G722", "OPUS"]),
        ((G722, PCMU), ["G722", "PCMU", "PCMA", "OPUS"]),
        ((OPUS, L16_WIDE), ["OPUS", "L16/16000", "PCMA", "PCMU", "G722"]),
        ((G729, PCMU, AMR), ["PCMU", "PCMA", "G722", "OPUS", "G729", "AMR"]),
        ((AMR, G729), ["AMR", "G729"]),
    ],
)
def test_the_other_partys_codecs_come_first_in_an_offer_and_what_is_only_passed_on_comes_last_or_alone(
    wishes: tuple[Codec, ...], offered: list[str]
) -> None:
    assert labels(order(wishes)) == offered


def test_a_trunk_is_offered_what_it_may_speak_and_of_that_first_what_the_other_party_speaks() -> None:
    assert order((PCMU, OPUS), (PCMA, PCMU)) == (PCMU, PCMA)
    assert order((), (PCMU, PCMA)) == (PCMU, PCMA)


def test_a_trunk_is_offered_what_is_passed_on_where_it_may_speak_it_and_the_other_party_does() -> None:
    theirs = replace(G729, payload_type=96, parameters="annexb=no")
    assert order((PCMA, theirs), (G729, PCMU, PCMA)) == (theirs, PCMA, PCMU)
    assert order((PCMA, AMR), (G729, PCMA)) == (PCMA,)
    assert order((theirs,), (PCMA, G729)) == (theirs,)
    assert order((theirs,), (PCMA,)) == ()
    assert order((PCMA,), (G729,)) == ()


def test_every_codec_is_found_by_its_label() -> None:
    assert [by_label(codec.label) for codec in KNOWN_CODECS] == list(KNOWN_CODECS)
    assert (by_label("MP3"), L16_WIDE.label, set(OFFERED_CODECS) <= set(DEFAULT_CODECS)) == (None, "L16/16000", True)


MOBILE = b"""v=0\r
o=- 1 2 IN IP4 192.0.2.1\r
s=-\r
c=IN IP4 192.0.2.1\r
t=0 0\r
m=audio 4000 RTP/AVP 18 96 97 98 101 4\r
a=rtpmap:18 G729/8000\r
a=fmtp:18 annexb=no\r
a=rtpmap:96 AMR/8000\r
a=fmtp:96 octet-align=1; mode-set=0,2,4,7\r
a=rtpmap:97 AMR/8000/1\r
a=rtpmap:98 AMR-WB/16000\r
a=fmtp:98 octet-align=1\r
a=rtpmap:101 telephone-event/8000\r
a=ptime:30\r
"""


def test_what_is_only_passed_on_is_taken_where_it_is_asked_for_with_the_numbers_and_parameters_of_its_peer() -> None:
    with pytest.raises(NotAcceptableHereError):
        understand(MOBILE)
    found = [(c.label, c.payload_type, c.parameters) for c in understand(MOBILE, KNOWN_CODECS).choices(KNOWN_CODECS)]
    assert found == [
        ("G729", 18, "annexb=no"),
        ("AMR", 96, "octet-align=1; mode-set=0,2,4,7"),
        ("AMR", 97, ""),
        ("AMR-WB", 98, "octet-align=1"),
        ("G723", 4, ""),
    ]


def test_a_codec_that_is_decoded_goes_before_those_that_are_only_passed_on() -> None:
    audio = understand(MOBILE.replace(b"98 101 4", b"98 101 0"), KNOWN_CODECS)
    assert (audio.codec, audio.payload_type) == (PCMU, 0)


def test_an_offer_names_them_as_the_other_party_does_and_leaves_the_packets_length_to_the_two() -> None:
    negotiation = ours()
    negotiation.codecs = order(tuple(understand(MOBILE, KNOWN_CODECS).choices(KNOWN_CODECS)))
    media = SessionDescription.parse(negotiation.offer()).media[0]
    assert media.formats == ["18", "96", "97", "98", "4", "101", "109"]
    assert media.attributes("fmtp")[:3] == ["18 annexb=no", "96 octet-align=1; mode-set=0,2,4,7", "98 octet-align=1"]
    assert media.attribute("ptime") is None


def test_numbers_that_two_would_have_are_given_once() -> None:
    negotiation = ours()
    negotiation.codecs = (PCMU, OPUS, replace(AMR, payload_type=111), replace(AMR, payload_type=101))
    media = SessionDescription.parse(negotiation.offer()).media[0]
    assert media.formats == ["0", "111", "127", "101", "126", "110"]
    assert [row for row in media.attributes("rtpmap") if "AMR" in row] == ["127 AMR/8000", "101 AMR/8000"]


def test_a_peer_that_uses_up_all_dynamic_numbers_costs_no_error() -> None:
    rows = "".join([f"a=rtpmap:{number} X{number}/8000\r\n" for number in range(96, 128)])
    numbers = " ".join([str(number) for number in range(96, 128)])
    negotiation = ours()
    negotiation.answer(BROWSER.split(b"m=")[0] + f"m=audio 4000 RTP/AVP 0 {numbers}\r\n{rows}".encode())
    negotiation.codecs = (PCMU, L16, AMR)
    assert SessionDescription.parse(negotiation.offer()).media[0].formats == ["0", "63", "62", "61"]


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (b"RTP/AVP 96\r\na=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1\r\n", "octet-align=1"),
        (b"RTP/AVP 97\r\na=rtpmap:97 amr/8000\r\n", ""),
        (b"RTP/AVP 96\r\na=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=1;crc=1\r\n", None),
        (b"RTP/AVP 98\r\na=rtpmap:98 AMR-WB/16000\r\n", None),
        (b"RTP/AVP 18\r\na=fmtp:18 annexb=yes\r\n", "annexb=yes"),
        (b"RTP/AVP 3\r\n", None),
        (b"RTP/AVP 8\r\n", None),
    ],
)
def test_an_answer_with_packets_of_another_layout_than_offered_is_no_agreement(
    answer: bytes, taken: str | None
) -> None:
    negotiation = ours()
    negotiation.codecs = order(tuple(understand(MOBILE, KNOWN_CODECS).choices(KNOWN_CODECS)))
    negotiation.offer()
    told = BROWSER.split(b"m=")[0] + b"m=audio 4000 " + answer
    if taken is None:
        with pytest.raises(NotAcceptableHereError):
            negotiation.accept(told)
    else:
        assert negotiation.accept(told).codec.parameters == taken


@pytest.mark.parametrize("parameters", ["x" * 201, "octet-align=1\x00", "mode=é"])
def test_parameters_that_are_no_short_text_are_passed_on_to_nobody(parameters: str) -> None:
    offer = MOBILE.replace(b"octet-align=1; mode-set=0,2,4,7", parameters.encode())
    assert 96 not in understand(offer, KNOWN_CODECS).choices(KNOWN_CODECS).values()


def test_of_what_is_only_passed_on_no_more_is_taken_than_phones_have() -> None:
    rows = "".join(
        [f"a=rtpmap:{number} AMR/8000\r\na=fmtp:{number} mode-set={number}\r\n" for number in range(96, 128)]
    )
    numbers = " ".join([str(number) for number in range(96, 128)])
    offer = BROWSER.split(b"m=")[0] + f"m=audio 4000 RTP/AVP {numbers} 0\r\n{rows}".encode()
    assert len(understand(offer, KNOWN_CODECS).choices(KNOWN_CODECS)) == 9


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (PCMU, PCMA, True),
        (PCMU, G729, False),
        (G729, replace(G729, payload_type=99, parameters="annexb=no"), True),
        (AMR, replace(AMR, parameters="octet-align=0;mode-set=7"), True),
        (AMR, replace(AMR, parameters="octet-align=1"), False),
        (replace(AMR, parameters="Octet-Align=1;"), replace(AMR, parameters="mode-set=7; octet-align=1"), True),
    ],
)
def test_two_hear_each_other_without_decoding_in_the_same_codec_laid_out_the_same(
    one: Codec, other: Codec, same: bool
) -> None:
    assert (alike(one, other), alike(other, one)) == (same, same)
