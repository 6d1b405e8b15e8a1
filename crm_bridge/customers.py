"""What leads, contacts and companies have in common: stored, found, searched, changed and deleted in the same way."""

from __future__ import annotations

import abc
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Generic, TypedDict, TypeVar

from msgspec import UnsetType
from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from crm_bridge import validation
from crm_bridge.channels import Channels, delete_channels, read_channels, replace_emails, replace_phones
from crm_bridge.errors import CrmInputError, CrmNotFoundError
from crm_bridge.notices import Notices
from crm_bridge.paging import DEFAULT_LIMIT, read_page
from crm_bridge.ports import CallParty, CompanyReader, LiveCalls
from crm_bridge.references import forget_references
from crm_bridge.tables import (
    ActivityLinkRow,
    ActivityRow,
    ContactRow,
    CustomerColumns,
    CustomerCompanyRow,
    EmailRow,
    LeadRow,
    PhoneRow,
)
from crm_bridge.values import Customer, CustomerChanges, CustomerDraft, OwnerKind, Page

CustomerRow = TypeVar("CustomerRow", LeadRow, ContactRow, CustomerCompanyRow)
View = TypeVar("View", bound=Customer)

_EARLIER_CALLS: Final = 200
"""At most so many earlier calls of a number are attached to a new customer."""
_DIGITS: Final = re.compile(r"\D+")


@dataclass(slots=True, frozen=True)
class Ground:
    """What every service of the CRM stands on."""

    company: CompanyReader
    clock: Clock
    notices: Notices
    calls: LiveCalls | None = None

    @property
    def country(self) -> str:
        """The country by which national numbers are read."""
        return self.company.settings.country

    async def party(self, session: AsyncSession, call_id: str) -> CallParty | None:
        """Return the outside party of a call that goes on or was stored, or None."""
        live = self.calls.customer_of(call_id) if self.calls is not None else None
        if live is not None:
            return CallParty(validation.public_number(live.number, self.country), live.name, live.extension)
        row = await session.scalar(
            select(ActivityRow).where(ActivityRow.call_id == call_id, ActivityRow.kind == "call")
        )
        return CallParty(row.number, row.caller_name, row.extension) if row is not None else None


class CommonFields(TypedDict):
    """The fields of a view that all customers have."""

    id: str
    name: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    source: str
    responsible: str
    note: str
    created_at: Any
    updated_at: Any


