"""What leads, contacts, companies and deals have in common on their way in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.fields import Email, EmptyIsNull, Input, Line, Note, NullIsEmpty, Output, PhoneIn, TextOrNull, Time
from api.security import Access
from api.services import Services
from core.events import Direction, Disposition
from crm_bridge.values import Activity, ActivityKind, Customer, OwnerKind

RecordId = Annotated[str, Field(max_length=36, examples=["018f3c5e-7a1b-7c3d-9e4f-5a6b7c8d9e0f"])]
"""The id of another record; empty or null for none."""

Phones = Annotated[list[PhoneIn], Field(max_length=50)]
Emails = Annotated[list[Email], Field(max_length=50)]


class CustomerIn(Input):
    """A new lead, contact or company: at least a name, a phone or an e-mail address."""

    name: Annotated[Line, NullIsEmpty] = Field("", examples=["Ivan Petrov"])
    phones: Phones = Field([], description="As written: national numbers are read in the company's country.")
    emails: Emails = Field([], description="Kept in lower case.")
    source: Annotated[Line, NullIsEmpty] = Field("", description="Where the customer comes from.", examples=["phone"])
    responsible: Annotated[Line, NullIsEmpty] = Field(
        "", description="Extension or user who looks after it.", examples=["1001"]
    )
    note: Annotated[Note, NullIsEmpty] = ""


class CustomerChanges(Input):
    """Fields to change; those left out stay as they are. Phones and e-mails are replaced as a whole."""

    name: Line | None = None
    phones: Phones | None = None
    emails: Emails | None = None
    source: Line | None = None
    responsible: Line | None = None
    note: Note | None = None


class OwnerOut(Output):
    """A record that an activity belongs to."""

    kind: OwnerKind
    id: str


class ActivityOut(Output):
    """A call or a note in the history of a customer."""

    id: str
    kind: ActivityKind
    call_id: str | None
    direction: Annotated[Direction | None, EmptyIsNull] = Field(description="Of a call.")
    number: TextOrNull = Field(description="The outside party in E.164; null when hidden.")
    caller_name: TextOrNull
    line_number: TextOrNull = Field(description="The company's number that was called, or the trunk.")
    extension: TextOrNull = Field(description="Who spoke, or should have.")
    transferred_to: TextOrNull
    outcome: Annotated[Disposition | None, EmptyIsNull] = Field(
        description="How the call ended; null while it goes on."
    )
    recording_id: str | None
    transcript: TextOrNull
    text: str = Field(description="The note, or what was written about the call.")
    started_at: Time
    answered_at: Time | None
    ended_at: Time | None
    talk_seconds: float
    created_by: TextOrNull
    owners: list[OwnerOut]


class CustomerOut(Output):
    """What is shown of every customer."""

    owner_kind: ClassVar[OwnerKind]
    """What kind of customer it is, as their activities name it."""

    id: str
    name: str
    phones: list[str] = Field(description="E.164.", examples=[["+79161234567"]])
    emails: list[str]
    source: str
    responsible: str
    note: str
    created_at: Time
    updated_at: Time
    activities: list[ActivityOut] = Field([], description="The newest calls and notes, newest first.")

    @classmethod
    async def with_activities(cls, record: Customer, rooms: Services, access: Access) -> Self:
        """Return a customer with the newest activities."""
        async with rooms.database.reading() as session:
            (shown,) = await cls.all_with_activities([record], session, rooms, access)
        return shown

    @classmethod
    async def all_with_activities(
        cls, records: Sequence[Customer], session: AsyncSession, rooms: Services, access: Access
    ) -> list[Self]:
        """Return customers, each with the newest activities."""
        activities = await rooms.crm.activities.of_owners(session, cls.owner_kind, [record.id for record in records])
        return [cls.of(record, activities=show_activities(activities[record.id], access)) for record in records]


def show_activity(activity: Activity, access: Access) -> ActivityOut:
    """Return the activity as the one who asks may see it: what was said in calls of others is not for agents."""
    shown = ActivityOut.of(activity)
    own = access.principal.extension
    if access.reads_own_calls_only and own not in (activity.extension, activity.transferred_to):
        shown.transcript = shown.recording_id = None
    return shown


def show_activities(activities: Sequence[Activity], access: Access) -> list[ActivityOut]:
    """Return activities as the one who asks may see them."""
    return [show_activity(activity, access) for activity in activities]
