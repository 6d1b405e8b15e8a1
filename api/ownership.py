"""Which calls are an agent's own: those in which the agent's extension had a leg; and what of them only those may do who spoke."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.security import Access
from api.services import Services
from core.errors import NotFoundError
from pbx.cdrs.errors import CdrNotFoundError
from pbx.cdrs.tables import CdrLegRow
from pbx.cdrs.values import Cdr
from pbx.errors import UnknownCallError
from pbx.live import CallView


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


def is_visible(call: CallView, access: Access) -> bool:
    """Tell whether the one who asks may know of a live call: an agent has a part in it."""
    if not access.reads_own_calls_only:
        return True
    own = access.principal.extension
    return bool(own) and (call.from_extension == own or any(leg.extension == own for leg in call.legs))


def own_call(rooms: Services, access: Access, call_id: str) -> CallView:
    """Return a live call.

    Raises:
        UnknownCallError: there is none, or it is not for the one who asks.
    """
    call = rooms.switch.call(call_id)
    if not is_visible(call, access):
        raise UnknownCallError("There is no live call with this id.")
    return call


async def own_record(rooms: Services, access: Access, call_id: str) -> Cdr:
    """Return the record of a call.

    Raises:
        UnknownCallError: there is none, or it is not for the one who asks.
    """
    try:
        cdr = await rooms.cdrs.get(call_id)
    except CdrNotFoundError as error:
        raise UnknownCallError("There is no call with this id.") from error
    _require_own(cdr, access)
    return cdr


async def require_not_of_others(rooms: Services, access: Access, call_id: str) -> None:
    """Refuse an agent who writes about a call of others, live or over: the answer would tell who called.

    Raises:
        UnknownCallError: it is somebody else's.
    """
    if not call_id or not access.reads_own_calls_only:
        return
    if any(call.id == call_id for call in rooms.switch.calls()):
        own_call(rooms, access, call_id)
        return
    try:
        cdr = await rooms.cdrs.get(call_id)
    except CdrNotFoundError:
        return
    _require_own(cdr, access)


def _require_own(cdr: Cdr, access: Access) -> None:
    own = access.principal.extension
    if access.reads_own_calls_only and (not own or all(leg.extension != own for leg in cdr.legs)):
        raise UnknownCallError("There is no call with this id.")
