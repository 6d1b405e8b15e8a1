"""DTLS as far as it agrees the keys of SRTP (RFC 5764): datagrams go in, datagrams, keys and failures come out."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Collection, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from media.errors import HandshakeError
from media.srtp import SrtpKeys, SrtpProfile

LONGEST_DATAGRAM = 1200
"""Bytes that pass everywhere, also through tunnels."""
_LABEL = b"EXTRACTOR-dtls_srtp"
_RECORD_HEADER = 13
_PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": SrtpProfile.AEAD_AES_128_GCM,
    b"SRTP_AES128_CM_SHA1_80": SrtpProfile.AES_CM_128_HMAC_SHA1_80,
    b"SRTP_AES128_CM_SHA1_32": SrtpProfile.AES_CM_128_HMAC_SHA1_32,
}
"""By the names that OpenSSL gives them, the preferred one first."""
_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}
"""Hash functions of fingerprints that still prove something (RFC 8122 section 5)."""
_VALID = datetime.timedelta(days=3650)

Fingerprints = Collection[tuple[str, bytes]]
"""Hash function in lower case, and digest."""


class DtlsIdentity:
    """Our certificate, made when it is first needed: what it is worth stands in the fingerprint of each offer and answer."""

    @functools.cached_property
    def _pair(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        # ECDSA: a certificate that fits into one datagram.
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ramal")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        return key, builder.not_valid_after(now + _VALID).sign(key, hashes.SHA256())

    @functools.cached_property
    def fingerprint(self) -> bytes:
        """The certificate's SHA-256 digest."""
        return self._pair[1].fingerprint(hashes.SHA256())

    @functools.cached_property
    def context(self) -> SSL.Context:
        """What handshakes are made with."""
        key, certificate = self._pair
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        context.use_privatekey(key)
        context.use_certificate(certificate)
        context.set_tlsext_use_srtp(b":".join(_PROFILES))
        # Whom the certificate names proves nothing; its fingerprint is compared once it is here.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        return context


class DtlsHandshake:
    """One association, from the first datagram on; it knows no sockets and no clock.

    Feed it as long as the call lasts: the last flight may be asked for again.
    """

    def __init__(self, identity: DtlsIdentity, fingerprints: Fingerprints, *, client: bool) -> None:
        """Begin with nothing sent; `client` is whether we speak first.

        Raises:
            HandshakeError: none of the fingerprints is by a hash function that proves something.
        """
        self._fingerprints = [(name, digest) for name, digest in fingerprints if name in _HASHES]
        if not self._fingerprints:
            raise HandshakeError("The party names no fingerprint of its certificate that can be checked.")
        self._client = client
        self._connection = SSL.Connection(identity.context)
        self._connection.set_ciphertext_mtu(LONGEST_DATAGRAM)
        if client:
            self._connection.set_connect_state()
        else:
            self._connection.set_accept_state()
        self.keys: SrtpKeys | None = None
        """Set once the handshake is done and the certificate is the one that was named."""

    def start(self) -> list[bytes]:
        """Return the first flight; nothing where the party speaks first."""
        return self._step() if self._client else []

    def receive(self, datagram: bytes) -> list[bytes]:
        """Take a datagram of the party, and return what is to be sent.

        Raises:
            HandshakeError: there is no common ground, or the certificate is another one than was named.
        """
        self._connection.bio_write(datagram)
        return self._step()

    @property
    def timeout(self) -> float | None:
        """Seconds until `expire` is due, None: nothing waits for an answer."""
        return self._connection.DTLSv1_get_timeout()

    def expire(self) -> list[bytes]:
        """Return the last flight again: it, or the answer to it, was lost.

        Raises:
            HandshakeError: it was sent too often already.
        """
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            raise HandshakeError("The party does not answer the handshake.") from error
        return list(self._outgoing())

    def _step(self) -> list[bytes]:
        try:
            if self.keys is None:
                self._connection.do_handshake()
                self.keys = self._agreed_keys()
            else:
                # Repeated flights are answered inside; application data, which nobody sends here, is thrown away.
                self._connection.recv(LONGEST_DATAGRAM)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        except SSL.Error as error:
            if self.keys is None:
                raise HandshakeError(f"The handshake failed: {_reason(error)}.") from error
        return list(self._outgoing())

    def _agreed_keys(self) -> SrtpKeys:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or not self._is_named(certificate):
            raise HandshakeError("The party's certificate is not the one its description names.")
        profile = _PROFILES.get(self._connection.get_selected_srtp_profile())
        if profile is None:
            raise HandshakeError("The party and we have no protection profile in common.")
        # RFC 5764 section 4.2: key of the client, of the server, salt of the client, of the server.
        key, salt = profile.key_size, profile.salt_size
        material = self._connection.export_keying_material(_LABEL, 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        if self._client:
            return SrtpKeys(profile, incoming=server, outgoing=client)
        return SrtpKeys(profile, incoming=client, outgoing=server)

    def _is_named(self, certificate: x509.Certificate) -> bool:
        return any(certificate.fingerprint(_HASHES[name]()) == digest for name, digest in self._fingerprints)

    def _outgoing(self) -> Iterator[bytes]:
        """Cut what OpenSSL wrote into datagrams: a memory BIO has forgotten where they began."""
        try:
            data = self._connection.bio_read(1 << 16)
        except SSL.WantReadError:
            return
        start = at = 0
        while at + _RECORD_HEADER <= len(data):
            size = _RECORD_HEADER + int.from_bytes(data[at + 11 : at + 13])
            if at > start and at + size - start > LONGEST_DATAGRAM:
                yield data[start:at]
                start = at
            at += size
        if at > start:
            yield data[start:at]


def _reason(error: SSL.Error) -> str:
    """Return what OpenSSL says of an error, for people."""
    queue = error.args[0] if error.args else ()
    return str(queue[0][-1]) if queue else "no reason given"
