"""Reading messages: the lines are split once and checked; headers are left for later (RFC 3261 section 7, RFC 4475)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from sip.errors import MalformedMessageError
from sip.headers import CANONICAL_NAMES, canonical_name, is_token
from sip.message import Message, Request, Response

MAX_HEAD: Final = 32 * 1024
"""Bytes of start line and headers; more is refused."""
MAX_BODY: Final = 64 * 1024
"""Bytes of body; more is refused."""
MAX_HEADERS: Final = 160
"""Header lines; more is refused."""

_FOLD: Final = re.compile(r"\n[ \t]+")
_REMEMBERED: Final = 256
"""Characters: start lines up to this long are remembered, for the same few come again and again."""
_STATUS_LINE: Final = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)


def parse_message(data: bytes) -> Request | Response:
    """Read one message that came whole: a datagram or a WebSocket frame.

    The start line, the lines and the presence of the five headers that every message has are checked, and CSeq and the
    topmost Via are understood; all else when touched. Bytes beyond Content-Length are dropped (RFC 3261 section 18.3).

    Raises:
        MalformedMessageError: with the request, as far as it was understood, when it can be answered.
    """
    data = data.lstrip(b"\r\n")
    end, gap = end_of_head(data)
    if end < 0:
        # Scripts leave out the blank line where no body follows: what came whole has no more lines.
        if not data.endswith(b"\n"):
            raise MalformedMessageError("The head of a message does not end.")
        end, gap = len(data.rstrip(b"\r\n")), len(data)
    message = parse_head(data[:end])
    try:
        message.body = _cut_body(message, data[end + gap :])
        _check(message)
    except MalformedMessageError as error:
        error.request = answerable(message)
        raise
    return message


def _cut_body(message: Message, rest: bytes) -> bytes:
    lines = message.by_name()
    if not rest and lines is not None and lines.get("Content-Length") == "0":
        return rest
    length = content_length(message)
    # Some devices count two bytes for every line end and send one; a body that is shorter than that is cut off.
    if length is not None and length > len(rest) and length > len(rest) + rest.count(b"\n"):
        raise MalformedMessageError("The body is shorter than its Content-Length.")
    return rest if length is None else rest[:length]


def with_body(message: Request | Response, body: bytes) -> Request | Response:
    """Complete a parsed head with its body and check the whole.

    Raises:
        MalformedMessageError: as `parse_message`.
    """
    message.body = body
    try:
        _check(message)
    except MalformedMessageError as error:
        error.request = answerable(message)
        raise
    return message


def end_of_head(data: bytes | bytearray, start: int = 0) -> tuple[int, int]:
    """Find the blank line from `start` on; return where the head ends and how long the gap is, or (-1, 0).

    Bare line feeds count as line ends, too: some devices send them.
    """
    end = data.find(b"\n\r\n", start)
    bare = data.find(b"\n\n", start, end + 1 if end >= 0 else len(data))
    if bare < 0 and end < 0:
        return -1, 0
    first, gap = (bare, 2) if bare >= 0 else (end, 3)
    return (first - 1, gap + 1) if data[first - 1 : first] == b"\r" else (first, gap)


def parse_head(head: bytes | bytearray) -> Request | Response:
    """Read start line and headers, without checking that they are complete.

    Raises:
        MalformedMessageError: they are no head, or too large; with the request when it can be answered.
    """
    if len(head) > MAX_HEAD:
        raise head_too_large("The head of a message is too large.", head)
    lines = _split_lines(head.decode("utf-8", "replace"))
    if len(lines) > MAX_HEADERS:
        raise head_too_large("A message has too many headers.", head)
    start = lines.pop(0)
    problem: MalformedMessageError | None = None
    try:
        message, version = _parse_start_line(start)
    except MalformedMessageError as error:
        message, version, problem = _guessed(start, error), "SIP/2.0", error
    try:
        message.headers = [
            (CANONICAL_NAMES[name if colon else ""], value.strip(" \t"))
            for line in lines
            for name, colon, value in (line.partition(":"),)
        ]
    except KeyError:
        _read_lines(message, lines)
    message.index()
    if problem is not None:
        problem.request = answerable(message)
        raise problem
    if version != "SIP/2.0":
        raise MalformedMessageError("The message is not of SIP version 2.0.", status=505, request=answerable(message))
    return message


def _split_lines(text: str) -> list[str]:
    """Split a head into its lines, in whichever way they end; one that is folded is put together.

    Raises:
        MalformedMessageError: there is a control character that may not stand in a head.
    """
    lines = text.split("\r\n")
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\x00" in text:
        text = text.replace("\r\n", "\n")
        # A NUL may stand in a quoted string, behind a backslash (RFC 4475 section 3.1.1.2).
        if "\r" in text or "\x00" in text.replace("\\\x00", ""):
            raise MalformedMessageError("The head holds a stray control character.")
        lines = text.split("\n")
    if "\n " in text or "\n\t" in text:
        lines = _FOLD.sub(" ", text.replace("\r\n", "\n")).split("\n")
    return lines


def head_too_large(problem: str, head: bytes | bytearray) -> MalformedMessageError:
    """Return the error of a head beyond the limits, with the request where the lines within them suffice for an answer (513)."""
    # The last one may be cut off; what stands behind it is not looked at.
    lines = bytes(head[:MAX_HEAD]).split(b"\n", MAX_HEADERS)[:MAX_HEADERS][:-1]
    try:
        message = parse_head(b"\n".join(lines).rstrip(b"\r"))
    except MalformedMessageError:
        return MalformedMessageError(problem, status=513)
    return too_large(problem, message)


def too_large(problem: str, message: Request | Response) -> MalformedMessageError:
    """Return the error of a message beyond the limits, with the request where it can be answered (RFC 3261 section 21.5.7)."""
    try:
        message.understand()
    except MalformedMessageError:
        return MalformedMessageError(problem, status=513)
    return MalformedMessageError(problem, status=513, request=answerable(message))


def _read_lines(message: Request | Response, lines: list[str]) -> None:
    """Read header lines of which not all have a name that is known as it stands."""
    stray = False
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.rstrip(" \t")
        if colon and is_token(name):
            message.headers.append((canonical_name(name), value.strip(" \t")))
        else:
            stray = True
    # Of a response nobody could be told, and the call would be lost for a line that means nothing.
    if stray and isinstance(message, Request):
        raise MalformedMessageError("A line of the head is no header.", request=answerable(message))


def _parse_start_line(line: str) -> tuple[Request | Response, str]:
    """Return the message without headers, and its version in upper case."""
    method, target, version, status = _remembered_start(line) if len(line) <= _REMEMBERED else _read_start_line(line)
    return (Response(status, target, []) if status else Request(method, target, [])), version


def _read_start_line(line: str) -> tuple[str, str, str, int]:
    """Return method, Request-URI, version and 0 of a request, or "", reason, version and status of a response."""
    if line[:8].upper() == "SIP/2.0 ":
        match = _STATUS_LINE.fullmatch(line)
        if match is None:
            raise MalformedMessageError("A status line cannot be read.")
        return "", match[2] or "", "SIP/2.0", int(match[1])
    # More spaces than one, between the parts or behind the last, are forgiven (RFC 4475 sections 3.1.2.9 and 3.1.2.10).
    parts = [part for part in line.split(" ") if part]
    if len(parts) != 3 or line[0] == " " or not is_token(parts[0]):
        raise MalformedMessageError("A start line cannot be read.")
    method, target, version = parts
    if not version.upper().startswith("SIP/"):
        raise MalformedMessageError("A start line names no SIP version.")
    return method, target, version.upper(), 0


_remembered_start = lru_cache(maxsize=512)(_read_start_line)


def _guessed(line: str, error: MalformedMessageError) -> Request:
    """Return what a broken request line was meant to be, so that its sender can be told; raise `error` if it is none."""
    parts = line.split()
    if len(parts) < 3 or not is_token(parts[0]) or not parts[-1].upper().startswith("SIP/"):
        raise error
    return Request(parts[0], " ".join(parts[1:-1]), [])


def _check(message: Request | Response) -> None:
    if len(message.body) > MAX_BODY:
        raise MalformedMessageError("The body is too large.", status=513)
    method = message.understand()
    if isinstance(message, Request) and method != message.method:
        raise MalformedMessageError("The CSeq names another method than the start line.")


def answerable(message: Request | Response) -> Request | None:
    """Return the message if it is a request that a response can be made of and routed by; else None."""
    if not isinstance(message, Request) or message.method == "ACK":
        return None
    try:
        _ = message.via
    except MalformedMessageError:
        return None
    return message


def content_length(message: Message) -> int | None:
    """Return the Content-Length, None when there is none.

    Raises:
        MalformedMessageError: it is no number, or two lines differ.
    """
    values = message.get_all("Content-Length")
    if not values:
        return None
    value = values[0]
    if len(value) > 9 or not (value.isascii() and value.isdigit()) or values.count(value) != len(values):
        raise MalformedMessageError("The Content-Length is not a number.")
    return int(value)
