"""Trunks: do their names resolve, do they answer, and do they let us register?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pbx.entries import Trunk
from pbx.snapshot import Snapshot
from ramal.doctor.findings import Finding, Severity, ok
from sip.address import Address

_SUBJECT: Final = "trunks"


@dataclass(slots=True, frozen=True)
class TrunkFacts:
    """A trunk."""

    name: str
    host: str
    port: int
    transport: str
    enabled: bool
    servers: tuple[str, ...]
    """Where its name leads (NAPTR, SRV, addresses); empty when nowhere."""
    state: str = ""
    """As the running server sees it; empty when none runs."""
    reason: str = ""
    routes: int = 1
    """How many outgoing routes use it."""


def facts_of(
    trunk: Trunk, servers: Sequence[Address], directory: Snapshot, *, state: str = "", reason: str = ""
) -> TrunkFacts:
    """Return what is known of a trunk of the directory.

    Args:
        trunk: the trunk.
        servers: where its name leads.
        directory: whose routes count.
        state: as the running server sees it.
        reason: for the state.
    """
    return TrunkFacts(
        name=trunk.name,
        host=trunk.host,
        port=trunk.port,
        transport=trunk.transport.value,
        enabled=trunk.enabled,
        servers=tuple(str(server) for server in servers),
        state=state,
        reason=reason,
        routes=sum(trunk.name in route.trunks for route in directory.routes),
    )


def examine(trunks: Sequence[TrunkFacts]) -> list[Finding]:
    """Tell which trunks don't work, and why."""
    if not trunks:
        message = "There is no trunk: calls go between extensions only."
        return [
            Finding(
                _SUBJECT, Severity.NOTE, "no_trunks", message, "Add one in the web app or with POST /api/v1/trunks."
            )
        ]
    findings = [finding for trunk in trunks if trunk.enabled for finding in _examine_one(trunk)]
    off = [trunk.name for trunk in trunks if not trunk.enabled]
    if off:
        findings.append(
            Finding(_SUBJECT, Severity.NOTE, "trunk_disabled", f"Switched off: {', '.join(off)}.", "", off[0])
        )
    return findings


def _examine_one(trunk: TrunkFacts) -> list[Finding]:
    where = f"{trunk.host}:{trunk.port} over {trunk.transport.upper()}" if trunk.port else trunk.host
    if not trunk.servers:
        message = f"{trunk.name}: the name {trunk.host} does not resolve, so no call reaches it."
        advice = f"Correct the trunk's host, or this machine's DNS (try: getent hosts {trunk.host})."
        return [Finding("dns", Severity.PROBLEM, "name_unknown", message, advice, trunk.name)]
    if trunk.state == "unreachable":
        message = f"{trunk.name} at {where} does not answer{_because(trunk.reason)}."
        advice = (
            f"Check its address, port and transport, that the firewall lets {trunk.transport.upper()} {trunk.port} out and the answers "
            f"in, and that the carrier lets this machine's public address in. Its OPTIONS may also be switched off there."
        )
        return [Finding(_SUBJECT, Severity.PROBLEM, "trunk_unreachable", message, advice, trunk.name)]
    if trunk.state == "refused":
        message = f"{trunk.name} at {where} refuses our registration{_because(trunk.reason)}."
        advice = "Check the trunk's user name and password, and at the carrier whether the account is open and not used elsewhere."
        return [Finding(_SUBJECT, Severity.PROBLEM, "trunk_refused", message, advice, trunk.name)]
    if trunk.state == "unknown":
        message = f"{trunk.name} at {where} has not answered yet."
        return [Finding(_SUBJECT, Severity.NOTE, "trunk_unknown", message, "Ask again in half a minute.", trunk.name)]
    if not trunk.routes:
        message = f"{trunk.name} is {trunk.state or 'set up'}, but no outgoing route uses it."
        advice = (
            "Nothing to do where it only brings calls in; else add a route in the web app or with POST /api/v1/routes."
        )
        return [Finding(_SUBJECT, Severity.NOTE, "trunk_unused", message, advice, trunk.name)]
    return [ok(_SUBJECT, "trunk_works", f"{trunk.name} at {where} is {trunk.state or 'found in the DNS'}.")]


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
