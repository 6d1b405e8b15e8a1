"""What a REGISTER says: of each contact, of the way it came, and whether anything of that is new (RFC 3261 section 10, RFC 3327,
RFC 5626).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from sip.address import DEFAULT_PORTS
from sip.binding import Binding, Source, shown
from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Request
from sip.uri import NameAddress, without_parameters

_UNDER_WAY: Final = timedelta(seconds=32)
"""How long a request may be under way at most, repeats and all (RFC 3261 section 17.1.2.2, timer F)."""
_MOST_EDGES: Final = 8
_LONGEST_EDGE: Final = 512
"""Characters of one edge in a Path."""
_PLAIN: Final = re.compile(
    r"""(?:"[^"\\]*"\ ?|[^<>"?%:,;]*)<sips?:[^<>"?%,\s]+>[^<>"?%,]*(?:"[^"\\]*"[^<>"?%,]*)*"""
    r"""|sips?:[^<>"?%,;\s]+(?:;[^<>"?%,]*)?|\*"""
)
"""How nearly all phones write an address."""
_REMEMBERED: Final = 128
"""Characters: of addresses up to this long it is remembered whether they are plain."""


def reads_plain(request: Request) -> bool:
    """Tell whether a REGISTER's addresses look as they usually do: then they need not be read before it is known whose they are."""
    lines = request.by_name()
    if lines is None:
        return all(_is_plain(value) for name in ("To", "From", "Contact") for value in request.get_all(name))
    contact = lines.get("Contact")
    return _is_plain(lines["To"]) and _is_plain(lines["From"]) and (contact is None or _is_plain(contact))


def _is_plain(value: str) -> bool:
    address, mark, tag = value.partition(">;tag=")
    # The tag of a phone does not come again, its address does.
    if mark and tag.isalnum():
        value = f"{address}>"
    return _remembered_plain(value) if len(value) <= _REMEMBERED else _PLAIN.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _remembered_plain(value: str) -> bool:
    return _PLAIN.fullmatch(value) is not None


def account_of(request: Request) -> str:
    """Return which user a REGISTER is for.

    Raises:
        MalformedMessageError: that is no SIP address, or a header cannot be read; the error carries the request.
    """
    request.validate()
    account = request.to.uri
    if not account.is_sip:
        raise MalformedMessageError("Only a SIP address can be registered.", request=request)
    return without_parameters(account.user)


def in_order(held: Binding | None, request: Request, now: datetime) -> bool:
    """Tell whether a REGISTER is newer than what its sender said last, as far as the network can have mixed them up.

    RFC 3261 section 10.3 wants its number to have grown. A repeated datagram is known by its transaction, though, so one with the
    same number is a new wish; and what comes later than a request can be under way is from a phone that counts anew.
    """
    if held is None or held.expires_at <= now or held.call_id != request.call_id:
        return True
    return request.cseq[0] >= held.cseq or now - held.refreshed_at > _UNDER_WAY


def path_of(request: Request) -> tuple[str, ...]:
    """Return the edges of a REGISTER, of which each can be read: requests will be sent along them.

    Raises:
        MalformedMessageError: there are too many, one is too long, or one is no SIP URI.
    """
    edges = request.get_list("Path")
    if len(edges) > _MOST_EDGES or any(len(edge) > _LONGEST_EDGE for edge in edges):
        raise MalformedMessageError("The Path is too long.", request=request)
    for edge in edges:
        if not NameAddress.parse(edge).uri.is_sip:
            raise MalformedMessageError("An edge of the Path is no SIP URI.", request=request)
    return tuple(edges)


def supports(request: Request, option: str) -> bool:
    """Tell whether a phone says that it knows an extension of SIP, in lower case as in its Supported."""
    return option in [name.lower() for name in request.get_list("Supported")]


def keeps_flows(request: Request) -> bool:
    """Tell whether the flow a REGISTER came by is kept for the phone (RFC 5626 section 6).

    It came straight here, or its first edge says `ob`, that it keeps it; and the phone knows what that means.
    """
    if not supports(request, "outbound"):
        return False
    edges = request.get_list("Path")
    if edges:
        return NameAddress.parse(edges[-1]).uri.parameter("ob") is not None
    return len(request.get_list("Via")) == 1


def header_seconds(request: Request) -> int | None:
    """Return the seconds that a REGISTER asks for all its contacts, or None where it has no Expires.

    Raises:
        MalformedMessageError: they cannot be read.
    """
    value = request.get("Expires")
    return None if value is None else parse_seconds(value)


def instance_of(contact: NameAddress) -> str:
    """Return the phone itself, whatever its address (RFC 5626 section 4.1), or an empty string."""
    return (contact.parameter("+sip.instance") or "").replace('"', "")[:200]


def reg_id_of(contact: NameAddress) -> str:
    """Return which of a phone's flows a contact is (RFC 5626 section 4.2), or an empty string."""
    text = contact.parameter("reg-id") or ""
    return text if text.isascii() and text.isdigit() and len(text) < 11 else ""


def preference_of(contact: NameAddress) -> float:
    """Return the `q` of a contact, 0 to 1; without one that can be read it is 1."""
    try:
        return min(1.0, max(0.0, float(contact.parameter("q") or 1)))
    except ValueError:
        return 1.0


def says_the_same(held: Binding, contact: NameAddress, request: Request, source: Source) -> bool:
    """Tell whether a REGISTER with one contact, and no two lines of a name, says of it what is held already, but for the times.

    No edge is on the way.
    """
    # Contacts are mostly the very object that was understood last time.
    if held.source != source or (held.uri is not contact.uri and held.uri != contact.uri) or held.path or held.reg_id:
        return False
    lines = request.by_name()
    if lines is None:
        return False
    return (
        _means_the_same(held, contact)
        and "Path" not in lines
        and "*" not in lines["Contact"]
        and held.user_agent == lines.get("User-Agent", "")[:200]
        and held.direct == is_direct(request, source)
    )


def shown_again(held: Binding, request: Request, seconds: int) -> str:
    """Return the one contact of a REGISTER that `says_the_same` as what is held, as `shown`; what is an address alone in its own words."""
    line = request.get("Contact") or ""
    alone = line[:1] == "<" and line.find(">") == len(line) - 1
    return f"{line};expires={seconds}" if alone else shown(held, seconds)


def _means_the_same(held: Binding, contact: NameAddress) -> bool:
    """Tell whether the parameters of a contact say of the phone what is held already; a flow of its own is another thing."""
    if not contact.parameters:
        return not held.instance and held.q == 1.0
    return held.instance == instance_of(contact) and held.q == preference_of(contact) and not reg_id_of(contact)


def is_direct(request: Request, source: Source) -> bool:
    """Tell whether a request came from the very address that its sender wrote into the Via, so that no NAT is in between."""
    via = request.via
    return (via.host, via.port or DEFAULT_PORTS.get(source[2])) == source[:2]
