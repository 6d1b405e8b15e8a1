"""Which calls are an agent's own: those in which the agent's extension had a leg."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.security import Access
from core.errors import NotFoundError
from pbx.cdrs.tables import CdrLegRow


def calls_spoken_in(access: Access) -> Select[str] | None:
    """Return the query for the ids of the calls in which the one who asks spoke; None where every call may be heard.

    Having been rung is not enough: what others then said is theirs.
    """
    if access.extension is None:
        return None
    return select(CdrLegRow.call_id).where(CdrLegRow.extension == access.extension, CdrLegRow.answered_at.is_not(None))


async def require_spoken_in(session: AsyncSession, access: Access, call_id: str, message: str) -> None:
    """Refuse a call in which the one who asks did not speak, as if it did not exist.

    Raises:
        NotFoundError: it is somebody else's.
    """
    own = calls_spoken_in(access)
    if own is not None and await session.scalar(own.where(CdrLegRow.call_id == call_id).limit(1)) is None:
        raise NotFoundError(message)
