"""How call detail records are stored: a row a call, a row for each stay of a leg in a call, a row a transfer."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, Float, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id


class CdrRow(Base):
    """A call, live or over."""

    __tablename__ = "cdrs"
    __table_args__ = (
        Index(None, "started_at", "call_id"),
        Index(
            "ix_cdrs_live", "started_at", sqlite_where=text("state = 'live'"), postgresql_where=text("state = 'live'")
        ),
    )

    call_id: Mapped[Id]
    node: Mapped[str] = mapped_column(String(64))
    sequence: Mapped[int] = mapped_column(BigInteger)
    """The last journal entry of the node that this row knows of; older ones are not told to it again."""
    state: Mapped[str] = mapped_column(String(8))
    direction: Mapped[str] = mapped_column(String(8))
    from_number: Mapped[str] = mapped_column(String(64), index=True)
    to_number: Mapped[str] = mapped_column(String(64), index=True)
    dialled: Mapped[str] = mapped_column(String(128))
    from_name: Mapped[str] = mapped_column(String(200))
    from_extension: Mapped[str] = mapped_column(String(32))
    trunk: Mapped[str] = mapped_column(String(128))
    sip_call_id: Mapped[str] = mapped_column(String(255), index=True)
    started_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str] = mapped_column(String(32))
    ended_at: Mapped[datetime | None]
    talk_microseconds: Mapped[int] = mapped_column(BigInteger)
    disposition: Mapped[str | None] = mapped_column(String(16))
    sip_status: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(200))
    recovered: Mapped[bool] = mapped_column(Boolean)
    recording_id: Mapped[str | None] = mapped_column(String(36))
    merged_into: Mapped[str | None] = mapped_column(String(36))
    """The call that an attended transfer joined this one's party to."""
    diverted_from: Mapped[str] = mapped_column(String(64), default="")
    """Who was called first, where another exchange sent the call on to us."""


class CdrLegRow(Base):
    """The stay of a leg in a call. A leg that is transferred to another call has a stay in each."""

    __tablename__ = "cdr_legs"

    call_id: Mapped[str] = mapped_column(ForeignKey("cdrs.call_id"), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    """Counts the stays of a call in their order, from 0."""
    leg_id: Mapped[str] = mapped_column(String(36))
    role: Mapped[str] = mapped_column(String(8))
    number: Mapped[str] = mapped_column(String(64), index=True)
    extension: Mapped[str] = mapped_column(String(32), index=True)
    trunk: Mapped[str] = mapped_column(String(128))
    incoming: Mapped[bool] = mapped_column(Boolean)
    sip_call_id: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    joined_at: Mapped[datetime]
    """When it came into this call; `created_at` where it was opened in it."""
    ringing_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    """When it ended, or left for the call `moved_to`."""
    moved_to: Mapped[str | None] = mapped_column(String(36))
    sip_status: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(200))
    packets_received: Mapped[int | None] = mapped_column(BigInteger)
    packets_sent: Mapped[int | None] = mapped_column(BigInteger)
    packets_lost: Mapped[int | None] = mapped_column(BigInteger)
    jitter_ms: Mapped[float | None] = mapped_column(Float)
    mos: Mapped[float | None] = mapped_column(Float)
    packets_rejected: Mapped[int | None] = mapped_column(BigInteger)
    forwarded_by: Mapped[str] = mapped_column(String(32), default="")
    """The extension whose forwarding opened the leg, and that it is charged to."""
    answerer: Mapped[str] = mapped_column(String(8), default="")
    """Who took it, where that was judged: a `media.answerer.Answerer`."""


class CdrQualityRow(Base):
    """How a leg sounded for a time, some minutes in a row."""

    __tablename__ = "cdr_quality"

    call_id: Mapped[str] = mapped_column(ForeignKey("cdrs.call_id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Of its journal entry."""
    leg_id: Mapped[str] = mapped_column(String(36))
    samples: Mapped[str] = mapped_column(Text)
    """`core.events.QualitySample`s as a JSON array: they are read together or not at all."""


class CdrTransferRow(Base):
    """A transfer of a call, completed or not; in the order of `sequence` they are the call's chain."""

    __tablename__ = "cdr_transfers"

    call_id: Mapped[str] = mapped_column(ForeignKey("cdrs.call_id"), primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """Of its journal entry."""
    transfer_id: Mapped[str] = mapped_column(String(36))
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(8))
    result: Mapped[str] = mapped_column(String(12))
    from_extension: Mapped[str] = mapped_column(String(32))
    to_number: Mapped[str] = mapped_column(String(64))
    new_leg_id: Mapped[str | None] = mapped_column(String(36))
    other_call_id: Mapped[str | None] = mapped_column(String(36))
    sip_status: Mapped[int] = mapped_column(Integer)
