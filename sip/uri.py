"""SIP URIs and name-addresses: `"Ana" <sip:1001@example.com;transport=tcp>;tag=a1` (RFC 3261 19.1, 20.10, 25.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from sip.errors import MalformedMessageError

Parameters = tuple[tuple[str, str], ...]
"""Names in lower case with their raw values; a parameter without value has the value ""."""

_SIP_URI: Final = re.compile(
    r"(?P<scheme>sips?):"
    r"(?:(?P<user>[^@\s<>\"\x00-\x1f\x7f]*)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
    r"(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<parameters>(?:;[^;?\s<>\"\x00-\x1f\x7f]*)*)"
    r"(?:\?(?P<headers>[^\s<>\"\x00-\x1f\x7f]*))?",
    re.IGNORECASE,
)
_OTHER_URI: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>[^\s<>\"\x00-\x1f\x7f]+)")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPED_CONTROL: Final = re.compile(r"%(?=[01][0-9A-Fa-f]|7[Ff])")
_KEPT_CONTROL: Final = re.compile(r"%25([01][0-9A-Fa-f]|7[Ff])")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MAX_URI: Final = 2048
_MOST_ESCAPED: Final = 12
"""Characters that one character may take when it is escaped: four octets in UTF-8."""
_REMEMBERED: Final = 256
"""Characters: URIs and addresses up to this long are remembered with their meaning, for the same few come again and again."""
_SHORT_HOST: Final = 64
_SCHEMES: Final = {"sip": "sip", "sips": "sips"}
"""As URIs keep them: one text for all."""
_USER_SAFE: Final = "-_.!~*'()&=+$,;?/"
"""What may stand unescaped in the user part, besides letters and digits (RFC 3261 section 25.1)."""
_SAFE_AFTER_COLON: Final = "-_.!~*'()&=+$,"
_HEADER_SAFE: Final = "-_.!~*'()[]/?:+$"
_NEEDS_QUOTES: Final = re.compile(r"[^A-Za-z0-9\-.!%*_+`'~ ]")


def unescape(text: str) -> str:
    """Decode `%XX` escapes as UTF-8. Those of control characters stay as they are: they are legal, but harm whoever shows them.

    Raises:
        MalformedMessageError: what is escaped is no UTF-8.
    """
    if "%" not in text:
        return text
    try:
        return unquote_to_bytes(_ESCAPED_CONTROL.sub("%25", text)).decode("utf-8")
    except UnicodeError:
        raise MalformedMessageError("An escaped character of a URI is not UTF-8.") from None


def _escape(text: str, safe: str) -> str:
    """Escape what may not stand in a part of a URI; the escapes that `unescape` leaves are kept."""
    escaped = quote(text, safe=safe)
    return _KEPT_CONTROL.sub(r"%\1", escaped) if "%25" in escaped else escaped


def without_parameters(user: str) -> str:
    """Leave off what may stand behind a number or name in a URI, such as `;npdi` or `;phone-context=…` (RFC 3261 section 19.1.6)."""
    return user.partition(";")[0]


def split_parameters(text: str) -> Parameters:
    """Read `;name=value;flag` without quotes into pairs; empty pieces are skipped."""
    if not text:
        return ()
    pairs = []
    for piece in text.split(";"):
        name, _, value = piece.partition("=")
        name = name.strip().lower()
        if name:
            pairs.append((name, value.strip()))
    return tuple(pairs)


def join_parameters(parameters: Parameters) -> str:
    """Write parameters as they stand in a header: `;name=value;flag`."""
    return "".join([f";{name}={value}" if value else f";{name}" for name, value in parameters])


def bracketed(host: str) -> str:
    """Return the host as it stands in a URI or Via: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def secured(contact: str) -> str:
    """Return a Contact for a call that was asked for by `sips`: it stays secure at both ends (RFC 3261 sections 8.1.1.8, 12.1.1)."""
    return contact.replace("<sip:", "<sips:", 1)


