"""Registrations behind memory: what phones registered is kept in the database, in batches, so that a restart knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.database import Database
from core.errors import StorageError
from core.identifiers import new_id
from pbx.tables import RegistrationRow
from sip.errors import SipError
from sip.registrar import Binding
from sip.uri import Uri

log = structlog.get_logger(__name__)

_PAUSE: Final = 1.0
"""Seconds in which changes gather into one transaction."""


class RegistrationStore:
    """Writes the bindings of users that changed, and reads all of them after a start."""

    def __init__(self, database: Database, clock: Clock, *, node: str, pause: float = _PAUSE) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._pause = pause
        self._changed: dict[str, tuple[Binding, ...]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def note(self, username: str, bindings: Sequence[Binding]) -> None:
        """Take what a user's bindings are now; they are written soon."""
        self._changed[username] = tuple(bindings)
        self._wake.set()

    async def load(self) -> dict[str, list[Binding]]:
        """Return the stored bindings that are still valid, by username."""
        now = self._clock.now()
        bindings: dict[str, list[Binding]] = {}
        async with self._database.reading() as session:
            rows = await session.scalars(
                select(RegistrationRow).where(RegistrationRow.node == self._node, RegistrationRow.expires_at > now)
            )
            for row in rows:
                try:
                    binding = _binding(row)
                except (SipError, ValueError) as error:
                    log.warning("stored_registration_unreadable", username=row.username, error=str(error))
                    continue
                bindings.setdefault(row.username, []).append(binding)
        return bindings

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._write(), name="registrations")

    async def close(self) -> None:
        """Write what is left and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.flush()

    async def flush(self) -> None:
        """Write all changes now, in one transaction; what cannot be written stays noted."""
        changed, self._changed = self._changed, {}
        if not changed:
            return
        rows = [_row(self._node, username, binding) for username, bindings in changed.items() for binding in bindings]
        try:
            async with self._database.transaction() as session:
                await session.execute(
                    delete(RegistrationRow).where(
                        RegistrationRow.node == self._node, RegistrationRow.username.in_(list(changed))
                    )
                )
                if rows:
                    await session.execute(insert(RegistrationRow), rows)
        except (SQLAlchemyError, StorageError, OSError) as error:
            # Calls go by memory; only a restart in the meantime would miss these phones until they register again.
            log.warning("registrations_not_stored", users=len(changed), error=str(error))
            self._changed = {**changed, **self._changed}

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._pause)
            await self.flush()
            if self._changed:
                self._wake.set()


def _row(node: str, username: str, binding: Binding) -> dict[str, object]:
    host, port, transport = binding.source
    return {
        "id": new_id(),
        "node": node,
        "username": username,
        "uri": str(binding.uri)[:512],
        "source": f"{host} {port}",
        "transport": transport,
        "path": list(binding.path),
        "instance": binding.instance[:128],
        "user_agent": binding.user_agent[:200],
        "call_id": binding.call_id[:256],
        "cseq": binding.cseq,
        "refreshed_at": binding.refreshed_at,
        "expires_at": binding.expires_at,
    }


def _binding(row: RegistrationRow) -> Binding:
    host, port = row.source.split(" ")
    return Binding(
        uri=Uri.parse(row.uri),
        source=(host, int(port), row.transport),
        expires_at=row.expires_at,
        refreshed_at=row.refreshed_at,
        user_agent=row.user_agent,
        call_id=row.call_id,
        cseq=row.cseq,
        path=tuple(row.path),
        instance=row.instance,
    )
