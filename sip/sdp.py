"""Session descriptions: read, written, and their addresses replaced line by line (RFC 8866)."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from sip.errors import MalformedSdpError

CONTENT_TYPE: Final = "application/sdp"
MAX_LINES: Final = 512
MAX_MEDIA: Final = 16
NOWHERE: Final = ("0.0.0.0", "::", "")  # noqa: S104 - the old spelling of hold, no address to listen on
"""What a connection line says, or leaves out, when its writer wants to hear nothing (RFC 2543)."""
_RTPMAP: Final = re.compile(r"rtpmap:\s*([0-9]{1,3})\s+([^/\s]+)/([0-9]{1,7})(?:/([0-9]+))?")
_MEDIA: Final = re.compile(r"([A-Za-z0-9_-]+)\s+([0-9]{1,5})(?:/[0-9]{1,5})?\s+(\S+)\s+(\S.*)")
_CONNECTION: Final = re.compile(r"IN\s+IP([46])\s+([^\s/]+)(?:/\S*)?", re.IGNORECASE)
_STATIC: Final = {
    "0": (0, ("PCMU", 8000)),
    "3": (3, ("GSM", 8000)),
    "4": (4, ("G723", 8000)),
    "8": (8, ("PCMA", 8000)),
    "9": (9, ("G722", 8000)),
    "15": (15, ("G728", 8000)),
    "18": (18, ("G729", 8000)),
}
"""Payload types that need no rtpmap (RFC 3551 section 6), as far as telephones use them."""

_REMEMBERED: Final = 1024
"""Characters: formats and rtpmaps up to this length are remembered with their meaning, for all calls of a kind of phone have the same."""

Lines = list[tuple[str, str]]


class Direction(enum.StrEnum):
    """Who may send, seen from the one who writes it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """Whether the one who writes it sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether the one who writes it wants to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)

    @property
    def reversed(self) -> Direction:
        """The same seen from the other side."""
        return Direction.of(sends=self.receives, receives=self.sends)

    @classmethod
    def of(cls, *, sends: bool, receives: bool) -> Direction:
        """Return the direction with these two halves."""
        if sends:
            return cls.SENDRECV if receives else cls.SENDONLY
        return cls.RECVONLY if receives else cls.INACTIVE


DIRECTIONS: Final = {direction.value: direction for direction in Direction}
"""Directions by the attribute that says them."""


@dataclass(slots=True)
class Media:
    """One media line and the lines that belong to it."""

    kind: str
    """`audio`, `video`, `image`, ... in lower case."""
    port: int
    """0 means rejected or switched off."""
    protocol: str
    """`RTP/AVP`, `RTP/SAVP`, ..."""
    formats: list[str]
    """For RTP: payload types, the preferred one first."""
    lines: Lines = field(default_factory=list)

    def attribute(self, name: str) -> str | None:
        """Return the first attribute's value ("" for a flag), or None."""
        return _attribute(self.lines, name)

    def attributes(self, name: str) -> list[str]:
        """Return the values of all attributes with this name."""
        return _attributes(self.lines, name)

    def payloads(self) -> Mapping[int, tuple[str, int]]:
        """Return encoding name in upper case and clock rate in hertz by payload type, in the order of preference."""
        formats = " ".join(self.formats)
        maps = "\n".join([text for kind, text in self.lines if kind == "a" and text.startswith("rtpmap:")])
        return _payloads(formats, maps) if len(formats) + len(maps) <= _REMEMBERED else _read_payloads(formats, maps)


@dataclass(slots=True)
class SessionDescription:
    """A session description; lines that nobody asked about are kept as they came."""

    lines: Lines
    """The session's own lines, as type letter and value."""
    media: list[Media]

    @classmethod
    def parse(cls, data: bytes) -> SessionDescription:
        """Read a description.

        Raises:
            MalformedSdpError: it is none, or has more than 512 lines or 16 media.
        """
        rows = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if len(rows) > MAX_LINES:
            raise MalformedSdpError("A session description has too many lines.")
        session: Lines = []
        media: list[Media] = []
        current = session
        for row in rows:
            if not row.strip():
                continue
            if row[1:2] != "=":
                # Some devices indent lines or leave rubbish at the end; what is no line says nothing.
                row = row.strip()  # noqa: PLW2901
                if row[1:2] != "=":
                    continue
            kind, value = row[0], row[2:].strip()
            if kind == "m":
                media.append(_parse_media(value))
                current = media[-1].lines
            else:
                current.append((kind, value))
        if not session or session[0] != ("v", "0"):
            raise MalformedSdpError("A session description does not begin with v=0.")
        if len(media) > MAX_MEDIA:
            raise MalformedSdpError("A session description has too many media.")
        return cls(session, media)

    def encode(self) -> bytes:
        """Write the description, lines ended by CRLF."""
        rows = [f"{kind}={value}" for kind, value in self.lines]
        for media in self.media:
            rows.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
            rows += [f"{kind}={value}" for kind, value in media.lines]
        return ("\r\n".join(rows) + "\r\n").encode("utf-8", "replace")

    def attribute(self, name: str) -> str | None:
        """Return the first of the session's own attributes with this name ("" for a flag), or None."""
        return _attribute(self.lines, name)

    def attributes(self, name: str) -> list[str]:
        """Return the values of all of the session's own attributes with this name."""
        return _attributes(self.lines, name)

    def address_of(self, media: Media) -> str:
        """Return where the writer wants to receive this media: an IP address or a name, "" when it says nowhere.

        Raises:
            MalformedSdpError: the connection line cannot be read.
        """
        for lines in (media.lines, self.lines):
            for kind, value in lines:
                if kind == "c":
                    return connection_address(value)
        return ""

    def direction_of(self, media: Media) -> Direction:
        """Return the direction as its writer means it, hold in the spelling of RFC 2543 (0.0.0.0) included."""
        found = Direction.SENDRECV
        for lines in (self.lines, media.lines):
            for kind, value in lines:
                if kind == "a" and value in DIRECTIONS:
                    found = DIRECTIONS[value]
        if self.address_of(media) in NOWHERE:
            return Direction.of(sends=found.sends, receives=False)
        return found


