"""Messages out of a byte stream: framing by Content-Length, and the keep-alives in between (RFC 5626 4.4.1)."""

from __future__ import annotations

import enum
from typing import Final

from sip.errors import MalformedMessageError
from sip.message import Request, Response
from sip.parser import (
    MAX_BODY,
    MAX_HEAD,
    answerable,
    content_length,
    end_of_head,
    head_too_large,
    parse_head,
    too_large,
    with_body,
)

_LONGEST_GAP: Final = 4


class KeepAlive(enum.Enum):
    """What stands between messages."""

    PING = "ping"
    """Two CRLF: to be answered with one."""
    PONG = "pong"
    """One CRLF."""


StreamItem = Request | Response | KeepAlive | MalformedMessageError
"""What a stream brings. A malformed message in an intact frame is an item, too: the messages around it are good."""


class StreamParser:
    """Cuts the bytes of one connection into messages; holds at most one unfinished message.

    When the frame is lost (a head without end, a Content-Length that is none or too large), the last item is the error,
    `broken` is True, and the connection is to be closed.
    """

    __slots__ = ("_body_length", "_buffer", "_head", "_searched", "broken")

    def __init__(self) -> None:
        self.broken = False
        self._buffer = bytearray()
        self._searched = 0
        self._head: Request | Response | None = None
        self._body_length = 0

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._head is not None or bool(self._buffer)

    def feed(self, data: bytes) -> list[StreamItem]:
        """Take what has arrived, return what is complete, in order. Never raises; once broken it returns nothing."""
        items: list[StreamItem] = []
        if self.broken:
            return items
        self._buffer += data
        while not self.broken and (self._take_body(items) if self._head is not None else self._take_head(items)):
            pass
        return items

    def _take_head(self, items: list[StreamItem]) -> bool:
        buffer = self._buffer
        while buffer.startswith((b"\r\n", b"\n")):
            ping = buffer.startswith(b"\r\n\r\n")
            items.append(KeepAlive.PING if ping else KeepAlive.PONG)
            del buffer[: 4 if ping else buffer.index(b"\n") + 1]
        end, gap = end_of_head(buffer, max(0, self._searched - _LONGEST_GAP))
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > MAX_HEAD:
                self._break(items, head_too_large("The head of a message is too large.", buffer))
            return False
        self._searched = 0
        try:
            head = parse_head(buffer[:end])
        except MalformedMessageError as error:
            self._break(items, error)
            return False
        try:
            length = content_length(head)
        except MalformedMessageError as error:
            error.request = answerable(head)
            self._break(items, error)
            return False
        if length is not None and length > MAX_BODY:
            self._break(items, too_large("The body is too large.", head))
            return False
        self._head, self._body_length = head, length or 0
        del buffer[: end + gap]
        return True

    def _take_body(self, items: list[StreamItem]) -> bool:
        head, length = self._head, self._body_length
        if head is None or len(self._buffer) < length:
            return False
        try:
            items.append(with_body(head, bytes(self._buffer[:length])))
        except MalformedMessageError as error:
            items.append(error)
        del self._buffer[:length]
        self._head = None
        return True

    def _break(self, items: list[StreamItem], error: MalformedMessageError) -> None:
        self.broken = True
        self._buffer.clear()
        items.append(error)
