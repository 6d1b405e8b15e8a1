"""Calls as activities: written when a call is offered, completed and attached to its records when it ends.

Every method works in the caller's session and may be repeated: the call's id is the key.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.events import Direction, Disposition
from core.identifiers import new_id
from crm_bridge import validation
from crm_bridge.activities import add_owners, read_owners
from crm_bridge.channels import add_phone
from crm_bridge.contacts import Contacts
from crm_bridge.customers import Ground
from crm_bridge.errors import CrmNotFoundError
from crm_bridge.interface import CallBegun, CallFinished, CallRecord
from crm_bridge.leads import Leads
from crm_bridge.lookup import Lookup
from crm_bridge.tables import ActivityRow
from crm_bridge.values import ActivityKind, LeadDraft, Owner, OwnerKind

MISSED = frozenset({Disposition.NO_ANSWER, Disposition.BUSY, Disposition.CANCELLED, Disposition.FAILED})
"""Inbound calls that end so were missed. An interrupted call was answered, or nobody knows."""


class CallActivities:
    """Makes activities of calls, and leads of missed ones."""

    def __init__(self, ground: Ground, leads: Leads, contacts: Contacts, lookup: Lookup) -> None:
        self._ground = ground
        self._leads = leads
        self._contacts = contacts
        self._lookup = lookup

    async def begin(self, session: AsyncSession, call: CallBegun) -> CallRecord:
        """Write the activity of a call that began."""
        row = await self._find(session, call.call_id)
        if row is None:
            row = await self._insert(session, call)
            owners = await self._lookup.owners(session, row.number)
            if call.create_lead and row.number and not owners:
                draft = LeadDraft(name=row.caller_name, phones=(row.number,), source="call", call_id=call.call_id)
                owners = [Owner(OwnerKind.LEAD, (await self._leads.create(session, draft)).id)]
            await add_owners(session, row.id, owners)
        return CallRecord(external_id=row.id, owners=(await read_owners(session, [row.id]))[row.id])

    async def answer(self, session: AsyncSession, call_id: str, extension: str, at: datetime) -> None:
        """Note that a call was answered, and by whom."""
        row = await self._find(session, call_id)
        if row is not None and row.answered_at is None:
            row.answered_at = at
            row.extension = validation.cleaned(extension, validation.MAX_SHORT) or row.extension

    async def transfer(self, session: AsyncSession, call_id: str, to_number: str) -> None:
        """Note where a call was transferred."""
        row = await self._find(session, call_id)
        if row is not None:
            row.transferred_to = validation.cleaned(to_number, validation.MAX_SHORT)

    async def attach_recording(self, session: AsyncSession, call_id: str, recording_id: str) -> bool:
        """Attach a recording; tell whether there is such a call."""
        row = await self._find(session, call_id)
        if row is None:
            return False
        row.recording_id = recording_id
        await session.flush()
        return True

    async def attach_transcript(self, session: AsyncSession, call_id: str, text: str) -> bool:
        """Attach what was said, cut to the longest text that is kept; tell whether there is such a call."""
        row = await self._find(session, call_id)
        if row is None:
            return False
        row.transcript = text[: validation.MAX_TRANSCRIPT]
        await session.flush()
        self._ground.notices.publish(session, "activity.updated", {"id": row.id}, call_id=call_id)
        return True

    async def finish(self, session: AsyncSession, call: CallFinished) -> CallRecord:
        """Complete a call's activity, attach it to its records, and make a lead of a missed call.

        Raises:
            CrmNotFoundError: the call was never begun here.
        """
        row = await self._find(session, call.call_id)
        if row is None:
            raise CrmNotFoundError(f"The call “{call.call_id[:64]}” is not known.")
        if row.ended_at is None:
            await self._complete(session, row, call)
        return CallRecord(external_id=row.id, owners=(await read_owners(session, [row.id]))[row.id])

    async def _complete(self, session: AsyncSession, row: ActivityRow, call: CallFinished) -> None:
        row.ended_at = call.ended_at
        row.outcome = call.disposition
        row.answered_at = row.answered_at or call.answered_at
        row.extension = row.extension or validation.cleaned(call.extension, validation.MAX_SHORT)
        row.transferred_to = row.transferred_to or validation.cleaned(call.transferred_to, validation.MAX_SHORT)
        await session.flush()
        owners = await self._made_in_call(session, call.call_id, row.number)
        owners += await self._lookup.owners(session, row.number)
        if row.direction == Direction.INBOUND and call.disposition in MISSED and row.number:
            owners.append(await self._missed(session, row))
        await add_owners(session, row.id, owners)
        self._ground.notices.publish(
            session,
            "activity.created",
            {"id": row.id, "kind": row.kind, "outcome": row.outcome, "number": row.number},
            call_id=call.call_id,
        )

    async def _missed(self, session: AsyncSession, row: ActivityRow) -> Owner:
        """Return the open lead of the number, which this call makes if there is none."""
        known = await self._lookup.caller(session, row.number)
        draft = LeadDraft(
            name=known.name if known is not None and known.name else row.caller_name,
            phones=(row.number,),
            source="missed_call",
            responsible=known.responsible if known is not None else "",
            call_id=row.call_id or "",
            contact_id=known.id if known is not None and known.kind is OwnerKind.CONTACT else "",
            company_id=(known.company_id or "") if known is not None else "",
        )
        lead, _made = await self._leads.create_missed(session, draft, row.number)
        return Owner(OwnerKind.LEAD, lead.id)

    async def _made_in_call(self, session: AsyncSession, call_id: str, number: str) -> list[Owner]:
        """Return the lead and contact made during the call, and see that they carry its number."""
        owners = []
        for kind, record in (
            (OwnerKind.LEAD, await self._leads.of_call(session, call_id)),
            (OwnerKind.CONTACT, await self._contacts.of_call(session, call_id)),
        ):
            if record is not None:
                owners.append(Owner(kind, record.id))
                if number:
                    await add_phone(session, kind, record.id, number)
        return owners

    async def _insert(self, session: AsyncSession, call: CallBegun) -> ActivityRow:
        row = ActivityRow(
            id=new_id(),
            kind=ActivityKind.CALL,
            call_id=call.call_id,
            direction=call.direction,
            number=validation.public_number(call.number, self._ground.country),
            caller_name=validation.cleaned(call.caller_name),
            line_number=validation.cleaned(call.line_number, validation.MAX_SHORT),
            extension=validation.cleaned(call.extension, validation.MAX_SHORT),
            started_at=call.started_at,
        )
        try:
            async with session.begin_nested():
                session.add(row)
        except IntegrityError:
            present = await self._find(session, call.call_id)
            if present is None:
                raise
            return present
        return row

    async def _find(self, session: AsyncSession, call_id: str) -> ActivityRow | None:
        row: ActivityRow | None = await session.scalar(
            select(ActivityRow).where(ActivityRow.call_id == call_id, ActivityRow.kind == ActivityKind.CALL)
        )
        return row
