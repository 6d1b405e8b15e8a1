"""From the journal to call detail records, in batches.

A batch reads the open records it touches with two queries, adds its facts in memory (`pbx.cdrs.assembly`) and writes with one
statement a table, so that a call costs microseconds. Each record keeps the sequence of the last entry it knows: a journal that is
read again, from wherever, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, cast

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from core.events import CallTransferred, Fact, LegMoved
from core.giving_way import slices
from core.journal import Entry
from core.rows import Rows
from pbx.cdrs.assembly import FACTS, Assembly, CallRecord, Draft, LegRecord, QualityRecord, TransferRecord
from pbx.cdrs.tables import CdrLegRow, CdrQualityRow, CdrRow, CdrTransferRow

_CALLS: Final = cast(Table, CdrRow.__table__)
_LEGS: Final = cast(Table, CdrLegRow.__table__)
_TRANSFERS: Final = cast(Table, CdrTransferRow.__table__)
_QUALITY: Final = cast(Table, CdrQualityRow.__table__)


_OFFERED: Final = ("node", "direction", "from_number", "to_number", "dialled", "from_extension")
_CALL_ROWS: Final = Rows(
    _CALLS, CallRecord, fixed=(*_OFFERED, "sip_call_id", "started_at", "diverted_from"), read_by="call_id"
)
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
_LEG_ROWS: Final = Rows(_LEGS, LegRecord, fixed=_OPENED, read_by="call_id")
_TRANSFER_ROWS: Final = Rows(_TRANSFERS, TransferRecord)
_OF_TWO_CALLS: Final = (LegMoved, CallTransferred)
_QUALITY_ROWS: Final = Rows(_QUALITY, QualityRecord)


class CdrConsumer:
    """Turns facts into call detail records."""

    name = "cdrs"
    facts: frozenset[type[Fact]] = FACTS

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Write what these entries add to the records."""
        connection = await session.connection()
        assembly = Assembly(node, await _load(connection, _call_ids(entries)))
        async for some in slices(entries):
            for entry in some:
                assembly.add(entry)
        await _store(connection, assembly.drafts.values())


def _call_ids(entries: Sequence[Entry]) -> set[str]:
    ids = {entry.fact.call_id for entry in entries}
    for fact in [entry.fact for entry in entries if type(entry.fact) in _OF_TWO_CALLS]:
        if isinstance(fact, LegMoved):
            ids.add(fact.from_call_id)
        elif isinstance(fact, CallTransferred) and fact.other_call_id:
            ids.add(fact.other_call_id)
    return ids


async def _load(connection: AsyncConnection, call_ids: set[str]) -> Iterable[Draft]:
    drafts = {call.call_id: Draft(call) for call in await _CALL_ROWS.read(connection, call_ids)}
    for leg in await _LEG_ROWS.read(connection, drafts):
        drafts[leg.call_id].legs.append(leg)
    return drafts.values()


async def _store(connection: AsyncConnection, drafts: Iterable[Draft]) -> None:
    new = [draft.call for draft in drafts if draft.new]
    changed = [draft.call for draft in drafts if draft.changed and not draft.new]
    new_legs = [leg for draft in drafts for leg in draft.new_legs]
    fresh = {(leg.call_id, leg.position) for leg in new_legs}
    changed_legs = [
        leg for draft in drafts for leg in draft.changed_legs.values() if (leg.call_id, leg.position) not in fresh
    ]
    transfers = [transfer for draft in drafts for transfer in draft.transfers]
    await _CALL_ROWS.insert(connection, new)
    await _CALL_ROWS.update(connection, changed)
    await _LEG_ROWS.insert(connection, new_legs)
    await _LEG_ROWS.update(connection, changed_legs)
    await _TRANSFER_ROWS.insert(connection, transfers)
    await _QUALITY_ROWS.insert(connection, [record for draft in drafts for record in draft.quality])
