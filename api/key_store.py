"""The keys that open the API: sessions of browsers and tokens of programs. Only SHA-256 hashes of their secrets are stored."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update

from api.permissions import Role
from api.tables import Session, Token, User
from core.clock import Clock
from core.database import Database
from core.errors import NotFoundError
from core.identifiers import new_id

TOKEN_PREFIX: Final = "ramal_"  # noqa: S105 - what tokens begin with, so that leaked ones are found by scanners
_LONGEST_SECRET: Final = 128
_NOTE_USE_EVERY: Final = timedelta(minutes=1)


@dataclass(slots=True, frozen=True)
class Principal:
    """The one who asks: a user with a session, or a token."""

    kind: str
    """`user` or `token`."""
    id: str
    name: str
    """The user's name or the token's label, for the audit trail."""
    role: Role
    extension: str
    """The extension that is its own, or empty."""
    session_id: str = ""
    """The browser's session; empty for a token."""


class SessionStore:
    """Sessions of signed-in browsers."""

    def __init__(self, database: Database, clock: Clock, *, idle: timedelta, life: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._idle = idle
        self._life = life

    async def create(self, user: User, *, source: str, user_agent: str) -> str:
        """Begin a session and return its secret; sessions that are over are cleared away by the way."""
        secret = secrets.token_urlsafe(32)
        now = self._clock.now()
        async with self._database.transaction() as session:
            await session.execute(delete(Session).where(Session.expires_at < now))
            session.add(
                Session(
                    id=new_id(),
                    user_id=user.id,
                    secret_hash=_hash(secret),
                    created_at=now,
                    last_used_at=now,
                    expires_at=now + min(self._idle, self._life),
                    source=source[:64],
                    user_agent=user_agent[:255],
                )
            )
        return secret

    async def find(self, secret: str) -> Principal | None:
        """Return who signed in with this secret, or None when the session is unknown or over."""
        if len(secret) > _LONGEST_SECRET:
            return None
        now = self._clock.now()
        query = select(Session, User).join(User, User.id == Session.user_id).where(Session.secret_hash == _hash(secret))
        async with self._database.reading() as session:
            row = (await session.execute(query)).first()
        if row is None or row[0].expires_at <= now or not row[1].active:
            return None
        stored, user = row
        if now - stored.last_used_at > _NOTE_USE_EVERY:
            expires_at = min(now + self._idle, stored.created_at + self._life)
            await self._note_use(stored.id, now, expires_at)
        return Principal("user", user.id, user.username, Role(user.role), user.extension or "", stored.id)

    async def end(self, session_id: str) -> None:
        """Sign the browser out."""
        async with self._database.transaction() as session:
            await session.execute(delete(Session).where(Session.id == session_id))

    async def _note_use(self, session_id: str, now: datetime, expires_at: datetime) -> None:
        async with self._database.transaction() as session:
            await session.execute(
                update(Session).where(Session.id == session_id).values(last_used_at=now, expires_at=expires_at)
            )


class TokenStore:
    """Tokens of programs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self, *, label: str, role: Role, extension: str | None = None, life: timedelta | None = None
    ) -> tuple[Token, str]:
        """Make a token; return it with its secret, which is shown this once.

        Args:
            label: what it is for, shown in the audit trail.
            role: what it may do.
            extension: the extension it acts for, which a token with the role `agent` needs to see anything.
            life: how long it is valid; None: until it is deleted.
        """
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        now = self._clock.now()
        token = Token(
            id=new_id(),
            label=label,
            role=role.value,
            extension=extension,
            secret_hash=_hash(secret),
            created_at=now,
            expires_at=None if life is None else now + life,
            last_used_at=None,
        )
        async with self._database.transaction() as session:
            session.add(token)
        return token, secret

    async def list(self, *, limit: int, after: str | None = None) -> Sequence[Token]:
        """Return tokens in the order they were made."""
        query = select(Token).order_by(Token.id).limit(limit)
        async with self._database.reading() as session:
            return (await session.scalars(query.where(Token.id > after) if after else query)).all()

    async def delete(self, token_id: str) -> None:
        """Take a token back.

        Raises:
            NotFoundError: there is none with this id.
        """
        async with self._database.transaction() as session:
            token = await session.get(Token, token_id)
            if token is None:
                raise NotFoundError("There is no such token.")
            await session.delete(token)

    async def find(self, secret: str) -> Principal | None:
        """Return the token of this secret, or None when it is unknown or expired."""
        if len(secret) > _LONGEST_SECRET:
            return None
        now = self._clock.now()
        async with self._database.reading() as session:
            token = await session.scalar(select(Token).where(Token.secret_hash == _hash(secret)))
        if token is None or (token.expires_at is not None and token.expires_at <= now):
            return None
        if token.last_used_at is None or now - token.last_used_at > _NOTE_USE_EVERY:
            async with self._database.transaction() as session:
                await session.execute(update(Token).where(Token.id == token.id).values(last_used_at=now))
        return Principal("token", token.id, token.label, Role(token.role), token.extension or "")


def _hash(secret: str) -> str:
    # The secrets are random, 256 bits: a plain hash cannot be guessed back.
    return hashlib.sha256(secret.encode()).hexdigest()
