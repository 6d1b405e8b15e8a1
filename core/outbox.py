"""What is to be told outside (MQTT, e-mail), written in the transaction of the thing it tells of and sent afterwards.

So nothing is announced that did not happen, and nothing that happened stays unannounced because a broker was away. Delivery is
at least once; every message carries its outbox id, so that a receiver can drop a repetition. A message that its receiver refuses for
itself (an address that does not exist) does not hold up those behind it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import structlog
from sqlalchemy import BigInteger, Boolean, ColumnElement, Integer, String, Text, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import Clock
from core.database import Base, Database, Id
from core.errors import Fault, RamalError
from core.identifiers import new_id
from core.one_of import one_of
from core.tasks import stopped

log = structlog.get_logger(__name__)

MQTT: Final = "mqtt"
EMAIL: Final = "email"
_BATCH: Final = 100
_POLL_SECONDS: Final = 0.5
_LONGEST_PAUSE: Final = 60.0
_KEEP_SENT: Final = timedelta(days=7)
_INSIST: Final = timedelta(days=3)
"""How long a message is tried again that its receiver refuses for now."""


class MessageRefusedError(RamalError):
    """The receiver is there, but does not take this message; others may go through."""

    id = "core.message_refused"
    fault = Fault.PEER
    http_status = 502

    def __init__(self, message: str, *, for_good: bool) -> None:
        """Make the error.

        Args:
            message: what the receiver said.
            for_good: it would say the same tomorrow.
        """
        super().__init__(message)
        self.for_good = for_good


class OutboxMessage(Base):
    """A message to the outside; `address` is an MQTT topic or an e-mail address."""

    __tablename__ = "outbox"

    id: Mapped[Id]
    order: Mapped[int] = mapped_column("position", BigInteger, index=True)
    channel: Mapped[str] = mapped_column(String(16), index=True)
    address: Mapped[str] = mapped_column(String(512))
    subject: Mapped[str] = mapped_column(String(512), default="")
    body: Mapped[str] = mapped_column(Text)
    retain: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None] = mapped_column(index=True)
    given_up_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    last_error: Mapped[str] = mapped_column(String(500), default="")


class Sender(Protocol):
    """One that carries messages of a channel to the outside."""

    async def send(self, message: OutboxMessage) -> None:
        """Deliver the message or raise any exception; it will be tried again.

        Raises:
            MessageRefusedError: it is this message that is not taken; the others need not wait for it.
        """
        ...


async def send_mqtt(session: AsyncSession, topic: str, payload: Mapping[str, Any], *, retain: bool = False) -> None:
    """Queue a JSON message for the broker in the caller's transaction."""
    message_id = new_id()
    body = json.dumps({**payload, "message_id": message_id}, ensure_ascii=False, default=_plain)
    session.add(_message(message_id, MQTT, topic, "", body, retain=retain))


async def forget_mqtt(session: AsyncSession, topic: str) -> None:
    """Queue, in the caller's transaction, that the broker forgets what it keeps for a topic: an empty retained message."""
    session.add(_message(new_id(), MQTT, topic, "", "", retain=True))


async def send_email(session: AsyncSession, to: str, subject: str, body: str) -> None:
    """Queue an e-mail in the caller's transaction."""
    session.add(_message(new_id(), EMAIL, to, subject.replace("\r", " ").replace("\n", " ")[:500], body, retain=False))


def _message(message_id: str, channel: str, address: str, subject: str, body: str, *, retain: bool) -> OutboxMessage:
    # A UUIDv7 begins with its time and counter: its first 60 significant bits order messages as they were written.
    order = int(message_id.replace("-", "")[:12], 16) << 12 | int(message_id[15:18], 16)
    return OutboxMessage(
        id=message_id,
        order=order,
        channel=channel,
        address=address,
        subject=subject,
        body=body,
        retain=retain,
        created_at=datetime.now(UTC),
        attempts=0,
        last_error="",
    )


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


class OutboxDrain:
    """Sends the messages of one channel in order, again and again until each is gone."""

    def __init__(self, database: Database, channel: str, sender: Sender, clock: Clock) -> None:
        self._database = database
        self.channel = channel
        self._sender = sender
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self.sent = 0
        """Messages delivered since the start."""
        self.failure: str | None = None
        """Why nothing goes out at present, or None."""

    async def step(self) -> int:
        """Send one batch; return how many went out.

        A refused message is passed over, any other failure ends the batch; in the end the failure is raised, for what it left behind
        is to be tried again after a pause. What was refused for good is given up.
        """
        async with self._database.reading() as session:
            messages = (
                await session.scalars(
                    select(OutboxMessage).where(self._unsent()).order_by(OutboxMessage.order).limit(_BATCH)
                )
            ).all()
        sent: list[str] = []
        failed: dict[str, Exception] = {}
        for message in messages:
            try:
                await self._sender.send(message)
            except MessageRefusedError as error:
                failed[message.id] = error
            except Exception as error:
                failed[message.id] = error
                break
            else:
                sent.append(message.id)
        given_up = await self._record(sent, failed)
        for message_id, failure in failed.items():
            if message_id not in given_up:
                raise failure
        return len(sent) + len(given_up)

    def _unsent(self) -> ColumnElement[bool]:
        return and_(
            OutboxMessage.channel == self.channel,
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.given_up_at.is_(None),
        )

    async def _record(self, sent: list[str], failed: Mapping[str, Exception]) -> set[str]:
        """Write down what went out and what did not; return what is given up."""
        given_up: set[str] = set()
        if not sent and not failed:
            return given_up
        now = self._clock.now()
        async with self._database.transaction() as session:
            for message in await session.scalars(
                select(OutboxMessage).where(one_of(OutboxMessage.id, [*sent, *failed]))
            ):
                failure = failed.get(message.id)
                if failure is None:
                    message.sent_at = now
                    continue
                message.attempts += 1
                message.last_error = str(failure)[:500]
                if isinstance(failure, MessageRefusedError) and (
                    failure.for_good or now - message.created_at > _INSIST
                ):
                    message.given_up_at = now
                    given_up.add(message.id)
        for message_id in given_up:
            log.error("message_given_up", channel=self.channel, message_id=message_id, error=str(failed[message_id]))
        self.sent += len(sent)
        return given_up

    async def waiting(self) -> int:
        """Return how many messages are still to be sent."""
        async with self._database.reading() as session:
            count = await session.scalar(select(func.count()).select_from(OutboxMessage).where(self._unsent()))
        return count or 0

    def start(self) -> None:
        """Begin to drain in the background."""
        self._task = asyncio.create_task(self._drain(), name=f"outbox-{self.channel}")

    async def close(self) -> None:
        """Stop; unsent messages wait for the next start."""
        await stopped(self._task)
        self._task = None

    async def _drain(self) -> None:
        pause = _POLL_SECONDS
        while True:
            try:
                sent = await self.step()
            except Exception as error:
                self.failure = str(error)
                log.warning("outbox_delivery_failed", channel=self.channel, error=str(error), retry_in=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                continue
            self.failure = None
            pause = _POLL_SECONDS
            if sent < _BATCH:
                await self._forget_old()
                await asyncio.sleep(_POLL_SECONDS)

    async def _forget_old(self) -> None:
        async with self._database.reading() as session:
            old = await session.scalar(
                select(OutboxMessage.id).where(OutboxMessage.sent_at < self._clock.now() - _KEEP_SENT).limit(1)
            )
        if old is not None:
            async with self._database.transaction() as session:
                await session.execute(
                    delete(OutboxMessage).where(OutboxMessage.sent_at < self._clock.now() - _KEEP_SENT)
                )
