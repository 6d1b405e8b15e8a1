"""The charges: those of calls, in pages, in totals a day, and the rating of those that had no rate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final, cast

from sqlalchemy import Select, Table, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.charging import PRICE_COLUMNS, EndedLeg, price_columns
from billing.currencies import plain
from billing.errors import InvalidPeriodError, UnknownCursorError
from billing.rate_book import RateBookCache
from billing.tables import ChargeRow
from billing.values import Charge, ChargeState, DayTotal, Page
from core.database import Database
from core.one_of import one_of
from core.phone_numbers import NumberKind

MOST_PER_PAGE: Final = 1_000
MOST_DAYS: Final = 366
_CHARGES: Final = cast(Table, ChargeRow.__table__)
_CHUNK: Final = 500
_LEG: Final = ("node", "leg_id", "call_id", "first_call_id", "trunk", "number", "started_at", "ended_at")
"""The columns of a charge that make an `EndedLeg`, in its order."""
_SET_PRICE: Final = (
    update(_CHARGES)
    # A charge that has an amount keeps it, whoever rated it meanwhile.
    .where(_CHARGES.c.id == bindparam("charge"), _CHARGES.c.amount.is_(None))
    .values({name: bindparam(name) for name in PRICE_COLUMNS})
)


class ChargeStore:
    """The stored charges."""

    def __init__(self, database: Database, rates: RateBookCache) -> None:
        self._database = database
        self._rates = rates

    async def of_calls(self, call_ids: Collection[str]) -> dict[str, list[Charge]]:
        """Return the charges of each of these calls, in the order of their answers; calls without any are left out."""
        found: defaultdict[str, list[Charge]] = defaultdict(list)
        ids = sorted(set(call_ids))
        async with self._database.reading() as session:
            for start in range(0, len(ids), _CHUNK):
                query = select(ChargeRow).where(one_of(ChargeRow.call_id, ids[start : start + _CHUNK]))
                for row in await session.scalars(query.order_by(ChargeRow.started_at, ChargeRow.id)):
                    found[row.call_id].append(_charge(row))
        return dict(found)

    async def page(
        self, *, limit: int = 50, after: str | None = None, state: ChargeState | None = None
    ) -> Page[Charge]:
        """Return charges, newest first.

        Args:
            limit: at most so many, up to 1,000.
            after: `Page.after` of the page before.
            state: only these; `ChargeState.UNRATED` shows what waits for a rate.

        Raises:
            UnknownCursorError: `after` is no key of this list.
        """
        limit = min(max(limit, 1), MOST_PER_PAGE)
        query = select(ChargeRow).order_by(ChargeRow.id.desc()).limit(limit + 1)
        if after is not None:
            if len(after) > 36:
                raise UnknownCursorError("The list does not go on after that.", hint="Begin without a cursor.")
            query = query.where(ChargeRow.id < after)
        if state is not None:
            unrated = ChargeRow.amount.is_(None)
            query = query.where(unrated if state is ChargeState.UNRATED else ~unrated)
        async with self._database.reading() as session:
            charges = [_charge(row) for row in await session.scalars(query)]
        return Page(charges[:limit], charges[limit - 1].id if len(charges) > limit else None)

    async def unrated(self) -> int:
        """Return how many charges wait for a rate."""
        async with self._database.reading() as session:
            count = await session.scalar(select(func.count()).select_from(ChargeRow).where(ChargeRow.amount.is_(None)))
        return count or 0

    async def totals(self, first: date, last: date, zone: tzinfo = UTC) -> Sequence[DayTotal]:
        """Return the sums a day, kind and currency, of the charges whose legs were answered on these days.

        Args:
            first: the first day.
            last: the last day, included; at most 366 days in all.
            zone: where the days begin.

        Raises:
            InvalidPeriodError: the last day is before the first, or too far from it.
        """
        days = (last - first).days + 1
        if not 1 <= days <= MOST_DAYS:
            raise InvalidPeriodError(f"The days asked for are 1 to {MOST_DAYS}, the first one first.")
        totals: list[DayTotal] = []
        async with self._database.reading() as session:
            for day in (first + timedelta(days=offset) for offset in range(days)):
                totals += await _day_totals(session, day, zone)
        return totals

    async def rate_unrated(self) -> int:
        """Rate the charges that had no rate, where one holds for them now; return how many have an amount now."""
        rated, after = 0, ""
        while True:
            async with self._database.transaction() as session:
                waiting = await self._waiting(session, after)
                if not waiting:
                    return rated
                after = waiting[-1].id
                book = await self._rates.current(session)
                values: list[dict[str, Any]] = []
                for charge, kind, *leg in waiting:
                    columns = price_columns(EndedLeg(*leg), NumberKind(kind), book)
                    if columns["rate_id"] is not None:
                        values.append({"charge": charge} | columns)
                if values:
                    await session.execute(_SET_PRICE, values)
            rated += len(values)

    async def _waiting(self, session: AsyncSession, after: str) -> Sequence[Any]:
        columns = (_CHARGES.c[name] for name in ("id", "kind", *_LEG))
        query = select(*columns).where(_CHARGES.c.amount.is_(None), _CHARGES.c.id > after)
        return (await session.execute(query.order_by(_CHARGES.c.id).limit(_CHUNK))).all()


def _of_day(day: date, zone: tzinfo) -> Select[Any]:
    begin, end = (datetime.combine(on, time.min, zone).astimezone(UTC) for on in (day, day + timedelta(days=1)))
    # SQLite can add up only floats. Grouped by the amount itself, the sum is exact on both databases, and the groups are few.
    groups = (_CHARGES.c.kind, _CHARGES.c.currency, _CHARGES.c.amount)
    sums = (func.count(), func.sum(_CHARGES.c.seconds), func.sum(_CHARGES.c.billed_seconds))
    return select(*groups, *sums).where(_CHARGES.c.started_at >= begin, _CHARGES.c.started_at < end).group_by(*groups)


async def _day_totals(session: AsyncSession, day: date, zone: tzinfo) -> list[DayTotal]:
    sums: dict[tuple[str, str | None], list[Any]] = {}
    for kind, currency, amount, count, seconds, billed in await session.execute(_of_day(day, zone)):
        total = sums.setdefault((kind, currency), [0, 0, 0, Decimal(0)])
        total[0] += count
        total[1] += int(seconds)
        total[2] += int(billed or 0)
        total[3] += (amount or Decimal(0)) * count
    return [
        DayTotal(
            day=day,
            kind=NumberKind(kind),
            currency=currency,
            charges=total[0],
            seconds=total[1],
            billed_seconds=total[2],
            amount=plain(total[3], currency) if currency else None,
        )
        for (kind, currency), total in sorted(sums.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    ]


def _charge(row: ChargeRow) -> Charge:
    def money(value: Decimal | None) -> Decimal | None:
        """Return an amount with the places of its currency."""
        return None if value is None or row.currency is None else plain(value, row.currency)

    return Charge(
        id=row.id,
        call_id=row.call_id,
        first_call_id=row.first_call_id,
        leg_id=row.leg_id,
        trunk=row.trunk,
        number=row.number,
        kind=NumberKind(row.kind),
        state=ChargeState.UNRATED if row.amount is None else ChargeState.RATED,
        started_at=row.started_at,
        ended_at=row.ended_at,
        seconds=row.seconds,
        billed_seconds=row.billed_seconds,
        amount=money(row.amount),
        currency=row.currency,
        rate_id=row.rate_id,
        price_per_minute=money(row.price_per_minute),
        first_increment=row.first_increment,
        increment=row.increment,
        connection_fee=money(row.connection_fee),
    )
