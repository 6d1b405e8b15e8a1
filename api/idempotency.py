"""`Idempotency-Key` on POST: the same key and body gives the same answer and no second effect, also side by side.

The key is claimed by a row in the database before the request is worked on. Who comes second in this process waits for the first;
who comes second in another process is told to ask again. A process that died in between leaves a claim whose effect is unknown,
and the client is told so. Answers of 401, 403, 429 and 5xx are not kept: nothing was done.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography.fernet import Fernet
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BadRequestError, IdempotencyConflictError
from api.key_store import Principal
from api.tables import IdempotencyRecord
from core.clock import Clock
from core.database import Database

_LONGEST_KEY: Final = 255
_MOST_KEPT: Final = 4 << 20
_NOT_KEPT: Final = frozenset({401, 403, 429})
_TIDY_EVERY: Final = timedelta(minutes=10)


class _Answer(msgspec.Struct):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class IdempotencyMiddleware:
    """Answers a repeated POST from what was answered before."""

    def __init__(self, app: ASGIApp, database: Database, clock: Clock, *, life: timedelta) -> None:
        self._app = app
        self._database = database
        self._clock = clock
        self._life = life
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._tidied: datetime | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or repeat the answer that its key already has."""
        principal: Principal | None = scope.get("ramal.principal")
        if scope["type"] != "http" or scope["method"] != "POST" or principal is None:
            await self._app(scope, receive, send)
            return
        key = Headers(scope=scope).get("idempotency-key")
        if key is None:
            await self._app(scope, receive, send)
            return
        if not 0 < len(key) <= _LONGEST_KEY or not key.isprintable():
            raise BadRequestError(f"An Idempotency-Key has 1 to {_LONGEST_KEY} printable characters.")
        record_id = hashlib.sha256(f"{principal.id}\0{key}".encode()).hexdigest()
        async with self._turn(record_id):
            await self._serve(scope, receive, send, record_id, _cipher(principal, key))

    async def _serve(self, scope: Scope, receive: Receive, send: Send, record_id: str, cipher: Fernet) -> None:
        before = await self._claim(record_id, _fingerprint(scope))
        if before is not None:
            answer = msgspec.msgpack.decode(cipher.decrypt(before), type=_Answer)
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})
            return
        answer = _Answer(500, [], b"")

        async def record(message: Message) -> None:
            """Keep the answer as it passes, up to its limit."""
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [*message["headers"], (b"idempotency-replayed", b"true")]
            elif len(answer.body) <= _MOST_KEPT:
                answer.body += message.get("body", b"")
            await send(message)

        try:
            await self._app(scope, receive, record)
        finally:
            kept = answer.status < 500 and answer.status not in _NOT_KEPT
            await self._settle(
                record_id, cipher.encrypt(msgspec.msgpack.encode(answer)) if kept else None, answer.status
            )

    async def _claim(self, record_id: str, fingerprint: str) -> bytes | None:
        """Take the key, or return the encrypted answer it already has."""
        await self._tidy()
        now = self._clock.now()
        claim = IdempotencyRecord(id=record_id, fingerprint=fingerprint, created_at=now, status=None, answer=None)
        with contextlib.suppress(IntegrityError):
            async with self._database.transaction() as session:
                session.add(claim)
            return None
        async with self._database.reading() as session:
            record = await session.get(IdempotencyRecord, record_id)
        if record is None or record.answer is None:
            if record is not None and record.fingerprint != fingerprint:
                raise _used_otherwise()
            raise IdempotencyConflictError(
                "The request that used this Idempotency-Key first has not ended.",
                hint="Ask again in a moment. If the server was restarted meanwhile, look whether it took effect.",
                headers={"Retry-After": "2"},
            )
        if record.fingerprint != fingerprint:
            raise _used_otherwise()
        return record.answer

    async def _settle(self, record_id: str, answer: bytes | None, status: int) -> None:
        async with self._database.transaction() as session:
            record = await session.get(IdempotencyRecord, record_id)
            if record is None:
                return
            if answer is None:
                await session.delete(record)
            else:
                record.answer = answer
                record.status = status

    async def _tidy(self) -> None:
        now = self._clock.now()
        if self._tidied is not None and now - self._tidied < _TIDY_EVERY:
            return
        self._tidied = now
        async with self._database.transaction() as session:
            await session.execute(delete(IdempotencyRecord).where(IdempotencyRecord.created_at < now - self._life))

    @contextlib.asynccontextmanager
    async def _turn(self, record_id: str) -> AsyncIterator[None]:
        lock, waiting = self._turns.get(record_id, (asyncio.Lock(), 0))
        self._turns[record_id] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._turns[record_id]
            if waiting == 1:
                del self._turns[record_id]
            else:
                self._turns[record_id] = (lock, waiting - 1)


def _used_otherwise() -> IdempotencyConflictError:
    return IdempotencyConflictError(
        "This Idempotency-Key was used for another request.", hint="Take a new key for each new request."
    )


def _fingerprint(scope: Scope) -> str:
    digest = hashlib.sha256()
    for part in (scope["path"].encode(), scope["query_string"], scope.get("ramal.body", b"")):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _cipher(principal: Principal, key: str) -> Fernet:
    # Not stored anywhere: without the client's key the kept answers, which may hold generated passwords, cannot be read.
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"answer\0{key}\0{principal.id}".encode()).digest()))
