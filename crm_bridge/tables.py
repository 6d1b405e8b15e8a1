"""What the embedded CRM stores.

Leads, contacts and companies are *customers*: each has any number of phones and e-mail addresses, kept in their own tables by
(owner kind, owner id), so that a caller is found with one index whatever he is. Activities are linked to any number of records.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Boolean, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id

_NAME = String(200)
_REFERENCE = String(36)


class CustomerColumns:
    """What leads, contacts and companies have in common."""

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(_NAME)
    search_name: Mapped[str] = mapped_column(String(400))
    """The name case-folded: SQLite's LIKE ignores the case of ASCII letters only."""
    source: Mapped[str] = mapped_column(String(64), default="")
    responsible: Mapped[str] = mapped_column(String(64), default="", index=True)
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LeadRow(CustomerColumns, Base):
    """Someone who may become a customer."""

    __tablename__ = "leads"
    __table_args__ = (
        # The second node to see a missed call of the same number is stopped here.
        Index(
            "uq_leads_open_missed_number",
            "missed_number",
            unique=True,
            sqlite_where=text("open = 1"),
            postgresql_where=text("open"),
        ),
    )

    stage: Mapped[str] = mapped_column(String(16))
    open: Mapped[bool] = mapped_column(Boolean, index=True)
    call_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The call it was made in or from; at most one lead a call."""
    missed_number: Mapped[str | None] = mapped_column(String(20))
    """The number whose missed call made this lead, else null."""
    contact_id: Mapped[str | None] = mapped_column(_REFERENCE, index=True)
    company_id: Mapped[str | None] = mapped_column(_REFERENCE, index=True)


class ContactRow(CustomerColumns, Base):
    """A person the company knows."""

    __tablename__ = "contacts"

    call_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    """The call it was made in or from; at most one contact a call."""
    company_id: Mapped[str | None] = mapped_column(_REFERENCE, index=True)


class CustomerCompanyRow(CustomerColumns, Base):
    """An organisation the company knows."""

    __tablename__ = "companies"


class PhoneRow(Base):
    """A customer's number in E.164."""

    __tablename__ = "crm_phones"
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id", "number"),)

    id: Mapped[Id]
    number: Mapped[str] = mapped_column(String(20), index=True)
    owner_kind: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str] = mapped_column(_REFERENCE)
    place: Mapped[int] = mapped_column(Integer)
    """Its place among the owner's numbers, from 0."""


class EmailRow(Base):
    """A customer's e-mail address, in lower case."""

    __tablename__ = "crm_emails"
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id", "address"),)

    id: Mapped[Id]
    address: Mapped[str] = mapped_column(String(254), index=True)
    owner_kind: Mapped[str] = mapped_column(String(16))
    owner_id: Mapped[str] = mapped_column(_REFERENCE)
    place: Mapped[int] = mapped_column(Integer)


class DealRow(Base):
    """Business under way with a contact or company."""

    __tablename__ = "deals"

    id: Mapped[Id]
    title: Mapped[str] = mapped_column(_NAME)
    search_title: Mapped[str] = mapped_column(String(400))
    stage: Mapped[str] = mapped_column(String(16))
    open: Mapped[bool] = mapped_column(Boolean, index=True)
    amount: Mapped[Decimal | None]
    currency: Mapped[str] = mapped_column(String(3), default="")
    contact_id: Mapped[str | None] = mapped_column(_REFERENCE, index=True)
    company_id: Mapped[str | None] = mapped_column(_REFERENCE, index=True)
    lead_id: Mapped[str | None] = mapped_column(_REFERENCE, index=True)
    responsible: Mapped[str] = mapped_column(String(64), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ActivityRow(Base):
    """A call or a note. A call's row is written when the call is offered and completed when it ends."""

    __tablename__ = "activities"
    __table_args__ = (
        Index(
            "uq_activities_call",
            "call_id",
            unique=True,
            sqlite_where=text("kind = 'call'"),
            postgresql_where=text("kind = 'call'"),
        ),
    )

    id: Mapped[Id]
    kind: Mapped[str] = mapped_column(String(16))
    call_id: Mapped[str | None] = mapped_column(String(64), index=True)
    direction: Mapped[str] = mapped_column(String(16), default="")
    number: Mapped[str] = mapped_column(String(20), default="", index=True)
    """The outside party in E.164; empty when it hid its number."""
    caller_name: Mapped[str] = mapped_column(_NAME, default="")
    line_number: Mapped[str] = mapped_column(String(64), default="")
    """The company's own number that was called, or the trunk that was used."""
    extension: Mapped[str] = mapped_column(String(64), default="")
    """Who of the company spoke, or, for an unanswered outgoing call, who called."""
    transferred_to: Mapped[str] = mapped_column(String(64), default="")
    outcome: Mapped[str] = mapped_column(String(16), default="")
    recording_id: Mapped[str | None] = mapped_column(_REFERENCE)
    transcript: Mapped[str] = mapped_column(Text, default="")
    text: Mapped[str] = mapped_column(Text, default="")
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(String(64), default="")


class ActivityLinkRow(Base):
    """An activity belongs to a record."""

    __tablename__ = "activity_links"
    __table_args__ = (Index("ix_activity_links_owner", "owner_kind", "owner_id", "activity_id"),)

    activity_id: Mapped[str] = mapped_column(_REFERENCE, primary_key=True)
    owner_kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    owner_id: Mapped[str] = mapped_column(_REFERENCE, primary_key=True)
