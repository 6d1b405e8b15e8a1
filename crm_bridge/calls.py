"""Calls as activities: written when a call is offered, completed and attached to its records when it ends.

The work of one transaction is gathered in a `CallBook`, so that many calls of a busy hour cost few statements: rows and records of all
of them are read at once, and links are written at once. Everything may be repeated: the call's id is the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Table, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from core.events import Direction, Disposition
from core.identifiers import new_id
from core.one_of import one_of
from core.rows import Rows
from crm_bridge import validation
from crm_bridge.activities import add_owners
from crm_bridge.channels import add_phone
from crm_bridge.customers import Ground
from crm_bridge.interface import CallBegun, CallFinished
from crm_bridge.leads import Leads
from crm_bridge.lookup import caller_of_number, owners_of_numbers
from crm_bridge.tables import ActivityRow, ContactRow, LeadRow
from crm_bridge.values import ActivityKind, LeadDraft, Owner, OwnerKind

MISSED: Final = frozenset({Disposition.NO_ANSWER, Disposition.BUSY, Disposition.CANCELLED, Disposition.FAILED})
"""Inbound calls that end so were missed. An interrupted call was answered, or nobody knows."""
_AT_ONCE: Final = 500


@dataclass(slots=True)
class CallActivity:
    """A row of `activities` that is a call; the fields are its columns."""

    id: str
    kind: str
    call_id: str
    direction: str
    number: str
    caller_name: str
    line_number: str
    extension: str
    started_at: datetime
    transferred_to: str = ""
    outcome: str = ""
    recording_id: str | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    transcript: str = ""
    text: str = ""
    created_by: str = ""


_BEGUN: Final = ("kind", "call_id", "direction", "number", "caller_name", "line_number", "started_at")
_ROWS: Final = Rows(
    cast(Table, ActivityRow.__table__),
    CallActivity,
    fixed=_BEGUN,
    read_by="call_id",
    unread=("transcript", "text", "created_by"),
    only=f"kind = '{ActivityKind.CALL}'",
)


class CallActivities:
    """Makes activities of calls, and leads of missed ones."""

    def __init__(self, ground: Ground, leads: Leads) -> None:
        self._ground = ground
        self._leads = leads

    async def open(self, session: AsyncSession, call_ids: Iterable[str]) -> CallBook:
        """Open the book of a transaction with what is known of these calls."""
        known = await _ROWS.read(await session.connection(), set(call_ids))
        return CallBook(session, self._ground, self._leads, known)

    async def attach_transcript(self, session: AsyncSession, call_id: str, text: str) -> bool:
        """Attach what was said, cut to the longest text that is kept; tell whether there is such a call."""
        row = await session.scalar(
            select(ActivityRow).where(ActivityRow.call_id == call_id, ActivityRow.kind == ActivityKind.CALL)
        )
        if row is None:
            return False
        row.transcript = text[: validation.MAX_TRANSCRIPT]
        await session.flush()
        self._ground.notices.publish(session, "activity.updated", {"id": row.id}, call_id=call_id)
        return True


class CallBook:
    """What one transaction does to calls; `settle` must be awaited at its end."""

    def __init__(self, session: AsyncSession, ground: Ground, leads: Leads, known: Iterable[CallActivity] = ()) -> None:
        self._session = session
        self._ground = ground
        self._leads = leads
        self._rows = {row.call_id: row for row in known}
        self._begun: list[CallActivity] = []
        self._ended: list[CallActivity] = []
        self._changed: dict[str, CallActivity] = {}
        """By call, those that are stored already, or will be with what was changed."""

    def get(self, call_id: str) -> CallActivity | None:
        """Return the activity of a call, or None."""
        return self._rows.get(call_id)

    def begin(self, call: CallBegun) -> None:
        """Write the activity of a call that began."""
        if call.call_id in self._rows:
            return
        row = CallActivity(
            id=new_id(),
            kind=ActivityKind.CALL.value,
            call_id=call.call_id,
            direction=call.direction.value,
            number=validation.public_number(call.number, self._ground.country),
            caller_name=validation.cleaned(call.caller_name),
            line_number=validation.cleaned(call.line_number, validation.MAX_SHORT),
            extension=validation.cleaned(call.extension, validation.MAX_SHORT),
            started_at=call.started_at,
        )
        self._rows[call.call_id] = row
        self._begun.append(row)

    def answer(self, call_id: str, extension: str, at: datetime) -> None:
        """Note that a call was answered, and by whom."""
        row = self._rows.get(call_id)
        if row is not None and row.answered_at is None:
            self._changed[call_id] = row
            row.answered_at = at
            row.extension = validation.cleaned(extension, validation.MAX_SHORT) or row.extension

    def transfer(self, call_id: str, to_number: str) -> None:
        """Note where a call was transferred."""
        row = self._rows.get(call_id)
        if row is not None:
            self._changed[call_id] = row
            row.transferred_to = validation.cleaned(to_number, validation.MAX_SHORT)

    def attach_recording(self, call_id: str, recording_id: str) -> bool:
        """Attach a recording; tell whether there is such a call."""
        row = self._rows.get(call_id)
        if row is None:
            return False
        self._changed[call_id] = row
        row.recording_id = recording_id
        return True

    def finish(self, call: CallFinished) -> bool:
        """Complete a call's activity; tell whether there is such a call."""
        row = self._rows.get(call.call_id)
        if row is None:
            return False
        if row.ended_at is None:
            self._changed[call.call_id] = row
            row.ended_at = call.ended_at
            row.outcome = call.disposition.value
            row.answered_at = row.answered_at or call.answered_at
            row.extension = row.extension or validation.cleaned(call.extension, validation.MAX_SHORT)
            row.transferred_to = row.transferred_to or validation.cleaned(call.transferred_to, validation.MAX_SHORT)
            self._ended.append(row)
        return True

    async def settle(self) -> None:
        """Write everything, attach calls to their records, and make leads of missed ones."""
        begun, self._begun = self._begun, []
        ended, self._ended = self._ended, []
        await self._store(begun)
        if not begun and not ended:
            return
        by_number = await owners_of_numbers(self._session, (row.number for row in (*begun, *ended)))
        links = [(row.id, owner) for row in begun for owner in by_number.get(row.number, ())]
        made = await self._made_in(ended)
        for row in ended:
            owners = made.get(row.call_id, []) + by_number.get(row.number, [])
            missed = row.direction == Direction.INBOUND and row.outcome in MISSED and row.number
            if missed and not any(owner.kind is OwnerKind.LEAD for owner in by_number.get(row.number, ())):
                lead = await self._missed(row)
                by_number.setdefault(row.number, []).append(lead)
                owners.append(lead)
            links += [(row.id, owner) for owner in owners]
        await add_owners(self._session, links)
        for row in ended:
            payload = {"id": row.id, "kind": row.kind, "outcome": row.outcome, "number": row.number}
            self._ground.notices.publish(self._session, "activity.created", payload, call_id=row.call_id)

    async def _store(self, begun: list[CallActivity]) -> None:
        connection = await self._session.connection()
        changed, self._changed = self._changed, {}
        for row in begun:
            changed.pop(row.call_id, None)
        await _ROWS.insert(connection, begun)
        await _ROWS.update(connection, list(changed.values()))

    async def _missed(self, row: CallActivity) -> Owner:
        """Make the lead of a missed call, or return the one another node has just made."""
        known = await caller_of_number(self._session, row.number)
        draft = LeadDraft(
            name=known.name if known is not None and known.name else row.caller_name,
            phones=(row.number,),
            source="missed_call",
            responsible=known.responsible if known is not None else "",
            call_id=row.call_id,
            contact_id=known.id if known is not None and known.kind is OwnerKind.CONTACT else "",
            company_id=(known.company_id or "") if known is not None else "",
        )
        lead, _made = await self._leads.create_missed(self._session, draft, row.number)
        return Owner(OwnerKind.LEAD, lead.id)

    async def _made_in(self, rows: list[CallActivity]) -> dict[str, list[Owner]]:
        """Return the leads and contacts made during calls, by call, and see that they carry its number."""
        found: dict[str, list[Owner]] = {}
        numbers = {row.call_id: row.number for row in rows}
        call_ids = list(numbers)
        for first in range(0, len(call_ids), _AT_ONCE):
            some = call_ids[first : first + _AT_ONCE]
            query = union_all(
                select(literal(OwnerKind.LEAD.value), LeadRow.id, LeadRow.call_id).where(one_of(LeadRow.call_id, some)),
                select(literal(OwnerKind.CONTACT.value), ContactRow.id, ContactRow.call_id).where(
                    one_of(ContactRow.call_id, some)
                ),
            )
            for kind, record_id, call in (await self._session.execute(query)).all():
                call_id = str(call)
                found.setdefault(call_id, []).append(Owner(OwnerKind(kind), record_id))
                if numbers[call_id]:
                    await add_phone(self._session, OwnerKind(kind), record_id, numbers[call_id])
        return found
