"""From the journal to call detail records, in batches.

A batch reads the open records it touches with two queries, adds its facts in memory (`pbx.cdrs.assembly`) and writes with one
statement a table, so that a call costs microseconds. Each record keeps the sequence of the last entry it knows: a journal that is
read again, from wherever, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import islice
from operator import attrgetter
from typing import Any, Final, cast

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from core.events import CallTransferred, LegMoved
from core.journal import Entry
from pbx.cdrs.assembly import FACTS, Assembly, CallRecord, Draft, LegRecord, TransferRecord
from pbx.cdrs.tables import CdrLegRow, CdrRow, CdrTransferRow

_CHUNK: Final = 500
"""Ids in one IN list."""

_CALLS: Final = cast(Table, CdrRow.__table__)
_LEGS: Final = cast(Table, CdrLegRow.__table__)
_TRANSFERS: Final = cast(Table, CdrTransferRow.__table__)


class _Rows:
    """A record class as rows of its table: reads them, and writes new and changed ones."""

    def __init__(self, table: Table, record: type[Any]) -> None:
        self._names = tuple(field.name for field in fields(record))
        self._values = attrgetter(*self._names)
        self.columns = tuple(table.c[name] for name in self._names)
        self.insert = insert(table)
        keys = {column.name for column in table.primary_key}
        self.update = (
            update(table)
            .where(*(table.c[name] == bindparam(f"of_{name}") for name in keys))
            .values({name: bindparam(name) for name in self._names if name not in keys})
        )
        self._bound = tuple(f"of_{name}" if name in keys else name for name in self._names)

    def new(self, records: Iterable[Any]) -> list[dict[str, Any]]:
        """Return the parameters of `insert`."""
        return [dict(zip(self._names, self._values(record), strict=True)) for record in records]

    def changed(self, records: Iterable[Any]) -> list[dict[str, Any]]:
        """Return the parameters of `update`."""
        return [dict(zip(self._bound, self._values(record), strict=True)) for record in records]


_CALL_ROWS: Final = _Rows(_CALLS, CallRecord)
_LEG_ROWS: Final = _Rows(_LEGS, LegRecord)
_TRANSFER_ROWS: Final = _Rows(_TRANSFERS, TransferRecord)


class CdrConsumer:
    """Turns facts into call detail records."""

    name = "cdrs"

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Write what these entries add to the records."""
        told = [entry for entry in entries if isinstance(entry.fact, FACTS)]
        if not told:
            return
        assembly = Assembly(node, await _load(session, _call_ids(told)))
        for entry in told:
            assembly.add(entry)
        await _store(session, assembly.drafts.values())


def _call_ids(entries: Sequence[Entry]) -> set[str]:
    ids = {entry.fact.call_id for entry in entries}
    for entry in entries:
        if isinstance(entry.fact, LegMoved):
            ids.add(entry.fact.from_call_id)
        elif isinstance(entry.fact, CallTransferred) and entry.fact.other_call_id:
            ids.add(entry.fact.other_call_id)
    return ids


async def _load(session: AsyncSession, call_ids: set[str]) -> Iterable[Draft]:
    drafts: dict[str, Draft] = {}
    for chunk in _chunks(call_ids):
        rows = await session.execute(select(*_CALL_ROWS.columns).where(_CALLS.c.call_id.in_(chunk)))
        drafts |= {row[0]: Draft(CallRecord(*row)) for row in rows}
    for chunk in _chunks(set(drafts)):
        query = select(*_LEG_ROWS.columns).where(_LEGS.c.call_id.in_(chunk))
        for row in await session.execute(query.order_by(_LEGS.c.call_id, _LEGS.c.position)):
            drafts[row[0]].legs.append(LegRecord(*row))
    return drafts.values()


async def _store(session: AsyncSession, drafts: Iterable[Draft]) -> None:
    new = [draft.call for draft in drafts if draft.new]
    changed = [draft.call for draft in drafts if draft.changed and not draft.new]
    new_legs = [leg for draft in drafts for leg in draft.new_legs]
    fresh = {(leg.call_id, leg.position) for leg in new_legs}
    changed_legs = [
        leg for draft in drafts for leg in draft.changed_legs.values() if (leg.call_id, leg.position) not in fresh
    ]
    transfers = [transfer for draft in drafts for transfer in draft.transfers]
    for statement, parameters in (
        (_CALL_ROWS.insert, _CALL_ROWS.new(new)),
        (_CALL_ROWS.update, _CALL_ROWS.changed(changed)),
        (_LEG_ROWS.insert, _LEG_ROWS.new(new_legs)),
        (_LEG_ROWS.update, _LEG_ROWS.changed(changed_legs)),
        (_TRANSFER_ROWS.insert, _TRANSFER_ROWS.new(transfers)),
    ):
        if parameters:
            await session.execute(statement, parameters)


def _chunks(ids: set[str]) -> Iterator[list[str]]:
    ordered = iter(sorted(ids))
    while chunk := list(islice(ordered, _CHUNK)):
        yield chunk
