"""Contacts: the people the company knows."""

from __future__ import annotations

from typing import ClassVar

from msgspec import UnsetType
from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.identifiers import new_id
from crm_bridge import validation
from crm_bridge.channels import Channels
from crm_bridge.customers import CustomerService
from crm_bridge.paging import DEFAULT_LIMIT
from crm_bridge.references import existing
from crm_bridge.tables import ContactRow, PhoneRow
from crm_bridge.values import Contact, ContactChanges, ContactDraft, OwnerKind, Page


class Contacts(CustomerService[ContactRow, Contact]):
    """The contacts of the embedded CRM."""

    kind: ClassVar[OwnerKind] = OwnerKind.CONTACT
    row_type = ContactRow

    async def create(self, session: AsyncSession, draft: ContactDraft) -> Contact:
        """Store a contact and tell interested colleagues; for a call that has one, return that one unchanged.

        Raises:
            CrmInputError: a field breaks a rule.
            CrmNotFoundError: the company it is to belong to does not exist.
        """
        call_id = validation.call_id(draft.call_id)
        if call_id and (made := await self.of_call(session, call_id)) is not None:
            return made
        columns, channels = self._checked(draft, await self._ground.party(session, call_id) if call_id else None)
        company_id = await existing(session, OwnerKind.COMPANY, draft.company_id)
        row = ContactRow(id=new_id(), call_id=call_id, company_id=company_id, **columns)
        try:
            async with session.begin_nested():
                session.add(row)
        except IntegrityError:
            # Another node made it in the meantime.
            made = await self.of_call(session, call_id) if call_id else None
            if made is None:
                raise
            return made
        await self._store_channels(session, row, channels)
        await self._adopt_calls(session, row, channels, call_id)
        contact = self._view(row, channels)
        await self._ground.notices.created(session, self.kind, contact)
        return contact

    async def create_requested(self, session: AsyncSession, draft: ContactDraft, number: str) -> Contact:
        """Make the caller with an E.164 number a contact, unless he is one: then that one is returned.

        A contact that came from no call so far carries this call's id from now on.
        """
        known = await self._row_of_number(session, number) if number else None
        if known is None:
            return await self.create(session, draft)
        call_id = validation.call_id(draft.call_id)
        if call_id and known.call_id is None and await self.of_call(session, call_id) is None:
            known.call_id = call_id
            await session.flush()
        return await self._viewed(session, known)

    async def of_call(self, session: AsyncSession, call_id: str) -> Contact | None:
        """Return the contact that was made in a call, or None."""
        row = await session.scalar(select(ContactRow).where(ContactRow.call_id == call_id))
        return await self._viewed(session, row) if row is not None else None

    async def of_number(self, session: AsyncSession, number: str) -> Contact | None:
        """Return the oldest contact with an E.164 number, or None."""
        row = await self._row_of_number(session, number)
        return await self._viewed(session, row) if row is not None else None

    async def list(
        self,
        session: AsyncSession,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        search: str = "",
        company_id: str = "",
        responsible: str = "",
        call_id: str = "",
    ) -> Page[Contact]:
        """Return a page, newest first; every given filter must hold.

        Raises:
            CrmInputError: the limit or cursor is wrong.
        """
        conditions: list[ColumnElement[bool]] = []
        if company_id:
            conditions.append(ContactRow.company_id == company_id)
        if responsible:
            conditions.append(ContactRow.responsible == responsible)
        if call_id:
            conditions.append(ContactRow.call_id == call_id)
        return await self._page(session, conditions, limit=limit, cursor=cursor, search=search)

    async def update(self, session: AsyncSession, contact_id: str, changes: ContactChanges) -> Contact:
        """Change a contact.

        Raises:
            CrmNotFoundError: there is none with this id, or no such company.
            CrmInputError: a field breaks a rule.
        """
        row = await self._row(session, contact_id)
        await self._change(session, row, changes)
        if not isinstance(changes.company_id, UnsetType):
            row.company_id = await existing(session, OwnerKind.COMPANY, changes.company_id)
        await session.flush()
        self._ground.notices.publish(session, "contact.updated", {"id": row.id})
        return await self._viewed(session, row)

    def _view(self, row: ContactRow, channels: Channels) -> Contact:
        return Contact(**self._common(row, channels), call_id=row.call_id, company_id=row.company_id)

    async def _row_of_number(self, session: AsyncSession, number: str) -> ContactRow | None:
        row: ContactRow | None = await session.scalar(
            select(ContactRow)
            .join(PhoneRow, (PhoneRow.owner_id == ContactRow.id) & (PhoneRow.owner_kind == self.kind))
            .where(PhoneRow.number == number)
            .order_by(ContactRow.id)
            .limit(1)
        )
        return row
