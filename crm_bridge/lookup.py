"""Who is calling: a contact, else someone with an open lead, else a company."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Select, bindparam, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from core.database import Database
from core.one_of import one_of
from crm_bridge.tables import ContactRow, CustomerCompanyRow, LeadRow, PhoneRow
from crm_bridge.values import Caller, Owner, OwnerKind

_RANK: Final = {OwnerKind.CONTACT: 0, OwnerKind.LEAD: 1, OwnerKind.COMPANY: 2}
_AT_ONCE: Final = 500


async def owners_of_numbers(session: AsyncSession, numbers: Iterable[str]) -> dict[str, list[Owner]]:
    """Return the records that E.164 numbers belong to, by number: its oldest contact, newest open lead, oldest company, in this order."""
    found: dict[str, list[Owner]] = defaultdict(list)
    open_lead = select(LeadRow.id).where(LeadRow.id == PhoneRow.owner_id, LeadRow.open).exists()
    wanted = sorted(set(numbers) - {""})
    for first in range(0, len(wanted), _AT_ONCE):
        rows = await session.execute(
            select(PhoneRow.number, PhoneRow.owner_kind, func.min(PhoneRow.owner_id), func.max(PhoneRow.owner_id))
            .where(
                one_of(PhoneRow.number, wanted[first : first + _AT_ONCE]),
                (PhoneRow.owner_kind != OwnerKind.LEAD) | open_lead,
            )
            .group_by(PhoneRow.number, PhoneRow.owner_kind)
        )
        # Ids sort by the time they were made.
        for number, kind, oldest, newest in rows:
            found[number].append(Owner(OwnerKind(kind), newest if kind == OwnerKind.LEAD else oldest))
    return {number: sorted(owners, key=lambda owner: _RANK[owner.kind]) for number, owners in found.items()}


async def caller_of_number(session: AsyncSession, number: str) -> Caller | None:
    """Return who an E.164 number belongs to, or None for an unknown or empty one."""
    return _first((await session.execute(CALLERS, {"number": number})).all(), number)


async def caller_at_once(database: Database, number: str) -> Caller | None:
    """Return the same while a call waits for it: in a fraction of the time, outside of any transaction."""
    return _first(await database.look_up(CALLERS, number=number), number)


def _callers(
    kind: OwnerKind,
    table: type[LeadRow | ContactRow | CustomerCompanyRow],
    company: InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
) -> Select[str, str, str, str, str | None]:
    return (
        select(PhoneRow.owner_kind, table.id, table.name, table.responsible, company)
        .join(table, table.id == PhoneRow.owner_id)
        .where(PhoneRow.number == bindparam("number"), PhoneRow.owner_kind == kind.value)
    )


CALLERS: Final = union_all(
    _callers(OwnerKind.CONTACT, ContactRow, ContactRow.company_id),
    _callers(OwnerKind.LEAD, LeadRow, LeadRow.company_id).where(LeadRow.open),
    _callers(OwnerKind.COMPANY, CustomerCompanyRow, CustomerCompanyRow.id),
)
"""All whom a number belongs to: kind, id, name, responsible, company."""


def _first(rows: Sequence[Sequence[Any]], number: str) -> Caller | None:
    """Return the one who counts: the oldest contact, else the newest open lead, else the oldest company."""
    if not number or not rows:
        return None
    kind = min((OwnerKind(row[0]) for row in rows), key=_RANK.__getitem__)
    # Ids sort by the time they were made.
    choose = max if kind is OwnerKind.LEAD else min
    _, owner_id, name, responsible, company_id = choose((row for row in rows if row[0] == kind), key=lambda row: row[1])
    return Caller(
        kind=kind,
        id=owner_id,
        # A lead without a name is called by its number, which is no name to greet with.
        name=name if name != number else "",
        number=number,
        responsible=responsible,
        company_id=company_id,
    )
