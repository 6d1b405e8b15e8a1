"""SQLite's driver with one step between two threads for each statement.

Opening a cursor, fetching and closing were steps of their own, and each step costs more than most statements do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, Self

import aiosqlite
from sqlalchemy import make_url

_FIRST_ROWS: Final = 1_000
"""Rows that come back with the statement itself; whoever streams more asks for them."""


class Cursor(aiosqlite.Cursor):
    """A statement of a `Connection`; its first rows come back in the same step."""

    _conn: Connection

    def __init__(self, connection: Connection) -> None:
        self._conn = connection
        self._cursor = connection.no_cursor
        self._rows: list[Any] = []
        self._more = False

    async def __aenter__(self) -> Self:
        """Open nothing: that is done with the statement."""
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> Self:
        """Run a statement and fetch its first rows."""
        await self._step(self._run, sql, () if parameters is None else parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> Self:
        """Run a statement with each of these parameters."""
        self._cursor = await self._step(self._conn.driver.executemany, sql, parameters)
        return self

    async def fetchone(self) -> Any:
        """Return the next row, or None."""
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> Sequence[Any]:
        """Return the next rows, at most `size` of them."""
        wanted = self._cursor.arraysize if size is None else size
        if self._more and len(self._rows) < wanted:
            await self._step(self._fetch)
        given, self._rows = self._rows[:wanted], self._rows[wanted:]
        return given

    async def fetchall(self) -> Sequence[Any]:
        """Return all rows that are left."""
        given, self._rows = self._rows, []
        if self._more:
            self._more = False
            given += await self._step(self._cursor.fetchall)
        return given

    async def close(self) -> None:
        """Give up what was not fetched; a statement that was run to its end has nothing to be closed."""
        if self._more:
            self._more = False
            await self._step(self._cursor.close)

    async def _step(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._conn.step(function, *arguments)

    def _run(self, sql: str, parameters: Any) -> None:
        self._cursor = self._conn.driver.execute(sql, parameters)
        if self._cursor.description is not None:
            self._fetch()

    def _fetch(self) -> None:
        found = self._cursor.fetchmany(_FIRST_ROWS)
        self._rows += found
        self._more = len(found) == _FIRST_ROWS


class Connection(aiosqlite.Connection):
    """A connection whose cursors are opened by their statements."""

    no_cursor: sqlite3.Cursor
    """What a cursor has before its statement was run."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connect, iter_chunk_size)
        self._thread.daemon = True

    @property
    def driver(self) -> sqlite3.Connection:
        """The connection itself, for functions that run in its thread."""
        return self._conn

    async def _connect(self) -> Self:
        await super()._connect()
        self.no_cursor = await self.step(self._conn.cursor)
        return self

    async def step(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function in the connection's thread and return what it returns."""
        return await self._execute(function, *arguments)  # type: ignore[no-untyped-call]

    def cursor(self) -> Cursor:  # type: ignore[override]  # the base's is awaited or entered; this one is entered
        """Return a cursor without asking the other thread for it."""
        return Cursor(self)


def connector(url: str) -> Callable[[], Awaitable[aiosqlite.Connection]]:
    """Return what opens connections to `sqlite+aiosqlite:///FILE` for an engine of SQLAlchemy (`async_creator`)."""
    address = make_url(url)
    found, options = address.get_dialect()().create_connect_args(address)
    path = found[0]

    async def connect() -> aiosqlite.Connection:
        """Open a connection; its thread does not keep the process alive."""
        return await Connection(lambda: sqlite3.connect(path, **options), _FIRST_ROWS)

    return connect
