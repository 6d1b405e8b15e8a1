"""The grammar of headers: names, lists, parameters, and the small ones with a structure (RFC 3261 7.3 and 25.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from sip.address import is_ip_address
from sip.errors import MalformedMessageError
from sip.uri import Parameters, bracketed, join_parameters, split_parameters

_LONG_NAMES: Final = (
    "Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events",
    "Authentication-Info", "Authorization", "Call-ID", "Call-Info", "Contact", "Content-Disposition",
    "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "CSeq", "Date", "Diversion", "Error-Info",
    "Event", "Expires", "From", "Geolocation", "History-Info", "Identity", "In-Reply-To", "Info-Package", "Join",
    "Max-Forwards", "MIME-Version", "Min-Expires", "Min-SE", "Organization", "P-Asserted-Identity", "P-Called-Party-ID",
    "P-Preferred-Identity", "Path", "Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require",
    "RAck", "Reason", "Record-Route", "Recv-Info", "Refer-Sub", "Refer-To", "Referred-By", "Remote-Party-ID",
    "Reply-To", "Replaces", "Require", "Retry-After", "Route", "RSeq", "Server", "Service-Route", "Session-Expires",
    "SIP-ETag", "SIP-If-Match", "Subject", "Subscription-State", "Supported", "Target-Dialog", "Timestamp", "To", "Unsupported",
    "User-Agent", "Via", "Warning", "WWW-Authenticate",
)  # fmt: skip
_COMPACT: Final = {
    "a": "Accept-Contact", "b": "Referred-By", "c": "Content-Type", "d": "Request-Disposition", "e": "Content-Encoding",
    "f": "From", "i": "Call-ID", "k": "Supported", "l": "Content-Length", "m": "Contact", "n": "Identity-Info",
    "o": "Event", "r": "Refer-To", "s": "Subject", "t": "To", "u": "Allow-Events", "v": "Via", "x": "Session-Expires",
    "y": "Identity", "j": "Reject-Contact",
}  # fmt: skip
CANONICAL_NAMES: Final = {
    **{name: name for name in _LONG_NAMES},
    **{name.lower(): name for name in _LONG_NAMES},
    **_COMPACT,
    **{short.upper(): name for short, name in _COMPACT.items()},
}
"""Long name by the usual spellings of a header's name; `canonical_name` knows the others."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_VIA: Final = re.compile(
    r"SIP\s*/\s*[0-9]{1,2}\.[0-9]{1,2}\s*/\s*(?P<transport>[A-Za-z0-9\-.!%*_+`'~]+)\s+"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15})"
    r"(?:\s*:\s*(?P<port>[0-9]{1,5}))?",
    re.IGNORECASE,
)
_REMEMBERED: Final = 128
"""Characters: hops up to this long are remembered with their meaning."""
_SECONDS: Final = re.compile(r"\s*([0-9]{1,64})")
_SHORT_NUMBER: Final = 10
"""Digits, of which fewer are below 2^32."""
_CSEQ: Final = re.compile(r"([0-9]{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]+)")
_PAIR: Final = re.compile(
    r'\s*([A-Za-z0-9\-.!%*_+`\'~]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)', re.DOTALL
)
_PAIR_NAMES: Final = {
    f"{blank}{name}": name
    for name in (
        "username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "opaque", "qop", "nc", "domain", "stale",
        "charset", "userhash",
    )
    for blank in ("", " ")
}  # fmt: skip
"""What challenges and credentials consist of, as it stands behind a comma."""
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)

REASONS: Final = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 200: "OK",
    202: "Accepted", 204: "No Notification", 300: "Multiple Choices", 301: "Moved Permanently",
    302: "Moved Temporarily", 305: "Use Proxy", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required",
    403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable",
    407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone", 412: "Conditional Request Failed",
    413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type",
    416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required", 422: "Session Interval Too Small",
    423: "Interval Too Brief", 429: "Provide Referrer Identity", 439: "First Hop Lacks Outbound Support",
    469: "Bad Info Package", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
    493: "Undecipherable", 500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 513: "Message Too Large",
    580: "Precondition Failure", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
}  # fmt: skip
"""The usual reason phrase of every status."""
_CLASSES: Final = {
    1: "Progress",
    2: "OK",
    3: "Redirected",
    4: "Request Failure",
    5: "Server Failure",
    6: "Global Failure",
}


