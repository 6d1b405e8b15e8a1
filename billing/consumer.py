"""From the journal to charges: each answered outgoing trunk leg is charged once, from its answer to its end.

A leg is charged for its own life, whatever calls it was transferred through; `docs/billing.md` has the table. Legs that are still
open wait in `charge_legs`, so a restart anywhere between answer and end forgets nothing. A leg that has its charge never gets a
second one, even if the whole journal is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar, cast

import structlog
from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.charging import EndedLeg, charge_row
from billing.rate_book import RateBookCache
from billing.tables import ChargeLegRow, ChargeRow
from core.company import Company
from core.events import CallEnded, CallFact, Fact, LegAnswered, LegCreated, LegEnded, LegMoved
from core.giving_way import slices
from core.journal import Entry
from core.one_of import Texts, one_of
from core.phone_numbers import classify

log = structlog.get_logger(__name__)

_LEGS: Final = cast(Table, ChargeLegRow.__table__)
_CHARGES: Final = cast(Table, ChargeRow.__table__)
_CHUNK: Final = 500
"""Ids in one IN list; both databases take far more, but plans of one size are compiled once."""

T = TypeVar("T")


@dataclass(slots=True)
class _OpenLeg:
    """A leg of `charge_legs` while a batch is worked through."""

    leg_id: str
    call_id: str
    first_call_id: str
    trunk: str
    number: str
    answered_at: datetime | None
    stored: bool = True
    changed: bool = False
    over: bool = False
    ended_at: datetime | None = None


class BillingConsumer:
    """Turns the legs of the journal into charges."""

    name = "billing"
    facts: frozenset[type[Fact]] = frozenset({LegCreated, LegAnswered, LegMoved, LegEnded, CallEnded})

    def __init__(self, company: Company, rates: RateBookCache) -> None:
        """Prepare.

        Args:
            company: says from which country numbers are seen as landline, mobile or international.
            rates: the decks, shared with whoever else rates.
        """
        self._company = company
        self._rates = rates

    async def consume(self, session: AsyncSession, node: str, entries: Sequence[Entry]) -> None:
        """Charge the legs that ended in these entries and note those that go on."""
        facts = [entry.fact for entry in entries]
        legs = await self._open_legs(session, node, facts)
        async for some in slices(facts):
            for fact in some:
                _apply(legs, fact)
        await self._store(session, node, legs)

    async def _open_legs(self, session: AsyncSession, node: str, facts: Sequence[Any]) -> dict[str, _OpenLeg]:
        """Load the open legs that the facts may speak of."""
        kinds = (LegAnswered, LegMoved, LegEnded)
        leg_ids = {fact.leg_id for fact in facts if isinstance(fact, kinds) or _is_charged(fact)}
        call_ids = {fact.call_id for fact in facts if isinstance(fact, CallEnded) and fact.recovered}
        legs: dict[str, _OpenLeg] = {}
        connection = await session.connection()
        for query, ids in ((_BY_LEG, leg_ids), (_BY_CALL, call_ids)):
            for chunk in _chunks(ids):
                for row in await connection.execute(query, {"of_node": node, "ids": chunk}):
                    legs[row.leg_id] = _OpenLeg(*row)
        return legs

    async def _store(self, session: AsyncSession, node: str, legs: dict[str, _OpenLeg]) -> None:
        over = [leg for leg in legs.values() if leg.over]
        opened = [leg for leg in legs.values() if not leg.over and not leg.stored]
        changed = [leg for leg in legs.values() if not leg.over and leg.stored and leg.changed]
        await self._charge(session, node, [leg for leg in over if leg.answered_at is not None])
        for chunk in _chunks({leg.leg_id for leg in over if leg.stored}):
            await session.execute(delete(_LEGS).where(_LEGS.c.node == node, one_of(_LEGS.c.leg_id, chunk)))
        if opened:
            rows = [{"node": node} | {name: getattr(leg, name) for name in _COLUMNS} for leg in opened]
            await session.execute(insert(_LEGS), rows)
        if changed:
            now = [
                {"of_node": node, "of_leg": leg.leg_id, "call_id": leg.call_id, "answered_at": leg.answered_at}
                for leg in changed
            ]
            await session.execute(_CHANGE, now)

    async def _charge(self, session: AsyncSession, node: str, legs: Sequence[_OpenLeg]) -> None:
        if not legs:
            return
        charged: set[str] = set()
        for chunk in _chunks({leg.leg_id for leg in legs}):
            there = select(_CHARGES.c.leg_id).where(_CHARGES.c.node == node, one_of(_CHARGES.c.leg_id, chunk))
            charged.update(await session.scalars(there))
        book = await self._rates.current(session)
        country = self._company.settings.country
        rows: list[dict[str, Any]] = []
        for leg in legs:
            if leg.leg_id in charged or leg.answered_at is None or leg.ended_at is None:
                continue
            ended = EndedLeg(
                node, leg.leg_id, leg.call_id, leg.first_call_id, leg.trunk, leg.number, leg.answered_at, leg.ended_at
            )
            row = charge_row(ended, classify(leg.number, country), book)
            if row["rate_id"] is None:
                log.warning("charge_without_rate", call_id=leg.call_id, number_kind=row["kind"], trunk=leg.trunk)
            rows.append(row)
        if rows:
            await session.execute(insert(_CHARGES), rows)


_COLUMNS: Final = ("leg_id", "call_id", "first_call_id", "trunk", "number", "answered_at")
_OF_NODE: Final = select(*(_LEGS.c[name] for name in _COLUMNS)).where(_LEGS.c.node == bindparam("of_node"))
_BY_LEG: Final = _OF_NODE.where(one_of(_LEGS.c.leg_id, bindparam("ids", type_=Texts())))
_BY_CALL: Final = _OF_NODE.where(one_of(_LEGS.c.call_id, bindparam("ids", type_=Texts())))
_CHANGE: Final = (
    update(_LEGS)
    .where(_LEGS.c.node == bindparam("of_node"), _LEGS.c.leg_id == bindparam("of_leg"))
    .values(call_id=bindparam("call_id"), answered_at=bindparam("answered_at"))
)


def _is_charged(fact: Any) -> bool:
    return isinstance(fact, LegCreated) and not fact.incoming and bool(fact.trunk)


def _apply(legs: dict[str, _OpenLeg], fact: CallFact) -> None:
    match fact:
        case LegCreated():
            _created(legs, fact)
        case LegAnswered() if leg := legs.get(fact.leg_id):
            _answered(leg, fact)
        case LegMoved() if leg := legs.get(fact.leg_id):
            leg.call_id, leg.changed = fact.call_id, True
        case LegEnded() if leg := legs.get(fact.leg_id):
            _ended(leg, fact.at)
        case CallEnded(recovered=True):
            # A killed process could not say that its legs ended; recovery says when the voice of the call did.
            for leg in legs.values():
                if leg.call_id == fact.call_id:
                    _ended(leg, fact.at)
        case _:
            pass


def _created(legs: dict[str, _OpenLeg], fact: LegCreated) -> None:
    if _is_charged(fact) and fact.leg_id not in legs:
        # Cut to the columns' widths: PostgreSQL would refuse the row, and the journal would stand still for ever.
        trunk, number = fact.trunk[:128], fact.number[:64]
        legs[fact.leg_id] = _OpenLeg(fact.leg_id, fact.call_id, fact.call_id, trunk, number, None, stored=False)


def _answered(leg: _OpenLeg, fact: LegAnswered) -> None:
    if leg.answered_at is None:
        leg.answered_at, leg.changed = fact.at, True


def _ended(leg: _OpenLeg, at: datetime) -> None:
    if not leg.over:
        leg.over, leg.ended_at = True, at


def _chunks(ids: set[str]) -> Iterator[list[str]]:
    """Yield the ids in lists of at most `_CHUNK`, in a stable order, so that concurrent writers lock rows alike."""
    ordered = iter(sorted(ids))
    while chunk := list(islice(ordered, _CHUNK)):
        yield chunk
