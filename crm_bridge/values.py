"""The values the CRM speaks in: kinds, stages, drafts (what is asked for), changes, and views (what is stored)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType


class OwnerKind(enum.StrEnum):
    """What kind of record a phone or an activity belongs to."""

    LEAD = "lead"
    CONTACT = "contact"
    COMPANY = "company"
    DEAL = "deal"


class LeadStage(enum.StrEnum):
    """Where a lead stands."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    CONVERTED = "converted"
    JUNK = "junk"


LEAD_STEPS: Final = {
    LeadStage.NEW: frozenset({LeadStage.IN_PROGRESS, LeadStage.CONVERTED, LeadStage.JUNK}),
    LeadStage.IN_PROGRESS: frozenset({LeadStage.NEW, LeadStage.CONVERTED, LeadStage.JUNK}),
    LeadStage.CONVERTED: frozenset({LeadStage.IN_PROGRESS}),
    LeadStage.JUNK: frozenset({LeadStage.NEW, LeadStage.IN_PROGRESS}),
}
"""From a stage to those that may follow; a finished lead must be taken up again before it can end otherwise."""

OPEN_LEAD_STAGES: Final = frozenset({LeadStage.NEW, LeadStage.IN_PROGRESS})


class DealStage(enum.StrEnum):
    """Where a deal stands."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    WON = "won"
    LOST = "lost"


OPEN_DEAL_STAGES: Final = frozenset({DealStage.NEW, DealStage.IN_PROGRESS})


class ActivityKind(enum.StrEnum):
    """What an activity is."""

    CALL = "call"
    NOTE = "note"


@dataclass(slots=True, frozen=True)
class Owner:
    """One record: what kind it is, and its id."""

    kind: OwnerKind
    id: str


T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Page(Generic[T]):
    """Part of a list, newest first; `next_cursor` is None on the last page."""

    items: list[T]
    next_cursor: str | None


class CustomerDraft(msgspec.Struct, frozen=True, kw_only=True):
    """What a new lead, contact or company is made from. Phones may be written nationally; at least a name or a phone is needed."""

    name: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    source: str = ""
    responsible: str = ""
    """The extension or user who looks after it."""
    note: str = ""


class LeadDraft(CustomerDraft, frozen=True, kw_only=True):
    """A new lead. With a `call_id` it also carries that call's number, and asking again for the same call gives the same lead."""

    call_id: str = ""
    contact_id: str = ""
    company_id: str = ""


class ContactDraft(CustomerDraft, frozen=True, kw_only=True):
    """A new contact. With a `call_id` it also carries that call's number, and asking again for the same call gives the same contact."""

    call_id: str = ""
    company_id: str = ""


class CompanyDraft(CustomerDraft, frozen=True, kw_only=True):
    """A new company."""


class CustomerChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change; fields left out stay. Phones and e-mails are replaced as a whole."""

    name: str | UnsetType = UNSET
    phones: tuple[str, ...] | UnsetType = UNSET
    emails: tuple[str, ...] | UnsetType = UNSET
    source: str | UnsetType = UNSET
    responsible: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


class LeadChanges(CustomerChanges, frozen=True, kw_only=True):
    """Changes of a lead."""

    stage: str | UnsetType = UNSET
    contact_id: str | UnsetType = UNSET
    company_id: str | UnsetType = UNSET


class ContactChanges(CustomerChanges, frozen=True, kw_only=True):
    """Changes of a contact."""

    company_id: str | UnsetType = UNSET


class CompanyChanges(CustomerChanges, frozen=True, kw_only=True):
    """Changes of a company."""


@dataclass(slots=True, frozen=True, kw_only=True)
class Customer:
    """What is stored of any lead, contact or company."""

    id: str
    name: str
    phones: tuple[str, ...]
    emails: tuple[str, ...]
    source: str
    responsible: str
    note: str
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True, frozen=True, kw_only=True)
class Lead(Customer):
    """A stored lead."""

    stage: LeadStage
    open: bool
    call_id: str | None
    missed_number: str | None
    contact_id: str | None
    company_id: str | None


@dataclass(slots=True, frozen=True, kw_only=True)
class Contact(Customer):
    """A stored contact."""

    call_id: str | None
    company_id: str | None


@dataclass(slots=True, frozen=True, kw_only=True)
class CustomerCompany(Customer):
    """A stored company."""


class DealDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A new deal. An amount needs its ISO 4217 currency."""

    title: str
    amount: Decimal | None = None
    currency: str = ""
    contact_id: str = ""
    company_id: str = ""
    lead_id: str = ""
    responsible: str = ""
    note: str = ""


class DealChanges(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a deal; fields left out stay."""

    title: str | UnsetType = UNSET
    stage: str | UnsetType = UNSET
    amount: Decimal | UnsetType | None = UNSET
    currency: str | UnsetType = UNSET
    contact_id: str | UnsetType = UNSET
    company_id: str | UnsetType = UNSET
    lead_id: str | UnsetType = UNSET
    responsible: str | UnsetType = UNSET
    note: str | UnsetType = UNSET


@dataclass(slots=True, frozen=True, kw_only=True)
class Deal:
    """A stored deal."""

    id: str
    title: str
    stage: DealStage
    open: bool
    amount: Decimal | None
    currency: str
    contact_id: str | None
    company_id: str | None
    lead_id: str | None
    responsible: str
    note: str
    created_at: datetime
    updated_at: datetime


class NoteDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A new note on one or more records, or on a call."""

    text: str
    owners: tuple[Owner, ...] = ()
    call_id: str = ""
    created_by: str = ""


@dataclass(slots=True, frozen=True, kw_only=True)
class Activity:
    """A stored call or note."""

    id: str
    kind: ActivityKind
    call_id: str | None
    direction: str
    number: str
    caller_name: str
    line_number: str
    extension: str
    transferred_to: str
    outcome: str
    """The call's disposition; empty while it goes on."""
    recording_id: str | None
    transcript: str
    text: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    talk_seconds: float
    created_by: str
    owners: tuple[Owner, ...]


@dataclass(slots=True, frozen=True, kw_only=True)
class Caller:
    """Who a number belongs to."""

    kind: OwnerKind
    id: str
    name: str
    number: str
    responsible: str
    company_id: str | None = None
