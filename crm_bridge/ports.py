"""What the CRM asks of others; `ramal/app.py` hands in who answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from core.company import CompanySettings


class CompanyReader(Protocol):
    """Tells the present settings of the company; `core.company.Company` does."""

    @property
    def settings(self) -> CompanySettings:
        """The settings as they are now."""
        ...


class Colleagues(Protocol):
    """Knows where people of the company want to be written to."""

    async def email_addresses(self, session: AsyncSession, responsible: str) -> Sequence[str]:
        """Return the addresses of an extension or user, none when unknown; reads through `session` only."""
        ...


@dataclass(slots=True, frozen=True)
class CallParty:
    """The outside party of a call, and who of the company speaks with it."""

    number: str
    name: str = ""
    extension: str = ""


class LiveCalls(Protocol):
    """Knows the calls that are going on in this process."""

    def customer_of(self, call_id: str) -> CallParty | None:
        """Return the outside party of a live call, or None when there is no such call or no such party."""
        ...
