"""The codecs the engine carries."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final


class Codec(enum.StrEnum):
    """An audio codec, mono in our use, by its name in SDP; L16 goes by its rate, too."""

    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G722"
    OPUS = "OPUS"
    L16 = "L16"
    L16_WIDE = "L16/16000"

    @property
    def payload_type(self) -> int:
        """The RTP payload type: the static one of RFC 3551, or the dynamic one that we offer it with."""
        return _FORMATS[self].payload_type

    @property
    def clock_rate(self) -> int:
        """Hertz of its RTP timestamps; G.722's is 8000 by an old error (RFC 3551 section 4.5.2)."""
        return _FORMATS[self].clock_rate

    @property
    def sample_rate(self) -> int:
        """Hertz of the sound in it, as far as telephones use it."""
        return _FORMATS[self].sample_rate

    @property
    def number(self) -> int:
        """What the native engine calls it (native/codec.hpp)."""
        return _FORMATS[self].number


@dataclass(slots=True, frozen=True)
class _Format:
    number: int
    payload_type: int
    clock_rate: int
    sample_rate: int


_FORMATS: Final = {
    Codec.PCMU: _Format(0, 0, 8000, 8000),
    Codec.PCMA: _Format(1, 8, 8000, 8000),
    Codec.G722: _Format(2, 9, 8000, 16000),
    Codec.OPUS: _Format(3, 111, 48000, 16000),
    Codec.L16: _Format(4, 97, 8000, 8000),
    Codec.L16_WIDE: _Format(5, 98, 16000, 16000),
}
