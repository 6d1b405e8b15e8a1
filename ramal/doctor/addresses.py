"""Addresses: can phones reach what the server listens on, and is what it tells them right?"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Final

from core.addresses import is_loopback
from core.settings import Settings
from ramal.doctor.findings import Finding, Severity, ok
from ramal.own_address import outgoing_address

_SUBJECT: Final = "addresses"
_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to
_PRIVATE: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
_ADVERTISE: Final = "RAMAL_SIP_ADVERTISED_ADDRESS"


@dataclass(slots=True, frozen=True)
class AddressFacts:
    """What is known of the server's addresses."""

    listen: str
    advertised: str
    """The address phones are told, empty when it is the one listened on."""
    advertised_addresses: tuple[str, ...]
    """What `advertised` resolves to; itself when it is an address."""
    outgoing: str
    """The address of this machine on its default route; empty without one."""
    ports: str
    """The ports to open, for the advice."""


def gather(settings: Settings) -> AddressFacts:
    """Look the addresses up; asks the DNS where the advertised one is a name."""
    advertised = settings.sip.advertised_address
    return AddressFacts(
        settings.listen,
        advertised,
        _resolved(advertised) if advertised else (),
        outgoing_address(),
        open_ports(settings),
    )


def open_ports(settings: Settings) -> str:
    """Return the ports that phones need open, in words for a firewall."""
    media = settings.media
    tcp = [settings.sip.port, settings.sip_tls_port, settings.web.port, settings.web_tls_port]
    listed = ", ".join(str(port) for port in tcp if port)
    return f"UDP {settings.sip.port} and {media.first_port}-{media.last_port}, TCP {listed}"


def rtp_ports(settings: Settings) -> str:
    """Return the RTP range in words."""
    return f"UDP {settings.media.first_port}-{settings.media.last_port}"


def examine(facts: AddressFacts) -> list[Finding]:
    """Tell who can reach the server, and whether it tells phones an address that works."""
    findings = [*_examine_listen(facts), *_examine_advertised(facts)]
    return findings or [
        ok(_SUBJECT, "addresses_fit", f"It listens on {facts.listen} and tells phones an address that fits.")
    ]


def _examine_listen(facts: AddressFacts) -> list[Finding]:
    if not is_loopback(facts.listen):
        return []
    message = f"It listens on {facts.listen}: only programs of this machine reach it, no phone in the network does."
    advice = f"Set RAMAL_LISTEN=0.0.0.0 (or one address of this machine), and open {facts.ports} in the firewall."
    return [Finding(_SUBJECT, Severity.NOTE, "loopback_only", message, advice, facts.listen)]


def _examine_advertised(facts: AddressFacts) -> list[Finding]:
    if facts.advertised:
        return _examine_told(facts)
    if facts.listen in _ANY and is_private(facts.outgoing):
        message = f"This machine is {facts.outgoing}, a private address, and tells nobody another one."
        advice = (
            f"Nothing to do while all phones and trunks are in the same network. For those outside, set {_ADVERTISE} to the public "
            f"address and forward {facts.ports} to this machine."
        )
        return [Finding(_SUBJECT, Severity.NOTE, "private_address", message, advice, facts.outgoing)]
    return []


def _examine_told(facts: AddressFacts) -> list[Finding]:
    told = facts.advertised
    if not facts.advertised_addresses:
        message = f"Phones are told the address {told}, a name that does not resolve."
        advice = f"Correct {_ADVERTISE}, or the DNS entry; an IP address works as well."
        return [Finding(_SUBJECT, Severity.PROBLEM, "advertised_unknown", message, advice, told)]
    loopback = [one for one in facts.advertised_addresses if is_loopback(one)]
    if loopback and not is_loopback(facts.listen):
        message = f"Phones are told the address {told} ({loopback[0]}): each of them would send its voice to itself."
        advice = f"Set {_ADVERTISE} to the address at which phones reach this machine."
        return [Finding(_SUBJECT, Severity.PROBLEM, "advertised_loopback", message, advice, told)]
    if is_loopback(facts.listen) and not loopback:
        message = f"Phones are told the address {told}, but it listens on {facts.listen} only."
        advice = "Set RAMAL_LISTEN to 0.0.0.0 or to an address of this machine that phones reach."
        return [Finding(_SUBJECT, Severity.PROBLEM, "advertised_not_listened", message, advice, told)]
    return []


def is_private(host: str) -> bool:
    """Tell whether an address means something in its own network only (RFC 1918, 6598, 3927, 4193); false for names."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE)


def _resolved(host: str) -> tuple[str, ...]:
    try:
        return tuple(sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}))
    except (OSError, UnicodeError):
        return ()
