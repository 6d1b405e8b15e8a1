"""The rates of a tariff: listed, created, changed, closed, and taken over from a file.

A rate that a charge names is part of a bill. Its price is never changed and it is never deleted, only closed: it holds no more from
a moment on, and another rate may follow it.
"""

from __future__ import annotations

import asyncio
import enum
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, cast

from sqlalchemy import Table, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from billing.charges import ChargeStore
from billing.currencies import plain
from billing.errors import (
    LineError,
    OverlappingRateError,
    RateDeckTooLargeError,
    RateImportError,
    RateInUseError,
    RateNotFoundError,
    UnknownCursorError,
)
from billing.overlaps import begins, ends
from billing.rate_deck import MOST_RATES
from billing.rate_import import RateLine, parse_rates
from billing.tables import ChargeRow, RateRow
from billing.tariffs import TariffStore
from billing.values import Page, Rate, RateDraft
from core.clock import Clock
from core.database import Database
from core.identifiers import new_id
from core.phone_numbers import NumberKind

MOST_PER_PAGE: Final = 1_000
_RATES: Final = cast(Table, RateRow.__table__)
_CHUNK: Final = 2_000


class Removal(enum.StrEnum):
    """What deleting a rate came to."""

    DELETED = "deleted"
    CLOSED = "closed"
    """A charge names it: it stays, and holds no more from now on."""


@dataclass(slots=True, frozen=True)
class ImportReport:
    """What an import stored."""

    tariff_id: str
    added: int
    closed: int
    """Rates that held until then and end where a new one begins."""
    rated: int
    """Charges that waited for such a rate and have an amount now."""


