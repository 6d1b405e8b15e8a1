"""Where one room asks and another answers: the few lines between them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.tables import User
from core.errors import NotFoundError
from core.events import PartyRole
from crm_bridge.embedded import EmbeddedCrm
from crm_bridge.ports import CallParty
from pbx.live import CallView
from pbx.tables import ExtensionRow


class CallerNames:
    """The CRM as the call core's directory of callers."""

    def __init__(self, crm: EmbeddedCrm) -> None:
        self._crm = crm

    def is_stranger(self, number: str) -> bool:
        """Tell whether a number certainly belongs to nobody whom the CRM knows."""
        return self._crm.is_stranger(number)

    async def caller_name(self, number: str) -> str | None:
        """Return the name the CRM knows for a number."""
        caller = await self._crm.find_caller(number)
        return caller.name if caller is not None else None


class ColleagueAddresses:
    """Users and extensions as the CRM's address book of colleagues."""

    async def email_addresses(self, session: AsyncSession, responsible: str) -> Sequence[str]:
        """Return the addresses of the users of an extension, and of the extension itself."""
        if not responsible:
            return []
        users = await session.scalars(
            select(User.email).where((User.extension == responsible) | (User.id == responsible), User.active)
        )
        extensions = await session.scalars(select(ExtensionRow.email).where(ExtensionRow.number == responsible))
        return sorted({address for address in [*users, *extensions] if address})


class CallParties:
    """Live calls as the CRM sees them."""

    def __init__(self, find: Callable[[str], CallView]) -> None:
        self._find = find

    def customer_of(self, call_id: str) -> CallParty | None:
        """Return the outside party of a live call and the extension that speaks with it."""
        try:
            call = self._find(call_id)
        except NotFoundError:
            return None
        customer = next((leg for leg in call.legs if leg.role is PartyRole.CUSTOMER), None)
        if customer is None:
            return None
        agent = next((leg.extension for leg in call.legs if leg.role is PartyRole.AGENT and leg.extension), "")
        return CallParty(customer.number, customer.name, agent)
