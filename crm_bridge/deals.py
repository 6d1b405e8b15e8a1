"""Deals: business under way, thin for now: a title, a stage, an amount, and whose it is."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Final

from msgspec import UnsetType
from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import value_of
from core.identifiers import new_id
from crm_bridge import validation
from crm_bridge.customers import Ground
from crm_bridge.errors import CrmInputError, CrmNotFoundError
from crm_bridge.paging import DEFAULT_LIMIT, read_page
from crm_bridge.references import existing, forget_references
from crm_bridge.tables import ActivityLinkRow, DealRow
from crm_bridge.values import OPEN_DEAL_STAGES, Deal, DealChanges, DealDraft, DealStage, OwnerKind, Page

_LARGEST: Final = Decimal("1e13")
_FINEST: Final = Decimal("0.000001")


class Deals:
    """The deals of the embedded CRM; every method works in the caller's session."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def create(self, session: AsyncSession, draft: DealDraft) -> Deal:
        """Store a deal.

        Raises:
            CrmInputError: a field breaks a rule.
            CrmNotFoundError: a record it is to belong to does not exist.
        """
        title = _title(draft.title)
        now = self._ground.clock.now()
        amount = _amount(draft.amount)
        row = DealRow(
            id=new_id(),
            title=title,
            search_title=validation.folded(title),
            stage=DealStage.NEW,
            open=True,
            amount=amount,
            currency=_currency(
                draft.currency or (self._ground.company.settings.currency if amount is not None else "")
            ),
            contact_id=await existing(session, OwnerKind.CONTACT, draft.contact_id),
            company_id=await existing(session, OwnerKind.COMPANY, draft.company_id),
            lead_id=await existing(session, OwnerKind.LEAD, draft.lead_id),
            responsible=validation.line("responsible", draft.responsible, validation.MAX_SHORT),
            note=validation.paragraphs("note", draft.note),
            created_at=now,
            updated_at=now,
        )
        session.add(row)
        await session.flush()
        self._ground.notices.publish(session, "deal.created", {"id": row.id, "title": row.title})
        return value_of(row, Deal)

    async def get(self, session: AsyncSession, deal_id: str) -> Deal:
        """Return one deal.

        Raises:
            CrmNotFoundError: there is none with this id.
        """
        return value_of(await self._row(session, deal_id), Deal)

    async def list(
        self,
        session: AsyncSession,
        *,
        limit: int = DEFAULT_LIMIT,
        cursor: str | None = None,
        search: str = "",
        stage: str = "",
        contact_id: str = "",
        company_id: str = "",
    ) -> Page[Deal]:
        """Return a page, newest first; every given filter must hold.

        Raises:
            CrmInputError: the limit, cursor or stage is wrong.
        """
        conditions: list[ColumnElement[bool]] = []
        if search.strip():
            conditions.append(DealRow.search_title.contains(validation.folded(search.strip()), autoescape=True))
        if stage:
            conditions.append(DealRow.stage == _stage(stage))
        if contact_id:
            conditions.append(DealRow.contact_id == contact_id)
        if company_id:
            conditions.append(DealRow.company_id == company_id)
        rows, following = await read_page(session, select(DealRow).where(*conditions), DealRow.id, limit, cursor)
        return Page([value_of(row, Deal) for row in rows], following)

    async def update(self, session: AsyncSession, deal_id: str, changes: DealChanges) -> Deal:
        """Change a deal.

        Raises:
            CrmNotFoundError: there is none with this id, or no such record to belong to.
            CrmInputError: a field breaks a rule.
        """
        row = await self._row(session, deal_id)
        if not isinstance(changes.title, UnsetType):
            row.title = _title(changes.title)
            row.search_title = validation.folded(row.title)
        if not isinstance(changes.stage, UnsetType):
            row.stage = _stage(changes.stage)
            row.open = row.stage in OPEN_DEAL_STAGES
        if not isinstance(changes.amount, UnsetType):
            row.amount = _amount(changes.amount)
        if not isinstance(changes.currency, UnsetType):
            row.currency = _currency(changes.currency)
        if not isinstance(changes.contact_id, UnsetType):
            row.contact_id = await existing(session, OwnerKind.CONTACT, changes.contact_id)
        if not isinstance(changes.company_id, UnsetType):
            row.company_id = await existing(session, OwnerKind.COMPANY, changes.company_id)
        if not isinstance(changes.lead_id, UnsetType):
            row.lead_id = await existing(session, OwnerKind.LEAD, changes.lead_id)
        if not isinstance(changes.responsible, UnsetType):
            row.responsible = validation.line("responsible", changes.responsible, validation.MAX_SHORT)
        if not isinstance(changes.note, UnsetType):
            row.note = validation.paragraphs("note", changes.note)
        if row.amount is not None and not row.currency:
            raise CrmInputError("“currency” is needed with an amount.")
        row.updated_at = self._ground.clock.now()
        await session.flush()
        self._ground.notices.publish(session, "deal.updated", {"id": row.id, "stage": row.stage, "open": row.open})
        return value_of(row, Deal)

    async def delete(self, session: AsyncSession, deal_id: str) -> None:
        """Delete a deal.

        Raises:
            CrmNotFoundError: there is none with this id.
        """
        row = await self._row(session, deal_id)
        await session.execute(
            delete(ActivityLinkRow).where(
                ActivityLinkRow.owner_kind == OwnerKind.DEAL, ActivityLinkRow.owner_id == row.id
            )
        )
        await forget_references(session, OwnerKind.DEAL, row.id)
        await session.delete(row)
        await session.flush()
        self._ground.notices.publish(session, "deal.deleted", {"id": row.id})

    async def _row(self, session: AsyncSession, deal_id: str) -> DealRow:
        row = await session.get(DealRow, deal_id[:64])
        if row is None:
            raise CrmNotFoundError(f"There is no deal with the id “{deal_id[:64]}”.")
        return row


def _title(text: str) -> str:
    title = validation.line("title", text)
    if not title:
        raise CrmInputError("“title” may not be empty.")
    return title


def _stage(text: str) -> DealStage:
    try:
        return DealStage(text)
    except ValueError:
        raise CrmInputError(f"“stage” must be one of: {', '.join(DealStage)}.") from None


def _amount(amount: Decimal | None) -> Decimal | None:
    if amount is None:
        return None
    try:
        fits = amount.is_finite() and 0 <= amount < _LARGEST and amount == amount.quantize(_FINEST)
    except InvalidOperation:
        fits = False
    if not fits:
        raise CrmInputError("“amount” must be from 0 to below 10 000 000 000 000, with at most six decimals.")
    return amount


def _currency(text: str) -> str:
    if text and not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise CrmInputError("“currency” must be three capital letters (ISO 4217), such as RUB.")
    return text