def rewrite_address(data: bytes, address: str, port: int) -> bytes:
    """Let a description that is only passed on lead to another address: its first audio to `port`, other media rejected.

    Works by lines; what it does not understand stays as it is, so that codecs that only the two ends know go through.
    Hold as 0.0.0.0 is kept. RTCP is then on the next port, as without `a=rtcp`.
    """
    family = "IP6" if ":" in address else "IP4"
    rows: list[str] = []
    seen_audio = False
    for row in data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n"):
        if row.startswith("c="):
            match = _CONNECTION.fullmatch(row[2:].strip())
            held = match is not None and match[2] in NOWHERE
            rows.append(row if held else f"c=IN {family} {address}")
        elif row.startswith("m="):
            parts = row[2:].split(" ")
            if len(parts) >= 3 and parts[1] != "0":
                first = parts[0] == "audio" and not seen_audio
                seen_audio = seen_audio or first
                parts[1] = str(port) if first else "0"
            rows.append("m=" + " ".join(parts))
        elif row.startswith("o="):
            origin = row[2:].split()
            rows.append(f"o={' '.join(origin[:3])} IN {family} {address}" if len(origin) == 6 else row)
        elif row and not row.startswith(("a=rtcp:", "a=candidate:")):
            rows.append(row)
    return ("\r\n".join(rows) + "\r\n").encode("utf-8", "replace")


@lru_cache(maxsize=1024)
def connection_address(value: str) -> str:
    """Return the address of a connection line, without the parts that only multicast has.

    Raises:
        MalformedSdpError: it cannot be read.
    """
    match = _CONNECTION.fullmatch(value)
    if match is None:
        raise MalformedSdpError("A connection line cannot be read.")
    return match[2]


@lru_cache(maxsize=512)
def _rtpmap(attribute: str) -> tuple[str, tuple[int, tuple[str, int]]] | None:
    """Return format, and payload type with encoding name and clock rate, of an `rtpmap:` attribute; None: it is none."""
    match = _RTPMAP.match(attribute)
    if match is None or int(match[1]) > 127:
        return None
    name = match[2].upper()
    if match[4] not in (None, "1") and name != "OPUS":
        # Music in stereo is another encoding than speech; Opus has two channels always (RFC 7587 section 7).
        name = f"{name}/{match[4]}"
    return match[1], (int(match[1]), (name, int(match[3])))


def _read_payloads(formats: str, maps: str) -> Mapping[int, tuple[str, int]]:
    """Return what `Media.payloads` does, from formats with spaces and attributes with line feeds between them."""
    known = dict(_STATIC)
    for text in maps.split("\n"):
        mapped = _rtpmap(text)
        if mapped is not None:
            known[mapped[0]] = mapped[1]
    return MappingProxyType({known[text][0]: known[text][1] for text in formats.split(" ") if text in known})


_payloads = lru_cache(maxsize=256)(_read_payloads)


def _parse_media(value: str) -> Media:
    match = _MEDIA.fullmatch(value)
    if match is None or int(match[2]) > 65535:
        raise MalformedSdpError("A media line cannot be read.")
    return Media(match[1].lower(), int(match[2]), match[3], match[4].split())


def _attribute(lines: Lines, name: str) -> str | None:
    values = _attributes(lines, name)
    return values[0] if values else None


def _attributes(lines: Lines, name: str) -> list[str]:
    values = []
    for kind, text in lines:
        if kind == "a":
            key, _, value = text.partition(":")
            if key == name:
                values.append(value)
    return values
