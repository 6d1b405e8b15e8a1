"""The address of this machine that others know it by, where the settings say no more than "all of them"."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from core.settings import Settings
from sip.address import is_ip_address
from sip.transport.group import ANY_HOSTS


def outgoing_address() -> str:
    """Return this machine's address on its default route, or an empty string; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def told_address(settings: Settings) -> str:
    """Return what stands for the server in the addresses that phones are shown and may call back."""
    told = settings.sip_address
    return told if told not in ANY_HOSTS else outgoing_address() or "127.0.0.1"


def numeric_addresses(hosts: Iterable[str]) -> tuple[str, ...]:
    """Return the IP addresses of what is listened on, each once; a name that means nothing here stays as it is, for the error."""
    return tuple(dict.fromkeys([host if is_ip_address(host) else _resolved(host) for host in hosts]))


def _resolved(name: str) -> str:
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)[0][4][0])
    except (OSError, UnicodeError):
        return name
