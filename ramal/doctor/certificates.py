"""Certificates: can they be read, are they valid for a while, and do they name what phones and browsers ask for?"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509

from ramal.doctor.findings import Finding, Severity, ok

_SUBJECT: Final = "certificates"
_SOON: Final = timedelta(days=14)
_RENEW: Final = "Renew it and replace the file; the server takes the new one by itself, and calls go on."


@dataclass(slots=True, frozen=True)
class CertificateFacts:
    """A certificate file."""

    file: Path
    problem: str = ""
    """Why it cannot be used; empty when it can be read."""
    not_before: datetime | None = None
    not_after: datetime | None = None
    names: tuple[str, ...] = ()
    """Host names and addresses it is valid for."""
    key_exposed: bool = False
    """Whether a file with a key can be read by others."""


def gather(file: Path, key: Path | None = None) -> CertificateFacts:
    """Read a certificate file in PEM; the first certificate counts."""
    try:
        data = file.read_bytes()
        secret = key if key is not None else file
        exposed = b"PRIVATE KEY" in secret.read_bytes() and bool(secret.stat().st_mode & 0o077)
    except OSError as error:
        return CertificateFacts(file, f"{error.filename}: {error.strerror}")
    try:
        certificate = x509.load_pem_x509_certificates(data)[0]
    except (ValueError, IndexError) as error:
        return CertificateFacts(file, f"it holds no certificate in PEM ({error})")
    return CertificateFacts(
        file, "", certificate.not_valid_before_utc, certificate.not_valid_after_utc, _names(certificate), exposed
    )


def examine(facts: CertificateFacts, hosts: Sequence[str], now: datetime) -> list[Finding]:
    """Judge a certificate.

    Args:
        facts: what the file says.
        hosts: names and addresses that others call this server by.
        now: the time.
    """
    file = str(facts.file)
    if facts.problem or facts.not_before is None or facts.not_after is None:
        message = f"The certificate {file} cannot be used: {facts.problem}."
        advice = "Correct RAMAL_TLS_CERTIFICATE and the file's rights: the server's user must be able to read it."
        return [Finding(_SUBJECT, Severity.PROBLEM, "certificate_unreadable", message, advice, file)]
    findings = [*_examine_time(file, facts.not_before, facts.not_after, now)]
    missing = [host for host in hosts if not any(_matches(name, host) for name in facts.names)]
    if missing:
        message = f"The certificate {file} is for {', '.join(facts.names) or 'nobody'}, not for {', '.join(missing)}."
        advice = "Phones and browsers that check it will refuse: get one with that name, or have them use a name that it has."
        findings.append(Finding(_SUBJECT, Severity.WARNING, "certificate_names", message, advice, file))
    if facts.key_exposed:
        message = f"The key of the certificate {file} can be read by other users of this machine."
        findings.append(
            Finding(_SUBJECT, Severity.WARNING, "key_exposed", message, "Run chmod 600 on the key's file.", file)
        )
    days = (facts.not_after - now).days
    return findings or [ok(_SUBJECT, "certificate_valid", f"The certificate {file} is valid for another {days} days.")]


def _examine_time(file: str, not_before: datetime, not_after: datetime, now: datetime) -> list[Finding]:
    if now > not_after:
        message = f"The certificate {file} expired on {not_after:%Y-%m-%d}: TLS phones and browsers refuse to connect."
        return [Finding(_SUBJECT, Severity.PROBLEM, "certificate_expired", message, _RENEW, file)]
    if now < not_before:
        message = f"The certificate {file} is not valid before {not_before:%Y-%m-%d %H:%M} UTC."
        advice = "Check this machine's clock and time zone; else wait, or use another certificate."
        return [Finding(_SUBJECT, Severity.PROBLEM, "certificate_not_yet_valid", message, advice, file)]
    if now + _SOON > not_after:
        message = f"The certificate {file} expires on {not_after:%Y-%m-%d}, in {(not_after - now).days} days."
        return [Finding(_SUBJECT, Severity.WARNING, "certificate_expires", message, _RENEW, file)]
    return []


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = names.get_values_for_type(x509.DNSName)
    return (*hosts, *map(str, names.get_values_for_type(x509.IPAddress)))


def _matches(name: str, host: str) -> bool:
    """Tell whether a certificate's name covers a host; a star stands for one label (RFC 9525 section 6.3)."""
    name, host = name.lower(), host.lower().strip("[]")
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(host)
    except ValueError:
        pass
    if name.startswith("*."):
        return host.partition(".")[2] == name[2:]
    return name == host
