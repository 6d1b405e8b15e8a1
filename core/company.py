"""Settings of the company: one row, shared by all nodes, changed while running."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import JSON, Integer
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Database


class CompanyRow(Base):
    """The stored settings, as JSON, in a single row with id 1."""

    __tablename__ = "company"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    settings: Mapped[dict[str, object]] = mapped_column(JSON)


class CompanySettings(BaseModel):
    """What holds for the whole company."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        "My company", min_length=1, max_length=200, description="Spoken in the greeting, shown in the web app."
    )
    country: str = Field("RU", pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2; how national numbers are read.")
    currency: str = Field("RUB", pattern="^[A-Z]{3}$", description="ISO 4217.")
    language: str = Field("en", pattern="^(en|pt-BR|ru)$", description="Language of prompts and of the first web page.")
    timezone: str = Field("UTC", max_length=64, description="IANA name; where a day begins for counts and totals.")
    record_calls: bool = Field(default=True, description="Record every answered call with an outside party.")
    record_internal_calls: bool = Field(default=False, description="Record calls between extensions too.")
    recording_layout: Literal["stereo", "parties"] = Field(
        default="stereo",
        description="stereo: customers left, agents right; parties: a channel for each of up to four parties.",
    )
    ring_seconds: int = Field(30, ge=5, le=180, description="How long an extension rings before no answer.")
    lamps_show_callers: bool = Field(
        default=False, description="Show outside numbers to colleagues who watch an extension by a lamp key."
    )
    notify_emails: tuple[str, ...] = Field((), max_length=50, description="Who is told of new leads and contacts.")


class Company:
    """The present settings, loaded once and replaced as a whole."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.settings = CompanySettings()

    async def load(self) -> CompanySettings:
        """Read the stored settings, or the defaults where there are none."""
        async with self._database.reading() as session:
            row = await session.get(CompanyRow, 1)
        self.settings = CompanySettings.model_validate(row.settings) if row else CompanySettings()
        return self.settings

    async def save(self, settings: CompanySettings) -> None:
        """Store and use new settings."""
        async with self._database.transaction() as session:
            row = await session.get(CompanyRow, 1)
            if row is None:
                row = CompanyRow(id=1)
                session.add(row)
            row.settings = settings.model_dump(mode="json")
        self.settings = settings
