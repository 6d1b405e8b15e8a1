"""All tariffs as decks in memory, loaded again when the database says they changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from billing.rate_deck import MOST_RATES, SINCE_EVER, WITHOUT_END, DeckRate, RateDeck
from billing.rating import Price
from billing.tables import RateRow, TariffRow, TariffTrunkRow
from core.phone_numbers import NumberKind

_CHUNK: Final = 2_000
_KINDS: Final[Mapping[str, NumberKind | None]] = {"": None, **{kind.value: kind for kind in NumberKind}}


@dataclass(slots=True, frozen=True)
class RateBook:
    """Which rate a leg has; a snapshot that never changes."""

    default: RateDeck | None
    by_trunk: Mapping[str, RateDeck] = field(default_factory=dict)

    def find(self, number: str, kind: NumberKind, trunk: str, at: datetime) -> DeckRate | None:
        """Return the rate of a leg that was answered at `at`, or None.

        A trunk with a tariff of its own is rated by that alone: a price that it lacks is not guessed from the default tariff.
        """
        deck = self.by_trunk.get(trunk, self.default)
        return None if deck is None else deck.find(number, kind, at)


class RateBookCache:
    """Keeps the decks between look-ups and loads those that changed."""

    def __init__(self, *, most_rates: int = MOST_RATES) -> None:
        self._most_rates = most_rates
        self._decks: dict[str, tuple[int, RateDeck]] = {}

    async def current(self, session: AsyncSession) -> RateBook:
        """Return the rates as this transaction sees them.

        A deck is put in place only when it is whole; until then, and when loading fails, the old one stays.
        """
        tariffs = (await session.execute(select(TariffRow.id, TariffRow.revision, TariffRow.is_default))).all()
        trunks = (await session.execute(select(TariffTrunkRow.trunk, TariffTrunkRow.tariff_id))).all()
        decks: dict[str, tuple[int, RateDeck]] = {}
        for tariff_id, revision, _is_default in tariffs:
            known = self._decks.get(tariff_id)
            if known is None or known[0] != revision:
                known = (revision, await self._load(session, tariff_id))
            decks[tariff_id] = known
        self._decks = decks
        default = next((decks[tariff_id][1] for tariff_id, _revision, is_default in tariffs if is_default), None)
        return RateBook(default, {trunk: decks[tariff_id][1] for trunk, tariff_id in trunks})

    async def _load(self, session: AsyncSession, tariff_id: str) -> RateDeck:
        table = RateRow.__table__.c
        columns = (table.id, table.prefix, table.kind, table.valid_from, table.valid_to)
        price = (table.price_per_minute, table.currency, table.first_increment, table.increment, table.connection_fee)
        query = select(*columns, *price).where(table.tariff_id == tariff_id).limit(self._most_rates + 1)
        rates: list[DeckRate] = []
        prices: dict[tuple[object, ...], Price] = {}
        result = await session.stream(query.execution_options(yield_per=_CHUNK))
        async for chunk in result.partitions():
            for rate_id, prefix, kind, valid_from, valid_to, *values in chunk:
                key = tuple(values)
                if key not in prices:
                    prices[key] = Price(*values)
                rates.append(
                    DeckRate(
                        rate_id, prefix, _KINDS[kind], prices[key], valid_from or SINCE_EVER, valid_to or WITHOUT_END
                    )
                )
            # Calls go on while a large deck is loaded.
            await asyncio.sleep(0)
        return RateDeck(rates, most=self._most_rates)
