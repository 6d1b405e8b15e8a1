"""Records as rows of a table, read and written many at a time.

The statements are compiled once for each kind of database and run by its driver directly: going through SQLAlchemy for each row would
cost more than the database does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar, cast

from sqlalchemy import (
    Boolean,
    Dialect,
    Float,
    Insert,
    Integer,
    Select,
    String,
    Table,
    Update,
    bindparam,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from core.database import UtcDateTime, as_utc, utc_text
from core.giving_way import slices
from core.one_of import Texts, one_of

Record = TypeVar("Record")
_Process = Callable[[Any], Any]

_KEY: Final = "of_"
_WANTED: Final = "wanted"


class Rows(Generic[Record]):
    """A dataclass whose fields are columns of a table."""

    def __init__(
        self,
        table: Table,
        record: type[Record],
        *,
        fixed: Collection[str] = (),
        read_by: str = "",
        unread: Collection[str] = (),
        only: str = "",
    ) -> None:
        """Prepare the statements.

        Args:
            table: where the records are kept; its primary key must be fields of the record.
            record: the dataclass.
            fixed: fields that never change once a row is there.
            read_by: the column whose values `read` is given; text.
            unread: fields that are written with a new row only and are not read; they come last and have defaults.
            only: a condition in SQL that a row must meet to be read, beside that of `read_by`.
        """
        self._table = table
        self._record = record
        self._read_by = read_by
        self._only = only
        self._names = tuple(field.name for field in fields(cast("Any", record)))
        self._keys = tuple(key.name for key in table.primary_key)
        self._unread = frozenset(unread)
        self._fixed = frozenset((*self._keys, *fixed, *unread))
        self._writes: dict[tuple[str, bool], _Write] = {}
        self._reads: dict[str, _Read] = {}

    async def read(self, connection: AsyncConnection, values: Collection[str]) -> list[Record]:
        """Return the records that have one of these values, by primary key."""
        if not values:
            return []
        dialect = connection.dialect
        read = self._reads.get(dialect.name)
        if read is None:
            read = self._reads[dialect.name] = _Read(self._select(), dialect)
        found = await connection.exec_driver_sql(read.sql, read.parameters(values))
        return [self._record(*row) for row in read.values(found.all())]

    async def insert(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Add new rows."""
        await self._write(connection, records, new=True)

    async def update(self, connection: AsyncConnection, records: Sequence[Record]) -> None:
        """Write the fields that are not fixed to the rows of these keys."""
        await self._write(connection, records, new=False)

    async def _write(self, connection: AsyncConnection, records: Sequence[Record], *, new: bool) -> None:
        if not records:
            return
        key = (connection.dialect.name, new)
        write = self._writes.get(key)
        if write is None:
            statement = self._insert() if new else self._update()
            write = self._writes[key] = _Write(self._table, statement, connection.dialect)
        await connection.exec_driver_sql(write.sql, await write.parameters(records))

    def _insert(self) -> Insert:
        return insert(self._table).values({name: bindparam(name) for name in self._names})

    def _update(self) -> Update:
        columns = self._table.c
        return (
            update(self._table)
            .where(*(columns[name] == bindparam(_KEY + name, type_=columns[name].type) for name in self._keys))
            .values({name: bindparam(name) for name in self._names if name not in self._fixed})
        )

    def _select(self) -> Select[*tuple[Any, ...]]:
        columns = self._table.c
        condition = one_of(columns[self._read_by], bindparam(_WANTED, type_=Texts()))
        query = select(*(columns[name] for name in self._names if name not in self._unread)).where(condition)
        if self._only:
            query = query.where(text(self._only))
        return query.order_by(*(columns[name] for name in self._keys))


class _Read:
    """A query in the words of one database, and how what it returns becomes the fields of records."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        self.sql = statement.compile(dialect=dialect).string
        self._as_text = dialect.name == "sqlite"
        self._processors: list[tuple[int, _Process]] = []
        for index, found in enumerate(statement.selected_columns):
            processor = _found(found.type, dialect)
            if processor is not None:
                self._processors.append((index, processor))

    def parameters(self, values: Collection[str]) -> tuple[Any, ...]:
        """Return the parameters with which rows of these values are asked for."""
        ordered = sorted(values)
        return (json.dumps(ordered) if self._as_text else ordered,)

    def values(self, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """Return the rows with each column as Python has it."""
        found = [list(row) for row in rows]
        for index, processor in self._processors:
            for row in found:
                if row[index] is not None:
                    row[index] = processor(row[index])
        return found


class _Write:
    """A statement in the words of one database, and how a record becomes its parameters."""

    def __init__(self, table: Table, statement: Insert | Update, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = compiled.string
        names = [name.removeprefix(_KEY) for name in compiled.positiontup or ()]
        self._values = attrgetter(*names)
        self._processors: list[tuple[int, _Process]] = []
        for index, name in enumerate(names):
            processor = _bound(table.c[name].type, dialect)
            if processor is not None:
                self._processors.append((index, processor))

    async def parameters(self, records: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the parameters for each record."""
        rows: list[tuple[Any, ...]] = []
        values, processors = self._values, self._processors
        async for some in slices(records):
            for record in some:
                row = list(values(record))
                for index, processor in processors:
                    if row[index] is not None:
                        row[index] = processor(row[index])
                rows.append(tuple(row))
        return rows


def _bound(kind: Any, dialect: Dialect) -> _Process | None:
    if dialect.name == "sqlite":
        if isinstance(kind, Boolean):
            return int
        if isinstance(kind, UtcDateTime):
            return utc_text
    processor: _Process | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return processor


def _found(kind: Any, dialect: Dialect) -> _Process | None:
    """Return what makes a column's value of what the driver gives, if that is not the same already."""
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat if dialect.name == "sqlite" else as_utc
    if isinstance(kind, Boolean):
        return bool
    if not isinstance(kind, String | Integer | Float):
        raise TypeError(f"columns of the type {kind} are not read in this way")
    return None
