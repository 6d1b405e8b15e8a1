"""Records written and read many at a time, on either database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import cast

import pytest
from sqlalchemy import LargeBinary, String, Table, delete
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Database
from core.rows import Rows

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Parcel(Base):
    __tablename__ = "test_parcels"

    house: Mapped[str] = mapped_column(String(36), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(8))
    weight: Mapped[float | None]
    fragile: Mapped[bool]
    came_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(String(200))


class Picture(Base):
    __tablename__ = "test_pictures"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    house: Mapped[str] = mapped_column(String(36))
    image: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(slots=True)
class ParcelRecord:
    house: str
    place: int
    kind: str
    weight: float | None
    fragile: bool
    came_at: datetime
    left_at: datetime | None = None
    note: str = "new"


@dataclass(slots=True)
class PictureRecord:
    id: str
    house: str
    image: bytes


PARCELS = Rows(
    cast(Table, Parcel.__table__),
    ParcelRecord,
    fixed=("came_at",),
    read_by="house",
    unread=("note",),
    only="kind = 'box'",
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.create_all()
    async with database.transaction() as session:
        await session.execute(delete(Parcel))
    yield database
    await database.close()


def parcels() -> list[ParcelRecord]:
    return [
        ParcelRecord("b", 1, "box", 1.5, True, NOON),
        ParcelRecord("b", 0, "box", None, False, NOON, NOON + timedelta(hours=1)),
        ParcelRecord("a", 0, "box", 2.0, False, NOON.astimezone(timezone(timedelta(hours=3)))),
        ParcelRecord("a", 1, "letter", 2.0, False, NOON),
        ParcelRecord("c", 0, "box", 2.0, False, NOON),
    ]


async def test_records_come_back_by_key_as_they_were_written(database: Database) -> None:
    written = parcels()
    async with database.transaction() as session:
        connection = await session.connection()
        await PARCELS.insert(connection, written)
        found = await PARCELS.read(connection, {"b", "a", "nowhere"})
        assert found == [written[2], written[1], written[0]]
        assert [type(record.fragile) for record in found] == [bool] * 3
        assert {record.came_at.tzinfo for record in found} == {UTC}
        assert await PARCELS.read(connection, ()) == []


async def test_a_change_reaches_its_row_and_no_other_and_leaves_what_is_fixed(database: Database) -> None:
    first, second, *_ = written = parcels()
    async with database.transaction() as session:
        connection = await session.connection()
        await PARCELS.insert(connection, written)
        later = NOON + timedelta(days=1)
        await PARCELS.update(connection, [replace(first, came_at=later, left_at=later, weight=3.0, note="seen")])
        assert await PARCELS.read(connection, ["b"]) == [second, replace(first, left_at=later, weight=3.0)]
        notes = await session.execute(Parcel.__table__.select())
        assert {row.note for row in notes} == {"new"}


async def test_thousands_are_read_with_one_statement(database: Database) -> None:
    many = [ParcelRecord(f"h{index:05d}", 0, "box", None, False, NOON) for index in range(3_000)]
    async with database.transaction() as session:
        connection = await session.connection()
        await PARCELS.insert(connection, many)
        assert await PARCELS.read(connection, [record.house for record in many]) == many


async def test_a_naive_time_is_refused(database: Database) -> None:
    record = ParcelRecord("a", 0, "box", None, False, NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="times are aware"):
        async with database.transaction() as session:
            await PARCELS.insert(await session.connection(), [record])


async def test_a_column_that_cannot_be_read_in_this_way_is_refused(database: Database) -> None:
    pictures = Rows(cast(Table, Picture.__table__), PictureRecord, read_by="house")
    async with database.reading() as session:
        with pytest.raises(TypeError, match="are not read in this way"):
            await pictures.read(await session.connection(), ["a"])
