"""Which codec two legs come to speak, where one of them may speak what is not decoded here."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from media.dtls import DtlsIdentity
from media.engine import Engine
from pbx.errors import NoMediaError
from pbx.leg_codecs import chosen, heard_by, spared
from pbx.leg_endpoint import Names
from pbx.leg_media import LegMedia
from sip.codecs import AMR, G722, G729, KNOWN_CODECS, PCMA, PCMU, Codec
from sip.peer_audio import understand
from tests.media.phone import free_ports
from tests.support.scripted_phone import description


def taken(payloads: str, like: Codec | None, allowed: tuple[Codec, ...] = ()) -> tuple[str, str] | None:
    audio = understand(description(payloads=payloads, lines="a=fmtp:18 annexb=yes\r\n"), allowed or KNOWN_CODECS)
    found = chosen(audio, like, allowed)
    return None if found is None else (found.codec.label, found.codec.parameters)


@pytest.mark.parametrize(
    ("payloads", "like", "expected"),
    [
        ("18 8", None, ("PCMA", "")),
        ("18 8", PCMU, ("PCMA", "")),
        ("18 8", replace(G729, parameters="annexb=no"), ("G729", "annexb=no")),
        ("18", G729, ("G729", "")),
        ("18", None, None),
        ("18", PCMA, None),
        ("8", G729, None),
    ],
)
def test_what_is_only_passed_on_is_taken_for_one_who_speaks_it_and_with_what_that_one_told(
    payloads: str, like: Codec | None, expected: tuple[str, str] | None
) -> None:
    assert taken(payloads, like) == expected


def test_nothing_is_taken_that_is_not_allowed() -> None:
    assert taken("18 8", G729, (PCMA,)) is None
    assert taken("18 8", G729, (PCMA, G729)) == ("G729", "")


def test_one_is_asked_for_what_spares_decoding_and_else_for_what_can_be_decoded_where_that_helps() -> None:
    assert spared([PCMA, PCMU, G729], PCMU) == [PCMU, PCMA]
    assert spared([G722, G729], PCMU) == []
    assert heard_by([G729, G722], PCMU) == [G722]
    assert heard_by([G729, PCMU], AMR) == []
    assert heard_by([PCMU, G729], G729) == [G729]


def test_two_legs_hear_each_other_in_one_codec_by_translation_or_once_one_has_changed() -> None:
    engine = Engine(port_range=free_ports(4))
    try:
        passed, other, mixed, plain = [LegMedia(engine, cast("Names", None), DtlsIdentity()) for _ in range(4)]
        passed.answer(description(payloads="18 101"), G729)
        other.answer(description(payloads="18 101"), G729)
        mixed.answer(description(payloads="18 0 101"), G729)
        plain.answer(description(payloads="8 101"))
        assert passed.understands(other)
        assert not passed.understands(plain)
        assert not plain.understands(passed)
        assert mixed.understands(plain)
        assert (passed.passed, plain.passed, passed.wideband) == ("G729", "", False)
        assert passed.offer_like(plain) is None
        assert mixed.offer_like(plain) is not None
        assert (mixed.asked, mixed.to_be_passed) == (PCMU, "")
        mixed.accept_answer(description(payloads="0 101"))
        assert (mixed.asked, mixed.passed, mixed.codec) == (None, "", "PCMU")
    finally:
        engine.close()


def test_who_speaks_what_is_only_passed_on_is_offered_nothing_else_and_cannot_leave_it() -> None:
    engine = Engine(port_range=free_ports(1))
    try:
        media = LegMedia(engine, cast("Names", None), DtlsIdentity())
        media.answer(description(payloads="18 8 101"), G729)
        assert [codec.label for codec in media.wishes(None)] == ["G729", "PCMA"]
        assert [codec.label for codec in understand(media.offer((PCMA,)), KNOWN_CODECS).choices(KNOWN_CODECS)] == [
            "G729"
        ]
        with pytest.raises(NoMediaError):
            media.answer(description(payloads="8 101"))
        assert media.warning.startswith("305 ")
        assert media.codec == "G729"
    finally:
        engine.close()


def test_the_refusal_of_one_who_speaks_nothing_else_names_its_codecs() -> None:
    media = LegMedia(Engine(port_range=(20_000, 20_001)), cast("Names", None), DtlsIdentity())
    assert media.acceptable(description(payloads="18 3 101"))
    media.note_refusal()
    assert media.warning == (
        '305 ramal "The party that was called does not take G729, GSM, which is only passed on here."'
    )


def test_a_party_that_may_be_offered_none_of_the_callers_codecs_is_not_called() -> None:
    engine = Engine(port_range=free_ports(1))
    try:
        media = LegMedia(engine, cast("Names", None), DtlsIdentity())
        media.allowed = (PCMA,)
        with pytest.raises(NoMediaError):
            media.offer((G729,))
    finally:
        engine.close()