class CustomerService(abc.ABC, Generic[CustomerRow, View]):
    """The operations on one kind of customer; every method works in the caller's session."""

    kind: ClassVar[OwnerKind]
    row_type: type[CustomerRow]

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def get(self, session: AsyncSession, customer_id: str) -> View:
        """Return one record.

        Raises:
            CrmNotFoundError: there is none with this id.
        """
        return await self._viewed(session, await self._row(session, customer_id))

    async def list(
        self, session: AsyncSession, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None, search: str = ""
    ) -> Page[View]:
        """Return a page, newest first, of those whose name, phone or e-mail contains `search`.

        Raises:
            CrmInputError: the limit or cursor is wrong.
        """
        return await self._page(session, [], limit=limit, cursor=cursor, search=search)

    async def delete(self, session: AsyncSession, customer_id: str) -> None:
        """Delete a record with its phones and addresses; its activities stay, and what referred to it does no longer.

        Raises:
            CrmNotFoundError: there is none with this id.
        """
        row = await self._row(session, customer_id)
        await delete_channels(session, self.kind, row.id)
        await session.execute(
            delete(ActivityLinkRow).where(ActivityLinkRow.owner_kind == self.kind, ActivityLinkRow.owner_id == row.id)
        )
        await forget_references(session, self.kind, row.id)
        await session.delete(row)
        await session.flush()
        self._ground.notices.publish(session, f"{self.kind}.deleted", {"id": row.id})

    @abc.abstractmethod
    def _view(self, row: CustomerRow, channels: Channels) -> View:
        """Show a row with its channels."""

    def _common(self, row: CustomerColumns, channels: Channels) -> CommonFields:
        return CommonFields(
            id=row.id,
            name=row.name,
            phones=channels.phones,
            emails=channels.emails,
            source=row.source,
            responsible=row.responsible,
            note=row.note,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    async def _row(self, session: AsyncSession, customer_id: str) -> CustomerRow:
        row = await session.get(self.row_type, customer_id[:64])
        if row is None:
            raise CrmNotFoundError(f"There is no {self.kind} with the id “{customer_id[:64]}”.")
        return row

    async def _viewed(self, session: AsyncSession, row: CustomerRow) -> View:
        channels = await read_channels(session, self.kind, [row.id])
        return self._view(row, channels[row.id])

    async def _page(
        self,
        session: AsyncSession,
        conditions: Sequence[ColumnElement[bool]],
        *,
        limit: int,
        cursor: str | None,
        search: str,
    ) -> Page[View]:
        query = select(self.row_type).where(*conditions)
        if search.strip():
            query = query.where(self._matching(search))
        rows, following = await read_page(session, query, self.row_type.id, limit, cursor)
        channels = await read_channels(session, self.kind, [row.id for row in rows])
        return Page([self._view(row, channels[row.id]) for row in rows], following)

    def _matching(self, search: str) -> ColumnElement[bool]:
        search = search.strip()[: validation.MAX_NAME]
        ways: list[ColumnElement[bool]] = [
            self.row_type.search_name.contains(validation.folded(search), autoescape=True)
        ]
        digits = _DIGITS.sub("", search)
        if len(digits) >= 3 and not re.search(r"[^\W\d_]", search):
            numbers: list[ColumnElement[bool]] = [PhoneRow.number.contains(digits, autoescape=True)]
            full = validation.public_number(search, self._ground.country)
            if full:
                numbers.append(PhoneRow.number == full)
            ways.append(
                self.row_type.id.in_(select(PhoneRow.owner_id).where(PhoneRow.owner_kind == self.kind, or_(*numbers)))
            )
        if "@" in search:
            ways.append(
                self.row_type.id.in_(
                    select(EmailRow.owner_id).where(
                        EmailRow.owner_kind == self.kind, EmailRow.address.contains(search.lower(), autoescape=True)
                    )
                )
            )
        return or_(*ways)

    def _checked(self, draft: CustomerDraft, party: CallParty | None) -> tuple[dict[str, Any], Channels]:
        """Return the columns and channels of a draft, completed with the outside party of its call."""
        numbers: list[str] = list(validation.phones(draft.phones, self._ground.country))
        addresses: tuple[str, ...] = validation.emails(draft.emails)
        name = validation.line("name", draft.name)
        if party is not None:
            if party.number and party.number not in numbers:
                numbers.append(party.number)
            name = name or validation.cleaned(party.name)
        name = name or next(iter((*numbers, *addresses)), "")
        if not name:
            raise CrmInputError(f"A {self.kind} needs at least a name, a phone or an e-mail address.")
        now = self._ground.clock.now()
        responsible = draft.responsible or (party.extension if party is not None else "")
        columns = {
            "name": name,
            "search_name": validation.folded(name),
            "source": validation.line("source", draft.source, validation.MAX_SHORT),
            "responsible": validation.line("responsible", responsible, validation.MAX_SHORT),
            "note": validation.paragraphs("note", draft.note),
            "created_at": now,
            "updated_at": now,
        }
        return columns, Channels(tuple(numbers), addresses)

    async def _store_channels(self, session: AsyncSession, row: CustomerRow, channels: Channels) -> None:
        await replace_phones(session, self.kind, row.id, channels.phones)
        await replace_emails(session, self.kind, row.id, channels.emails)

    async def _change(self, session: AsyncSession, row: CustomerRow, changes: CustomerChanges) -> None:
        """Apply the common changes to a row."""
        if not isinstance(changes.name, UnsetType):
            row.name = validation.line("name", changes.name)
            if not row.name:
                raise CrmInputError("“name” may not be empty.")
            row.search_name = validation.folded(row.name)
        if not isinstance(changes.source, UnsetType):
            row.source = validation.line("source", changes.source, validation.MAX_SHORT)
        if not isinstance(changes.responsible, UnsetType):
            row.responsible = validation.line("responsible", changes.responsible, validation.MAX_SHORT)
        if not isinstance(changes.note, UnsetType):
            row.note = validation.paragraphs("note", changes.note)
        if not isinstance(changes.phones, UnsetType):
            numbers = validation.phones(changes.phones, self._ground.country)
            await replace_phones(session, self.kind, row.id, numbers)
        if not isinstance(changes.emails, UnsetType):
            await replace_emails(session, self.kind, row.id, validation.emails(changes.emails))
        row.updated_at = self._ground.clock.now()

    async def _adopt_calls(
        self, session: AsyncSession, row: CustomerRow, channels: Channels, call_id: str | None
    ) -> None:
        """Attach the call the record was made in, and earlier calls of its numbers that belong to nobody yet."""
        conditions: list[ColumnElement[bool]] = []
        if channels.phones:
            unowned = ~select(ActivityLinkRow).where(ActivityLinkRow.activity_id == ActivityRow.id).exists()
            conditions.append(ActivityRow.number.in_(channels.phones) & unowned)
        if call_id:
            conditions.append(ActivityRow.call_id == call_id)
        if not conditions:
            return
        found = await session.scalars(
            select(ActivityRow.id)
            .where(ActivityRow.kind == "call", or_(*conditions))
            .order_by(ActivityRow.id.desc())
            .limit(_EARLIER_CALLS)
        )
        session.add_all(
            ActivityLinkRow(activity_id=activity_id, owner_kind=self.kind, owner_id=row.id) for activity_id in found
        )
        await session.flush()
