"""Registrations behind memory: what phones registered is kept in the database, in batches, so that a restart knows them.

A new or changed contact is written within a second. A refresh that says the same again, as nearly all of them do, only moves times
and counts: those are gathered for longer, for the phone's row says already that it is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import structlog
from sqlalchemy import Table, Text, bindparam, cast, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from core.clock import Clock
from core.database import Database
from core.errors import StorageError
from core.identifiers import new_id
from core.one_of import one_of
from pbx.tables import RegistrationRow
from sip.binding import Binding
from sip.errors import SipError
from sip.uri import Uri

log = structlog.get_logger(__name__)

_PAUSE: Final = 1.0
"""Seconds in which changes gather into one transaction."""
_REFRESH_PAUSES: Final = 5
"""Refreshes are written every so many pauses."""
_BATCH: Final = 2000
"""Users in one transaction, and rows read in one step: the event loop has its turn between them."""

_LONGEST_CALL_ID: Final = 256
_NO_PATH: Final = "[]"
_TABLE: Final[Table] = RegistrationRow.metadata.tables[RegistrationRow.__tablename__]
_LOAD: Final = select(
    _TABLE.c.id,
    _TABLE.c.username,
    _TABLE.c.uri,
    _TABLE.c.source,
    _TABLE.c.transport,
    cast(_TABLE.c.path, Text),
    _TABLE.c.instance,
    _TABLE.c.user_agent,
    _TABLE.c.call_id,
    _TABLE.c.cseq,
    _TABLE.c.refreshed_at,
    _TABLE.c.expires_at,
    _TABLE.c.reg_id,
    _TABLE.c.q,
    _TABLE.c.direct,
)
_REFRESH: Final = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("row"))
    .values(
        call_id=bindparam("call"),
        cseq=bindparam("count"),
        refreshed_at=bindparam("at"),
        expires_at=bindparam("until"),
    )
)


class RegistrationStore:
    """Writes the bindings of users that changed, and reads all of them after a start."""

    def __init__(self, database: Database, clock: Clock, *, node: str, pause: float = _PAUSE) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._pause = pause
        self._changed: dict[str, Sequence[Binding]] = {}
        self._refreshed: dict[str, Sequence[Binding]] = {}
        self._rows: dict[str, int] = {}
        """How many rows a user has, where that is not one."""
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def note(self, username: str, bindings: Sequence[Binding]) -> None:
        """Take what a user's bindings are now; they are written soon."""
        same = len(bindings) == self._rows.get(username, 1) and username not in self._changed
        if same and "" not in [binding.row for binding in bindings]:
            self._refreshed[username] = bindings
        else:
            self._changed[username] = bindings
        self._wake.set()

    async def load(self) -> dict[str, list[Binding]]:
        """Return the stored bindings that are still valid, by username; what has expired is removed.

        Raises:
            StorageError: the database cannot be read.
        """
        now = self._clock.now()
        mine = _TABLE.c.node == self._node
        async with self._database.transaction() as session:
            await session.execute(delete(_TABLE).where(mine, _TABLE.c.expires_at <= now))
        bindings: dict[str, list[Binding]] = {}
        async with self._database.reading() as session:
            rows = await session.stream(_LOAD.where(mine), execution_options={"yield_per": _BATCH})
            async for part in rows.partitions():
                for row in part:
                    binding = _binding(row)
                    if binding is not None:
                        bindings.setdefault(row[1], []).append(binding)
        self._rows = {username: len(held) for username, held in bindings.items() if len(held) != 1}
        return bindings

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._write(), name="registrations")

    async def close(self) -> None:
        """Write what is left and stop. A write that is under way is finished first."""
        task, self._task = self._task, None
        if task is not None:
            self._closing.set()
            self._wake.set()
            await asyncio.gather(task, return_exceptions=True)
        await self.flush()

    async def flush(self) -> None:
        """Write everything that is noted now; what cannot be written stays noted."""
        await self._store_changes()
        await self._store_refreshes()

    async def _store_changes(self) -> None:
        async with self._writing:
            while self._changed:
                batch = _take(self._changed)
                rows = [
                    (binding, _row(self._node, username, binding))
                    for username, bindings in batch.items()
                    for binding in bindings
                ]
                if not await self._execute(batch, self._changed, [row for _, row in rows], ()):
                    return
                for binding, row in rows:
                    binding.row = row["id"]
                for username, bindings in batch.items():
                    if len(bindings) == 1:
                        self._rows.pop(username, None)
                    else:
                        self._rows[username] = len(bindings)

    async def _store_refreshes(self) -> None:
        async with self._writing:
            while self._refreshed:
                batch = _take(self._refreshed)
                times = [
                    {
                        "row": one.row,
                        "call": one.call_id[:_LONGEST_CALL_ID],
                        "count": one.cseq,
                        "at": one.refreshed_at,
                        "until": one.expires_at,
                    }
                    for bindings in batch.values()
                    for one in bindings
                ]
                if not await self._execute(batch, self._refreshed, (), times):
                    return

    async def _execute(
        self,
        batch: Mapping[str, Sequence[Binding]],
        noted: dict[str, Sequence[Binding]],
        rows: Sequence[dict[str, Any]],
        times: Sequence[dict[str, Any]],
    ) -> bool:
        """Write one batch; False, with all of it noted again, when that fails."""
        try:
            async with self._database.transaction() as session:
                connection = await session.connection()
                if times:
                    await connection.execute(_REFRESH, times)
                    return True
                users = one_of(_TABLE.c.username, batch)
                await connection.execute(delete(_TABLE).where(_TABLE.c.node == self._node, users))
                if rows:
                    await connection.execute(insert(_TABLE), rows)
        except (SQLAlchemyError, StorageError, OSError) as error:
            # Calls go by memory; only a restart in the meantime would miss these phones until they register again.
            log.warning("registrations_not_stored", users=len(batch), error=str(error))
            _put_back(batch, noted)
            return False
        except BaseException:
            _put_back(batch, noted)
            raise
        return True

    async def _write(self) -> None:
        rounds = 0
        while not self._closing.is_set():
            await self._wake.wait()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._pause)
            await self._store_changes()
            rounds += 1
            if rounds >= _REFRESH_PAUSES:
                rounds = 0
                await self._store_refreshes()
            if self._changed or self._refreshed:
                self._wake.set()


