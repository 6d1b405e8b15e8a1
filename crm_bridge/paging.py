"""Keyset paging: lists are newest first, and a cursor is the id of the last record seen."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from crm_bridge.errors import CrmInputError
from crm_bridge.validation import identifier

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 200


async def read_page(
    session: AsyncSession, query: Select[Any], key: InstrumentedAttribute[str], limit: int, cursor: str | None
) -> tuple[list[Any], str | None]:
    """Return up to `limit` rows of the query below the cursor, and the cursor of the next page or None.

    Raises:
        CrmInputError: the limit is out of range or the cursor is none of ours.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise CrmInputError(f"“limit” must be from 1 to {MAX_LIMIT}.")
    if cursor:
        query = query.where(key < identifier("cursor", cursor))
    rows = list(await session.scalars(query.order_by(key.desc()).limit(limit + 1)))
    more = len(rows) > limit
    rows = rows[:limit]
    return rows, getattr(rows[-1], key.key) if more else None
