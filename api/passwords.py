"""Passwords: argon2id off the event loop, and the same time for a user that does not exist."""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from api.errors import FieldError, InvalidFieldsError

SHORTEST: Final = 8
LONGEST: Final = 128
_AT_A_TIME: Final = 2
"""Checks run side by side: each takes tens of megabytes and a core."""


class Passwords:
    """Hashes and checks passwords."""

    def __init__(self, *, memory_kib: int, passes: int) -> None:
        """Prepare with the costs of argon2id: memory in KiB, and passes over it."""
        self._hasher = argon2.PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._turn = asyncio.Semaphore(_AT_A_TIME)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Return the hash to store, salt and costs included."""
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether the password belongs to the stored hash; None (no such user) costs the same time and is never true."""
        if self._nobody is None:
            self._nobody = await self.hash(generate())
        async with self._turn:
            right = await asyncio.to_thread(self._verify, stored or self._nobody, password)
        return right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether the hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False


def generate() -> str:
    """Return a new random password of 96 bits."""
    return secrets.token_urlsafe(12)


def check_rule(password: str, username: str, *, field: str = "body.password") -> None:
    """Refuse a password that is easily guessed.

    Raises:
        InvalidFieldsError: it is the user's name, or one character over and over.
    """
    if password.casefold() == username.casefold() or len(set(password)) < 4:
        rule = "It must not be the user's name and needs at least four different characters"
        raise InvalidFieldsError("This password is too easy to guess.", errors=[FieldError(field, rule)])
