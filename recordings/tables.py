"""What is stored of recordings: where each is and what it holds, its waveform, its transcript."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Boolean, Float, Integer, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id


class RecordingRow(Base):
    """One recorded file."""

    __tablename__ = "recordings"

    id: Mapped[Id]
    call_id: Mapped[str] = mapped_column(String(64), index=True)
    node: Mapped[str] = mapped_column(String(64))
    """The node whose journal tells of it, and whose store holds it."""
    location: Mapped[str] = mapped_column(String(512), default="")
    """A relative URL below that store; empty when the file never came to be."""
    state: Mapped[str] = mapped_column(String(16), index=True)
    format: Mapped[str] = mapped_column(String(16), default="")
    seconds: Mapped[float | None] = mapped_column(Float)
    channels: Mapped[int] = mapped_column(Integer, default=0)
    sample_rate: Mapped[int] = mapped_column(Integer, default=0)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), default="")
    lost_seconds: Mapped[float] = mapped_column(Float, default=0.0)
    failure: Mapped[str] = mapped_column(String(500), default="")
    """Why audio is missing, for those who look after the machine."""
    recovered: Mapped[bool] = mapped_column(Boolean, default=False)
    """A killed process left it, or its end is torn off."""
    markers: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    tracks: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    """Who is on which channel, in a recording that has one for each party."""
    started_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]
    sealed_at: Mapped[datetime | None]


class WaveformRow(Base):
    """The loudest sample of each of many equal stretches, for drawing."""

    __tablename__ = "waveforms"

    recording_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    channels: Mapped[int] = mapped_column(Integer)
    stretches: Mapped[int] = mapped_column(Integer)
    """How many a channel."""
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
    """Channel after channel, one byte a stretch: 0 is silence, 255 full scale."""


class TranscriptRow(Base):
    """What was said in a recording."""

    __tablename__ = "transcripts"

    id: Mapped[Id]
    recording_id: Mapped[str] = mapped_column(String(36), unique=True)
    call_id: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    model: Mapped[str] = mapped_column(String(200), default="")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    failure: Mapped[str] = mapped_column(String(500), default="")
    segments: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    search_text: Mapped[str] = mapped_column(Text, default="")
    """All that was said, case-folded."""
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