@dataclass(slots=True, frozen=True)
class Uri:
    """A URI. With `sip:` and `sips:` every part is set; with another scheme (`tel:`, `urn:`) `user` holds the rest."""

    scheme: str
    user: str
    """Decoded; empty when there is none."""
    host: str
    """In lower case; an IPv6 address without its brackets."""
    port: int | None = None
    parameters: Parameters = ()
    headers: tuple[tuple[str, str], ...] = ()
    """What stands after the question mark, raw; `header` decodes."""
    password: str = ""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read a URI.

        Raises:
            MalformedMessageError: it is none, or is longer than 2,048 characters.
        """
        return _remembered(text) if len(text) <= _REMEMBERED else cls.parse_once(text)

    @classmethod
    def parse_once(cls, text: str) -> Uri:
        """Read one of very many URIs that do not come again, without remembering it.

        Raises:
            MalformedMessageError: as `parse`.
        """
        if len(text) > _MAX_URI:
            raise MalformedMessageError("A URI is too long.", status=414)
        uri = cls._taken_apart(text.strip())
        # Written anew it is longer where it held what has to be escaped; what we write must be short enough for us to read, too.
        if len(text) * _MOST_ESCAPED > _MAX_URI and len(str(uri)) > _MAX_URI:
            raise MalformedMessageError("A URI is too long.", status=414)
        return uri

    @classmethod
    def _taken_apart(cls, text: str) -> Uri:
        match = _SIP_URI.fullmatch(text)
        if match is None:
            return cls._parse_other(text)
        scheme, userinfo, host, port, parameters, headers = match.groups()
        password = ""
        if userinfo and ":" in userinfo:
            userinfo, _, password = userinfo.partition(":")
            if not userinfo:
                raise MalformedMessageError("A URI has a password but no user.")
        number = int(port) if port else None
        if number is not None and number > 65535:
            raise MalformedMessageError("The port of a URI is above 65535.")
        if parameters and "%" in parameters:
            # Here, where it is refused, and not when the call that it belongs to is to be ended.
            unescape(parameters)
        return cls(
            _SCHEMES.get(scheme) or scheme.lower(),
            unescape(userinfo) if userinfo else "",
            _host(host),
            number,
            split_parameters(parameters),
            _split_headers(headers) if headers else (),
            unescape(password),
        )

    @classmethod
    def _parse_other(cls, text: str) -> Uri:
        match = _OTHER_URI.fullmatch(text)
        if match is None:
            raise MalformedMessageError("A URI cannot be read.")
        scheme = match["scheme"].lower()
        if scheme in ("sip", "sips"):
            raise MalformedMessageError("A SIP URI cannot be read.")
        rest, parameters = match["rest"], ()
        if scheme == "tel":
            rest, _, tail = rest.partition(";")
            return cls(scheme, unescape(rest), "", None, split_parameters(tail))
        return cls(scheme, rest, "", None, parameters)

    def __str__(self) -> str:
        if self.scheme not in ("sip", "sips"):
            user = _escape(self.user, "+-.()*#") if self.scheme == "tel" else self.user
            return f"{self.scheme}:{user}{join_parameters(self.parameters)}"
        text = f"{self.scheme}:"
        if self.user:
            text += self.user if self.user.isalnum() and self.user.isascii() else _escape(self.user, _USER_SAFE)
            if self.password:
                text += ":" + _escape(self.password, _SAFE_AFTER_COLON)
            text += "@"
        text += bracketed(self.host)
        if self.port is not None:
            text += f":{self.port}"
        if self.parameters:
            text += join_parameters(self.parameters)
        if self.headers:
            text += "?" + "&".join([f"{name}={value}" for name, value in self.headers])
        return text

    def parameter(self, name: str) -> str | None:
        """Return a parameter's value ("" for a flag), or None. `name` is in lower case."""
        for key, value in self.parameters:
            if key == name:
                return unescape(value)
        return None

    def header(self, name: str) -> str | None:
        """Return a header that the URI asks for (`?Replaces=…`), decoded, or None. `name` in any case."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return unescape(value)
        return None

    def with_(self, **changes: Any) -> Uri:
        """Return a copy with these fields changed."""
        return replace(self, **changes)

    def with_header(self, name: str, value: str) -> Uri:
        """Return a copy that also asks for this header (as Refer-To does with Replaces, RFC 3891 section 4)."""
        return replace(self, headers=(*self.headers, (name, quote(value, safe=_HEADER_SAFE))))

    @property
    def transport(self) -> str:
        """The transport that the URI asks for, in lower case: "udp" when it says none (RFC 3263 section 4.1)."""
        if self.scheme == "sips":
            return "tls"
        asked = self.parameter("transport")
        return asked.lower() if asked else "udp"

    @property
    def is_sip(self) -> bool:
        """Whether the scheme is `sip` or `sips`."""
        return self.scheme in ("sip", "sips")

    def same_target(self, other: Uri) -> bool:
        """Whether both lead to one place, by the rules of RFC 3261 section 19.1.4 that matter for contacts."""
        if (self.scheme, self.user, self.host, self.port) != (other.scheme, other.user, other.host, other.port):
            return False
        return all(
            self.parameter(name) == other.parameter(name) for name in ("transport", "user", "ttl", "method", "maddr")
        )


@lru_cache(maxsize=512)
def _remembered_host(text: str) -> str:
    return text.strip("[]").lower()


def _host(text: str) -> str:
    """Return a host as URIs keep it: one text for all URIs of a server, where that is short."""
    return _remembered_host(text) if len(text) <= _SHORT_HOST else text.strip("[]").lower()


@lru_cache(maxsize=8192)
def _remembered(text: str) -> Uri:
    return Uri.parse_once(text)


def _split_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for piece in text.split("&"):
        name, _, value = piece.partition("=")
        if name:
            pairs.append((name, value))
    return tuple(pairs)


class NameAddress(NamedTuple):
    """A party as From, To, Contact, Refer-To and the like show it."""

    display_name: str
    uri: Uri
    parameters: Parameters = ()

    @classmethod
    def parse(cls, text: str) -> NameAddress:
        """Read one name-address or bare URI; a bare URI's parameters are the header's (RFC 3261 section 20.10).

        Raises:
            MalformedMessageError: it is none.
        """
        if len(text) > _REMEMBERED:
            return cls._taken_apart(text)
        address, mark, tag = text.partition(">;tag=")
        if not mark:
            return _remembered_address(text)
        if tag.isalnum():
            # The tag of a dialog does not come again, who stands before it does.
            known = _remembered_address(f"{address}>")
            if not known.parameters:
                return tuple.__new__(cls, (known[0], known[1], (("tag", tag),)))
        return cls._taken_apart(text)

    @classmethod
    def _taken_apart(cls, text: str) -> NameAddress:
        text = text.strip()
        name = ""
        if text.startswith('"'):
            name, text = _quoted(text)
        opening = text.find("<")
        if opening < 0:
            if name:
                raise MalformedMessageError("A quoted name is not followed by an address in angle brackets.")
            address, tail = _split_bare(text)
            if "?" in address:
                raise MalformedMessageError("An address with a question mark needs angle brackets.")
            return cls("", Uri.parse(address), _header_parameters(tail))
        closing = text.find(">", opening)
        if closing < 0:
            raise MalformedMessageError("An address lacks its closing angle bracket.")
        before = text[:opening].strip()
        if before and name:
            raise MalformedMessageError("Something stands between a quoted name and its address.")
        tail = text[closing + 1 :].strip()
        if tail and not tail.startswith(";"):
            raise MalformedMessageError("Something that is no parameter follows an address.")
        name = name or before
        if not name.isprintable():
            # What nobody can show would harm logs, records and headers that it is written into again.
            name = _CONTROL.sub("", name).strip()
        return cls(name, Uri.parse(text[opening + 1 : closing]), _header_parameters(tail))

    def __str__(self) -> str:
        text = f"<{self.uri}>{join_parameters(self.parameters)}"
        return f"{quote_name(self.display_name)} {text}" if self.display_name else text

    def parameter(self, name: str) -> str | None:
        """Return a header parameter's value ("" for a flag), or None. `name` is in lower case; quotes are taken off."""
        for key, value in self.parameters:
            if key == name:
                return _quoted(value)[0] if value.startswith('"') else value
        return None

    def with_(self, **changes: Any) -> NameAddress:
        """Return a copy with these fields changed."""
        return self._replace(**changes)

    def with_tag(self, tag: str) -> NameAddress:
        """Return a copy with this tag instead of its own."""
        others = tuple([pair for pair in self.parameters if pair[0] != "tag"])
        return NameAddress(self.display_name, self.uri, (*others, ("tag", tag)))

    @property
    def tag(self) -> str:
        """The tag, or "" when there is none."""
        for key, value in self.parameters:
            if key == "tag":
                return value
        return ""


