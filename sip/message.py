"""SIP messages: lines in which a header is understood when first touched; built, written (RFC 3261 section 7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from sip.errors import MalformedMessageError
from sip.headers import CANONICAL_NAMES, Via, canonical_name, parse_cseq, reason_phrase, split_list
from sip.uri import NameAddress, Uri

Headers = Iterable[tuple[str, str]]

_TAG: Final = re.compile(r";\s*tag\s*=\s*([^\s;,<>\"]+)", re.IGNORECASE)
_BREAKS: Final = re.compile(r"[\r\n\x00]+[ \t]*")
_SINGLE: Final = dict.fromkeys(("From", "To", "Call-ID", "CSeq")).keys()
"""What every message has exactly once, besides at least one Via (RFC 3261 section 8.1.1)."""
_COPIED: Final = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})
"""What a response repeats of its request (RFC 3261 section 8.2.6.2); a 100 says when the request was sent, too."""
_COPIED_PROVISIONALLY: Final = _COPIED | {"Timestamp"}
_COPIED_IN_DIALOGS: Final = _COPIED | {"Record-Route"}
_DIALOG_METHODS: Final = frozenset({"INVITE", "SUBSCRIBE", "REFER"})


class Message:
    """What requests and responses share.

    `headers` are pairs of canonical long name and value, in the order of the wire. Understood headers are kept until
    one changes through `set`, `add`, `remove` or `note_source`; whoever edits `headers` directly calls `forget`. What
    came from a peer is found by name (`index`), what is made here by a look at each line.
    """

    __slots__ = (
        "_call_id",
        "_contacts",
        "_cseq",
        "_first",
        "_from",
        "_from_tag",
        "_to",
        "_to_tag",
        "_via",
        "body",
        "headers",
    )

    def __init__(self, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        self.headers = headers
        self.body = body
        self._via: Via | None = None
        self._from: NameAddress | None = None
        self._to: NameAddress | None = None
        self._from_tag: str | None = None
        self._to_tag: str | None = None
        self._cseq: tuple[int, str] | None = None
        self._call_id: str | None = None
        self._contacts: list[NameAddress] | None = None
        self._first: dict[str, str] | None = None

    def index(self) -> None:
        """Have headers found by their names, until they change: what is read is asked for more of them than what is written."""
        self._first = dict(reversed(self.headers))

    def by_name(self) -> dict[str, str] | None:
        """Return the values by name, to be read only, where no header has two lines; else None."""
        first = self._first
        if first is None:
            first = dict(self.headers)
        return first if len(first) == len(self.headers) else None

    def forget(self) -> None:
        """Drop what was understood of the headers, because they changed."""
        self._via = self._from = self._to = self._first = None
        self._from_tag = self._to_tag = None
        self._cseq = self._call_id = self._contacts = None

    def understand(self) -> str:
        """Understand what every message is handled by: its topmost Via, its Call-ID and its CSeq; return the method of the latter.

        Raises:
            MalformedMessageError: one of these, From or To is missing or cannot be read, or one comes twice (RFC 3261 section 8.1.1).
        """
        headers = self.headers
        first = self._first
        if first is None:
            self._first = first = dict(reversed(headers))
        if len(first) != len(headers) or not first.keys() >= _SINGLE:
            self._check_single([name for name, _ in headers])
        via = first.get("Via")
        if via is None:
            raise MalformedMessageError("There is no Via.")
        self._cseq = cseq = parse_cseq(first["CSeq"])
        self._via = _topmost(via)
        self._call_id = first["Call-ID"] or None
        if first["To"][-1:] == ">":
            self._to_tag = ""
        return cseq[1]

    @staticmethod
    def _check_single(names: list[str]) -> None:
        for name in _SINGLE:
            count = names.count(name)
            if count != 1:
                raise MalformedMessageError(f"There is {'more than one' if count else 'no'} {name}.")

    def get(self, name: str) -> str | None:
        """Return the first value of a header, or None. Any spelling of the name does, also the compact one."""
        name = CANONICAL_NAMES.get(name) or canonical_name(name)
        if self._first is not None:
            return self._first.get(name)
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """Return the values of all lines of a header, as they stand."""
        name = CANONICAL_NAMES.get(name) or canonical_name(name)
        first = self._first
        if first is not None:
            value = first.get(name)
            if value is None:
                return []
            if len(first) == len(self.headers):
                return [value]
        return [value for key, value in self.headers if key == name]

    def get_list(self, name: str) -> list[str]:
        """Return the items of a header that is a list, over all of its lines."""
        values = self.get_all(name)
        if len(values) == 1:
            return split_list(values[0])
        return [item for value in values for item in split_list(value)]

    def set(self, name: str, value: str) -> None:
        """Give a header this one value, in the place of its first line, or at the end."""
        name = canonical_name(name)
        for index, (key, _) in enumerate(self.headers):
            if key == name:
                tail = [pair for pair in self.headers[index + 1 :] if pair[0] != name]
                self.headers[index:] = [(name, value), *tail]
                break
        else:
            self.headers.append((name, value))
        self.forget()

    def add(self, name: str, value: str) -> None:
        """Add a line of this header at the end."""
        self.headers.append((canonical_name(name), value))
        self.forget()

    def remove(self, name: str) -> None:
        """Remove all lines of a header."""
        name = canonical_name(name)
        self.headers = [pair for pair in self.headers if pair[0] != name]
        self.forget()

    @property
    def call_id(self) -> str:
        """The Call-ID."""
        if self._call_id is None:
            self._call_id = self._required("Call-ID")
            if not self._call_id:
                raise MalformedMessageError("The Call-ID is empty.")
        return self._call_id

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method of the CSeq."""
        if self._cseq is None:
            self._cseq = parse_cseq(self._required("CSeq"))
        return self._cseq

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            self._via = _topmost(self._required("Via"))
        return self._via

    @property
    def from_(self) -> NameAddress:
        """The From header."""
        if self._from is None:
            self._from = NameAddress.parse(self._required("From"))
        return self._from

    @property
    def to(self) -> NameAddress:
        """The To header."""
        if self._to is None:
            self._to = NameAddress.parse(self._required("To"))
        return self._to

    @property
    def from_tag(self) -> str:
        """The From tag, or "", found without reading the whole header."""
        if self._from_tag is None:
            self._from_tag = self._from.tag if self._from is not None else find_tag(self._required("From"))
        return self._from_tag

    @property
    def to_tag(self) -> str:
        """The To tag, or "", found without reading the whole header."""
        if self._to_tag is None:
            self._to_tag = self._to.tag if self._to is not None else find_tag(self._required("To"))
        return self._to_tag

    @property
    def contacts(self) -> list[NameAddress]:
        """All contacts; a wildcard (`Contact: *`) is none."""
        if self._contacts is None:
            self._contacts = [NameAddress.parse(item) for item in self.get_list("Contact") if item != "*"]
        return self._contacts

    @property
    def content_type(self) -> str:
        """The type of the body in lower case without parameters, or ""."""
        return (self.get("Content-Type") or "").partition(";")[0].strip().lower()

    def _required(self, name: str) -> str:
        value = self._first.get(name) if self._first is not None else self.get(name)
        if value is not None:
            return value
        raise MalformedMessageError(f"There is no {name}.")

    @property
    def start_line(self) -> str:
        """The first line."""
        raise TypeError("Only requests and responses have a start line.")

    def encode(self) -> bytes:
        """Write the message; Content-Length is made from the body, and a line break inside a value becomes a space."""
        lines = [self.start_line]
        lines += [f"{name}: {value}" for name, value in self.headers if name != "Content-Length"]
        lines.append(f"Content-Length: {len(self.body)}\r\n\r\n")
        text = "\r\n".join(lines)
        if text.count("\n") != len(lines) + 1 or text.count("\r") != len(lines) + 1:
            clean = [_BREAKS.sub(" ", line) for line in lines[:-1]]
            text = "\r\n".join([*clean, lines[-1]])
        return text.encode("utf-8", "replace") + self.body

    def __repr__(self) -> str:
        return f"<{self.start_line}>"


