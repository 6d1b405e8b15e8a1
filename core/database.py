"""The database: SQLite in WAL mode by default, PostgreSQL when it grows; the same tables and queries on both.

Every room declares its tables on `Base`. Writers use `Database.transaction`, readers `Database.reading`. On SQLite a writing
transaction starts with BEGIN IMMEDIATE and waits its turn in this process, so that no transaction dies of a lock upgrade.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar

import msgspec
from sqlalchemy import DateTime, Dialect, MetaData, Numeric, PoolResetState, String, event, text
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator, TypeEngine

from core import sqlite_driver
from core.errors import StorageError
from core.look_ups import LookUp, LookUps

Shape = TypeVar("Shape")
_encode: Final = msgspec.json.Encoder().encode


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time: timestamptz on PostgreSQL, fixed-width sortable text on SQLite (which keeps no zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the dialect."""
        return dialect.type_descriptor(String(27) if dialect.name == "sqlite" else DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse naive times; write UTC."""
        if value is None:
            return None
        return utc_text(value) if dialect.name == "sqlite" else as_utc(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Read back an aware UTC time."""
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        stamp: datetime = value
        return stamp.astimezone(UTC)


def utc_text(value: datetime) -> str:
    """Return an aware time as SQLite keeps it.

    Raises:
        ValueError: it is naive.
    """
    if value.tzinfo is not UTC:
        value = as_utc(value)
    # A fifth of the time that isoformat takes; whole seconds come without their fraction.
    text = _encode(value)[1:-1].decode()
    return text if value.microsecond else f"{text[:-1]}.000000Z"


def as_utc(value: datetime) -> datetime:
    """Return an aware time in UTC.

    Raises:
        ValueError: it is naive.
    """
    if value.tzinfo is None:
        raise ValueError("times are aware; a naive one was given")
    return value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """Money and prices without rounding: NUMERIC(20, 6) on PostgreSQL, text on SQLite (whose numbers are floats)."""

    impl = Numeric(20, 6)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of the dialect."""
        return dialect.type_descriptor(String(32) if dialect.name == "sqlite" else Numeric(20, 6))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Write the exact value."""
        if value is None or dialect.name != "sqlite":
            return value
        return format(value, "f")

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Read the exact value back."""
        return None if value is None else Decimal(value)


Id = Annotated[str, mapped_column(String(36), primary_key=True)]
"""A UUIDv7 primary key."""


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime(), Decimal: ExactDecimal()}  # noqa: RUF012 - SQLAlchemy's own interface


def value_of(row: object, shape: type[Shape]) -> Shape:
    """Return a row as a value: its fields are the columns of the same names, each as the field's type has it.

    Text becomes a member of an enumeration, a list a tuple, and an object of JSON a dataclass.
    """
    return msgspec.convert(row, shape, from_attributes=True)


class Database:
    """One connection pool and the two ways to use it."""

    def __init__(self, url: str) -> None:
        """Prepare, without connecting.

        Args:
            url: `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://…`.
        """
        self.url = url
        self.is_sqlite = url.startswith("sqlite")
        # A connection above `pool_size` is closed after use, and with SQLite each is a thread that has to be started.
        # An error's text goes to the log: it must not hold the passwords that were to be stored.
        options: dict[str, Any] = {"pool_size": 16, "hide_parameters": True}
        if self.is_sqlite:
            # `_reset_sqlite` undoes what is left open: rolling back what is not would be one more step between two threads.
            options |= {"async_creator": sqlite_driver.connector(url), "pool_reset_on_return": None}
        else:
            options["pool_pre_ping"] = True
        self.engine = create_async_engine(url, **options)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._turn = asyncio.Lock()
        self._look_ups = LookUps(self.engine) if self.is_sqlite else None
        if self.is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
            event.listen(self.engine.sync_engine, "reset", _reset_sqlite)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session whose work is committed at the end, or undone on any exception.

        Raises:
            StorageError: the database cannot be reached, is damaged or is full.
        """
        async with self._turn if self.is_sqlite else contextlib.nullcontext(), self._sessions() as session:
            if self.is_sqlite:
                await session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            async with session.begin() if not self.is_sqlite else _committing(session):
                yield session

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """Give a session for reading; what it changes is not kept."""
        async with self._sessions() as session:
            yield session

    async def look_up(self, statement: LookUp, **parameters: str | int) -> Sequence[Sequence[Any]]:
        """Return the rows of a small query that is asked for every call, outside of any transaction.

        Args:
            statement: made once and kept, with `bindparam` for what changes; its columns are text or whole numbers.
            parameters: the values of the statement's parameters.

        Raises:
            StorageError: the database cannot be read.
        """
        try:
            if self._look_ups is not None:
                return await self._look_ups.rows(statement, parameters)
            async with self.engine.connect() as connection:
                return (await connection.execute(statement, parameters)).all()
        except (DatabaseError, DBAPIError, sqlite3.Error, OSError) as error:
            raise StorageError(f"The database cannot be read: {_root(error)}.") from error

    async def check(self) -> None:
        """Ask the database for one row.

        Raises:
            StorageError: it does not answer, or its file is not a database.
        """
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
                if self.is_sqlite:
                    await connection.execute(text("SELECT count(*) FROM sqlite_master"))
        except (DatabaseError, DBAPIError, OSError) as error:
            raise StorageError(
                f"The database {self.engine.url.render_as_string(hide_password=True)} cannot be used: {_root(error)}.",
                hint="Restore it from a backup."
                if self.is_sqlite
                else "Check that the database server runs and lets Ramal in, or correct RAMAL_DATABASE_URL.",
            ) from error

    async def create_all(self) -> None:
        """Create every declared table; for tests. Servers use `core.migrate`."""
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    async def close(self) -> None:
        """Close all connections."""
        if self._look_ups is not None:
            await self._look_ups.close()
        await self.engine.dispose()


@contextlib.asynccontextmanager
async def _committing(session: AsyncSession) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        await session.rollback()
        raise
    await session.commit()


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver would open transactions on its own and hide BEGIN from us.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    kind = connection.get_execution_options().get("sqlite_begin", "")
    connection.exec_driver_sql(f"BEGIN {kind}".strip())


def _reset_sqlite(connection: Any, _record: Any, state: PoolResetState) -> None:
    # A COMMIT that fails (a full disk, an I/O error) leaves its transaction open, while SQLAlchemy holds it to be over: the connection
    # would go back to the pool with the write lock, and nothing could be written any more.
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()


def _root(error: BaseException) -> BaseException:
    return getattr(error, "orig", None) or error
