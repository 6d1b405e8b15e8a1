"""The keys of encrypted voice, as offer and answer or a handshake agree them (RFC 3711, RFC 7714)."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass, field


class SrtpProfile(enum.Enum):
    """How packets are encrypted and signed; the values are those of DTLS-SRTP (RFC 5764 section 4.1.2, RFC 7714 section 14.2)."""

    AES_CM_128_HMAC_SHA1_80 = 0x0001
    AES_CM_128_HMAC_SHA1_32 = 0x0002
    AEAD_AES_128_GCM = 0x0007

    @property
    def suite(self) -> str:
        """The name of the crypto suite in SDP (RFC 4568 section 6.2, RFC 7714 section 14.1)."""
        return self.name

    @property
    def key_size(self) -> int:
        """Bytes of a master key."""
        return 16

    @property
    def salt_size(self) -> int:
        """Bytes of a master salt."""
        return 12 if self is SrtpProfile.AEAD_AES_128_GCM else 14

    @property
    def master_size(self) -> int:
        """Bytes of key and salt together."""
        return self.key_size + self.salt_size

    def new_master(self) -> bytes:
        """Return a fresh master key with its salt."""
        return secrets.token_bytes(self.master_size)


SUITES = {profile.suite: profile for profile in SrtpProfile}
"""Profiles by the name of their crypto suite."""


@dataclass(slots=True, frozen=True)
class SrtpKeys:
    """The master keys of both directions, each with its salt behind it."""

    profile: SrtpProfile
    incoming: bytes = field(repr=False)
    """What the party encrypts with."""
    outgoing: bytes = field(repr=False)
    """What we encrypt with; never that of another stream, nor of an earlier one that began anew."""
    identifier_size: int = 0
    """Bytes of the master key identifier that the party puts into each packet."""
