"""Tariffs: named lists of rates, one of them the default, and the trunks that have one of their own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from billing.charges import ChargeStore
from billing.errors import InvalidTariffError, TariffInUseError, TariffNotFoundError
from billing.tables import RateRow, TariffRow, TariffTrunkRow
from billing.values import Tariff
from core.clock import Clock
from core.database import Database
from core.identifiers import new_id

DEFAULT_NAME: Final = "Default"
LONGEST_NAME: Final = 100
MOST_TRUNKS: Final = 1_000
_LONGEST_TRUNK: Final = 128


class TariffStore:
    """The stored tariffs."""

    def __init__(self, database: Database, charges: ChargeStore, clock: Clock) -> None:
        self._database = database
        self._charges = charges
        self._clock = clock

    async def all(self) -> Sequence[Tariff]:
        """Return every tariff, the default one first, then by name."""
        async with self._database.reading() as session:
            rows = (
                await session.scalars(select(TariffRow).order_by(TariffRow.is_default.desc(), TariffRow.name))
            ).all()
            return [await _tariff(session, row) for row in rows]

    async def get(self, tariff_id: str) -> Tariff:
        """Return a tariff.

        Raises:
            TariffNotFoundError: there is none of this id.
        """
        async with self._database.reading() as session:
            return await _tariff(session, await _row(session, tariff_id))

    async def create(self, name: str, trunks: Collection[str] = (), *, is_default: bool = False) -> Tariff:
        """Store a new tariff. The first one there is becomes the default.

        Raises:
            InvalidTariffError: the name or a trunk is empty or too long.
            TariffInUseError: the name is taken, or a trunk has another tariff.
        """
        name, trunks = _checked(name, trunks)
        async with self._database.transaction() as session:
            await _require_free(session, name, "")
            default = await session.scalar(select(TariffRow.id).where(TariffRow.is_default))
            if is_default and default is not None:
                await _unset_default(session)
            row = self._new(name, is_default=is_default or default is None)
            session.add(row)
            await session.flush()
            await _set_trunks(session, row.id, trunks)
            return await _tariff(session, row)

    async def update(self, tariff_id: str, name: str, trunks: Collection[str], *, is_default: bool) -> Tariff:
        """Rename a tariff, give it these trunks, or make it the default.

        Raises:
            TariffNotFoundError: there is none of this id.
            InvalidTariffError: the name or a trunk is empty or too long.
            TariffInUseError: the name is taken, a trunk has another tariff, or there would be no default.
        """
        name, trunks = _checked(name, trunks)
        async with self._database.transaction() as session:
            row = await _row(session, tariff_id)
            await _require_free(session, name, tariff_id)
            if row.is_default and not is_default:
                raise TariffInUseError("One tariff is the default.", hint="Make another one the default instead.")
            if is_default and not row.is_default:
                await _unset_default(session)
            row.name, row.is_default = name, is_default
            await session.flush()
            await _set_trunks(session, tariff_id, trunks)
            tariff = await _tariff(session, row)
        await self._charges.rate_unrated()
        return tariff

    async def delete(self, tariff_id: str) -> None:
        """Delete a tariff that has no rates.

        Raises:
            TariffNotFoundError: there is none of this id.
            TariffInUseError: it has rates, or is the default.
        """
        async with self._database.transaction() as session:
            row = await _row(session, tariff_id)
            if row.is_default:
                raise TariffInUseError("This is the default tariff.", hint="Make another one the default first.")
            if await _count_rates(session, tariff_id):
                raise TariffInUseError("The tariff has rates.", hint="Delete them first; those that were used stay.")
            await _set_trunks(session, tariff_id, ())
            await session.delete(row)

    async def claim(self, session: AsyncSession, tariff_id: str | None) -> str:
        """Announce a change of a tariff's rates in the caller's transaction, and return its id.

        Until the transaction ends no one else changes this tariff's rates, so what was checked stays true. None stands for
        the default tariff, which is made here if there is none.

        Raises:
            TariffNotFoundError: there is none of this id.
        """
        if tariff_id is None:
            tariff_id = await session.scalar(select(TariffRow.id).where(TariffRow.is_default))
        if tariff_id is None:
            row = self._new(DEFAULT_NAME, is_default=True)
            session.add(row)
            await session.flush()
            return row.id
        grown = update(TariffRow).where(TariffRow.id == tariff_id).values(revision=TariffRow.revision + 1)
        claimed = await session.scalar(grown.returning(TariffRow.id), execution_options={"synchronize_session": False})
        if claimed is None:
            raise _unknown(tariff_id)
        return tariff_id

    def _new(self, name: str, *, is_default: bool) -> TariffRow:
        return TariffRow(id=new_id(), name=name, is_default=is_default, revision=1, created_at=self._clock.now())


def _checked(name: str, trunks: Collection[str]) -> tuple[str, list[str]]:
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidTariffError(f"A tariff's name has 1 to {LONGEST_NAME} printable characters.")
    if len(trunks) > MOST_TRUNKS or not all(0 < len(trunk) <= _LONGEST_TRUNK for trunk in trunks):
        raise InvalidTariffError(
            f"A tariff has at most {MOST_TRUNKS} trunks, each of 1 to {_LONGEST_TRUNK} characters."
        )
    return name, sorted(set(trunks))


def _unknown(tariff_id: str) -> TariffNotFoundError:
    return TariffNotFoundError(f"There is no tariff {tariff_id[:36]}.")


async def _row(session: AsyncSession, tariff_id: str) -> TariffRow:
    row = await session.get(TariffRow, tariff_id)
    if row is None:
        raise _unknown(tariff_id)
    return row


async def _tariff(session: AsyncSession, row: TariffRow) -> Tariff:
    trunks = await session.scalars(
        select(TariffTrunkRow.trunk).where(TariffTrunkRow.tariff_id == row.id).order_by(TariffTrunkRow.trunk)
    )
    return Tariff(
        id=row.id,
        name=row.name,
        is_default=row.is_default,
        trunks=tuple(trunks),
        rates=await _count_rates(session, row.id),
        created_at=row.created_at,
    )


async def _count_rates(session: AsyncSession, tariff_id: str) -> int:
    count = await session.scalar(select(func.count()).select_from(RateRow).where(RateRow.tariff_id == tariff_id))
    return count or 0


async def _require_free(session: AsyncSession, name: str, tariff_id: str) -> None:
    taken = await session.scalar(select(TariffRow.id).where(TariffRow.name == name, TariffRow.id != tariff_id))
    if taken is not None:
        raise TariffInUseError(f"There is a tariff “{name}” already.")


async def _unset_default(session: AsyncSession) -> None:
    await session.execute(update(TariffRow).where(TariffRow.is_default).values(is_default=False))


async def _set_trunks(session: AsyncSession, tariff_id: str, trunks: Collection[str]) -> None:
    await session.execute(delete(TariffTrunkRow).where(TariffTrunkRow.tariff_id == tariff_id))
    for trunk in trunks:
        if await session.get(TariffTrunkRow, trunk) is not None:
            raise TariffInUseError(f"The trunk “{trunk}” has another tariff.", hint="Take it away from that one first.")
        session.add(TariffTrunkRow(trunk=trunk, tariff_id=tariff_id))
    await session.flush()
