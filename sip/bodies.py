"""What bodies and small headers of a session say: the SDP in them, digits, reasons."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Message
from sip.uri import NameAddress, Uri

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_REASON_TEXT = re.compile(r'text\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_REASON_CAUSE = re.compile(r"cause\s*=\s*(\d{1,4})", re.IGNORECASE)
_KEY = rb"([0-9A-Da-d*#]|1[0-5])"
_SIGNAL = re.compile(rb"^\s*Signal\s*[=:]\s*" + _KEY + rb"\s*$", re.IGNORECASE | re.MULTILINE)
_BARE_KEY = re.compile(rb"\s*" + _KEY + rb"\s*")
_DURATION = re.compile(rb"^\s*Duration\s*[=:]\s*(\d{1,6})\s*$", re.IGNORECASE | re.MULTILINE)
_DIGITS = "0123456789*#ABCD"
_PREFERENCE = re.compile(r"[01](?:\.[0-9]{0,3})?")
DEFAULT_DIGIT_MS = 160
KEY_TYPES = ("application/dtmf-relay", "application/dtmf")
"""What a pressed key comes as in an INFO."""
_SDP_TYPES = ("application/sdp", "")
"""What a session description comes as; some devices leave the type out."""
_DEEPEST = 3
"""How far multipart bodies are followed into one another."""
_MOST_PARTS = 32
_LONGEST_CAUSE = 256


def sdp_of(message: Message) -> bytes | None:
    """Return the session description in a message, also out of a multipart body (RFC 5621), or None."""
    if not message.body:
        return None
    content_type = message.get("Content-Type") or ""
    if not content_type and not message.body.lstrip().startswith(b"v="):
        # A body of no type is a description where it reads like one; scripts write headers behind their blank line.
        return None
    return _find_sdp(content_type, message.body, _DEEPEST)


def body_problem(request: Message) -> int:
    """Return 415 for an INVITE whose body is not understood, 406 for one whose sender takes no SDP, else 0.

    RFC 3261 sections 8.2.3 and 21.4.7.
    """
    accept = request.get("Accept")
    if accept and not any(kind in accept.lower() for kind in ("application/sdp", "application/*", "*/*", "multipart/")):
        return 406
    if not request.body:
        return 0
    content_type = request.content_type
    if content_type not in _SDP_TYPES and not content_type.startswith("multipart/"):
        disposition = (request.get("Content-Disposition") or "").replace(" ", "").lower()
        return 0 if "handling=optional" in disposition else 415
    return 0 if (request.get("Content-Encoding") or "identity").strip().lower() == "identity" else 415


def _find_sdp(content_type: str, body: bytes, depth: int) -> bytes | None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _SDP_TYPES:
        return body
    match = _BOUNDARY.search(content_type) if kind.startswith("multipart/") and depth else None
    if match is None:
        return None
    boundary = b"\n--" + (match[1] or match[2]).encode()
    for piece in (b"\n" + body).split(boundary)[1 : _MOST_PARTS + 1]:
        # What follows the boundary in its line is blank, or closes the whole; the line break before the next one is no content.
        head, inside = _split_part(piece.partition(b"\n")[2].removesuffix(b"\r"))
        found = None
        if not head.get("content-disposition", "").lower().startswith("early-session"):
            found = _find_sdp(head.get("content-type", "text/plain"), inside, depth - 1)
        if found is not None:
            return found
    return None


def _split_part(part: bytes) -> tuple[dict[str, str], bytes]:
    """Return the headers of a part, names in lower case, and its content."""
    lines: dict[str, str] = {}
    while part:
        row, _, part = part.partition(b"\n")
        name, colon, value = row.decode("utf-8", "replace").partition(":")
        if not colon:
            break
        lines[name.strip().lower()] = value.strip()
    return lines, part


def digit_of(message: Message) -> tuple[str, int] | None:
    """Return key and milliseconds of an INFO that carries a pressed key, or None when it carries none.

    Lines (`Signal=5`, `Duration=160`) and the bare key are read under both types: devices mix them.
    """
    if message.content_type not in KEY_TYPES:
        return None
    signal = _BARE_KEY.fullmatch(message.body) or _SIGNAL.search(message.body)
    if signal is None:
        return None
    text = signal[1].decode().upper()
    digit = _DIGITS[int(text)] if len(text) == 2 else text
    duration = _DURATION.search(message.body)
    return digit, int(duration[1]) if duration is not None else DEFAULT_DIGIT_MS


def reason_of(message: Message) -> tuple[str, int | None]:
    """Return text and cause number of the Reason header (RFC 3326), as far as there is one."""
    value = message.get("Reason") or ""
    text, cause = _REASON_TEXT.search(value), _REASON_CAUSE.search(value)
    return text[1] if text is not None else "", int(cause[1]) if cause is not None else None


def cause_of(message: Message) -> str:
    """Return the Reason header as it stands, over all of its lines, to be passed on; empty where there is none, or an endless one."""
    value = ", ".join(message.get_all("Reason"))
    return value if len(value) <= _LONGEST_CAUSE else ""


def by_preference(contacts: Sequence[NameAddress]) -> tuple[Uri, ...]:
    """Return where contacts lead, those with the highest q first (RFC 3261 section 20.10); what is no number counts as 1."""

    def preference(contact: NameAddress) -> float:
        """Return a contact's q value."""
        value = contact.parameter("q") or "1"
        return min(float(value), 1.0) if _PREFERENCE.fullmatch(value) else 1.0

    return tuple([contact.uri for contact in sorted(contacts, key=preference, reverse=True)])


def expires_of(message: Message) -> int | None:
    """Return the seconds of the Expires header, or None."""
    value = message.get("Expires")
    try:
        return parse_seconds(value) if value is not None else None
    except MalformedMessageError:
        return None


def retry_after_of(message: Message) -> int | None:
    """Return the seconds of the Retry-After header, or None."""
    value = message.get("Retry-After")
    try:
        return parse_seconds(value) if value is not None else None
    except MalformedMessageError:
        return None
