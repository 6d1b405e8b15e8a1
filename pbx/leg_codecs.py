"""Which codec two legs speak: one that spares decoding, and where one of them speaks what is not decoded here, one that both have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sip.codecs import DEFAULT_CODECS, KNOWN_CODECS, OPUS, Codec, alike
from sip.peer_audio import PeerAudio


def chosen(audio: PeerAudio, like: Codec | None, allowed: Sequence[Codec] = ()) -> PeerAudio | None:
    """Take of an offer's codecs the one that spares decoding; where nothing is known, its first but for Opus, which costs most.

    Args:
        audio: the offer.
        like: what the other party speaks, if that is known.
        allowed: what may be taken; none stands for all.

    What is only passed on is taken where the other party speaks just that, and with the parameters that it told. None: nothing fits.
    """
    if like is not None and like.passed:
        for codec, payload_type in audio.choices(allowed or KNOWN_CODECS).items():
            if alike(codec, like):
                return audio.choose(replace(codec, parameters=like.parameters), payload_type)
        return None
    if audio.codec.passed:
        return None
    if audio.codec is not OPUS if like is None else alike(audio.codec, like):
        return audio
    for codec, payload_type in audio.choices(allowed or DEFAULT_CODECS).items():
        if not codec.passed and (codec is not OPUS if like is None else alike(codec, like)):
            return audio.choose(codec, payload_type)
    return audio


def spared(spoken: Iterable[Codec], theirs: Codec) -> list[Codec]:
    """Return what of a party's codecs spares decoding for one who speaks `theirs`, that one itself first."""
    return _best_first([codec for codec in spoken if alike(codec, theirs)], theirs)


def heard_by(spoken: Sequence[Codec], theirs: Codec) -> list[Codec]:
    """Return what of a party's codecs one who speaks `theirs` hears at all: what spares decoding, else all that can be translated."""
    if theirs.passed:
        return spared(spoken, theirs)
    return spared(spoken, theirs) or _best_first([codec for codec in spoken if not codec.passed], theirs)


def _best_first(found: list[Codec], theirs: Codec) -> list[Codec]:
    return sorted(found, key=lambda codec: (codec.label != theirs.label, _place(codec)))


def _place(codec: Codec) -> int:
    return KNOWN_CODECS.index(codec) if codec in KNOWN_CODECS else len(KNOWN_CODECS)
