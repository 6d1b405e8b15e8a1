"""Which of a peer's codecs are taken: those that are decoded here, and those that are only passed on, as the peer describes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from sip.codecs import Codec, alike, table
from sip.sdp import Media

_PARAMETERS: Final = re.compile(r"[\x20-\x7e]{0,200}")
"""What is passed on of an `fmtp` line."""
_MOST_PASSED: Final = 8
"""Of a peer's codecs that are only passed on; no phone has more."""

Payloads = Mapping[int, tuple[str, int]]
"""Encoding name and clock rate by payload type, the peer's favourite first."""


def all_offered(media: Media, payloads: Payloads, codecs: Sequence[Codec]) -> dict[Codec, int]:
    """Return all codecs of an offer that are among `codecs`, with their payload types, as `PeerAudio.choices` describes."""
    found: dict[Codec, int] = {}
    passed = 0
    for codec, payload_type in _known(payloads, codecs):
        taken: Codec | None = codec
        if codec.passed:
            passed += 1
            taken = _as_given(media, codec, payload_type) if passed <= _MOST_PASSED else None
        if taken is not None:
            found.setdefault(taken, payload_type)
    return found


def first_offered(media: Media, payloads: Payloads, codecs: Sequence[Codec]) -> tuple[Codec, int] | None:
    """Return the first codec of an offer that is decoded here, else the first that is passed on, with its payload type."""
    passed: tuple[Codec, int] | None = None
    for codec, payload_type in _known(payloads, codecs):
        if not codec.passed:
            return codec, payload_type
        given = _as_given(media, codec, payload_type) if passed is None else None
        passed = passed if given is None else (given, payload_type)
    return passed


def first_answered(media: Media, payloads: Payloads, codecs: Sequence[Codec]) -> tuple[Codec, int] | None:
    """Return the first codec of an answer that was offered, with its payload type.

    One that is passed on has to be laid out as one of those that were offered: nobody here could turn one into the other.
    """
    for codec, payload_type in _known(payloads, codecs):
        if not codec.passed:
            return codec, payload_type
        given = _as_given(media, codec, payload_type)
        if given is not None and any(alike(given, offered) for offered in codecs if offered.passed):
            return given, payload_type
    return None


def _known(payloads: Payloads, codecs: Sequence[Codec]) -> Iterator[tuple[Codec, int]]:
    """Find a peer's codecs that are among `codecs`, with their payload types, in the peer's order."""
    known = table(codecs)
    for payload_type, encoding in payloads.items():
        codec = known.get(encoding)
        if codec is not None:
            yield codec, payload_type


def _as_given(media: Media, codec: Codec, payload_type: int) -> Codec | None:
    """Return a codec that is passed on with the number and the parameters of a media line; None: these are no text to pass on."""
    parameters = ""
    for text in media.attributes("fmtp"):
        number, _, value = text.strip().partition(" ")
        if number == str(payload_type):
            parameters = value.strip()
            break
    if _PARAMETERS.fullmatch(parameters) is None:
        return None
    return replace(codec, payload_type=payload_type, parameters=parameters)
