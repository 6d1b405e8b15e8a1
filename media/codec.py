"""The codecs the engine carries."""

from __future__ import annotations

import enum


class Codec(enum.StrEnum):
    """An audio codec by its name in SDP (RFC 3551); both are 8 kHz, mono, 8 bits a sample."""

    PCMU = "PCMU"
    PCMA = "PCMA"

    @property
    def payload_type(self) -> int:
        """The static RTP payload type."""
        return 0 if self is Codec.PCMU else 8
