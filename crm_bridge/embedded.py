"""The embedded CRM as a whole: its services, and the interface that every CRM has."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from core.bus import EventBus
from core.clock import Clock
from core.database import Database
from crm_bridge.activities import Activities, read_owners
from crm_bridge.calls import CallActivities, CallBook
from crm_bridge.companies import Companies
from crm_bridge.contacts import Contacts
from crm_bridge.customers import Ground
from crm_bridge.deals import Deals
from crm_bridge.errors import CrmNotFoundError
from crm_bridge.interface import CallBegun, CallFinished, CallRecord, RecordingReference, TranscriptReference
from crm_bridge.known_numbers import KnownNumbers
from crm_bridge.leads import Leads
from crm_bridge.lookup import caller_at_once, caller_of_number
from crm_bridge.notices import Notices
from crm_bridge.ports import Colleagues, CompanyReader, LiveCalls
from crm_bridge.validation import cleaned, public_number
from crm_bridge.values import Caller, ContactDraft, LeadDraft


class EmbeddedCrm:
    """The CRM that every Ramal has.

    Its services (`leads`, `contacts`, `companies`, `deals`, `activities`, `calls`) work in a session that the caller gives; the
    methods of the `Crm` interface open their own transactions.
    """

    name = "Ramal CRM"

    def __init__(
        self,
        database: Database,
        company: CompanyReader,
        bus: EventBus,
        clock: Clock,
        *,
        colleagues: Colleagues | None = None,
        live_calls: LiveCalls | None = None,
    ) -> None:
        """Wire the services.

        Args:
            database: where records are.
            company: gives the country, language and the addresses that are always told.
            bus: live events for those who look on.
            clock: the time of changes.
            colleagues: knows the e-mail address of who is responsible; without it only the company's addresses are told.
            live_calls: knows the party of a call at once; without it, from the moment the journal has been digested.
        """
        self._database = database
        self._company = company
        self._bus = bus
        ground = Ground(company, clock, Notices(company, bus, colleagues), live_calls)
        self.leads = Leads(ground)
        self.contacts = Contacts(ground)
        self.companies = Companies(ground)
        self.deals = Deals(ground)
        self.activities = Activities(ground)
        self.calls = CallActivities(ground, self.leads)
        self.notices = ground.notices
        self.known_numbers = KnownNumbers(database)
        """Spares the database the question for strangers, once started."""

    def is_stranger(self, number: str) -> bool:
        """Tell whether a number certainly belongs to nobody, without a look into the database."""
        return not self._perhaps_known(number)

    async def find_caller(self, number: str) -> Caller | None:
        """Return who a number belongs to: a contact, else an open lead, else a company; None when unknown or hidden."""
        number = self._perhaps_known(number)
        return await caller_at_once(self._database, number) if number else None

    def _perhaps_known(self, number: str) -> str:
        """Return a number in its public form where it may belong to somebody, else nothing."""
        number = public_number(number, self._country)
        return number if number and self.known_numbers.may_have(number) else ""

    async def caller_name(self, number: str) -> str | None:
        """Return the name that belongs to a number, or None."""
        caller = await self.find_caller(number)
        return caller.name or None if caller is not None else None

    async def register_call(self, call: CallBegun) -> CallRecord:
        """Make a call known as an activity that goes on; with `create_lead`, an unknown number becomes a lead."""
        async with self._database.transaction() as session:
            book = await self.calls.open(session, [call.call_id])
            new = book.get(call.call_id) is None
            book.begin(call)
            await book.settle()
            record = await self._record(session, book, call.call_id)
            if call.create_lead and new and not record.owners and public_number(call.number, self._country):
                draft = LeadDraft(name=cleaned(call.caller_name), source="call", call_id=call.call_id)
                await self.leads.create(session, draft)
                record = await self._record(session, book, call.call_id)
            return record

    async def show_card(self, call_id: str, extensions: Sequence[str]) -> None:
        """Publish `card.shown` with the customer of the call, for the screens of these extensions."""
        async with self._database.reading() as session:
            call = await self.activities.of_call(session, call_id)
            caller = await caller_of_number(session, call.number) if call is not None else None
        self._bus.publish(
            "card.shown",
            {
                "extensions": list(extensions),
                "number": call.number if call is not None else "",
                "caller_name": call.caller_name if call is not None else "",
                "customer": {"kind": caller.kind, "id": caller.id, "name": caller.name} if caller is not None else None,
            },
            call_id=call_id,
        )

    async def hide_card(self, call_id: str, extensions: Sequence[str]) -> None:
        """Publish `card.hidden` for the screens of these extensions."""
        self._bus.publish("card.hidden", {"extensions": list(extensions)}, call_id=call_id)

    async def finish_call(self, call: CallFinished) -> CallRecord:
        """Complete the call's activity; a missed inbound call becomes a lead.

        Raises:
            CrmNotFoundError: it was never registered.
        """
        async with self._database.transaction() as session:
            book = await self.calls.open(session, [call.call_id])
            if not book.finish(call):
                raise _unknown_call(call.call_id)
            await book.settle()
            return await self._record(session, book, call.call_id)

    async def attach_recording(self, call_id: str, recording: RecordingReference) -> None:
        """Attach a recording to the call's activity.

        Raises:
            CrmNotFoundError: the call was never registered.
        """
        async with self._database.transaction() as session:
            book = await self.calls.open(session, [call_id])
            if not book.attach_recording(call_id, recording.recording_id):
                raise _unknown_call(call_id)
            await book.settle()

    async def attach_transcript(self, call_id: str, transcript: TranscriptReference) -> None:
        """Attach what was said to the call's activity.

        Raises:
            CrmNotFoundError: the call was never registered.
        """
        async with self._database.transaction() as session:
            if not await self.calls.attach_transcript(session, call_id, transcript.text):
                raise _unknown_call(call_id)

    async def create_lead(self, draft: LeadDraft) -> str:
        """Make a lead, once per call, and return its id."""
        async with self._database.transaction() as session:
            return (await self.leads.create(session, draft)).id

    async def create_contact(self, draft: ContactDraft) -> str:
        """Make a contact, once per call, and return its id."""
        async with self._database.transaction() as session:
            return (await self.contacts.create(session, draft)).id

    @property
    def _country(self) -> str:
        return self._company.settings.country

    async def _record(self, session: AsyncSession, book: CallBook, call_id: str) -> CallRecord:
        row = book.get(call_id)
        if row is None:
            raise _unknown_call(call_id)
        return CallRecord(external_id=row.id, owners=(await read_owners(session, [row.id]))[row.id])


def _unknown_call(call_id: str) -> CrmNotFoundError:
    return CrmNotFoundError(f"The call “{call_id[:64]}” is not known.")
