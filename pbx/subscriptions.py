"""Subscriptions behind memory: who watches what is kept in the database, so that no lamp sticks after a crash.

Changes gather for a second and are written together. A server that is stopped in good order ends its subscriptions and keeps none.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog
from sqlalchemy import String, Text, delete, insert, select, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import Clock
from core.database import Base, Database
from core.errors import StorageError
from core.tasks import stopped
from sip.stored_subscription import StoredSubscription

log = structlog.get_logger(__name__)

_PAUSE: Final = 1.0
_BATCH: Final = 500
_LONGEST_CALL_ID: Final = 256
"""A longer one is not kept."""
_Key = tuple[str, str]


class SubscriptionRow(Base):
    """A subscription that holds; `body` is the whole of it as JSON."""

    __tablename__ = "sip_subscriptions"

    node: Mapped[str] = mapped_column(String(32), primary_key=True)
    call_id: Mapped[str] = mapped_column(String(_LONGEST_CALL_ID), primary_key=True)
    tag: Mapped[str] = mapped_column(String(32), primary_key=True)
    body: Mapped[str] = mapped_column(Text)


_TABLE: Final = SubscriptionRow.metadata.tables[SubscriptionRow.__tablename__]


class SubscriptionStore:
    """Writes the subscriptions that changed, and reads all of them after a start."""

    def __init__(self, database: Database, clock: Clock, *, node: str, pause: float = _PAUSE) -> None:
        self._database = database
        self._clock = clock
        self._node = node
        self._pause = pause
        self._changed: dict[_Key, StoredSubscription | None] = {}
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def kept(self, subscription: StoredSubscription) -> None:
        """Note a subscription that is new or was refreshed; it is written soon."""
        self._note(subscription.call_id, subscription.local_tag, subscription)

    def ended(self, call_id: str, local_tag: str) -> None:
        """Note that a subscription is over."""
        self._note(call_id, local_tag, None)

    def _note(self, call_id: str, tag: str, subscription: StoredSubscription | None) -> None:
        if len(call_id) <= _LONGEST_CALL_ID:
            self._changed[call_id, tag] = subscription
            self._wake.set()

    async def load(self) -> list[StoredSubscription]:
        """Return the stored subscriptions that are still to last; the others are removed.

        Raises:
            StorageError: the database cannot be read.
        """
        async with self._database.reading() as session:
            rows = (await session.execute(select(_TABLE).where(_TABLE.c.node == self._node))).all()
        now, found = self._clock.now(), []
        for row in rows:
            try:
                stored = msgspec.json.decode(row.body, type=StoredSubscription)
            except msgspec.MsgspecError as error:
                log.warning("stored_subscription_unreadable", call_id=row.call_id, error=str(error))
                stored = None
            if stored is None or stored.expires_at <= now:
                self.ended(row.call_id, row.tag)
            else:
                found.append(stored)
        return found

    def start(self) -> None:
        """Begin to write in the background."""
        self._task = asyncio.create_task(self._write(), name="subscriptions")

    async def close(self) -> None:
        """Write what is left and stop."""
        task, self._task = self._task, None
        await stopped(task)
        await self.flush()

    async def flush(self) -> None:
        """Write everything that is noted now; what cannot be written stays noted."""
        async with self._writing:
            while self._changed:
                batch = dict(list(self._changed.items())[:_BATCH])
                for key in batch:
                    del self._changed[key]
                try:
                    await self._store(batch)
                except (SQLAlchemyError, StorageError, OSError) as error:
                    # Lamps go by memory; only a crash in the meantime would forget these.
                    log.warning("subscriptions_not_stored", count=len(batch), error=str(error))
                    self._changed = {**batch, **self._changed}
                    return
                except BaseException:
                    self._changed = {**batch, **self._changed}
                    raise

    async def _store(self, batch: dict[_Key, StoredSubscription | None]) -> None:
        rows = [
            {"node": self._node, "call_id": call_id, "tag": tag, "body": msgspec.json.encode(one).decode()}
            for (call_id, tag), one in batch.items()
            if one is not None
        ]
        theirs = tuple_(_TABLE.c.call_id, _TABLE.c.tag).in_(list(batch))
        async with self._database.transaction() as session:
            connection = await session.connection()
            await connection.execute(delete(_TABLE).where(_TABLE.c.node == self._node, theirs))
            if rows:
                await connection.execute(insert(_TABLE), rows)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self._pause)
            await self.flush()
            if self._changed:
                self._wake.set()
