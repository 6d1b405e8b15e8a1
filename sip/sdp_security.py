"""What a media line says about keys and ways through NATs: SDES, DTLS and ICE attributes as values.

Sources: RFC 4568 (crypto), RFC 8122 and RFC 8842 (fingerprint, setup), RFC 8839 (ufrag, pwd, candidate), RFC 5761
(rtcp-mux). A line that breaks its grammar is passed over, as these RFCs ask; nothing here decides what is used.
"""

from __future__ import annotations

import base64
import binascii
import enum
import re
from dataclasses import dataclass
from typing import Final

from sip.sdp import Media, SessionDescription

MOST_LINES: Final = 64
"""Candidates, keys or fingerprints of one media line; what comes after them is passed over."""

_CRYPTO: Final = re.compile(r"([0-9]{1,9})\s+([A-Za-z0-9_]{1,64})\s+(\S+)(?:\s+(\S.*))?")
_KEY: Final = re.compile(
    r"inline:([A-Za-z0-9+/=]{1,512})(?:\|([0-9]{1,20}|2\^[0-9]{1,2}))?(?:\|([0-9]{1,20}):([0-9]{1,3}))?"
)
_FINGERPRINT: Final = re.compile(r"([A-Za-z0-9-]{1,16})\s+((?:[0-9A-Fa-f]{2}:){7,63}[0-9A-Fa-f]{2})")
_CANDIDATE: Final = re.compile(
    r"([A-Za-z0-9+/]{1,32})\s+([0-9]{1,3})\s+(\S{1,32})\s+([0-9]{1,10})\s+(\S{1,255})\s+([0-9]{1,5})\s+typ\s+(\S{1,32})(.*)"
)
_ICE_WORD: Final = re.compile(r"[A-Za-z0-9+/]{4,256}")


@dataclass(slots=True, frozen=True)
class CryptoKey:
    """One master key with its salt."""

    material: bytes
    lifetime: str = ""
    """Packets, as it is written (`2^20`), or empty."""
    key_id: tuple[int, int] | None = None
    """Value and length in bytes of the master key identifier."""

    def __str__(self) -> str:
        text = f"inline:{base64.b64encode(self.material).decode()}"
        if self.lifetime:
            text += f"|{self.lifetime}"
        return f"{text}|{self.key_id[0]}:{self.key_id[1]}" if self.key_id else text


@dataclass(slots=True, frozen=True)
class Crypto:
    """One `a=crypto` line (RFC 4568 section 9.1)."""

    tag: int
    suite: str
    keys: tuple[CryptoKey, ...]
    parameters: tuple[str, ...] = ()
    """Session parameters as they are written: `KDR=1`, `UNENCRYPTED_SRTP`, ..."""

    @classmethod
    def parse(cls, value: str) -> Crypto | None:
        """Read the value of the attribute; None: it is none, or a key in it cannot be read."""
        match = _CRYPTO.fullmatch(value.strip())
        if match is None:
            return None
        keys = [_read_key(text) for text in match[3].split(";")]
        found = tuple([key for key in keys if key is not None])
        if len(found) != len(keys):
            return None
        return cls(int(match[1]), match[2], found, tuple((match[4] or "").split()))

    def __str__(self) -> str:
        return " ".join([str(self.tag), self.suite, ";".join([str(key) for key in self.keys]), *self.parameters])


class Setup(enum.StrEnum):
    """Who begins the DTLS handshake (RFC 8842 section 5.1)."""

    ACTIVE = "active"
    PASSIVE = "passive"
    ACTPASS = "actpass"
    HOLDCONN = "holdconn"


@dataclass(slots=True, frozen=True)
class Fingerprint:
    """The fingerprint of a certificate (RFC 8122 section 5)."""

    hash_function: str
    """In lower case: `sha-256`."""
    digest: bytes

    @classmethod
    def parse(cls, value: str) -> Fingerprint | None:
        """Read the value of the attribute; None: it is none."""
        match = _FINGERPRINT.fullmatch(value.strip())
        return cls(match[1].lower(), bytes.fromhex(match[2].replace(":", ""))) if match is not None else None

    def __str__(self) -> str:
        return f"{self.hash_function} {self.digest.hex(':').upper()}"


@dataclass(slots=True, frozen=True)
class Candidate:
    """One ICE candidate (RFC 8839 section 5.1)."""

    foundation: str
    component: int
    transport: str
    """In lower case."""
    priority: int
    address: str
    """An IP address, or a name."""
    port: int
    kind: str
    """`host`, `srflx`, `prflx` or `relay`, or what is yet to be invented."""
    extensions: tuple[str, ...] = ()
    """What follows, word by word: `raddr`, `10.0.0.1`, ..."""

    @classmethod
    def parse(cls, value: str) -> Candidate | None:
        """Read the value of the attribute; None: it is none."""
        match = _CANDIDATE.fullmatch(value.strip())
        if match is None or int(match[6]) > 65535 or int(match[4]) >= 1 << 32:
            return None
        foundation, component, transport, priority, address, port, kind, rest = match.groups()
        words = tuple(rest.split())
        return cls(foundation, int(component), transport.lower(), int(priority), address, int(port), kind, words)

    def __str__(self) -> str:
        where = f"{self.address} {self.port} typ {self.kind}"
        first = f"{self.foundation} {self.component} {self.transport} {self.priority} {where}"
        return " ".join([first, *self.extensions])


@dataclass(slots=True, frozen=True)
class MediaSecurity:
    """What one media line, or the session for it, says of keys and candidates."""

    crypto: tuple[Crypto, ...] = ()
    fingerprints: tuple[Fingerprint, ...] = ()
    setup: Setup | None = None
    ice_ufrag: str = ""
    ice_pwd: str = ""
    candidates: tuple[Candidate, ...] = ()
    rtcp_mux: bool = False

    @property
    def secure(self) -> bool:
        """Whether the voice can be encrypted by what is said here."""
        return bool(self.crypto or self.fingerprints)


def security_of(description: SessionDescription, media: Media) -> MediaSecurity:
    """Read the attributes of a media line, falling back to the session's where they may stand there."""
    prints = media.attributes("fingerprint") or description.attributes("fingerprint")
    setup = (media.attribute("setup") or description.attribute("setup") or "").strip()
    return MediaSecurity(
        tuple([keys for text in media.attributes("crypto")[:MOST_LINES] if (keys := Crypto.parse(text))]),
        tuple([found for text in prints[:MOST_LINES] if (found := Fingerprint.parse(text))]),
        Setup(setup) if setup in _SETUPS else None,
        _ice_word(media.attribute("ice-ufrag") or description.attribute("ice-ufrag")),
        _ice_word(media.attribute("ice-pwd") or description.attribute("ice-pwd")),
        tuple([way for text in media.attributes("candidate")[:MOST_LINES] if (way := Candidate.parse(text))]),
        media.attribute("rtcp-mux") is not None,
    )


_SETUPS: Final = frozenset(setup.value for setup in Setup)


def _ice_word(text: str | None) -> str:
    return text.strip() if text is not None and _ICE_WORD.fullmatch(text.strip()) else ""


def _read_key(text: str) -> CryptoKey | None:
    match = _KEY.fullmatch(text)
    if match is None:
        return None
    try:
        material = base64.b64decode(match[1], validate=True)
    except binascii.Error:
        return None
    key_id = (int(match[3]), int(match[4])) if match[3] else None
    return CryptoKey(material, match[2] or "", key_id)
