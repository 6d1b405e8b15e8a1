"""Offers and answers: codecs, hold in all its spellings, rejected media, versions, and what is declined with 488."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.codecs import PCMA, PCMU, Codec
from sip.errors import MalformedSdpError, NotAcceptableHereError
from sip.offer_answer import MediaNegotiation, NegotiatedMedia
from sip.peer_audio import understand
from sip.sdp import Direction, SessionDescription, rewrite_address
from tests.sip.descriptions import PHONE


def ours() -> MediaNegotiation:
    return MediaNegotiation("10.0.0.1", 20000, session_id=77)


def negotiate(offer: bytes) -> NegotiatedMedia:
    return ours().answer(offer)


def answered(offer: bytes, local: MediaNegotiation | None = None) -> bytes:
    """Return our answer to an offer."""
    local = local or ours()
    local.answer(offer)
    return local.description()


def with_direction(direction: str) -> bytes:
    return PHONE.replace(b"a=sendrecv", b"a=" + direction.encode())


def test_an_offer_is_answered_with_its_first_codec_that_is_spoken_here() -> None:
    agreed = negotiate(PHONE)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (PCMA, 8, 96)
    assert agreed.remote == ("192.168.1.7", 4000)
    assert agreed.direction is Direction.SENDRECV
    answer = SessionDescription.parse(answered(PHONE))
    assert answer.media[0].formats == ["8", "96"]


def test_every_key_and_a_flash_of_the_hook_are_taken() -> None:
    for description, payload in ((answered(PHONE), 96), (ours().offer(), 101)):
        assert f"{payload} 0-16" in SessionDescription.parse(description).media[0].attributes("fmtp")


def test_other_media_are_rejected_in_their_places() -> None:
    video_first = PHONE.replace(b"m=audio", b"m=video 9 RTP/AVP 31\r\nm=audio")
    answer = SessionDescription.parse(answered(video_first))
    assert [(media.kind, media.port) for media in answer.media] == [("video", 0), ("audio", 20000), ("video", 0)]
    assert answer.media[2].formats == ["99"]


def test_static_payload_types_need_no_map() -> None:
    agreed = negotiate(b"v=0\no=- 1 1 IN IP4 1.2.3.4\ns=-\nc=IN IP4 1.2.3.4\nt=0 0\nm=audio 9 RTP/AVP 0 8\n")
    assert (agreed.codec, agreed.telephone_event) == (PCMU, None)


def test_a_codec_under_a_dynamic_number_keeps_that_number() -> None:
    offer = PHONE.replace(b"AVP 98 8 0 96", b"AVP 97").replace(b"rtpmap:8 ", b"rtpmap:97 ")
    agreed = negotiate(offer)
    assert (agreed.codec, agreed.payload_type) == (PCMA, 97)
    assert SessionDescription.parse(answered(offer)).media[0].formats == ["97"]


@pytest.mark.parametrize(
    ("spelling", "expected", "row"),
    [
        (with_direction("sendonly"), Direction.RECVONLY, b"a=recvonly"),
        (with_direction("inactive"), Direction.INACTIVE, b"a=inactive"),
        (with_direction("recvonly"), Direction.SENDONLY, b"a=sendonly"),
        (PHONE.replace(b"c=IN IP4 192.168.1.7", b"c=IN IP4 0.0.0.0"), Direction.RECVONLY, b"a=recvonly"),
        (PHONE.replace(b"c=IN IP4 192.168.1.7", b"c=IN IP6 ::"), Direction.RECVONLY, b"a=recvonly"),
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
def test_every_spelling_of_hold_is_understood(spelling: bytes, expected: Direction, row: bytes) -> None:
    agreed = negotiate(spelling)
    assert agreed.direction is expected
    assert row in answered(spelling)
    assert agreed.held_by_peer == (not expected.sends)


def test_a_medias_own_connection_line_wins() -> None:
    offer = PHONE.replace(b"a=rtcp", b"c=IN IP4 203.0.113.9/127\r\na=rtcp")
    assert negotiate(offer).remote == ("203.0.113.9", 4000)


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
        negotiate(offer)
    assert caught.value.sip_status == 488


def test_the_answer_to_an_offer_of_ours_is_understood() -> None:
    caller = ours()
    callee = MediaNegotiation("10.0.0.2", 30000, session_id=2, codecs=[PCMU])
    there = callee.answer(caller.offer())
    here = caller.accept(callee.description())
    assert (there.codec, here.codec) == (PCMU, PCMU)
    assert (there.remote, here.remote) == (("10.0.0.1", 20000), ("10.0.0.2", 30000))
    assert there.telephone_event == here.telephone_event == 101


def test_an_answer_that_rejects_the_audio_is_not_acceptable() -> None:
    caller = ours()
    answer = answered(caller.offer())
    with pytest.raises(NotAcceptableHereError):
        caller.accept(answer.replace(b"audio 20000", b"audio 0"))
    with pytest.raises(NotAcceptableHereError):
        caller.accept(answer.replace(b"m=audio", b"m=video"))
    with pytest.raises(MalformedSdpError):
        caller.accept(b"v=0\r\n")


def test_versions_grow_only_when_something_changed() -> None:
    local = ours()
    versions = []
    for description in (
        local.offer(),
        local.offer(),
        local.offer(Direction.SENDONLY),
        answered(PHONE, local),
        answered(PHONE, local),
        answered(with_direction("sendonly"), local),
    ):
        origin = SessionDescription.parse(description).lines[1][1].split()
        assert origin[1] == "77"
        versions.append(int(origin[2]))
    assert versions == [1, 1, 2, 3, 3, 4]


def test_an_offer_of_ours_keeps_the_places_and_numbers_of_the_peers_first_one() -> None:
    local = ours()
    local.answer(PHONE)
    hold = SessionDescription.parse(local.offer(Direction.SENDONLY, keep_codec=True))
    assert [(media.kind, media.port) for media in hold.media] == [("audio", 20000), ("video", 0)]
    assert hold.media[0].formats == ["8", "96"]
    there = MediaNegotiation("192.168.1.7", 4000, session_id=2)
    assert there.answer(hold.encode()).direction is Direction.RECVONLY
    agreed = local.accept(answered(hold.encode(), there))
    assert agreed.direction is Direction.SENDONLY


def test_a_refused_offer_leaves_what_was_agreed() -> None:
    local = ours()
    before = local.answer(PHONE)
    with pytest.raises(NotAcceptableHereError):
        local.answer(PHONE.replace(b"audio 4000", b"audio 0"))
    assert local.agreed is before


def media_lines(description: bytes) -> list[str]:
    return [line for line in description.decode().split("\r\n") if line.startswith("m=")]


@pytest.mark.parametrize(
    ("offer", "warning"),
    [
        (PHONE.replace(b"audio 4000 RTP/AVP", b"audio 4000 RTP/SAVP"), 302),
        (PHONE.replace(b"audio 4000 RTP/AVP", b"audio 4000 UDP/TLS/RTP/SAVPF"), 302),
        (PHONE.replace(b"m=audio 4000 RTP/AVP 98 8 0 96", b"m=image 4000 udptl t38"), 304),
        (PHONE.replace(b"audio 4000", b"audio 0"), 304),
        (PHONE.replace(b"AVP 98 8 0 96", b"AVP 98 96"), 305),
    ],
)
def test_the_warning_tells_why_nothing_can_be_agreed(offer: bytes, warning: int) -> None:
    with pytest.raises(NotAcceptableHereError) as caught:
        understand(offer)
    assert caught.value.warning == warning


def test_fax_beside_voice_is_rejected_in_its_place() -> None:
    both = PHONE + b"m=image 4004 udptl t38\r\na=T38FaxVersion:0\r\n"
    assert media_lines(answered(both)) == [
        "m=audio 20000 RTP/AVP 8 96",
        "m=video 0 RTP/AVP 99",
        "m=image 0 udptl t38",
    ]


def test_a_running_call_is_not_turned_into_a_fax() -> None:
    local = ours()
    before, said = local.answer(PHONE), local.description()
    fax = PHONE.replace(b"m=audio 4000", b"m=image 4004 udptl t38\r\nm=audio 0")
    with pytest.raises(NotAcceptableHereError):
        local.answer(fax)
    assert local.agreed is before
    again = local.answer(PHONE)
    assert (local.description(), again.codec) == (said, PCMA)


def test_of_two_audio_lines_the_first_that_can_be_taken_is_taken() -> None:
    secure_first = PHONE.replace(
        b"m=audio", b"m=audio 4010 RTP/SAVP 8\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\nm=audio"
    )
    agreed = negotiate(secure_first)
    assert agreed.remote == ("192.168.1.7", 4000)
    assert media_lines(answered(secure_first))[:2] == ["m=audio 0 RTP/SAVP 8", "m=audio 20000 RTP/AVP 8 96"]


def test_the_offerers_order_of_codecs_decides_and_an_offer_of_ours_has_our_order() -> None:
    wide = Codec("G722", 8000, 9)
    local = MediaNegotiation("10.0.0.1", 20000, session_id=1, codecs=[wide, PCMU, PCMA])
    assert media_lines(local.offer()) == ["m=audio 20000 RTP/AVP 9 0 8 101"]
    assert local.answer(PHONE.replace(b"98 8 0 96", b"98 0 9 8 96")).codec == PCMU


def test_keys_are_agreed_at_the_clock_of_the_codec() -> None:
    wide = Codec("OPUS", 48000, 107)
    offer = PHONE.replace(b"AVP 98 8 0 96", b"AVP 107 96 110").replace(
        b"a=sendrecv",
        b"a=rtpmap:107 opus/48000/2\r\na=rtpmap:110 telephone-event/48000\r\na=sendrecv",
    )
    local = MediaNegotiation("10.0.0.1", 20000, session_id=1, codecs=[wide])
    agreed = local.answer(offer)
    assert (agreed.codec, agreed.telephone_event) == (wide, 110)
    assert b"a=rtpmap:110 telephone-event/48000\r\n" in local.description()


@pytest.mark.parametrize(
    ("lines", "packet_ms"),
    [
        (b"", 20),
        (b"a=ptime:30\r\n", 30),
        (b"a=ptime:40\r\na=maxptime:30\r\n", 30),
        (b"a=maxptime:150\r\n", 20),
        (b"a=ptime:many\r\n", 20),
        (b"a=ptime:0\r\n", 20),
    ],
)
def test_the_peers_packet_time_is_heard_within_its_bound(lines: bytes, packet_ms: int) -> None:
    assert negotiate(PHONE.replace(b"a=sendrecv\r\n", lines)).packet_ms == packet_ms


def test_an_attribute_of_the_media_wins_over_one_of_the_session() -> None:
    offer = PHONE.replace(b"t=0 0", b"t=0 0\r\na=inactive")
    assert negotiate(offer).direction is Direction.SENDRECV
    assert negotiate(offer.replace(b"a=sendrecv\r\n", b"")).direction is Direction.INACTIVE


def test_rtcp_shares_the_port_where_the_peer_offers_that_and_only_there() -> None:
    offering = PHONE.replace(b"a=sendrecv\r\n", b"a=sendrecv\r\na=rtcp-mux\r\n")
    local = ours()
    agreed = local.answer(offering)
    assert agreed.multiplexed
    assert b"a=rtcp-mux\r\n" in local.description()
    later = local.answer(PHONE)
    assert not later.multiplexed
    assert b"rtcp-mux" not in local.description()
    # What we did not offer cannot be agreed (RFC 5761 section 5.1.1).
    asking = ours()
    asking.offer()
    assert not asking.accept(offering).multiplexed


def test_the_origin_stays_when_the_voice_moves_to_another_address() -> None:
    local = ours()
    local.offer()
    local.address, local.port = "10.0.0.9", 21000
    moved = local.offer().decode()
    assert "o=ramal 77 2 IN IP4 10.0.0.1\r\n" in moved
    assert "c=IN IP4 10.0.0.9\r\n" in moved


def test_what_was_agreed_is_said_again_in_the_same_words_whatever_was_refused_in_between() -> None:
    local = ours()
    assert local.description() == b""
    offer = local.offer(Direction.SENDONLY)
    assert local.description() == offer
    local.accept(answered(offer))
    assert local.description() == offer
    said = answered(PHONE, local)
    assert local.description() == said
    refused = local.offer(Direction.INACTIVE)
    assert b"o=ramal 77 3 " in refused
    assert local.description() == said.replace(b"o=ramal 77 2 ", b"o=ramal 77 4 ")


def test_an_answer_without_an_offer_is_none() -> None:
    with pytest.raises(MalformedSdpError):
        ours().accept(PHONE)


def test_media_that_a_peer_adds_later_get_their_places() -> None:
    local = ours()
    local.answer(PHONE)
    local.answer(PHONE + b"m=application 9 UDP/BFCP *\r\n")
    assert media_lines(local.description())[-1] == "m=application 0 UDP/BFCP *"
    assert media_lines(local.offer())[-1] == "m=application 0 UDP/BFCP *"


def test_what_was_understood_can_be_answered_without_reading_it_again() -> None:
    audio = understand(PHONE)
    assert audio.media.attribute("rtcp") == "4001 IN IP4 192.168.1.7"
    assert ours().answer(audio) == ours().answer(PHONE)


@given(st.binary(max_size=200), st.integers(0, len(PHONE)), st.integers(0, len(PHONE)))
def test_no_bytes_make_the_negotiation_fall(junk: bytes, start: int, end: int) -> None:
    for data in (junk, PHONE[:start] + junk + PHONE[end:]):
        rewrite_address(data, "10.0.0.1", 20000)
        try:
            answer = answered(data)
        except (MalformedSdpError, NotAcceptableHereError):
            continue
        assert SessionDescription.parse(answer).media
