"""Small queries on SQLite in one step of the driver: a session takes ten steps between two threads, and thirty times as long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import aiosqlite
from sqlalchemy import CompoundSelect, Select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

LookUp = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]


class LookUps:
    """One connection of the pool, kept for reading; it is taken when first needed."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._compiled: dict[LookUp, tuple[str, Sequence[str], Mapping[str, Any]]] = {}
        self._opening = asyncio.Lock()
        self._held: AsyncConnection | None = None
        self._driver: aiosqlite.Connection | None = None

    async def rows(self, statement: LookUp, parameters: Mapping[str, str | int]) -> Sequence[Sequence[Any]]:
        """Run a statement with its parameters; each statement is compiled once."""
        driver = self._driver or await self._open()
        sql, names, constants = self._compiled.get(statement) or self._compile(statement)
        values = {**constants, **parameters}
        return list(await driver.execute_fetchall(sql, [values[name] for name in names]))

    async def close(self) -> None:
        """Give the connection back."""
        held, self._held, self._driver = self._held, None, None
        if held is not None:
            await held.close()

    def _compile(self, statement: LookUp) -> tuple[str, Sequence[str], Mapping[str, Any]]:
        compiled = statement.compile(dialect=self._engine.dialect)
        found = (str(compiled), tuple(getattr(compiled, "positiontup", None) or ()), compiled.params)
        self._compiled[statement] = found
        return found

    async def _open(self) -> aiosqlite.Connection:
        async with self._opening:
            if self._driver is None:
                self._held = await self._engine.connect()
                self._driver = cast("aiosqlite.Connection", (await self._held.get_raw_connection()).driver_connection)
            return self._driver
