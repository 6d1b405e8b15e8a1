"""Users as they are stored: made, changed, signed in, and never without an administrator left."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from api import passwords
from api.errors import WrongCredentialsError
from api.passwords import Passwords
from api.permissions import Role
from api.tables import Session, User
from api.throttle import AttemptThrottle
from core.clock import Clock
from core.database import Database
from core.errors import ConflictError, NotFoundError
from core.identifiers import new_id


class LastAdministratorError(ConflictError):
    """Without this user nobody could administer the system."""

    id = "api.last_administrator"


_ADMINISTRATORS: Final = select(User.id).where(User.role == Role.ADMINISTRATOR.value, User.active.is_(True))


class UserStore:
    """The users of the company."""

    def __init__(self, database: Database, clock: Clock, hashing: Passwords) -> None:
        self._database = database
        self._clock = clock
        self._passwords = hashing
        self._throttle = AttemptThrottle(clock)

    async def ensure_administrator(self, username: str = "admin") -> str | None:
        """Make the first administrator; return the generated password, or None when there are users already."""
        async with self._database.reading() as session:
            if await session.scalar(select(User.id).limit(1)):
                return None
        _user, password = await self.create(username=username, name="Administrator", role=Role.ADMINISTRATOR)
        return password

    async def create(
        self,
        *,
        username: str,
        name: str,
        role: Role,
        password: str | None = None,
        extension: str | None = None,
        email: str | None = None,
        language: str | None = None,
    ) -> tuple[User, str | None]:
        """Make a user; return it, and the password if it was generated here.

        Raises:
            ConflictError: the user name is taken.
            InvalidFieldsError: the password is too easy to guess.
        """
        username = username.casefold()
        if password is not None:
            passwords.check_rule(password, username)
        generated = passwords.generate() if password is None else None
        user = User(
            id=new_id(),
            username=username,
            name=name,
            role=role.value,
            extension=extension,
            email=email,
            language=language,
            password_hash=await self._passwords.hash(password or generated or ""),
            active=True,
            created_at=self._clock.now(),
            last_sign_in_at=None,
        )
        try:
            async with self._database.transaction() as session:
                session.add(user)
                await session.flush()
        except IntegrityError as error:
            raise ConflictError(f"There is already a user “{username}”.", hint="Choose another user name.") from error
        return user, generated

    async def list(self, *, limit: int, after: str | None = None) -> Sequence[User]:
        """Return users in the order they were made, after the one with the id `after`."""
        query = select(User).order_by(User.id).limit(limit)
        async with self._database.reading() as session:
            return (await session.scalars(query.where(User.id > after) if after else query)).all()

    async def get(self, user_id: str) -> User:
        """Return the user.

        Raises:
            NotFoundError: there is none with this id.
        """
        async with self._database.reading() as session:
            return await _found(session, user_id)

    async def change(self, user_id: str, changes: Mapping[str, Any]) -> User:
        """Change fields of a user; a new password or the end of `active` signs the user out everywhere.

        Raises:
            NotFoundError: there is no such user.
            LastAdministratorError: nobody would be left to administer.
        """
        changes = dict(changes)
        password = changes.pop("password", None)
        hashed = None
        if password is not None:
            passwords.check_rule(password, (await self.get(user_id)).username)
            hashed = await self._passwords.hash(password)
        async with self._database.transaction() as session:
            await _claim_administrators(session)
            user = await _found(session, user_id)
            administered = _administers(user)
            for field, value in changes.items():
                setattr(user, field, value.value if isinstance(value, Role) else value)
            if hashed is not None:
                user.password_hash = hashed
            await session.flush()
            if administered and not _administers(user):
                await _require_administrator(session)
            if hashed is not None or not user.active:
                await _sign_out(session, user_id)
        return user

    async def delete(self, user_id: str) -> None:
        """Remove a user with its sessions.

        Raises:
            NotFoundError: there is no such user.
            LastAdministratorError: nobody would be left to administer.
        """
        async with self._database.transaction() as session:
            await _claim_administrators(session)
            user = await _found(session, user_id)
            await _sign_out(session, user_id)
            await session.delete(user)
            await session.flush()
            if _administers(user):
                await _require_administrator(session)

    async def sign_in(self, username: str, password: str, address: str) -> User:
        """Return the user that name and password belong to.

        Raises:
            WrongCredentialsError: no such user, a wrong password, or a user that was switched off; the time taken is the same.
            TooManyAttemptsError: too many wrong ones before.
        """
        username = username.casefold()
        self._throttle.begin(username, address)
        async with self._database.reading() as session:
            user = await session.scalar(select(User).where(User.username == username))
        right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not right or not user.active:
            raise WrongCredentialsError(
                "User name or password is wrong.", hint="An administrator can set a new password."
            )
        self._throttle.succeeded(username, address)
        fresh_hash = await self._passwords.hash(password) if self._passwords.is_outdated(user.password_hash) else None
        async with self._database.transaction() as session:
            stored = await _found(session, user.id)
            stored.last_sign_in_at = self._clock.now()
            if fresh_hash and secrets.compare_digest(stored.password_hash, user.password_hash):
                stored.password_hash = fresh_hash
        return stored


async def _found(session: AsyncSession, user_id: str) -> User:
    user = await session.get(User, user_id)
    if user is None:
        raise NotFoundError("There is no such user.")
    return user


def _administers(user: User) -> bool:
    return user.active and user.role == Role.ADMINISTRATOR.value


async def _sign_out(session: AsyncSession, user_id: str) -> None:
    for one in await session.scalars(select(Session).where(Session.user_id == user_id)):
        await session.delete(one)
    await session.flush()


async def _claim_administrators(session: AsyncSession) -> None:
    # Locked before anything is changed and in one order (on PostgreSQL): two administrators who remove each other at the same moment
    # wait for one another instead of dying of a deadlock.
    await session.scalars(_ADMINISTRATORS.order_by(User.id).with_for_update())


async def _require_administrator(session: AsyncSession) -> None:
    if (await session.scalars(_ADMINISTRATORS.limit(1))).first() is None:
        raise LastAdministratorError(
            "This is the last administrator.", hint="Make another user an administrator first."
        )
