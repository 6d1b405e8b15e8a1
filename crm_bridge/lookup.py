"""Who is calling: a contact, else someone with an open lead, else a company."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from crm_bridge.companies import Companies
from crm_bridge.contacts import Contacts
from crm_bridge.leads import Leads
from crm_bridge.values import Caller, Owner, OwnerKind


class Lookup:
    """Finds records by an E.164 number."""

    def __init__(self, leads: Leads, contacts: Contacts, companies: Companies) -> None:
        self._leads = leads
        self._contacts = contacts
        self._companies = companies

    async def caller(self, session: AsyncSession, number: str) -> Caller | None:
        """Return who an E.164 number belongs to, or None for an unknown or empty one."""
        if not number:
            return None
        contact = await self._contacts.of_number(session, number)
        if contact is not None:
            return Caller(
                kind=OwnerKind.CONTACT,
                id=contact.id,
                name=contact.name,
                number=number,
                responsible=contact.responsible,
                company_id=contact.company_id,
            )
        lead = await self._leads.open_of_number(session, number)
        if lead is not None:
            return Caller(
                kind=OwnerKind.LEAD,
                id=lead.id,
                name=lead.name if lead.name != number else "",
                number=number,
                responsible=lead.responsible,
                company_id=lead.company_id,
            )
        company = await self._companies.of_number(session, number)
        if company is not None:
            return Caller(
                kind=OwnerKind.COMPANY,
                id=company.id,
                name=company.name,
                number=number,
                responsible=company.responsible,
                company_id=company.id,
            )
        return None

    async def owners(self, session: AsyncSession, number: str) -> list[Owner]:
        """Return every record that a call of this E.164 number belongs to: the contact, the open lead, the company."""
        if not number:
            return []
        found = (
            (OwnerKind.CONTACT, await self._contacts.of_number(session, number)),
            (OwnerKind.LEAD, await self._leads.open_of_number(session, number)),
            (OwnerKind.COMPANY, await self._companies.of_number(session, number)),
        )
        return [Owner(kind, record.id) for kind, record in found if record is not None]
