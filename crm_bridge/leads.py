"""Leads: made by hand, in mid-call, or by a missed call; worked on, converted or dropped."""

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
from crm_bridge.errors import CrmConflictError, CrmInputError
from crm_bridge.paging import DEFAULT_LIMIT
from crm_bridge.references import existing
from crm_bridge.tables import LeadRow, PhoneRow
from crm_bridge.values import LEAD_STEPS, OPEN_LEAD_STAGES, Lead, LeadChanges, LeadDraft, LeadStage, OwnerKind, Page


class Leads(CustomerService[LeadRow, Lead]):
    """The leads of the embedded CRM."""

    kind: ClassVar[OwnerKind] = OwnerKind.LEAD
    row_type = LeadRow

    async def create(self, session: AsyncSession, draft: LeadDraft) -> Lead:
        """Store a lead and tell interested colleagues; for a call that has one, return that one unchanged.

        Raises:
            CrmInputError: a field breaks a rule.
            CrmNotFoundError: the contact or company it is to belong to does not exist.
        """
        lead, _made = await self._create(session, draft, missed_number=None)
        return lead

    async def create_missed(self, session: AsyncSession, draft: LeadDraft, number: str) -> tuple[Lead, bool]:
        """Store the lead of a missed call from an E.164 number unless there is an open one; tell whether it is new."""
        open_lead = await self.open_of_number(session, number)
        if open_lead is not None:
            return open_lead, False
        return await self._create(session, draft, missed_number=number)

    async def of_call(self, session: AsyncSession, call_id: str) -> Lead | None:
        """Return the lead that was made in a call, or None."""
        row = await session.scalar(select(LeadRow).where(LeadRow.call_id == call_id))
        return await self._viewed(session, row) if row is not None else None

    async def open_of_number(self, session: AsyncSession, number: str) -> Lead | None:
        """Return the newest open lead with an E.164 number, or None."""
        row = await session.scalar(
            select(LeadRow)
            .join(PhoneRow, (PhoneRow.owner_id == LeadRow.id) & (PhoneRow.owner_kind == self.kind))
            .where(PhoneRow.number == number, LeadRow.open)
            .order_by(LeadRow.id.desc())
            .limit(1)
        )
        return await self._viewed(session, row) if row is not None else None

    async def list(
        self,
        session: AsyncSession,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        search: str = "",
        stage: str = "",
        only_open: bool | None = None,
        responsible: str = "",
        call_id: str = "",
    ) -> Page[Lead]:
        """Return a page, newest first; every given filter must hold.

        Raises:
            CrmInputError: the limit, cursor or stage is wrong.
        """
        conditions: list[ColumnElement[bool]] = []
        if stage:
            conditions.append(LeadRow.stage == lead_stage(stage))
        if only_open is not None:
            conditions.append(LeadRow.open.is_(only_open))
        if responsible:
            conditions.append(LeadRow.responsible == responsible)
        if call_id:
            conditions.append(LeadRow.call_id == call_id)
        return await self._page(session, conditions, limit=limit, cursor=cursor, search=search)

    async def update(self, session: AsyncSession, lead_id: str, changes: LeadChanges) -> Lead:
        """Change a lead.

        Raises:
            CrmNotFoundError: there is none with this id.
            CrmInputError: a field breaks a rule.
            CrmConflictError: the stage may not follow the present one, or another lead of the same missed number is open.
        """
        row = await self._row(session, lead_id)
        await self._change(session, row, changes)
        if not isinstance(changes.contact_id, UnsetType):
            row.contact_id = await existing(session, OwnerKind.CONTACT, changes.contact_id)
        if not isinstance(changes.company_id, UnsetType):
            row.company_id = await existing(session, OwnerKind.COMPANY, changes.company_id)
        if not isinstance(changes.stage, UnsetType):
            _step(row, lead_stage(changes.stage))
        try:
            await session.flush()
        except IntegrityError as error:
            raise CrmConflictError(
                "Another lead of the same missed caller is open.", hint="Work on that one, or finish it first."
            ) from error
        self._ground.notices.publish(
            session, "lead.updated", {"id": row.id, "stage": row.stage, "open": row.open}, call_id=row.call_id or ""
        )
        return await self._viewed(session, row)

    def _view(self, row: LeadRow, channels: Channels) -> Lead:
        return Lead(
            **self._common(row, channels),
            stage=LeadStage(row.stage),
            open=row.open,
            call_id=row.call_id,
            missed_number=row.missed_number,
            contact_id=row.contact_id,
            company_id=row.company_id,
        )

    async def _create(self, session: AsyncSession, draft: LeadDraft, *, missed_number: str | None) -> tuple[Lead, bool]:
        call_id = validation.call_id(draft.call_id)
        if call_id and (made := await self.of_call(session, call_id)) is not None:
            return made, False
        columns, channels = self._checked(draft, await self._ground.party(session, call_id) if call_id else None)
        row = LeadRow(
            id=new_id(),
            stage=LeadStage.NEW,
            open=True,
            call_id=call_id,
            missed_number=missed_number,
            contact_id=await existing(session, OwnerKind.CONTACT, draft.contact_id),
            company_id=await existing(session, OwnerKind.COMPANY, draft.company_id),
            **columns,
        )
        try:
            async with session.begin_nested():
                session.add(row)
        except IntegrityError:
            # Another node made it in the meantime.
            made = await self._made_elsewhere(session, call_id, missed_number)
            if made is None:
                raise
            return made, False
        await self._store_channels(session, row, channels)
        await self._adopt_calls(session, row, channels, call_id)
        lead = self._view(row, channels)
        await self._ground.notices.created(session, self.kind, lead)
        return lead, True

    async def _made_elsewhere(
        self, session: AsyncSession, call_id: str | None, missed_number: str | None
    ) -> Lead | None:
        if call_id and (lead := await self.of_call(session, call_id)) is not None:
            return lead
        row = await session.scalar(select(LeadRow).where(LeadRow.missed_number == missed_number, LeadRow.open))
        return await self._viewed(session, row) if row is not None else None


def lead_stage(text: str) -> LeadStage:
    """Return the stage of this name.

    Raises:
        CrmInputError: there is none.
    """
    try:
        return LeadStage(text)
    except ValueError:
        raise CrmInputError(f"“stage” must be one of: {', '.join(LeadStage)}.") from None


def _step(row: LeadRow, stage: LeadStage) -> None:
    present = LeadStage(row.stage)
    if stage is present:
        return
    if stage not in LEAD_STEPS[present]:
        raise CrmConflictError(
            f"A lead that is {present} cannot become {stage}.", hint="Take it up again first (in_progress)."
        )
    row.stage = stage
    row.open = stage in OPEN_LEAD_STAGES
