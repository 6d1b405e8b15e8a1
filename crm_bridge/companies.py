"""Companies: the organisations that customers belong to."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.identifiers import new_id
from crm_bridge.channels import Channels
from crm_bridge.customers import CustomerService
from crm_bridge.tables import CustomerCompanyRow, PhoneRow
from crm_bridge.values import CompanyChanges, CompanyDraft, CustomerCompany, OwnerKind


class Companies(CustomerService[CustomerCompanyRow, CustomerCompany]):
    """The companies of the embedded CRM."""

    kind: ClassVar[OwnerKind] = OwnerKind.COMPANY
    row_type = CustomerCompanyRow

    async def create(self, session: AsyncSession, draft: CompanyDraft) -> CustomerCompany:
        """Store a company.

        Raises:
            CrmInputError: a field breaks a rule.
        """
        columns, channels = self._checked(draft, None)
        row = CustomerCompanyRow(id=new_id(), **columns)
        session.add(row)
        await session.flush()
        await self._store_channels(session, row, channels)
        await self._adopt_calls(session, row, channels, None)
        self._ground.notices.publish(session, "company.created", {"id": row.id, "name": row.name})
        return self._view(row, channels)

    async def of_number(self, session: AsyncSession, number: str) -> CustomerCompany | None:
        """Return the oldest company with an E.164 number, or None."""
        row = await session.scalar(
            select(CustomerCompanyRow)
            .join(PhoneRow, (PhoneRow.owner_id == CustomerCompanyRow.id) & (PhoneRow.owner_kind == self.kind))
            .where(PhoneRow.number == number)
            .order_by(CustomerCompanyRow.id)
            .limit(1)
        )
        return await self._viewed(session, row) if row is not None else None

    async def update(self, session: AsyncSession, company_id: str, changes: CompanyChanges) -> CustomerCompany:
        """Change a company.

        Raises:
            CrmNotFoundError: there is none with this id.
            CrmInputError: a field breaks a rule.
        """
        row = await self._row(session, company_id)
        await self._change(session, row, changes)
        await session.flush()
        self._ground.notices.publish(session, "company.updated", {"id": row.id})
        return await self._viewed(session, row)

    def _view(self, row: CustomerCompanyRow, channels: Channels) -> CustomerCompany:
        return CustomerCompany(**self._common(row, channels))
