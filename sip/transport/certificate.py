"""The certificate that is made where nobody gave one: self-signed, for this machine's names and addresses."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.errors import StorageError

log = structlog.get_logger(__name__)

_KEY_BITS: Final = 2048
"""RSA: desk phones of the last fifteen years know it, elliptic curves not all of them."""
_LIFE: Final = timedelta(days=3650)
_RENEW_BEFORE: Final = timedelta(days=30)
_SLACK: Final = timedelta(days=1)
"""Phones whose clock is behind."""


def ensure_self_signed(file: Path, hosts: Iterable[str], now: datetime) -> Path:
    """Have a file with a key and a certificate for these names and IP addresses, making it where it is missing or outlived.

    One that exists is kept while it is valid and holds all of the hosts, because phones may have been told to trust it.

    Raises:
        StorageError: the file cannot be read or written.
    """
    wanted = sorted({host for host in hosts if host})
    try:
        if file.exists() and _serves(file.read_bytes(), wanted, now):
            return file
        scratch = file.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(make_self_signed(wanted, now))
            new.flush()
            os.fsync(new.fileno())
        # Key and certificate in one file: nobody ever sees one without the other.
        scratch.replace(file)
    except OSError as error:
        raise StorageError(f"The certificate {file} cannot be used: {error.strerror}.") from error
    log.info("certificate_made", file=str(file), hosts=wanted)
    return file


def make_self_signed(hosts: Iterable[str], now: datetime) -> bytes:
    """Return a new key and its certificate for these names and IP addresses, as PEM."""
    names = [_general_name(host) for host in hosts] or [x509.DNSName("localhost")]
    key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ramal")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            # A carrier asks us for a certificate, too.
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _serves(pem: bytes, hosts: Iterable[str], now: datetime) -> bool:
    """Tell whether a file of ours holds a key and a certificate for all of these hosts, valid for a while still."""
    try:
        key = serialization.load_pem_private_key(pem, None)
        certificate = x509.load_pem_x509_certificate(pem)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        log.warning("certificate_unreadable", problem=str(error))
        return False
    if certificate.public_key() != key.public_key():
        return False
    return now + _RENEW_BEFORE < certificate.not_valid_after_utc and all(
        _general_name(host) in list(names) for host in hosts
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return x509.DNSName(host)
