"""Agrees the keys of one endpoint by DTLS on the event loop: datagrams to and from the engine, and the timer of lost flights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from media.dtls import DtlsHandshake, DtlsIdentity, Fingerprints
from media.errors import HandshakeError
from media.srtp import SrtpKeys


class HandshakeEndpoint(Protocol):
    """The part of an endpoint that a handshake needs."""

    def send_handshake(self, datagram: bytes) -> None:
        """Send a datagram to the party."""
        ...

    def encrypt(self, keys: SrtpKeys | None = None) -> None:
        """Use these keys from now on."""
        ...


class KeyAgreement:
    """One association with the party of an endpoint."""

    def __init__(
        self,
        endpoint: HandshakeEndpoint,
        identity: DtlsIdentity,
        fingerprints: Fingerprints,
        *,
        client: bool,
        failed: Callable[[str], None],
    ) -> None:
        """Begin; a client speaks with `start`.

        Args:
            endpoint: whose keys they become.
            identity: our certificate.
            fingerprints: of the party's certificate, as its description names them.
            client: whether we speak first.
            failed: is told why there will be no keys.

        Raises:
            HandshakeError: no fingerprint can be checked.
        """
        self._endpoint = endpoint
        self._handshake = DtlsHandshake(identity, fingerprints, client=client)
        self._failed = failed
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def start(self) -> None:
        """Send the first flight, if it is ours."""
        self._do(self._handshake.start)

    def receive(self, datagram: bytes) -> None:
        """Take a datagram of the party."""
        self._do(lambda: self._handshake.receive(datagram))

    def close(self) -> None:
        """Do nothing any more."""
        self._over = True
        self._stop_timer()

    def _do(self, step: Callable[[], list[bytes]]) -> None:
        if self._over:
            return
        before = self._handshake.keys
        try:
            datagrams = step()
        except HandshakeError as error:
            self.close()
            self._failed(error.message)
            return
        # The party may use its keys as soon as it has our last flight.
        if before is None and self._handshake.keys is not None:
            self._endpoint.encrypt(self._handshake.keys)
        for datagram in datagrams:
            self._endpoint.send_handshake(datagram)
        self._stop_timer()
        timeout = self._handshake.timeout
        if timeout is not None:
            self._timer = asyncio.get_running_loop().call_later(timeout, self._do, self._handshake.expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
