"""Trunks: do their names resolve, do they answer, and do they let us register?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pbx.snapshot import Snapshot
from pbx.trunks import TrunkStatus
from ramal.doctor.findings import Finding, Severity, ok
from sip.address import Address
from sip.resolver import Target

_SUBJECT: Final = "trunks"


@dataclass(slots=True, frozen=True)
class HostFacts:
    """One host of a trunk."""

    name: str
    """As it is set up, with its port and transport where they are set."""
    servers: tuple[str, ...]
    """Where the name leads (NAPTR, SRV, addresses); empty when nowhere."""
    state: str = ""
    """As the running server sees it; empty when none runs."""
    reason: str = ""


@dataclass(slots=True, frozen=True)
class TrunkFacts:
    """A trunk."""

    name: str
    enabled: bool
    hosts: tuple[HostFacts, ...]
    state: str = ""
    """As the running server sees it; empty when none runs."""
    reason: str = ""
    routes: int = 1
    """How many outgoing routes use it."""
    asked: bool = True
    """Whether the server asks it for signs of life."""


Locate = Callable[[Target], Awaitable[Sequence[Address]]]
"""Returns the servers of a target, best first; none when the DNS knows none."""


async def gather(
    directory: Snapshot, locate: Locate, status: Callable[[str], TrunkStatus] | None = None
) -> list[TrunkFacts]:
    """Return what is known of the trunks of a directory.

    Args:
        directory: has the trunks and the routes.
        locate: asks the DNS.
        status: returns how the running server sees a trunk; None: none runs.
    """
    facts = []
    for trunk in directory.trunks.values():
        seen = status(trunk.name) if status is not None else None
        states = {host.host: host for host in seen.hosts} if seen is not None else {}
        hosts = []
        for target in trunk.targets if trunk.enabled else ():
            found = states.get(str(target))
            servers = tuple(map(str, await locate(target)))
            told = (found.state, found.reason) if found is not None else ("", "")
            hosts.append(HostFacts(str(target), servers, *told))
        routes = sum(trunk.name in route.trunks for route in directory.routes)
        state = (seen.state, seen.reason) if seen is not None else ("", "")
        facts.append(
            TrunkFacts(
                trunk.name, trunk.enabled, tuple(hosts), *state, routes, trunk.register or trunk.ping_seconds > 0
            )
        )
    return facts


def examine(trunks: Sequence[TrunkFacts], listening: Sequence[str]) -> list[Finding]:
    """Tell which trunks don't work, and why.

    Args:
        trunks: what is known of them.
        listening: the addresses that SIP listens on, and calls from.
    """
    if not trunks:
        message = "There is no trunk: calls go between extensions only."
        return [
            Finding(
                _SUBJECT, Severity.NOTE, "no_trunks", message, "Add one in the web app or with POST /api/v1/trunks."
            )
        ]
    findings = []
    for trunk in trunks:
        if trunk.enabled:
            findings += _examine_family(trunk, listening) or _examine_one(trunk)
    off = [trunk.name for trunk in trunks if not trunk.enabled]
    if off:
        findings.append(
            Finding(_SUBJECT, Severity.NOTE, "trunk_disabled", f"Switched off: {', '.join(off)}.", "", off[0])
        )
    return findings


def _examine_family(trunk: TrunkFacts, listening: Sequence[str]) -> list[Finding]:
    """Tell of a trunk whose servers all have addresses of a family that SIP has none of."""
    servers = [server for host in trunk.hosts for server in host.servers]
    speaks = {"IPv6" if ":" in host else "IPv4" for host in listening}
    if "::" in listening:
        speaks.add("IPv4")
    # A server is written like udp:192.0.2.1:5060 or udp:[2001:db8::1]:5060.
    needs = {"IPv6" if "[" in server else "IPv4" for server in servers}
    if not servers or needs & speaks:
        return []
    (family,) = needs
    message = f"{trunk.name} at {servers[0]} is reached by {family} only, and SIP listens on {', '.join(listening)}."
    advice = f"Add an address of {family} to RAMAL_SIP_LISTEN, or give the trunk a host of the other family."
    return [Finding(_SUBJECT, Severity.PROBLEM, "trunk_other_family", message, advice, trunk.name)]


def _examine_one(trunk: TrunkFacts) -> list[Finding]:
    unknown = [host for host in trunk.hosts if not host.servers]
    findings = [_unknown_name(trunk, host) for host in unknown]
    where = ", ".join(host.name for host in trunk.hosts)
    if len(unknown) == len(trunk.hosts):
        return findings
    if trunk.state == "unreachable":
        message = f"{trunk.name} at {where} does not answer{_because(trunk.reason)}."
        advice = (
            "Check its host, port and transport, that the firewall lets them out and the answers in, and that the carrier lets this "
            "machine's public address in. A carrier that answers no OPTIONS at all is not to be asked (ping_seconds 0)."
        )
        return [*findings, Finding(_SUBJECT, Severity.PROBLEM, "trunk_unreachable", message, advice, trunk.name)]
    if trunk.state == "refused":
        message = f"{trunk.name} at {where} refuses our registration{_because(trunk.reason)}."
        advice = "Check the trunk's user name and password, and at the carrier whether the account is open and not used elsewhere."
        return [*findings, Finding(_SUBJECT, Severity.PROBLEM, "trunk_refused", message, advice, trunk.name)]
    for host in trunk.hosts:
        if host.state == "unreachable":
            message = (
                f"{trunk.name}: its host {host.name} does not answer{_because(host.reason)}; calls go by another one."
            )
            advice = "Ask the carrier whether it is still in use; else take it out of the trunk."
            findings.append(Finding(_SUBJECT, Severity.WARNING, "host_unreachable", message, advice, trunk.name))
    if trunk.state == "unknown" and trunk.asked:
        message = f"{trunk.name} at {where} has not answered yet."
        findings.append(
            Finding(_SUBJECT, Severity.NOTE, "trunk_unknown", message, "Ask again in half a minute.", trunk.name)
        )
    if not trunk.routes:
        message = f"{trunk.name} is {trunk.state or 'set up'}, but no outgoing route uses it."
        advice = (
            "Nothing to do where it only brings calls in; else add a route in the web app or with POST /api/v1/routes."
        )
        findings.append(Finding(_SUBJECT, Severity.NOTE, "trunk_unused", message, advice, trunk.name))
    how = "found in the DNS" if trunk.state in {"", "unknown"} else trunk.state
    return findings or [ok(_SUBJECT, "trunk_works", f"{trunk.name} at {where} is {how}.")]


def _unknown_name(trunk: TrunkFacts, host: HostFacts) -> Finding:
    alone = len(trunk.hosts) == 1
    message = f"{trunk.name}: the name {host.name} does not resolve, so no call reaches it{'' if alone else ' there'}."
    advice = "Correct the trunk's host, or this machine's DNS (/etc/resolv.conf)."
    return Finding("dns", Severity.PROBLEM if alone else Severity.WARNING, "name_unknown", message, advice, trunk.name)


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""