class Request(Message):
    """A request. `uri` is understood when first touched."""

    __slots__ = ("_target", "_uri", "method", "server_key")

    def __init__(self, method: str, uri: Uri | str, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.method = method
        self._uri = uri if isinstance(uri, Uri) else None
        self._target = str(uri)
        self.server_key: tuple[str | int, ...] | None = None
        """How its server transaction is found, once that was asked (`sip.transaction_key.server_key`)."""

    @property
    def uri(self) -> Uri:
        """The Request-URI."""
        if self._uri is None:
            self._uri = Uri.parse(self._target)
        return self._uri

    @uri.setter
    def uri(self, uri: Uri) -> None:
        self._uri, self._target = uri, str(uri)

    @classmethod
    def build(
        cls,
        method: str,
        uri: Uri | str,
        *,
        via: Via | str,
        from_: NameAddress | str,
        to: NameAddress | str,
        call_id: str,
        cseq: int,
        max_forwards: int = 70,
        headers: Headers = (),
        content_type: str = "",
        body: bytes = b"",
    ) -> Request:
        """Make a request with the headers that every request needs (RFC 3261 section 8.1.1), then `headers`."""
        lines = [
            ("Via", str(via)),
            ("Max-Forwards", str(max_forwards)),
            ("From", str(from_)),
            ("To", str(to)),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        lines += [(CANONICAL_NAMES.get(name) or canonical_name(name), value) for name, value in headers]
        if content_type:
            lines.append(("Content-Type", content_type))
        return cls(method, uri, lines, body)

    def note_source(self, host: str, port: int) -> None:
        """Write into the topmost Via where the request really came from (RFC 3261 18.2.1, RFC 3581 section 4)."""
        via = self.via
        stamped = via
        if via.parameter("rport") is not None:
            stamped = via.with_parameter("rport", str(port)).with_parameter("received", host)
        elif via.host != host:
            stamped = via.with_parameter("received", host)
        if stamped is via:
            return
        for index, (name, value) in enumerate(self.headers):
            if name == "Via":
                line = ", ".join([str(stamped), *split_list(value)[1:]])
                self.headers[index] = ("Via", line)
                if self._first is not None:
                    self._first["Via"] = line
                break
        self._via = stamped

    def validate(self) -> None:
        """Understand all headers that a request outside of a dialog is handled by, besides those of `understand`.

        Raises:
            MalformedMessageError: one of them cannot be read; the error carries this request.
        """
        try:
            _ = (self.uri, self.from_, self.to, self.contacts, self.call_id)
        except MalformedMessageError as error:
            error.request = self
            raise

    @property
    def start_line(self) -> str:
        """The first line."""
        return f"{self.method} {self._target} SIP/2.0"


class Response(Message):
    """A response."""

    __slots__ = ("reason", "status")

    def __init__(self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes = b"") -> None:
        super().__init__(headers, body)
        self.status = status
        self.reason = reason

    @property
    def start_line(self) -> str:
        """The first line."""
        return f"SIP/2.0 {self.status} {self.reason}"


def response_to(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Headers = (),
    content_type: str = "",
    body: bytes = b"",
) -> Response:
    """Make a response out of the request's own lines (RFC 3261 section 8.2.6).

    Args:
        request: what is answered.
        status: 100 to 699.
        reason: the phrase, or None for the usual one.
        to_tag: the tag that the To gets when it has none; a response above 100 needs one.
        headers: further headers.
        content_type: the type of `body`.
        body: the body.
    """
    copied = _COPIED
    if status == 100:
        copied = _COPIED_PROVISIONALLY
    elif status < 300 and request.method in _DIALOG_METHODS:
        copied = _COPIED_IN_DIALOGS
    lines = [pair for pair in request.headers if pair[0] in copied]
    if to_tag:
        for index, (name, value) in enumerate(lines):
            if name == "To" and not find_tag(value):
                lines[index] = ("To", f"{value};tag={to_tag}")
    lines += [(CANONICAL_NAMES.get(name) or canonical_name(name), value) for name, value in headers]
    if content_type:
        lines.append(("Content-Type", content_type))
    return Response(status, reason or reason_phrase(status), lines, body)


def _topmost(value: str) -> Via:
    """Return the first hop of a Via line."""
    return Via.parse(value if "," not in value else (split_list(value) or [""])[0])


def find_tag(value: str) -> str:
    """Return the tag in a From or To value: behind the address, not inside a name or URI; "" when there is none."""
    if value.endswith(">"):
        return ""
    match = _TAG.search(value, value.rfind(">") + 1)
    return match[1] if match else ""
