"""What a trunk is sent for a call: Request-URI, who calls, and what its answers mean. Calls and their explanation share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pbx import caller_id, identity
from pbx.caller_id import CallerId
from pbx.entries import Transport, Trunk
from pbx.forwarding import Way
from pbx.outbound_routes import OutboundStep
from pbx.party import Party
from pbx.snapshot import Snapshot
from pbx.validation import NEXT_TRUNK
from sip.address import Address
from sip.message import Headers
from sip.uri import NameAddress, Uri

_NEXT_TRUNK: Final = frozenset({401, 403, 407, 408})
"""Refusals that concern the trunk and not the number, beside all of 5xx."""


@dataclass(slots=True, frozen=True)
class OutboundCall:
    """One INVITE to a trunk, as far as it does not depend on the server that takes it."""

    uri: Uri
    from_: NameAddress
    headers: Headers
    shown: CallerId
    """The number that is shown, and why that one."""


def prepare(
    step: OutboundStep, snapshot: Snapshot, caller: Party, way: Way, *, country: str, domain: str
) -> OutboundCall:
    """Return what a trunk is sent.

    Args:
        step: the trunk and the digits it is given.
        snapshot: the directory.
        caller: who calls, and may not want to be known.
        way: who sent the call on.
        country: the company's, ISO 3166-1 alpha-2.
        domain: our own, for a trunk that has none.
    """
    trunk = step.trunk
    shown = caller_id.choose(trunk, snapshot, caller, country)
    domain = trunk.domain or (trunk.host if trunk.register else domain)
    from_, headers = identity.outside(
        caller, way, snapshot, shown.number, Uri("sip", step.digits, domain), trusted=trunk.trust_identity
    )
    if trunk.asserted_identity and not caller.private:
        headers = (*headers, ("P-Asserted-Identity", f"<{from_.uri}>"))
    parameters = () if trunk.transport in (Transport.UDP, Transport.AUTO) else (("transport", trunk.transport.value),)
    uri = Uri("sip", step.digits, trunk.domain or trunk.host, None if trunk.domain else trunk.port or None, parameters)
    return OutboundCall(uri, from_, headers, shown)


def meaning(trunk: Trunk, status: int) -> int | None:
    """Return what a final status of the trunk means to the caller; None: the next trunk is to be tried."""
    rule = trunk.responses.get(str(status)) or trunk.responses.get(f"{status // 100}xx")
    if rule is not None:
        return None if rule == NEXT_TRUNK else int(rule)
    return None if status in _NEXT_TRUNK or 500 <= status < 600 else status


def follows(trunk: Trunk, status: int) -> bool:
    """Tell whether calls go where this final status of the trunk says; what `responses` says of it goes first."""
    told = str(status) in trunk.responses or "3xx" in trunk.responses
    return trunk.follow_redirects and 300 <= status < 400 and not told


def redirected(target: Uri, digits: str) -> Uri | None:
    """Return the Request-URI for a place that a 3xx names (RFC 3261 section 8.1.3.4), or None where it is for another number.

    What a carrier writes behind the number (`;npdi;rn=…`) stays; headers that the URI asks for are not sent, and no other method.
    """
    if not target.is_sip or target.user.partition(";")[0] != digits:
        return None
    parameters = tuple([pair for pair in target.parameters if pair[0] != "method"])
    return target.with_(scheme="sip", headers=(), parameters=parameters, password="")


def sent_to(servers: list[Address]) -> str:
    """Return in words where an INVITE goes."""
    first, *others = map(str, servers)
    return first + (f", else {', '.join(others)}" if others else "")
