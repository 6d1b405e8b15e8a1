"""What bodies and small headers of a session say: the SDP in them, digits, reasons."""

from __future__ import annotations

import re

from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Message

_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_REASON_TEXT = re.compile(r'text\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_REASON_CAUSE = re.compile(r"cause\s*=\s*(\d{1,4})", re.IGNORECASE)
_SIGNAL = re.compile(rb"^\s*Signal\s*[=:]\s*([0-9A-Da-d*#]|1[0-5])\s*$", re.IGNORECASE | re.MULTILINE)
_DURATION = re.compile(rb"^\s*Duration\s*[=:]\s*(\d{1,6})\s*$", re.IGNORECASE | re.MULTILINE)
_DIGITS = "0123456789*#ABCD"
DEFAULT_DIGIT_MS = 160


def sdp_of(message: Message) -> bytes | None:
    """Return the session description in a message, also out of a multipart body, or None."""
    if not message.body:
        return None
    content_type = message.content_type
    if content_type in ("application/sdp", ""):
        return message.body
    if not content_type.startswith("multipart/"):
        return None
    match = _BOUNDARY.search(message.get("Content-Type") or "")
    if match is None:
        return None
    boundary = b"--" + (match[1] or match[2]).encode()
    for part in message.body.split(boundary)[1:]:
        head, _, body = part.replace(b"\r\n", b"\n").partition(b"\n\n")
        if b"application/sdp" in head.lower():
            return body.strip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
    return None


def digit_of(message: Message) -> tuple[str, int] | None:
    """Return key and milliseconds of an INFO that carries a pressed key, or None when it carries none.

    Both usual forms are read: `application/dtmf-relay` (`Signal=5`, `Duration=160`) and `application/dtmf` (the bare
    key).
    """
    if message.content_type == "application/dtmf":
        digit = message.body.strip().decode("ascii", "replace").upper()
        return (digit, DEFAULT_DIGIT_MS) if len(digit) == 1 and digit in _DIGITS else None
    if message.content_type != "application/dtmf-relay":
        return None
    signal = _SIGNAL.search(message.body)
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


def retry_after_of(message: Message) -> int | None:
    """Return the seconds of the Retry-After header, or None."""
    value = message.get("Retry-After")
    try:
        return parse_seconds(value) if value is not None else None
    except MalformedMessageError:
        return None
