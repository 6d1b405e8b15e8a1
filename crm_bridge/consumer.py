"""What the CRM makes of the call journal: an activity of every call with an outside party, leads and contacts asked for by star code,
and a lead of a missed call.

Calls between extensions make nothing. The position is kept by `core.consumer` in the same transaction; beyond that every effect is keyed by
the call's id, so a replay changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from core.events import (
    CallAnswered,
    CallEnded,
    CallFact,
    CallOffered,
    CallTransferred,
    ContactRequested,
    Direction,
    Fact,
    LeadRequested,
    RecordingStarted,
    TransferResult,
)
from core.giving_way import slices
from core.journal import Entry
from crm_bridge import validation
from crm_bridge.calls import CallBook
from crm_bridge.embedded import EmbeddedCrm
from crm_bridge.interface import CallBegun, CallFinished
from crm_bridge.ports import CompanyReader
from crm_bridge.values import ContactDraft, LeadDraft

log = structlog.get_logger(__name__)

_SOURCE: Final = "call"
_RELEVANT: Final = (
    CallOffered,
    CallAnswered,
    CallTransferred,
    RecordingStarted,
    LeadRequested,
    ContactRequested,
    CallEnded,
)


class CrmConsumer:
    """Follows the journal for the embedded CRM."""

    name = "crm"
    facts: frozenset[type[Fact]] = frozenset(_RELEVANT)

    def __init__(self, crm: EmbeddedCrm, company: CompanyReader) -> None:
        self._crm = crm
        self._company = company

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Write what these entries mean for the CRM."""
        book = await self._crm.calls.open(session, {entry.fact.call_id for entry in entries})
        async for some in slices(entries):
            for fact in [entry.fact for entry in some]:
                if isinstance(fact, LeadRequested | ContactRequested):
                    await book.settle()
                    await self._make(session, fact)
                else:
                    _digest(book, fact)
        await book.settle()

    async def _make(self, session: AsyncSession, fact: LeadRequested | ContactRequested) -> None:
        """Make the lead or contact that was asked for by star code."""
        if isinstance(fact, LeadRequested):
            await self._lead(session, fact)
        else:
            await self._contact(session, fact)

    async def _lead(self, session: AsyncSession, fact: LeadRequested) -> None:
        number, name = self._party(fact)
        phones = (number,) if number else ()
        extension = validation.cleaned(fact.by_extension, validation.MAX_SHORT)
        draft = LeadDraft(name=name, phones=phones, source=_SOURCE, responsible=extension, call_id=fact.call_id)
        lead = await self._crm.leads.create(session, draft)
        log.info("lead_requested", call_id=fact.call_id, lead_id=lead.id)

    async def _contact(self, session: AsyncSession, fact: ContactRequested) -> None:
        number, name = self._party(fact)
        phones = (number,) if number else ()
        extension = validation.cleaned(fact.by_extension, validation.MAX_SHORT)
        draft = ContactDraft(name=name, phones=phones, source=_SOURCE, responsible=extension, call_id=fact.call_id)
        contact = await self._crm.contacts.create_requested(session, draft, number)
        log.info("contact_requested", call_id=fact.call_id, contact_id=contact.id)

    def _party(self, fact: LeadRequested | ContactRequested) -> tuple[str, str]:
        number = validation.public_number(fact.phone, self._company.settings.country)
        name = validation.cleaned(fact.name) or ("" if number else self._crm.notices.hidden_number)
        return number, name


def _digest(book: CallBook, fact: CallFact) -> None:
    match fact:
        case CallOffered() if fact.direction is not Direction.INTERNAL:
            book.begin(_begun(fact))
        case CallAnswered():
            book.answer(fact.call_id, fact.extension, fact.at)
        case CallTransferred(result=TransferResult.COMPLETED):
            book.transfer(fact.call_id, fact.to_number)
        case RecordingStarted():
            book.attach_recording(fact.call_id, fact.recording_id)
        case CallEnded():
            # A call between extensions was never begun here, and nothing is to be finished.
            book.finish(_finished(fact))
        case _:
            pass


def _finished(fact: CallEnded) -> CallFinished:
    return CallFinished(
        call_id=fact.call_id,
        disposition=fact.disposition,
        ended_at=fact.at,
        sip_status=fact.sip_status,
        reason=fact.reason,
    )


def _begun(fact: CallOffered) -> CallBegun:
    inbound = fact.direction is Direction.INBOUND
    return CallBegun(
        call_id=fact.call_id,
        direction=fact.direction,
        number=fact.from_number if inbound else fact.to_number,
        line_number=fact.to_number if inbound else fact.trunk,
        started_at=fact.at,
        caller_name=fact.from_name if inbound else "",
        extension="" if inbound else fact.from_extension,
    )
