"""The codecs the engine carries: some it decodes, the others it only passes on between two who speak the same."""

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
    G729 = "G729"
    G723 = "G723"
    G728 = "G728"
    GSM = "GSM"
    GSM_EFR = "GSM-EFR"
    G726_16 = "G726-16"
    G726_24 = "G726-24"
    G726_32 = "G726-32"
    G726_40 = "G726-40"
    ILBC = "ILBC"
    AMR = "AMR"
    AMR_WB = "AMR-WB"
    SPEEX = "SPEEX"
    SPEEX_WIDE = "SPEEX/16000"
    G7221 = "G7221"

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
    Codec.G729: _Format(6, 18, 8000, 8000),
    Codec.G723: _Format(7, 4, 8000, 8000),
    Codec.G728: _Format(8, 15, 8000, 8000),
    Codec.GSM: _Format(9, 3, 8000, 8000),
    Codec.GSM_EFR: _Format(10, 112, 8000, 8000),
    Codec.G726_16: _Format(11, 113, 8000, 8000),
    Codec.G726_24: _Format(12, 114, 8000, 8000),
    Codec.G726_32: _Format(13, 115, 8000, 8000),
    Codec.G726_40: _Format(14, 116, 8000, 8000),
    Codec.ILBC: _Format(15, 117, 8000, 8000),
    Codec.AMR: _Format(16, 118, 8000, 8000),
    Codec.AMR_WB: _Format(17, 119, 16000, 16000),
    Codec.SPEEX: _Format(18, 120, 8000, 8000),
    Codec.SPEEX_WIDE: _Format(19, 121, 16000, 16000),
    Codec.G7221: _Format(20, 122, 16000, 16000),
}

DECODED_CODECS: Final = (Codec.PCMU, Codec.PCMA, Codec.G722, Codec.OPUS, Codec.L16, Codec.L16_WIDE)
"""Those that there are a decoder and an encoder for; of the others nothing can be heard, recorded, played or translated."""
