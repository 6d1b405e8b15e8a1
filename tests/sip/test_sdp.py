"""Session descriptions: offers, answers, hold in all its spellings, and what is only passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.errors import MalformedSdpError, NotAcceptableHereError
from sip.offer_answer import PCMA, PCMU, LocalMedia, MediaNegotiation, make_offer, negotiate, read_answer
from sip.sdp import Direction, SessionDescription, rewrite_address

PHONE = b"""v=0\r
o=- 3 3 IN IP4 192.168.1.7\r
s=pjmedia\r
c=IN IP4 192.168.1.7\r
t=0 0\r
m=audio 4000 RTP/AVP 98 8 0 96\r
a=rtcp:4001 IN IP4 192.168.1.7\r
a=rtpmap:98 speex/16000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:96 telephone-event/8000\r
a=fmtp:96 0-16\r
a=sendrecv\r
m=video 4002 RTP/AVP 99\r
a=rtpmap:99 H264/90000\r
"""
OURS = LocalMedia("10.0.0.1", 20000)


def with_direction(direction: str) -> bytes:
    return PHONE.replace(b"a=sendrecv", b"a=" + direction.encode())


def test_an_offer_is_answered_with_its_first_codec_that_is_spoken_here() -> None:
    agreed = negotiate(PHONE, OURS)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (PCMA, 8, 96)
    assert agreed.remote == ("192.168.1.7", 4000)
    assert agreed.direction is Direction.SENDRECV
    answer = SessionDescription.parse(agreed.answer)
    assert answer.media[0].formats == ["8", "96"]
    assert answer.media[0].attribute("fmtp") == "96 0-15"


def test_other_media_are_rejected_in_their_places() -> None:
    video_first = PHONE.replace(b"m=audio", b"m=video 9 RTP/AVP 31\r\nm=audio")
    answer = SessionDescription.parse(negotiate(video_first, OURS).answer)
    assert [(media.kind, media.port) for media in answer.media] == [("video", 0), ("audio", 20000), ("video", 0)]
    assert answer.media[2].formats == ["99"]


def test_static_payload_types_need_no_map() -> None:
    agreed = negotiate(b"v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 9 RTP/AVP 0 8\n", OURS)
    assert (agreed.codec, agreed.telephone_event) == (PCMU, None)


def test_a_codec_under_a_dynamic_number_keeps_that_number() -> None:
    offer = PHONE.replace(b"AVP 98 8 0 96", b"AVP 97").replace(b"rtpmap:8 ", b"rtpmap:97 ")
    agreed = negotiate(offer, OURS)
    assert (agreed.codec, agreed.payload_type) == (PCMA, 97)
    assert SessionDescription.parse(agreed.answer).media[0].formats == ["97"]


@pytest.mark.parametrize(
    ("spelling", "ours", "answered"),
    [
        (with_direction("sendonly"), Direction.RECVONLY, b"a=recvonly"),
        (with_direction("inactive"), Direction.INACTIVE, b"a=inactive"),
        (with_direction("recvonly"), Direction.SENDONLY, b"a=sendonly"),
        (PHONE.replace(b"c=IN IP4 192.168.1.7", b"c=IN IP4 0.0.0.0"), Direction.RECVONLY, b"a=recvonly"),
        (
            with_direction("inactive").replace(b"c=IN IP4 192.168.1.7", b"c=IN IP4 0.0.0.0"),
            Direction.INACTIVE,
            b"a=inactive",
        ),
        (
            PHONE.replace(b"t=0 0", b"t=0 0\r\na=sendonly").replace(b"a=sendrecv\r\n", b""),
            Direction.RECVONLY,
            b"a=recvonly",
        ),
    ],
)
def test_every_spelling_of_hold_is_understood(spelling: bytes, ours: Direction, answered: bytes) -> None:
    agreed = negotiate(spelling, OURS)
    assert agreed.direction is ours
    assert answered in agreed.answer
    assert agreed.held_by_peer == (not ours.sends)


def test_a_medias_own_connection_line_wins() -> None:
    offer = PHONE.replace(b"a=rtcp", b"c=IN IP4 203.0.113.9/127\r\na=rtcp")
    assert negotiate(offer, OURS).remote == ("203.0.113.9", 4000)


@pytest.mark.parametrize(
    "offer",
    [
        PHONE.replace(b"audio 4000", b"audio 0"),
        PHONE.replace(b"AVP 98 8 0 96", b"AVP 98 96"),
        PHONE.replace(b"audio 4000 RTP/AVP", b"audio 4000 RTP/SAVP"),
        PHONE.replace(b"m=audio", b"m=image"),
    ],
)
def test_an_offer_without_usable_audio_is_not_acceptable_here(offer: bytes) -> None:
    with pytest.raises(NotAcceptableHereError) as caught:
        negotiate(offer, OURS)
    assert caught.value.sip_status == 488


def test_the_answer_to_an_offer_of_ours_is_understood() -> None:
    offer = make_offer(OURS)
    there = negotiate(offer, LocalMedia("10.0.0.2", 30000, codecs=[PCMU]))
    here = read_answer(there.answer, OURS)
    assert (there.codec, here.codec) == (PCMU, PCMU)
    assert (there.remote, here.remote) == (("10.0.0.1", 20000), ("10.0.0.2", 30000))
    assert there.telephone_event == here.telephone_event == 101


def test_an_answer_that_rejects_the_audio_is_not_acceptable() -> None:
    answer = negotiate(make_offer(OURS), OURS).answer.replace(b"audio 20000", b"audio 0")
    with pytest.raises(NotAcceptableHereError):
        read_answer(answer, OURS)
    with pytest.raises(MalformedSdpError):
        read_answer(b"v=0\r\n", OURS)


def test_versions_grow_only_when_something_changed() -> None:
    ours = MediaNegotiation("10.0.0.1", 20000, session_id=77)
    versions = []
    for description in (
        ours.offer(),
        ours.offer(),
        ours.offer(Direction.SENDONLY),
        ours.answer(PHONE).answer,
        ours.answer(PHONE).answer,
        ours.answer(with_direction("sendonly")).answer,
    ):
        origin = SessionDescription.parse(description).lines[1][1].split()
        assert origin[1] == "77"
        versions.append(int(origin[2]))
    assert versions == [1, 1, 2, 3, 3, 4]


def test_an_offer_of_ours_keeps_the_places_and_numbers_of_the_peers_first_one() -> None:
    ours = MediaNegotiation("10.0.0.1", 20000, session_id=1)
    ours.answer(PHONE)
    hold = SessionDescription.parse(ours.offer(Direction.SENDONLY, keep_codec=True))
    assert [(media.kind, media.port) for media in hold.media] == [("audio", 20000), ("video", 0)]
    assert hold.media[0].formats == ["8", "96"]
    there = MediaNegotiation("192.168.1.7", 4000, session_id=2)
    assert there.answer(hold.encode()).direction is Direction.RECVONLY
    agreed = ours.accept(there.answer(hold.encode()).answer)
    assert agreed.direction is Direction.SENDONLY


def test_a_refused_offer_leaves_what_was_agreed() -> None:
    ours = MediaNegotiation("10.0.0.1", 20000, session_id=1)
    before = ours.answer(PHONE)
    with pytest.raises(NotAcceptableHereError):
        ours.answer(PHONE.replace(b"audio 4000", b"audio 0"))
    assert ours.agreed is before


def test_a_description_that_is_passed_on_keeps_what_is_not_understood() -> None:
    passed = SessionDescription.parse(rewrite_address(PHONE, "10.0.0.1", 20002))
    assert passed.address_of(passed.media[0]) == "10.0.0.1"
    assert [(media.kind, media.port) for media in passed.media] == [("audio", 20002), ("video", 0)]
    assert passed.media[0].attributes("rtpmap") == SessionDescription.parse(PHONE).media[0].attributes("rtpmap")
    assert passed.media[0].attribute("rtcp") is None


def test_hold_as_address_zero_is_passed_on() -> None:
    held = PHONE.replace(b"c=IN IP4 192.168.1.7", b"c=IN IP4 0.0.0.0")
    assert b"c=IN IP4 0.0.0.0\r\n" in rewrite_address(held, "10.0.0.1", 20002)


def test_a_description_survives_being_read_and_written() -> None:
    assert SessionDescription.parse(PHONE).encode() == PHONE


@pytest.mark.parametrize(
    "data",
    [b"", b"v=1\n", b"hello", b"v=0\nm=audio\n", b"v=0\nm=audio 99999 RTP/AVP 0\n", b"v=0\nm=audio x RTP/AVP 0\n"],
)
def test_what_is_no_description_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedSdpError):
        SessionDescription.parse(data)


def test_descriptions_are_bounded() -> None:
    for hostile in (PHONE + b"a=x\r\n" * 600, PHONE + b"m=audio 1 RTP/AVP 0\r\n" * 20):
        with pytest.raises(MalformedSdpError):
            SessionDescription.parse(hostile)


@given(st.binary(max_size=200), st.integers(0, len(PHONE)), st.integers(0, len(PHONE)))
def test_no_bytes_make_the_negotiation_fall(junk: bytes, start: int, end: int) -> None:
    for data in (junk, PHONE[:start] + junk + PHONE[end:]):
        rewrite_address(data, "10.0.0.1", 20000)
        try:
            agreed = negotiate(data, OURS)
        except (MalformedSdpError, NotAcceptableHereError):
            continue
        assert SessionDescription.parse(agreed.answer).media