class RateStore:
    """The stored rates. Every change is followed by rating the charges that had no rate."""

    def __init__(
        self,
        database: Database,
        tariffs: TariffStore,
        charges: ChargeStore,
        clock: Clock,
        *,
        most_rates: int = MOST_RATES,
    ) -> None:
        self._database = database
        self._tariffs = tariffs
        self._charges = charges
        self._clock = clock
        self._most_rates = most_rates

    async def page(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        tariff_id: str | None = None,
        prefix: str = "",
        kind: NumberKind | None = None,
        valid_at: datetime | None = None,
    ) -> Page[Rate]:
        """Return rates in the order of their prefixes.

        Args:
            limit: at most so many, up to 1,000.
            after: `Page.after` of the page before.
            tariff_id: only of this tariff.
            prefix: only those whose prefix begins with this.
            kind: only for this kind of numbers.
            valid_at: only those that hold at this time.

        Raises:
            UnknownCursorError: `after` is no key of this list.
        """
        limit = min(max(limit, 1), MOST_PER_PAGE)
        query = select(RateRow).order_by(RateRow.prefix, RateRow.id).limit(limit + 1)
        if after is not None:
            prefix_before, colon, id_before = after.partition(":")
            if not colon or len(after) > 60:
                raise UnknownCursorError("The list does not go on after that.", hint="Begin without a cursor.")
            query = query.where(tuple_(RateRow.prefix, RateRow.id) > tuple_(prefix_before, id_before))
        if tariff_id is not None:
            query = query.where(RateRow.tariff_id == tariff_id)
        if prefix:
            query = query.where(RateRow.prefix.startswith(prefix.removeprefix("+"), autoescape=True))
        if kind is not None:
            query = query.where(RateRow.kind == kind.value)
        if valid_at is not None:
            begun = RateRow.valid_from.is_(None) | (RateRow.valid_from <= valid_at)
            query = query.where(begun, RateRow.valid_to.is_(None) | (RateRow.valid_to > valid_at))
        async with self._database.reading() as session:
            rates = [_rate(row) for row in await session.scalars(query)]
        last = rates[limit - 1] if len(rates) > limit else None
        return Page(rates[:limit], f"{last.prefix}:{last.id}" if last else None)

    async def get(self, rate_id: str) -> Rate:
        """Return a rate.

        Raises:
            RateNotFoundError: there is none of this id.
        """
        async with self._database.reading() as session:
            return _rate(await _row(session, rate_id))

    async def create(self, draft: RateDraft, tariff_id: str | None = None) -> Rate:
        """Store a new rate in a tariff, by default the default one.

        Raises:
            InvalidRateError: a field breaks its rule.
            OverlappingRateError: another rate holds for the same prefix and kind at the same time.
            TariffNotFoundError: there is no such tariff.
            RateDeckTooLargeError: the tariff is full.
        """
        draft.checked()
        async with self._database.transaction() as session:
            tariff_id = await self._tariffs.claim(session, tariff_id)
            await self._require_room(session, tariff_id, 1)
            await _require_no_overlap(session, tariff_id, draft, "")
            row = RateRow(**_values(draft, tariff_id, self._clock.now()))
            session.add(row)
        await self._charges.rate_unrated()
        return _rate(row)

    async def update(self, rate_id: str, draft: RateDraft) -> Rate:
        """Change a rate; of one that a charge names, only `valid_to` and `description`.

        Raises:
            RateNotFoundError: there is none of this id.
            RateInUseError: a charge names it and something else was to change.
            InvalidRateError, OverlappingRateError: as for `create`.
        """
        draft.checked()
        async with self._database.transaction() as session:
            row = await self._claimed(session, rate_id)
            old = _rate(row).draft()
            same_but_end = replace(draft, valid_to=old.valid_to, description=old.description) == old
            if not same_but_end and await _is_used(session, rate_id):
                raise RateInUseError(
                    "A charge names this rate, so its price stays.",
                    hint="Close it by setting `valid_to`, and create a new rate from then on.",
                )
            await _require_no_overlap(session, row.tariff_id, draft, rate_id)
            for name, value in _columns(draft).items():
                setattr(row, name, value)
        await self._charges.rate_unrated()
        return _rate(row)

    async def delete(self, rate_id: str) -> Removal:
        """Delete a rate, or close it now if a charge names it.

        Raises:
            RateNotFoundError: there is none of this id.
        """
        async with self._database.transaction() as session:
            row = await self._claimed(session, rate_id)
            if not await _is_used(session, rate_id):
                await session.delete(row)
                return Removal.DELETED
            now = self._clock.now()
            if row.valid_to is None or row.valid_to > now:
                row.valid_to = max(now, row.valid_from) if row.valid_from else now
            return Removal.CLOSED

    async def import_file(
        self, data: bytes, tariff_id: str | None = None, *, zone: tzinfo = UTC, close_previous: bool = False
    ) -> ImportReport:
        """Take over a rate file (`billing.rate_import`), all of it or nothing.

        Args:
            data: the CSV file.
            tariff_id: where the rates go; None for the default tariff.
            zone: the time zone of dates in the file.
            close_previous: stored rates of the same prefix and kind that began earlier end where the new one begins; without
                it they are an overlap, which is refused.

        Raises:
            RateImportError: with every wrong line; nothing was stored.
            RateDeckTooLargeError: the tariff would be too large.
            TariffNotFoundError: there is no such tariff.
        """
        lines = await asyncio.to_thread(parse_rates, data, zone)
        async with self._database.transaction() as session:
            tariff_id = await self._tariffs.claim(session, tariff_id)
            await self._require_room(session, tariff_id, len(lines))
            closed = await _make_way(session, tariff_id, lines, close_previous=close_previous)
            now = self._clock.now()
            for start in range(0, len(lines), _CHUNK):
                rows = [_values(line.draft, tariff_id, now) for line in lines[start : start + _CHUNK]]
                await session.execute(insert(_RATES), rows)
        return ImportReport(tariff_id, len(lines), closed, await self._charges.rate_unrated())

    async def _claimed(self, session: AsyncSession, rate_id: str) -> RateRow:
        """Return a rate that no one else changes until the transaction ends."""
        await self._tariffs.claim(session, (await _row(session, rate_id)).tariff_id)
        # Read again: it may have changed while the claim waited.
        row = await session.get(RateRow, rate_id, populate_existing=True)
        if row is None:
            raise _unknown(rate_id)
        return row

    async def _require_room(self, session: AsyncSession, tariff_id: str, added: int) -> None:
        query = select(func.count()).select_from(RateRow).where(RateRow.tariff_id == tariff_id)
        if (await session.scalar(query) or 0) + added > self._most_rates:
            raise RateDeckTooLargeError(
                f"A tariff has at most {self._most_rates} rates.", hint="Put the rates into a tariff of their own."
            )


