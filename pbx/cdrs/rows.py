"""Records as rows of a table, written many at a time.

The statements are compiled once for each kind of database and run by its driver directly: going through SQLAlchemy for each row would
cost more than the database does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Dialect, Insert, Table, Update, bindparam, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

_KEY = "of_"


class Rows:
    """A dataclass whose fields are columns of a table."""

    def __init__(self, table: Table, record: type[Any], *, fixed: Collection[str] = ()) -> None:
        """Prepare the statements.

        Args:
            table: where the records are kept; its primary key must be fields of the record.
            record: the dataclass.
            fixed: fields that never change once a row is there.
        """
        self._table = table
        names = tuple(field.name for field in fields(record))
        keys = {column.name for column in table.primary_key}
        self.columns = tuple(table.c[name] for name in names)
        """The columns in the order of the fields, to read records by."""
        self._insert = insert(table).values({name: bindparam(name) for name in names})
        self._update = (
            update(table)
            .where(*(table.c[name] == bindparam(_KEY + name, type_=table.c[name].type) for name in keys))
            .values({name: bindparam(name) for name in names if name not in keys and name not in fixed})
        )
        self._compiled: dict[tuple[str, bool], _Statement] = {}

    async def insert(self, connection: AsyncConnection, records: Sequence[Any]) -> None:
        """Add new rows."""
        await self._run(connection, records, new=True)

    async def update(self, connection: AsyncConnection, records: Sequence[Any]) -> None:
        """Write the fields that are not fixed to the rows of these keys."""
        await self._run(connection, records, new=False)

    async def _run(self, connection: AsyncConnection, records: Sequence[Any], *, new: bool) -> None:
        if not records:
            return
        key = (connection.dialect.name, new)
        if key not in self._compiled:
            self._compiled[key] = _Statement(self._table, self._insert if new else self._update, connection.dialect)
        statement = self._compiled[key]
        await connection.exec_driver_sql(statement.sql, statement.parameters(records))


class _Statement:
    """A statement in the words of one database, and how a record becomes its parameters."""

    def __init__(self, table: Table, statement: Insert | Update, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = compiled.string
        names = [name.removeprefix(_KEY) for name in compiled.positiontup or ()]
        self._values = attrgetter(*names)
        self._processors: list[tuple[int, Callable[[Any], Any]]] = []
        for index, name in enumerate(names):
            processor = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None:
                self._processors.append((index, processor))

    def parameters(self, records: Iterable[Any]) -> list[tuple[Any, ...]]:
        """Return the parameters for each record."""
        rows: list[tuple[Any, ...]] = []
        for record in records:
            row = list(self._values(record))
            for index, processor in self._processors:
                if row[index] is not None:
                    row[index] = processor(row[index])
            rows.append(tuple(row))
        return rows