@lru_cache(maxsize=4096)
def _remembered_address(text: str) -> NameAddress:
    return NameAddress._taken_apart(text)  # noqa: SLF001 - the memory of `NameAddress.parse`


def _split_bare(text: str) -> tuple[str, str]:
    """Split a bare URI from the header's parameters, which begin with the first semicolon that is not in its user part."""
    address, _, tail = text.partition(";")
    if "@" in tail and "@" not in address:
        user, _, rest = text.partition("@")
        # Nor is it where what has the at sign is a value: the user part of an address holds neither quotes nor a tag.
        if '"' not in user and ";tag=" not in user:
            host, _, tail = rest.partition(";")
            address = f"{user}@{host}"
    return address, tail


def quote_name(name: str) -> str:
    """Write a display name: plain words as they are, else as a quoted string; control characters become spaces."""
    name = _CONTROL.sub(" ", name).strip()
    if not name or _NEEDS_QUOTES.search(name) is None:
        return name
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(text: str) -> tuple[str, str]:
    """Split a text that begins with a quote into the string inside, unescaped, and what follows."""
    end, escaped = 1, False
    while end < len(text) and text[end] != '"':
        if text[end] == "\\":
            escaped = True
            end += 1
        end += 1
    if end >= len(text):
        raise MalformedMessageError("A quoted string is not closed.")
    inside = text[1:end]
    if escaped:
        inside = re.sub(r"\\(.)", r"\1", inside, flags=re.DOTALL)
    return inside, text[end + 1 :]


def _header_parameters(text: str) -> Parameters:
    """Read header parameters; values may be quoted strings that hold semicolons and are kept with their quotes."""
    if ";;" in text and ";;" in _QUOTED.sub("", text):
        raise MalformedMessageError("There are empty parameters behind an address.")
    if '"' not in text:
        return split_parameters(text)
    pairs: list[tuple[str, str]] = []
    for piece in _split_outside_quotes(text, ";"):
        name, _, value = piece.partition("=")
        if name.strip():
            pairs.append((name.strip().lower(), value.strip()))
    return tuple(pairs)


def _split_outside_quotes(text: str, separator: str) -> list[str]:
    pieces: list[str] = []
    start = index = 0
    in_quotes = False
    while index < len(text):
        character = text[index]
        if in_quotes and character == "\\":
            index += 1
        elif character == '"':
            in_quotes = not in_quotes
        elif character == separator and not in_quotes:
            pieces.append(text[start:index])
            start = index + 1
        index += 1
    pieces.append(text[start:])
    return pieces