def _take(noted: dict[str, Sequence[Binding]]) -> dict[str, Sequence[Binding]]:
    """Take the oldest notes out, as many as one transaction writes."""
    batch = dict(islice(noted.items(), _BATCH))
    for username in batch:
        del noted[username]
    return batch


def _put_back(batch: Mapping[str, Sequence[Binding]], noted: dict[str, Sequence[Binding]]) -> None:
    for username, bindings in batch.items():
        noted.setdefault(username, bindings)


def _row(node: str, username: str, binding: Binding) -> dict[str, Any]:
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
        "call_id": binding.call_id[:_LONGEST_CALL_ID],
        "cseq": binding.cseq,
        "reg_id": binding.reg_id,
        "q": binding.q,
        "direct": binding.direct,
        "refreshed_at": binding.refreshed_at,
        "expires_at": binding.expires_at,
    }


def _binding(row: Sequence[Any]) -> Binding | None:
    """Make a binding of a row of `_LOAD`; None when it cannot be understood any more."""
    (
        ident,
        username,
        uri,
        source,
        transport,
        path,
        instance,
        user_agent,
        call_id,
        cseq,
        refreshed,
        expires,
        reg_id,
        q,
        direct,
    ) = row
    try:
        host, port = source.split(" ")
        return Binding(
            uri=Uri.parse_once(uri),
            source=(host, int(port), transport),
            expires_at=expires,
            refreshed_at=refreshed,
            user_agent=sys.intern(user_agent),
            call_id=call_id,
            cseq=cseq,
            path=() if path == _NO_PATH else tuple(json.loads(path)),
            instance=instance,
            reg_id=reg_id,
            q=q,
            direct=direct,
            row=ident,
        )
    except (SipError, ValueError) as error:
        log.warning("stored_registration_unreadable", username=username, error=str(error))
        return None
