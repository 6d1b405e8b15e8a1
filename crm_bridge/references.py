"""References from one record to another: checked when they are written, taken away when their target is deleted."""

from __future__ import annotations

from typing import Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm_bridge.errors import CrmNotFoundError
from crm_bridge.tables import ContactRow, CustomerCompanyRow, DealRow, LeadRow
from crm_bridge.values import OwnerKind

RecordTable = type[LeadRow | ContactRow | CustomerCompanyRow | DealRow]

_TABLES: Final[dict[OwnerKind, RecordTable]] = {
    OwnerKind.LEAD: LeadRow,
    OwnerKind.CONTACT: ContactRow,
    OwnerKind.COMPANY: CustomerCompanyRow,
    OwnerKind.DEAL: DealRow,
}

_REFERENCES: Final[dict[OwnerKind, tuple[InstrumentedAttribute[str | None], ...]]] = {
    OwnerKind.LEAD: (DealRow.lead_id,),
    OwnerKind.CONTACT: (LeadRow.contact_id, DealRow.contact_id),
    OwnerKind.COMPANY: (LeadRow.company_id, ContactRow.company_id, DealRow.company_id),
    OwnerKind.DEAL: (),
}


def table_of(kind: OwnerKind) -> RecordTable:
    """Return the table of a kind of record."""
    return _TABLES[kind]


async def existing(session: AsyncSession, kind: OwnerKind, record_id: str) -> str | None:
    """Return the id of a record that exists, or None for an empty id.

    Raises:
        CrmNotFoundError: there is no such record.
    """
    if not record_id:
        return None
    if await session.get(_TABLES[kind], record_id[:64]) is None:
        raise CrmNotFoundError(f"There is no {kind} with the id “{record_id[:64]}”.")
    return record_id


async def forget_references(session: AsyncSession, kind: OwnerKind, record_id: str) -> None:
    """Empty every reference to a record that is about to be deleted."""
    for column in _REFERENCES[kind]:
        await session.execute(update(column.class_).where(column == record_id).values({column.key: None}))
