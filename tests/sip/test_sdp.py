"""Session descriptions: read, written, and passed on."""

from __future__ import annotations

import pytest

from sip.errors import MalformedSdpError
from sip.sdp import SessionDescription, rewrite_address
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