def reason_phrase(status: int) -> str:
    """Return the usual reason phrase of a status."""
    return REASONS.get(status) or _CLASSES.get(status // 100, "Unknown")


def canonical_name(name: str) -> str:
    """Return a header's long name in its usual spelling; an unknown one with every word capitalised."""
    known = CANONICAL_NAMES.get(name) or CANONICAL_NAMES.get(name.lower())
    return known or "-".join([word.capitalize() for word in name.split("-")])


def is_token(text: str) -> bool:
    """Whether the text is a token of RFC 3261: a method, a header's name, a parameter's name."""
    return _TOKEN.fullmatch(text) is not None


def split_list(value: str) -> list[str]:
    """Split a header's value at its commas, but not inside quotes or angle brackets; empty items are skipped."""
    if "," not in value:
        value = value.strip()
        return [value] if value else []
    items: list[str] = []
    start = index = depth = 0
    in_quotes = False
    while index < len(value):
        character = value[index]
        if in_quotes:
            if character == "\\":
                index += 1
            elif character == '"':
                in_quotes = False
        elif character == '"':
            in_quotes = True
        elif character == "<":
            depth = 1
        elif character == ">":
            depth = 0
        elif character == "," and not depth:
            items.append(value[start:index].strip())
            start = index + 1
        index += 1
    items.append(value[start:].strip())
    return [item for item in items if item]


def _usual_pairs(text: str) -> dict[str, str] | None:
    """Read pairs in the form that nearly all have: known names, no escape, no comma or further blank. None: there is another."""
    if "\\" in text or not text.isprintable():
        return None
    pairs: dict[str, str] = {}
    pieces = text.split(",")
    for piece in pieces:
        written, equals, value = piece.partition("=")
        name = _PAIR_NAMES.get(written)
        if name is None or not equals:
            return None
        if value[:1] == '"':
            if value.find('"', 1) != len(value) - 1:
                return None
            value = value[1:-1]
        elif '"' in value or " " in value:
            return None
        pairs[name] = value
    return pairs if len(pairs) == len(pieces) else None


def parse_pairs(text: str) -> dict[str, str]:
    """Read `name=value, name="value"` as challenges and credentials hold it; names in lower case, quotes taken off.

    Raises:
        MalformedMessageError: it has another form, or a name twice.
    """
    usual = _usual_pairs(text)
    if usual is not None:
        return usual
    pairs: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PAIR.match(text, position)
        if match is None or match.end() == position:
            raise MalformedMessageError("A challenge or credential is not a list of name=value pairs.")
        name, quoted, plain = match.groups()
        name = name.lower()
        if name in pairs:
            raise MalformedMessageError(f"A challenge or credential says {name} twice.")
        if quoted is None:
            pairs[name] = plain
        else:
            pairs[name] = _ESCAPED.sub(r"\1", quoted) if "\\" in quoted else quoted
        position = match.end()
    return pairs


@lru_cache(maxsize=1024)
def parse_cseq(value: str) -> tuple[int, str]:
    """Read a CSeq as number and method.

    Raises:
        MalformedMessageError: it has another form or the number is not below 2**31 (RFC 3261 section 8.1.1.5).
    """
    match = _CSEQ.fullmatch(value.strip())
    if match is None:
        raise MalformedMessageError("The CSeq is not a number and a method.")
    number = int(match[1])
    if number >= 1 << 31:
        raise MalformedMessageError("The CSeq number is not below 2^31.")
    return number, match[2]


def parse_seconds(value: str) -> int:
    """Read a number of seconds as Expires and Retry-After begin with it; beyond 32 bits it counts as the most there is.

    Raises:
        MalformedMessageError: it does not begin with a number.
    """
    if len(value) < _SHORT_NUMBER and value.isascii() and value.isdigit():
        return int(value)
    match = _SECONDS.match(value)
    if match is None:
        raise MalformedMessageError("A number of seconds cannot be read.")
    return min(int(match[1]), (1 << 32) - 1)


def _read_hop(text: str) -> tuple[str, str, int | None]:
    """Return transport, host and port of a Via without its parameters."""
    match = _VIA.fullmatch(text.strip())
    if match is None:
        raise MalformedMessageError("A Via cannot be read.")
    transport, host, port = match.groups()
    number = int(port) if port else None
    if number is not None and number > 65535:
        raise MalformedMessageError("The port of a Via is above 65535.")
    if ":" in host and not host.startswith("[") and not is_ip_address(host):
        # Without brackets nobody can tell an address from one with a port behind it, except by counting.
        raise MalformedMessageError("A Via cannot be read.")
    return transport.upper(), host.strip("[]").lower(), number


def _write_sent_by(host: str, port: int | None) -> str:
    return f"{bracketed(host)}:{port}" if port is not None else bracketed(host)


_sent_by = lru_cache(maxsize=1024)(_write_sent_by)
"""Remembered, so that it is one text for all transactions of a peer: they are many, and keep it."""


_hop = lru_cache(maxsize=4096)(_read_hop)


class Via(NamedTuple):
    """One hop of a message's way (RFC 3261 section 20.42)."""

    transport: str
    """In upper case: UDP, TCP, TLS, WS, WSS."""
    host: str
    port: int | None
    parameters: Parameters = ()

    @classmethod
    def parse(cls, text: str) -> Via:
        """Read one Via value.

        Raises:
            MalformedMessageError: it is none.
        """
        hop, _, parameters = text.partition(";")
        read = _hop(hop) if len(hop) <= _REMEMBERED else _read_hop(hop)
        # Straight into the tuple: the constructor of a named one is a call more, and this is done for every message.
        return tuple.__new__(cls, (*read, split_parameters(parameters)))

    def __str__(self) -> str:
        port = f":{self.port}" if self.port is not None else ""
        return f"SIP/2.0/{self.transport} {bracketed(self.host)}{port}{join_parameters(self.parameters)}"

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value ("" for a flag), or None. `name` is in lower case."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None

    def with_parameter(self, name: str, value: str) -> Via:
        """Return a copy with this parameter set, in the place it had."""
        if self.parameter(name) is None:
            parameters: Parameters = (*self.parameters, (name, value))
        else:
            parameters = tuple([(key, value if key == name else old) for key, old in self.parameters])
        return Via(self.transport, self.host, self.port, parameters)

    @property
    def branch(self) -> str:
        """The branch, or "" when there is none."""
        for key, value in self.parameters:
            if key == "branch":
                return value
        return ""

    @property
    def sent_by(self) -> str:
        """The host and port that the sender claims, as text."""
        return (_sent_by if len(self.host) <= _REMEMBERED else _write_sent_by)(self.host, self.port)
