"""The node's certificate: named in the settings or made on the first start, and looked at again and again for a renewed one."""

from __future__ import annotations

import asyncio
import socket
from typing import Final
from urllib.parse import urlsplit

from core.clock import Clock
from core.settings import Settings
from core.tasks import stopped
from ramal.data_folder import DataFolder
from ramal.own_address import outgoing_address
from sip.transport.certificate import ensure_self_signed
from sip.transport.group import ANY_HOSTS
from sip.transport.tls import Tls, TlsFiles

LOOK_SECONDS: Final = 30.0
"""Between two looks at the files."""


async def prepare_tls(settings: Settings, folder: DataFolder, clock: Clock) -> Tls:
    """Load the certificate, making one first where none is named.

    Raises:
        StorageError: one cannot be made in the data folder.
        TransportError: the one that is named cannot be used.
    """
    chosen = settings.tls
    if chosen.certificate is not None:
        return Tls(TlsFiles(chosen.certificate, chosen.key, chosen.authorities))
    # A key takes a tenth of a second to make.
    file = await asyncio.to_thread(ensure_self_signed, folder.keys / "tls.pem", _hosts(settings), clock.now())
    return Tls(TlsFiles(file, None, chosen.authorities))


class CertificateWatch:
    """Takes a renewed certificate over without being told."""

    def __init__(self, tls: Tls, *, seconds: float = LOOK_SECONDS) -> None:
        self._tls = tls
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch(), name="certificate")

    async def close(self) -> None:
        """Look no more."""
        await stopped(self._task)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            self._tls.refresh()


def _hosts(settings: Settings) -> set[str]:
    """Return the names and addresses that phones and browsers may know this machine by."""
    known = {"localhost", "127.0.0.1", socket.gethostname(), settings.sip.advertised_address, settings.listen}
    known |= {*settings.sip_hosts, urlsplit(settings.web.public_url).hostname or ""}
    if known & {"0.0.0.0", "::"}:  # noqa: S104 - compared with, not bound to
        known.add(outgoing_address())
    return known.difference(ANY_HOSTS)
