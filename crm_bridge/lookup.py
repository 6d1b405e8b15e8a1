"""Who is calling: a contact, else someone with an open lead, else a company."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm_bridge.references import table_of
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
                PhoneRow.number.in_(wanted[first : first + _AT_ONCE]),
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
    owners = (await owners_of_numbers(session, [number])).get(number)
    if not owners:
        return None
    row = await session.get(table_of(owners[0].kind), owners[0].id)
    if not isinstance(row, LeadRow | ContactRow | CustomerCompanyRow):
        return None
    return Caller(
        kind=owners[0].kind,
        id=row.id,
        # A lead without a name is called by its number, which is no name to greet with.
        name=row.name if row.name != number else "",
        number=number,
        responsible=row.responsible,
        company_id=row.id if isinstance(row, CustomerCompanyRow) else row.company_id,
    )
