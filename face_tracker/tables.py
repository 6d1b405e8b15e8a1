"""What the camera module stores: cameras, consents, visitors with sealed templates, visits, and the proofs of erasures."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Float, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id


class CameraRow(Base):
    """A camera: a file or an RTSP URL."""

    __tablename__ = "cameras"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(64), unique=True)
    source: Mapped[str] = mapped_column(String(1000))
    mode: Mapped[str] = mapped_column(String(16))
    enabled: Mapped[bool] = mapped_column(Boolean)
    gap_seconds: Mapped[float] = mapped_column(Float)
    template_days: Mapped[int]
    created_at: Mapped[datetime]


class ConsentRow(Base):
    """Why faces may be recognised at a camera: the legal basis, the notice people see, and who recorded it."""

    __tablename__ = "camera_consents"

    id: Mapped[Id]
    camera_id: Mapped[str] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    legal_basis: Mapped[str] = mapped_column(Text)
    notice: Mapped[str] = mapped_column(Text)
    recorded_by: Mapped[str] = mapped_column(String(255))
    recorded_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class VisitorRow(Base):
    """A recognised person: an id and encrypted templates with a lifetime; no picture, no name."""

    __tablename__ = "visitors"

    id: Mapped[Id]
    camera_id: Mapped[str] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    templates: Mapped[bytes] = mapped_column(LargeBinary)
    visits: Mapped[int]
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class VisitRow(Base):
    """A stay of a person. `visitor_id` is empty in counting mode; `first_of_day` marks a person's first visit of the day."""

    __tablename__ = "visits"

    id: Mapped[Id]
    camera_id: Mapped[str] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    visitor_id: Mapped[str | None] = mapped_column(String(36), index=True)
    started_at: Mapped[datetime] = mapped_column(index=True)
    ended_at: Mapped[datetime | None]
    returning: Mapped[bool] = mapped_column("came_back", Boolean)
    first_of_day: Mapped[bool] = mapped_column(Boolean)


class ErasureRow(Base):
    """The proof that a visitor was erased: when, by whom, why; nothing of the person is left in it."""

    __tablename__ = "visitor_erasures"

    id: Mapped[Id]
    visitor_id: Mapped[str] = mapped_column(String(36), index=True)
    erased_at: Mapped[datetime]
    erased_by: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(String(500))
