"""Bans and the allow-list in the database: what a restart, the command line and other nodes know of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Integer, String, delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from core.clock import Clock
from core.database import Base, Database, Id
from core.identifiers import new_id
from pbx.errors import EntryExistsError, UnknownEntryError
from sip.bans import Ban, parse_network

_MOST_ALLOWED: Final = 1000


class BanRow(Base):
    """A source that is kept out, or was and would be longer next time."""

    __tablename__ = "sip_bans"

    network: Mapped[str] = mapped_column(String(48), primary_key=True)
    since: Mapped[datetime]
    until: Mapped[datetime]
    offences: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(200))


class AllowedNetworkRow(Base):
    """A network that is never banned."""

    __tablename__ = "sip_allowed_networks"

    id: Mapped[Id]
    network: Mapped[str] = mapped_column(String(49), unique=True)
    note: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]


@dataclass(slots=True, frozen=True)
class AllowedNetwork:
    """A network of the allow-list."""

    id: str
    network: str
    note: str
    created_at: datetime


_FINGERPRINTS: Final = (
    select(func.count(), func.max(BanRow.since), func.max(BanRow.until)).select_from(BanRow),
    select(func.count(), func.max(AllowedNetworkRow.id), func.max(AllowedNetworkRow.network)).select_from(
        AllowedNetworkRow
    ),
)


class BanRecords:
    """The two tables."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def fingerprint(self) -> tuple[object, ...]:
        """Return what changes when somebody writes to the tables; costs two small queries.

        Raises:
            StorageError: the database cannot be read.
        """
        return tuple([tuple(row) for look in _FINGERPRINTS for row in await self._database.look_up(look)])

    async def bans(self) -> list[Ban]:
        """Return all stored bans, also those that ended."""
        columns = (BanRow.network, BanRow.since, BanRow.until, BanRow.offences, BanRow.reason)
        async with self._database.reading() as session:
            return [Ban(*row) for row in await session.execute(select(*columns))]

    async def save(self, changes: Mapping[str, Ban | None]) -> None:
        """Store bans, and remove those that are None, in one transaction."""
        rows = [
            {
                "network": ban.network,
                "since": ban.since,
                "until": ban.until,
                "offences": ban.offences,
                "reason": ban.reason,
            }
            for ban in changes.values()
            if ban is not None
        ]
        async with self._database.transaction() as session:
            await session.execute(delete(BanRow).where(BanRow.network.in_(list(changes))))
            if rows:
                await session.execute(insert(BanRow), rows)

    async def forget_before(self, moment: datetime) -> None:
        """Remove the bans that ended before a moment."""
        async with self._database.transaction() as session:
            await session.execute(delete(BanRow).where(BanRow.until < moment))

    async def allowed(self) -> Sequence[AllowedNetwork]:
        """Return the allow-list in the order it was made."""
        async with self._database.reading() as session:
            rows = await session.scalars(select(AllowedNetworkRow).order_by(AllowedNetworkRow.id))
            return [AllowedNetwork(row.id, row.network, row.note, row.created_at) for row in rows]

    async def allow(self, network: str, note: str) -> AllowedNetwork:
        """Put a network on the allow-list.

        Raises:
            InvalidAddressError: that is no network.
            EntryExistsError: it is there already, or the list is full.
        """
        text = str(parse_network(network))
        made = AllowedNetwork(new_id(), text, note[:200], self._clock.now())
        try:
            async with self._database.transaction() as session:
                if (await session.scalar(select(func.count()).select_from(AllowedNetworkRow)) or 0) >= _MOST_ALLOWED:
                    raise EntryExistsError(f"The allow-list holds {_MOST_ALLOWED} networks already.")
                session.add(
                    AllowedNetworkRow(id=made.id, network=made.network, note=made.note, created_at=made.created_at)
                )
        except IntegrityError as error:
            raise EntryExistsError(f"{text} is on the allow-list already.") from error
        return made

    async def disallow(self, id_or_network: str) -> None:
        """Take a network off the allow-list.

        Raises:
            UnknownEntryError: it is not there.
        """
        wanted = AllowedNetworkRow.network == id_or_network
        async with self._database.transaction() as session:
            row = await session.scalar(
                select(AllowedNetworkRow).where(wanted | (AllowedNetworkRow.id == id_or_network))
            )
            if row is None:
                raise UnknownEntryError("That network is not on the allow-list.")
            await session.delete(row)
