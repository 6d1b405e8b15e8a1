"""MESSAGE: a line of text from one to another (RFC 3428); here it is checked and read, call control delivers it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sip.address import Address
from sip.config import SipConfig
from sip.desk import Desk
from sip.message import Headers, Request, response_to
from sip.transaction import ServerTransaction
from sip.uri import Uri

_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9_.:-]{1,40})"?', re.IGNORECASE)
_CODECS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "windows-1251": "cp1251",
    "windows-1252": "cp1252",
    "koi8-r": "koi8-r",
}
"""Character sets that are read; everything is sent on as UTF-8."""
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
MAX_BYTES: Final = 8192
"""The longest text; one above 1,300 bytes has to come over TCP by RFC 3428 section 8, but is taken over UDP as well."""


TEXT: Final = "text/plain;charset=UTF-8"
"""What texts are sent as."""
ACCEPTED: Final = (("Accept", "text/plain"),)
"""What a 415 says."""


@dataclass(slots=True, frozen=True)
class TextMessage:
    """One text from one of our users."""

    sender: str
    """The SIP user who proved to be the sender."""
    target: Uri
    text: str
    answer: Callable[[int], None]
    """Call it once, with the final status: 200 delivered, 202 taken, 404 nobody, 480 nobody there."""


class TextMessages:
    """Takes the MESSAGE requests of our users."""

    def __init__(self, desk: Desk, config: SipConfig) -> None:
        self._desk = desk
        self._config = config
        self.receiver: Callable[[TextMessage], None] | None = None
        """Who delivers; without one every text is refused."""

    def receive(self, request: Request, source: Address) -> None:
        """Take a MESSAGE."""
        receiver = self.receiver
        if receiver is None:
            self._desk.refuse(request, source, 480)
            return
        sender = self._desk.admit(request, source, proxy=True)
        if sender is None:
            return
        status = text_problem(request)
        text = text_of(request) if not status else None
        if text is None:
            self._desk.refuse(request, source, status or 488, headers=ACCEPTED if status == 415 else ())
            return
        answer = _Answer(self._desk.accept(request, source), [("Server", self._config.user_agent)])
        receiver(TextMessage(sender, request.uri, text, answer))


class _Answer:
    """Answers a MESSAGE once."""

    __slots__ = ("_headers", "_transaction")

    def __init__(self, transaction: ServerTransaction, headers: Headers) -> None:
        self._transaction = transaction
        self._headers = headers

    def __call__(self, status: int) -> None:
        if not self._transaction.answered:
            # No Contact: a MESSAGE makes no dialog (RFC 3428 section 5).
            request = self._transaction.request
            self._transaction.respond(response_to(request, status, to_tag=secrets.token_hex(6), headers=self._headers))


def text_problem(request: Request) -> int:
    """Return 413 or 415 for a body that is too long or no plain text, else 0."""
    if len(request.body) > MAX_BYTES:
        return 413
    return 415 if request.content_type not in ("text/plain", "") or request.get("Content-Encoding") else 0


def text_of(request: Request) -> str | None:
    """Return the text of a message without control characters, or None when its bytes are not in its character set."""
    match = _CHARSET.search(request.get("Content-Type") or "")
    codec = _CODECS.get(match[1].lower()) if match is not None else "utf-8"
    if codec is None:
        return None
    try:
        return _CONTROL.sub("", request.body.decode(codec))
    except UnicodeDecodeError:
        return None
