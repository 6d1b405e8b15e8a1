"""What a leg makes of an offer before anything is opened for it."""

from __future__ import annotations

from typing import cast

import pytest

from media.engine import Engine
from pbx.leg_media import LegMedia, Names
from tests.sip.descriptions import PHONE


@pytest.fixture
def media() -> LegMedia:
    # Nothing is opened: the engine is not asked.
    return LegMedia(Engine.__new__(Engine), cast("Names", None))


def test_an_offer_is_read_once_for_the_codec_and_for_whether_it_can_be_taken(
    media: LegMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert media.acceptable(PHONE)
    monkeypatch.setattr("sip.offer_answer.understand", None)
    assert media.wanted_codec(PHONE) == "PCMA"
    assert media.warning == ""


@pytest.mark.parametrize(
    ("offer", "warning"),
    [
        (PHONE.replace(b"RTP/AVP 98", b"RTP/SAVP 98"), '302 ramal "Audio over RTP/SAVP is not spoken here."'),
        (PHONE.replace(b"RTP/AVP 98", b'RTP/"A\\ 98'), '302 ramal "Audio over RTP/\'A is not spoken here."'),
        (PHONE.replace(b"m=audio", b"m=image"), '304 ramal "There is no audio in the description."'),
        (PHONE.replace(b"8 0 96", b"96"), '305 ramal "There is no codec in the description that is spoken here."'),
        (
            PHONE.replace(b"IP4 192.168.1.7\r\nt=", b"IP4 phone..example\r\nt="),
            '301 ramal "The description names no address to send voice to."',
        ),
        (b"v=1", '399 ramal "A session description does not begin with v=0."'),
    ],
)
def test_the_warning_of_a_refusal_tells_why(media: LegMedia, offer: bytes, warning: str) -> None:
    assert not media.acceptable(offer)
    assert media.warning == warning


def test_without_an_offer_no_codec_is_wanted(media: LegMedia) -> None:
    assert media.wanted_codec(None) == ""
    assert media.wanted_codec(b"rubbish") == ""
