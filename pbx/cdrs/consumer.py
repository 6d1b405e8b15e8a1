"""From the journal to call detail records, in batches.

A batch reads the open records it touches with two queries, adds its facts in memory (`pbx.cdrs.assembly`) and writes with one
statement a table, so that a call costs microseconds. Each record keeps the sequence of the last entry it knows: a journal that is
read again, from wherever, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, cast

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.events import CallTransferred, Fact, LegMoved
from core.journal import Entry
from pbx.cdrs.assembly import FACTS, Assembly, CallRecord, Draft, LegRecord, QualityRecord, TransferRecord
from pbx.cdrs.rows import Rows
from pbx.cdrs.tables import CdrLegRow, CdrQualityRow, CdrRow, CdrTransferRow

_CHUNK: Final = 500
"""Ids in one IN list."""

_CALLS: Final = cast(Table, CdrRow.__table__)
_LEGS: Final = cast(Table, CdrLegRow.__table__)
_TRANSFERS: Final = cast(Table, CdrTransferRow.__table__)
_QUALITY: Final = cast(Table, CdrQualityRow.__table__)


_OFFERED: Final = ("node", "direction", "from_number", "to_number", "dialled", "from_extension")
_CALL_ROWS: Final = Rows(_CALLS, CallRecord, fixed=(*_OFFERED, "sip_call_id", "started_at", "diverted_from"))
_OPENED: Final = (
    "leg_id",
    "role",
    "number",
    "extension",
    "trunk",
    "incoming",
    "sip_call_id",
    "created_at",
    "joined_at",
    "forwarded_by",
)
_LEG_ROWS: Final = Rows(_LEGS, LegRecord, fixed=_OPENED)
_TRANSFER_ROWS: Final = Rows(_TRANSFERS, TransferRecord)
_QUALITY_ROWS: Final = Rows(_QUALITY, QualityRecord)


class CdrConsumer:
    """Turns facts into call detail records."""

    name = "cdrs"
    facts: frozenset[type[Fact]] = frozenset(FACTS)

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Write what these entries add to the records."""
        assembly = Assembly(node, await _load(session, _call_ids(entries)))
        for entry in entries:
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
    connection = await session.connection()
    await _CALL_ROWS.insert(connection, new)
    await _CALL_ROWS.update(connection, changed)
    await _LEG_ROWS.insert(connection, new_legs)
    await _LEG_ROWS.update(connection, changed_legs)
    await _TRANSFER_ROWS.insert(connection, transfers)
    await _QUALITY_ROWS.insert(connection, [record for draft in drafts for record in draft.quality])


def _chunks(ids: set[str]) -> Iterator[list[str]]:
    ordered = iter(sorted(ids))
    while chunk := list(islice(ordered, _CHUNK)):
        yield chunk
