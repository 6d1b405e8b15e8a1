"""Who calls, who is not to know it, and who sent the call on: the headers of RFC 3323, 3325, 5806 and 7044.

Nothing here says whom to believe: what a peer asserts is worth what the peer is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sip.errors import MalformedMessageError
from sip.headers import is_token
from sip.message import Headers, Request
from sip.uri import NameAddress, Uri

ANONYMOUS: Final = NameAddress("Anonymous", Uri("sip", "anonymous", "anonymous.invalid"))
"""The From of one who is not to be known (RFC 3323 section 4.1.1.3)."""
_ASSERTED: Final = ("P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID")
_HEADERS: Final = frozenset({*_ASSERTED, "Privacy", "Diversion", "History-Info"})
_HIDING: Final = frozenset({"id", "header", "user", "session", "critical"})
_MOST_ITEMS: Final = 10
"""Entries read of one header; a longer history tells nothing more."""
_CAUSES: Final = {
    "unconditional": 302,
    "user-busy": 486,
    "no-answer": 408,
    "deflection": 480,
    "unavailable": 404,
    "do-not-disturb": 480,
    "out-of-service": 503,
}
"""The cause (RFC 4458) for each reason (RFC 5806)."""
_REASONS: Final = {
    302: "unconditional",
    486: "user-busy",
    408: "no-answer",
    480: "deflection",
    487: "deflection",
    404: "unavailable",
}


@dataclass(slots=True, frozen=True)
class Diverted:
    """One who sent the call on."""

    user: str
    """The user part of the address."""
    reason: str
    """A word of RFC 5806 section 4.1, such as `user-busy`."""


def speaks_of_identity(request: Request) -> bool:
    """Tell whether any header of this page is there, or the From names nobody: most requests are done with by this."""
    return any(name in _HEADERS for name, _ in request.headers) or is_anonymous(request.from_)


def asserted_identity(request: Request) -> NameAddress | None:
    """Return who calls as the network knows it, whatever the From says; None where nothing readable is asserted."""
    for name in _ASSERTED:
        for address in _addresses(request.get_list(name)):
            if address.uri.user and address.parameter("party") in (None, "calling"):
                return address
    return None


def wants_privacy(request: Request) -> bool:
    """Tell whether the caller is not to be known to the called (RFC 3323 section 4.2, and what older phones write)."""
    wishes = {
        wish.strip().lower() for value in request.get_all("Privacy") for wish in value.replace(",", ";").split(";")
    }
    if wishes & _HIDING:
        return True
    if "none" in wishes:
        return False
    if is_anonymous(request.from_):
        return True
    return any(
        address.parameter("privacy") in ("full", "uri") for address in _addresses(request.get_list("Remote-Party-ID"))
    )


def is_anonymous(address: NameAddress) -> bool:
    """Tell whether an address names nobody."""
    return address.uri.host == "anonymous.invalid" or address.uri.user.lower() == "anonymous"


def diversions(request: Request) -> tuple[Diverted, ...]:
    """Return who sent the call on, the first one first: from Diversion, else from History-Info."""
    values = request.get_list("Diversion")
    if values:
        told = [Diverted(address.uri.user, _reason(address)) for address in _addresses(values)]
        return tuple(reversed([one for one in told if one.user]))
    return _of_history(_addresses(request.get_list("History-Info")))


def _reason(address: NameAddress) -> str:
    """Return why a call was sent on, in a word that may stand in a header again: a quoted one could bring more than a reason."""
    reason = (address.parameter("reason") or "").lower()[:40]
    return reason if is_token(reason) else "unknown"


def _of_history(entries: Sequence[NameAddress]) -> tuple[Diverted, ...]:
    """Read each entry that says why it follows the one before (RFC 7044 section 5, RFC 4458)."""
    found: list[Diverted] = []
    for before, after in itertools.pairwise(entries):
        cause = after.uri.parameter("cause") or ""
        if cause.isascii() and cause.isdigit() and before.uri.user:
            hidden = "history" in (before.uri.header("Privacy") or "").lower()
            user = ANONYMOUS.uri.user if hidden else before.uri.user
            found.append(Diverted(user, _REASONS.get(int(cause[:3]), "unknown")))
    return tuple(found)


def diversion_headers(diverted: Sequence[Diverted], target: Uri) -> Headers:
    """Return Diversion (the latest on top) and History-Info for a call to `target` that these sent on, the first one first."""
    if not diverted:
        return ()
    uris = [Uri("sip", one.user, target.host) for one in diverted]
    lines = [
        ("Diversion", f"<{uri}>;reason={one.reason};counter=1")
        for uri, one in zip(reversed(uris), reversed(diverted), strict=True)
    ]
    index, entries = "1", [f"<{uris[0]}>;index=1"]
    for uri, one in zip([*uris[1:], target], diverted, strict=True):
        cause = _CAUSES.get(one.reason, 302)
        entries.append(f"<{uri.with_(parameters=(('cause', str(cause)),))}>;index={index}.1;mp={index}")
        index += ".1"
    return (*lines, ("History-Info", ", ".join(entries)))


def _addresses(values: Sequence[str]) -> list[NameAddress]:
    """Read addresses; one that cannot be read is passed over, for nobody's call should fail for it."""
    found = []
    for value in values[:_MOST_ITEMS]:
        try:
            address = NameAddress.parse(value)
            address.uri.parameter("cause")
        except MalformedMessageError:
            continue
        found.append(address)
    return found
