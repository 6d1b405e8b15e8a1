"""What leads, contacts, companies and deals have in common on their way in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from api.fields import Email, Input, Line, Note, NullIsEmpty, Output, PhoneIn, Time, plain
from api.security import Access
from core.events import Direction, Disposition
from crm_bridge.values import Activity, ActivityKind, OwnerKind

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
    direction: Direction | None = Field(description="Of a call.")
    number: str | None = Field(description="The outside party in E.164; null when hidden.")
    caller_name: str | None
    line_number: str | None = Field(description="The company's number that was called, or the trunk.")
    extension: str | None = Field(description="Who spoke, or should have.")
    transferred_to: str | None
    outcome: Disposition | None = Field(description="How the call ended; null while it goes on.")
    recording_id: str | None
    transcript: str | None
    text: str = Field(description="The note, or what was written about the call.")
    started_at: Time
    answered_at: Time | None
    ended_at: Time | None
    talk_seconds: float
    created_by: str | None
    owners: list[OwnerOut]


class CustomerOut(Output):
    """What is shown of every customer."""

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


def show_activity(activity: Activity, access: Access) -> ActivityOut:
    """Return the activity as the one who asks may see it: what was said in calls of others is not for agents."""
    given = {name: getattr(activity, name) for name in ActivityOut.model_fields if name != "owners"}
    for name in _EMPTY_IS_NULL:
        given[name] = given[name] or None
    own = access.principal.extension
    if access.reads_own_calls_only and own not in (activity.extension, activity.transferred_to):
        given["transcript"] = given["recording_id"] = None
    return ActivityOut(**given, owners=[OwnerOut(kind=owner.kind, id=owner.id) for owner in activity.owners])


_EMPTY_IS_NULL = (
    "direction",
    "number",
    "caller_name",
    "line_number",
    "extension",
    "transferred_to",
    "outcome",
    "transcript",
    "created_by",
)


def show_activities(activities: Sequence[Activity], access: Access) -> list[ActivityOut]:
    """Return activities as the one who asks may see them."""
    return [show_activity(activity, access) for activity in activities]


def draft_of(body: Input) -> dict[str, Any]:
    """Return a body's fields for a draft of the CRM, which knows empty text and tuples but no nulls."""
    return {name: plain(value) for name, value in body.model_dump().items()}


def common_fields(record: Any) -> Mapping[str, Any]:
    """Return the fields of `CustomerOut` that a record of the CRM has."""
    return {name: getattr(record, name) for name in CustomerOut.model_fields if name != "activities"}
