"""Ports: are those that the server needs free, and if not, who has them?"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.settings import Settings
from ramal.doctor.findings import Finding, Severity, ok

_SUBJECT: Final = "ports"
_PROC: Final = Path("/proc")
_LISTEN: Final = "RAMAL_LISTEN (or RAMAL_SIP_LISTEN)"
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")


@dataclass(slots=True, frozen=True)
class PortNeed:
    """A port that the server opens when it starts."""

    name: str
    """What it is for, such as `SIP`."""
    kind: str
    """`udp` or `tcp`."""
    host: str
    port: int
    setting: str
    """The variable that moves it."""
    optional: bool = False
    """Whether the server starts without it: nobody chose it."""


@dataclass(slots=True, frozen=True)
class PortState:
    """Whether a port can be opened."""

    need: PortNeed
    problem: str = ""
    """Why not; empty when it can."""
    owner: str = ""
    """The program that has it, as far as it can be seen."""
    foreign_address: bool = False
    """Whether the address is none of this machine's."""


def needed(settings: Settings) -> list[PortNeed]:
    """Return the ports that a server with these settings opens, but for RTP."""
    needs = [
        PortNeed("SIP", kind, host, settings.sip.port, "RAMAL_SIP_PORT")
        for host in settings.sip_hosts
        for kind in ("udp", "tcp")
    ]
    if port := settings.sip_tls_port:
        optional = settings.sip.tls_port is None
        needs += [
            PortNeed("SIP over TLS", "tcp", host, port, "RAMAL_SIP_TLS_PORT", optional) for host in settings.sip_hosts
        ]
    needs.append(PortNeed("Web and API", "tcp", settings.listen, settings.web.port, "RAMAL_WEB_PORT"))
    if port := settings.web_tls_port:
        optional = settings.web.tls_port is None
        needs.append(PortNeed("HTTPS", "tcp", settings.listen, port, "RAMAL_WEB_TLS_PORT", optional))
    if settings.mqtt.embedded:
        needs.append(PortNeed("MQTT", "tcp", settings.mqtt_address, settings.mqtt.port, "RAMAL_MQTT_PORT"))
    return needs


def gather_silent(
    settings: Settings, sip: Collection[tuple[str, int]], *, https: bool, proc: Path = _PROC
) -> list[PortState]:
    """Return the ports that a running server had to do without.

    Args:
        settings: those it was started with.
        sip: the hosts and ports at which it listens for SIP over TLS.
        https: whether it listens for HTTPS.
        proc: where the kernel tells who has a port.
    """
    silent = [
        need
        for need in needed(settings)
        if need.optional and not (https if need.name == "HTTPS" else (need.host, need.port) in sip)
    ]
    return [PortState(need, "as it was when the server started", owner_of("tcp", need.port, proc)) for need in silent]


def gather(settings: Settings, proc: Path = _PROC) -> list[PortState]:
    """Try each port that the server needs; only while no server of this folder runs."""
    return [_try(need, proc) for need in needed(settings)]


def gather_rtp(settings: Settings) -> int:
    """Return how many ports of the RTP range are taken; none where the address itself is not to be had."""
    media = settings.media
    states = [
        _try(PortNeed("RTP", "udp", settings.listen, port, ""), None)
        for port in range(media.first_port, media.last_port + 1)
    ]
    return sum(bool(state.problem) and not state.foreign_address for state in states)


def examine(states: Sequence[PortState]) -> list[Finding]:
    """Tell which ports are taken, by whom, and what moves them."""
    findings = examine_taken(states)
    foreign: dict[str, list[str]] = {}
    for state in states:
        if state.foreign_address and state.need.name not in foreign.setdefault(state.need.host, []):
            foreign[state.need.host].append(state.need.name)
    for host, names in foreign.items():
        message = f"{host} is no address of this machine, so nothing can listen there: {', '.join(names)}."
        advice = f"Set {_LISTEN} to an address of this machine, or to 0.0.0.0 for all of them."
        findings.append(Finding(_SUBJECT, Severity.PROBLEM, "foreign_address", message, advice, host))
    if not findings:
        names = [f"{state.need.name} {state.need.kind} {state.need.port}" for state in states]
        findings.append(ok(_SUBJECT, "ports_free", f"The ports are free: {', '.join(names)}."))
    return findings


