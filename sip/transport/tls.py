"""TLS: certificate and contexts of both directions, renewed while calls go on; who a peer has to be (RFC 5922).

A renewed certificate is served to new connections; those that are open keep what they agreed on.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from sip.errors import TransportError

log = structlog.get_logger(__name__)

_HINT: Final = "Set RAMAL_TLS_CERTIFICATE and RAMAL_TLS_KEY to PEM files that belong together, or unset both."

PeerCertificate = Mapping[str, Any]
"""As `ssl.SSLSocket.getpeercert` gives it; empty when none was shown."""


@dataclass(slots=True, frozen=True)
class TlsFiles:
    """Where certificate and key are, in PEM."""

    certificate: Path
    """Our certificate, followed by those between it and its root."""
    key: Path | None = None
    """None: in the same file."""
    authorities: Path | None = None
    """Whose certificates are believed where a peer's is checked; None: those that the system believes."""


@dataclass(slots=True, frozen=True)
class TlsPeer:
    """A peer that we know by name, such as a carrier."""

    name: str
    """What its certificate is for, and what it is asked for by (RFC 6066 section 3)."""
    checked: bool
    """Whether it has to prove it with a certificate, whichever side opened the connection."""


@dataclass(slots=True, frozen=True)
class _Contexts:
    server: ssl.SSLContext
    server_checked: ssl.SSLContext
    client: ssl.SSLContext
    client_checked: ssl.SSLContext


class Tls:
    """The contexts that new connections are made with."""

    def __init__(self, files: TlsFiles) -> None:
        """Load the files.

        Raises:
            TransportError: they cannot be read, or do not belong together.
        """
        self.files = files
        self.renewals = 0
        """How often other files were taken over since the start."""
        self._seen: Sequence[tuple[int, int, int]] = ()
        self._contexts = self._load()
        self._seen = self._stamp()
        self.web = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """For a web server, which keeps its context: renewed in place."""
        self.web.set_alpn_protocols(["http/1.1"])
        self.web.load_cert_chain(files.certificate, files.key)

    def server_context(self, peer: TlsPeer | None) -> ssl.SSLContext:
        """Return the context for a connection that a peer opened."""
        checked = peer is not None and peer.checked
        return self._contexts.server_checked if checked else self._contexts.server

    def client_context(self, peer: TlsPeer | None) -> ssl.SSLContext:
        """Return the context for a connection to a peer; our certificate is shown to the peer that asks for it."""
        checked = peer is not None and peer.checked
        return self._contexts.client_checked if checked else self._contexts.client

    def refresh(self) -> bool:
        """Look whether the files are others now; True when they were taken over."""
        return self._stamp() != self._seen and self.reload()

    def reload(self) -> bool:
        """Take the files over; what cannot be used is logged, and the certificate of before stays."""
        stamp = self._stamp()
        try:
            self._contexts = self._load()
            self.web.load_cert_chain(self.files.certificate, self.files.key)
        except (TransportError, OSError) as error:
            # Certificate and key may be written one after the other: the next look sees both.
            log.warning("certificate_not_renewed", problem=str(error))
            return False
        self._seen = stamp
        self.renewals += 1
        log.info("certificate_renewed", file=str(self.files.certificate))
        return True

    def _load(self) -> _Contexts:
        return _Contexts(
            server=self._context(ssl.Purpose.CLIENT_AUTH, checked=False),
            server_checked=self._context(ssl.Purpose.CLIENT_AUTH, checked=True),
            client=self._context(ssl.Purpose.SERVER_AUTH, checked=False),
            client_checked=self._context(ssl.Purpose.SERVER_AUTH, checked=True),
        )

    def _context(self, purpose: ssl.Purpose, *, checked: bool) -> ssl.SSLContext:
        files, serving = self.files, purpose is ssl.Purpose.CLIENT_AUTH
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if serving else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = checked and not serving
        context.verify_mode = ssl.CERT_REQUIRED if checked else ssl.CERT_NONE
        try:
            context.load_cert_chain(files.certificate, files.key)
            if checked and files.authorities is not None:
                context.load_verify_locations(files.authorities)
            elif checked:
                context.load_default_certs(purpose)
        except OSError as error:  # ssl.SSLError is one, too
            raise TransportError(
                f"The certificate {files.certificate} cannot be used: {error.strerror or error}.", hint=_HINT
            ) from error
        return context

    def _stamp(self) -> Sequence[tuple[int, int, int]]:
        """Return what changes when one of the files does; a file that is away counts as no change."""
        stamps = []
        for file in (self.files.certificate, self.files.key, self.files.authorities):
            try:
                facts = file.stat() if file is not None else None
            except OSError:
                return self._seen
            stamps.append((facts.st_mtime_ns, facts.st_size, facts.st_ino) if facts is not None else (0, 0, 0))
        return tuple(stamps)


def certified(certificate: PeerCertificate, name: str) -> bool:
    """Tell whether a peer's certificate, whose chain was checked, is for this name or IP address (RFC 5922 section 7.2).

    SIP knows no wildcards; a certificate that names SIP domains as URIs counts by those only.
    """
    alternatives: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())
    domains = [value[4:] for kind, value in alternatives if kind == "URI" and value[:4].lower() == "sip:"]
    names = domains or [value for kind, value in alternatives if kind in {"DNS", "IP Address"}]
    return name.lower() in {value.lower() for value in names}
