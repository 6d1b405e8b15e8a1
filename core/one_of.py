"""Conditions that a text column is one of many values, whose statement is the same however many there are.

With `in_` each number of values makes a statement of its own, with a parameter for each of them. It would be written and prepared anew
nearly each time, and each connection would keep a hundred of the last ones: 3 MB of them on a busy server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ARRAY, BindParameter, Boolean, Dialect, String, any_, bindparam, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine


class Texts(TypeDecorator[list[str]]):
    """Several texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the parameter's type of the dialect."""
        return dialect.type_descriptor(String() if dialect.name == "sqlite" else ARRAY(String()))

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> Any:
        """Hand the texts over."""
        return json.dumps(value) if dialect.name == "sqlite" else value


class _OneOf(FunctionElement[bool]):
    """A column and the parameter with its values."""

    inherit_cache = True
    type = Boolean()


@compiles(_OneOf)
def _as_array(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    return str(compiler.process(column == any_(values), **options))


@compiles(_OneOf, "sqlite")
def _as_json(element: _OneOf, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    each = func.json_each(values).table_valued("value")
    return str(compiler.process(column.in_(select(each.c.value)), **options))


def one_of(
    column: ColumnElement[str] | InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
    values: Iterable[str] | BindParameter[Any],
) -> ColumnElement[bool]:
    """Return the condition that a column has one of these values, or of those of a parameter of the type `Texts`."""
    if not isinstance(values, BindParameter):
        values = bindparam(None, list(values), type_=Texts())
    return _OneOf(column, values)