def examine_taken(states: Sequence[PortState]) -> list[Finding]:
    """Tell which ports other programs have."""
    findings = []
    for state in states:
        if not state.problem or state.foreign_address:
            continue
        need = state.need
        where = f"{need.kind.upper()} port {need.port} on {need.host}"
        by = f" by {state.owner}" if state.owner else " by another program"
        message = f"{where} for {need.name} is taken{by} ({state.problem})."
        advice = f"Stop that program, or move the port with {need.setting} (or all of them with RAMAL_PORT_BASE)."
        severity = Severity.PROBLEM
        if need.optional:
            severity = Severity.WARNING
            message += " The server runs without it."
            advice += " 0 means none. Start the server anew."
        findings.append(Finding(_SUBJECT, severity, "port_taken", message, advice, f"{need.kind}:{need.port}"))
    return findings


def examine_rtp(taken: int, first: int, last: int, ephemeral: tuple[int, int] | None, max_calls: int) -> list[Finding]:
    """Tell whether the RTP range is large enough and whether the system gives its ports to others.

    Args:
        taken: how many of them other programs have.
        first: the first port of the range.
        last: the last one.
        ephemeral: the range the system takes ports of outgoing connections from, if known.
        max_calls: how many calls the settings allow.
    """
    total = last - first + 1
    findings = []
    # A leg has a port for RTP and one for RTCP, a call two legs.
    calls = (total - taken) // 4
    if calls < max_calls:
        message = (
            f"The RTP ports {first} to {last} are enough for {calls} calls at a time, the settings allow {max_calls}."
        )
        advice = (
            "Widen RAMAL_MEDIA_FIRST_PORT to RAMAL_MEDIA_LAST_PORT (four ports a call), or lower RAMAL_SIP_MAX_CALLS."
        )
        severity = Severity.PROBLEM if calls < 1 else Severity.NOTE
        findings.append(Finding(_SUBJECT, severity, "few_rtp_ports", message, advice, f"udp:{first}-{last}"))
    if ephemeral is not None and first <= ephemeral[1] and ephemeral[0] <= last:
        message = (
            f"The system gives RTP ports to outgoing connections: its own range is {ephemeral[0]} to {ephemeral[1]}."
        )
        advice = f"Reserve them: sysctl net.ipv4.ip_local_reserved_ports={first}-{last}, or move the RTP range."
        findings.append(Finding(_SUBJECT, Severity.NOTE, "rtp_ports_shared", message, advice, f"udp:{first}-{last}"))
    return findings


def ephemeral_range(proc: Path = _PROC) -> tuple[int, int] | None:
    """Return the first and the last port for outgoing connections, or None where the system does not tell."""
    try:
        first, last = (proc / "sys/net/ipv4/ip_local_port_range").read_text().split()
        reserved = (proc / "sys/net/ipv4/ip_local_reserved_ports").read_text().strip()
        return None if reserved else (int(first), int(last))
    except (OSError, ValueError):
        return None


def _try(need: PortNeed, proc: Path | None) -> PortState:
    family = socket.AF_INET6 if ":" in need.host else socket.AF_INET
    kind = socket.SOCK_DGRAM if need.kind == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as probe:
        if need.kind == "tcp":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((need.host, need.port))
            if need.kind == "tcp":
                probe.listen(1)
        except OSError as error:
            # A name that leads nowhere is no address of this machine either.
            foreign = error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror)
            owner = "" if foreign or proc is None else owner_of(need.kind, need.port, proc)
            return PortState(need, error.strerror or str(error), owner, foreign)
    return PortState(need)


def owner_of(kind: str, port: int, proc: Path = _PROC) -> str:
    """Return the program that has a port as `name (process 123)`, or an empty string where it cannot be seen."""
    inodes = {inode for name in (kind, f"{kind}6") for inode in _inodes(proc / "net" / name, port)}
    if not inodes:
        return ""
    for folder in proc.iterdir():
        if folder.name.isdigit() and inodes & _sockets(folder / "fd"):
            try:
                name = (folder / "comm").read_text().strip()
            except OSError:
                name = "a program"
            return f"{name} (process {folder.name})"
    return "a program of another user"


def _inodes(table: Path, port: int) -> set[str]:
    """Return the sockets that are bound to a port, from a table of the kernel (proc(5)): local address is `HEX:PORT`."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return set()
    found = set()
    for line in lines:
        fields = line.split()
        # 0A is LISTEN of TCP, 07 an unconnected UDP socket.
        if len(fields) > 9 and fields[1].endswith(f":{port:04X}") and fields[3] in {"0A", "07"}:
            found.add(fields[9])
    return found


def _sockets(folder: Path) -> set[str]:
    """Return the sockets that a process has open, as far as they can be seen."""
    found = set()
    with contextlib.suppress(OSError):
        for link in folder.iterdir():
            # A file may be closed in the meantime, such as the folder's own.
            with contextlib.suppress(OSError):
                match = _SOCKET.fullmatch(str(link.readlink()))
                if match is not None:
                    found.add(match.group(1))
    return found
