"""Session descriptions: read, written, and passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip.codecs import PCMA
from sip.errors import MalformedSdpError
from sip.peer_audio import understand
from sip.sdp import Lines, Media, SessionDescription, rewrite_address
from tests.sip.descriptions import PHONE


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


MINIMAL = b"v=0\no=a 1 1 IN IP4 10.0.0.9\nc=IN IP4 10.0.0.9\nt=0 0\nm=audio 4000 RTP/AVP 8\n"


@pytest.mark.parametrize(
    "odd",
    [
        MINIMAL,
        MINIMAL.replace(b"\n", b"\r"),
        MINIMAL.replace(b"\n", b"\r\n\r\n"),
        MINIMAL.replace(b"\n", b" \r\n"),
        MINIMAL.replace(b"t=", b" t=").replace(b"m=", b"  m="),
        MINIMAL.replace(b"m=audio 4000 RTP/AVP", b"m= audio  4000/1   RTP/AVP  "),
        MINIMAL.replace(
            b"t=0 0", b"i=info\nu=http://x\ne=a@b\np=+1\nb=AS:64\nb=TIAS:64000\nt=0 0\nr=7d 1h 0\nz=0 0\nk=clear:x"
        ),
        MINIMAL.replace(b"c=IN IP4", b"c=in ip4"),
        MINIMAL + b"a=X-vendor: <?>\x00\na=\n=\n\x00\x00",
        MINIMAL.replace(b"8\n", b"8 " + b" ".join(str(number).encode() for number in range(35, 128)) + b"\n"),
        b"\xef\xbb\xbf".join([b"", MINIMAL])[3:] + b"a=note:\xff\xfe\n",
    ],
)
def test_odd_descriptions_of_real_devices_are_understood(odd: bytes) -> None:
    description = SessionDescription.parse(odd)
    audio = understand(description)
    assert (audio.remote, audio.codec, len(description.media)) == (("10.0.0.9", 4000), PCMA, 1)


values = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Zs"]), max_size=20)
attributes = st.lists(st.tuples(st.sampled_from("abcik"), values), max_size=6)


@given(
    attributes,
    st.lists(
        st.builds(
            Media,
            st.sampled_from(["audio", "video", "image", "application"]),
            st.integers(0, 65535),
            st.sampled_from(["RTP/AVP", "RTP/SAVPF", "udptl", "TCP/MSRP"]),
            st.lists(st.integers(0, 127).map(str), min_size=1, max_size=8),
            attributes,
        ),
        max_size=4,
    ),
)
def test_descriptions_survive_being_written_and_read(session: Lines, media: list[Media]) -> None:
    description = SessionDescription([("v", "0"), *session], media)
    assert SessionDescription.parse(description.encode()) == description
