"""Who calls, as records and phones are to know it, and who sent the call on.

A trunk is believed when it asserts an identity (RFC 3325); a phone is not, it is known by its login. One who wants to stay unknown is
unknown to everybody inside as well: to phones, records and the CRM.
"""

from __future__ import annotations

from typing import Final

from pbx import numbers
from pbx.forwarding import Diversion, Way
from pbx.party import Party
from pbx.snapshot import Snapshot
from sip import identity
from sip.identity import ANONYMOUS, Diverted
from sip.message import Headers, Request
from sip.uri import NameAddress, Uri

UNKNOWN: Final = "anonymous"
"""The number of one who does not want to be known."""
_LONGEST_NAME: Final = 80


def caller(request: Request, trunk: str, country: str, *, trusted: bool) -> tuple[Party, Way]:
    """Return who calls by a trunk, and who sent the call on before it came to us, as far as the trunk is to be trusted."""
    address = request.from_
    way: Way = ()
    if identity.speaks_of_identity(request):
        if trusted:
            way = tuple(
                Diversion(numbers.shown(one.user, country), one.reason, outside=True)
                for one in identity.diversions(request)
            )
            address = identity.asserted_identity(request) or address
        if identity.wants_privacy(request):
            return Party(UNKNOWN, ANONYMOUS.display_name, trunk=trunk, private=True), way
    name = (address.display_name or request.from_.display_name)[:_LONGEST_NAME]
    return Party(numbers.shown(address.uri.user, country), name, trunk=trunk), way


def hides(request: Request) -> bool:
    """Tell whether a phone wants its call to show nobody."""
    return identity.speaks_of_identity(request) and identity.wants_privacy(request)


def shown(party: Party, domain: str) -> NameAddress:
    """Return the From by which a phone is shown who calls."""
    return ANONYMOUS if party.private else NameAddress(party.name, Uri("sip", party.number, domain))


def connected(party: Party, domain: str, *, calling: bool) -> Headers:
    """Return what a phone is told of the one whom it talks with from now on; `calling`: its user was called (RFC 3325 section 9.1)."""
    address = shown(party, domain)
    role = "calling" if calling else "called"
    privacy = "full" if party.private else "off"
    lines = [
        ("P-Asserted-Identity", str(address)),
        ("Remote-Party-ID", f"{address};party={role};privacy={privacy};screen=yes"),
    ]
    return [*lines, ("Privacy", "id")] if party.private else lines


def told_to_phone(way: Way, target: str, domain: str) -> Headers:
    """Return what a phone of the extension `target` is told of the call's way."""
    return identity.diversion_headers([Diverted(one.number, one.reason) for one in way], Uri("sip", target, domain))


def told_to_caller(caller: Party, way: Way, target: str, snapshot: Snapshot, domain: str, *, history: bool) -> Headers:
    """Return what a 181 tells the caller of who sent the call on.

    A colleague learns where to, in a History-Info if its phone reads one (`history`, RFC 7044 section 9.1). One outside learns no
    number but public ones that sent the call on: the mobile phone that a call goes to is nobody's business out there.
    """
    if caller.extension:
        lines = told_to_phone(way, target, domain)
        return [line for line in lines if history or line[0] != "History-Info"]
    public = _public_numbers(snapshot)
    told = [Diverted(public[one.number], one.reason) for one in way if one.number in public]
    lines = identity.diversion_headers(told, Uri("sip", "", domain))
    return [line for line in lines if line[0] == "Diversion"]


def outside(
    caller: Party, way: Way, snapshot: Snapshot, number: str, target: Uri, *, trusted: bool
) -> tuple[NameAddress, Headers]:
    """Return From and headers for a call to a carrier's `target` that shows `number`.

    One who is not to be known is named to the carrier alone, if that is trusted (RFC 3325 section 7). Extensions on the call's way
    are told by the public number that leads to them, else by `number`.
    """
    own = Uri("sip", number, target.host)
    told = []
    if way:
        public = _public_numbers(snapshot)
        told = [Diverted(one.number if one.outside else public.get(one.number, number), one.reason) for one in way]
    headers = tuple(identity.diversion_headers(told, target))
    if caller.private:
        named = (("P-Asserted-Identity", f"<{own}>"),) if trusted else ()
        return ANONYMOUS, (*headers, *named, ("Privacy", "id"))
    return NameAddress("", own), headers


def _public_numbers(snapshot: Snapshot) -> dict[str, str]:
    """Return the public number that leads to each extension that has one."""
    return {entry.target: entry.number for entry in snapshot.numbers.values()}