async def _make_way(session: AsyncSession, tariff_id: str, lines: Sequence[RateLine], *, close_previous: bool) -> int:
    """Close the stored rates that new ones replace, and refuse those that overlap; return how many were closed."""
    wanted = {(line.draft.prefix, _kind_text(line.draft.kind)) for line in lines}
    stored: defaultdict[tuple[str, str], list[RateRow]] = defaultdict(list)
    for row in await session.scalars(select(RateRow).where(RateRow.tariff_id == tariff_id)):
        if (row.prefix, row.kind) in wanted:
            stored[row.prefix, row.kind].append(row)
    errors: list[LineError] = []
    closed: set[str] = set()
    for line in lines:
        for row in stored.get((line.draft.prefix, _kind_text(line.draft.kind)), ()):
            other = _rate(row)
            if not _overlap(line.draft, other):
                continue
            if close_previous and begins(other) < begins(line.draft):
                row.valid_to = line.draft.valid_from
                closed.add(row.id)
            else:
                errors.append(LineError(line.line, _overlap_reason(other)))
    if errors:
        raise RateImportError(errors)
    await session.flush()
    return len(closed)


def _overlap(one: RateDraft, other: RateDraft) -> bool:
    return begins(one) < ends(other) and begins(other) < ends(one)


def _overlap_reason(stored: Rate) -> str:
    since = f"since {stored.valid_from:%Y-%m-%d %H:%M} UTC" if stored.valid_from else "since ever"
    until = f"until {stored.valid_to:%Y-%m-%d %H:%M} UTC" if stored.valid_to else "without end"
    kind = stored.kind.value if stored.kind else "any kind"
    return f"prefix {stored.prefix} ({kind}) has the rate {stored.id} {since} {until}."


async def _require_no_overlap(session: AsyncSession, tariff_id: str, draft: RateDraft, but_id: str) -> None:
    same = select(RateRow).where(
        RateRow.tariff_id == tariff_id,
        RateRow.prefix == draft.prefix,
        RateRow.kind == _kind_text(draft.kind),
        RateRow.id != but_id,
    )
    for row in await session.scalars(same):
        stored = _rate(row)
        if _overlap(draft, stored):
            reason = _overlap_reason(stored)
            raise OverlappingRateError(
                reason[0].upper() + reason[1:], hint="Set its `valid_to` first, or choose other dates."
            )


async def _row(session: AsyncSession, rate_id: str) -> RateRow:
    row = await session.get(RateRow, rate_id)
    if row is None:
        raise _unknown(rate_id)
    return row


def _unknown(rate_id: str) -> RateNotFoundError:
    return RateNotFoundError(f"There is no rate {rate_id[:36]}.")


async def _is_used(session: AsyncSession, rate_id: str) -> bool:
    return await session.scalar(select(ChargeRow.id).where(ChargeRow.rate_id == rate_id).limit(1)) is not None


def _kind_text(kind: NumberKind | None) -> str:
    return kind.value if kind else ""


def _columns(draft: RateDraft) -> dict[str, Any]:
    return {
        "prefix": draft.prefix,
        "kind": _kind_text(draft.kind),
        "price_per_minute": draft.price_per_minute,
        "currency": draft.currency,
        "first_increment": draft.first_increment,
        "increment": draft.increment,
        "connection_fee": draft.connection_fee,
        "valid_from": draft.valid_from,
        "valid_to": draft.valid_to,
        "description": draft.description,
    }


def _values(draft: RateDraft, tariff_id: str, now: datetime) -> dict[str, Any]:
    return {"id": new_id(), "tariff_id": tariff_id, "created_at": now} | _columns(draft)


def _rate(row: RateRow) -> Rate:
    return Rate(
        id=row.id,
        tariff_id=row.tariff_id,
        created_at=row.created_at,
        prefix=row.prefix,
        kind=NumberKind(row.kind) if row.kind else None,
        price_per_minute=plain(row.price_per_minute, row.currency),
        currency=row.currency,
        first_increment=row.first_increment,
        increment=row.increment,
        connection_fee=plain(row.connection_fee, row.currency),
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        description=row.description,
    )
