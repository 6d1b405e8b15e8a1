"""The database: exact money, aware times, writers in turn, and files that are none."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import String, bindparam, select
from sqlalchemy.exc import IntegrityError, StatementError
from sqlalchemy.orm import Mapped, mapped_column

from core.company import Company, CompanySettings
from core.database import Base, Database, utc_text
from core.errors import StorageError
from core.identifiers import new_id


class Row(Base):
    __tablename__ = "test_rows"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime | None]
    amount: Mapped[Decimal | None]
    text: Mapped[str] = mapped_column(String(20), default="")


async def test_money_comes_back_to_the_last_digit(database: Database) -> None:
    amounts = [Decimal("0.1"), Decimal("99999999999999.999999"), Decimal("-0.000001"), Decimal("1E+3")]
    async with database.transaction() as session:
        session.add_all(Row(id=index, amount=amount) for index, amount in enumerate(amounts))
    async with database.reading() as session:
        assert list(await session.scalars(select(Row.amount).order_by(Row.id))) == amounts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 8, 1, 12, 30, 5, 20, tzinfo=UTC), "2026-08-01T12:30:05.000020Z"),
        (datetime(2026, 8, 1, 12, 30, 5, tzinfo=UTC), "2026-08-01T12:30:05.000000Z"),
        (datetime(2026, 8, 1, 1, 30, 5, tzinfo=timezone(timedelta(hours=3))), "2026-07-31T22:30:05.000000Z"),
        (datetime(33, 1, 1, tzinfo=UTC), "0033-01-01T00:00:00.000000Z"),
    ],
)
def test_a_time_has_the_same_width_whatever_it_is(value: datetime, text: str) -> None:
    assert utc_text(value) == text


async def test_times_come_back_in_utc_and_sort_by_time(database: Database) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=timezone(timedelta(hours=-3)))
    async with database.transaction() as session:
        session.add(Row(id=1, at=noon))
        session.add(Row(id=2, at=datetime(2026, 5, 1, 14, tzinfo=UTC)))
    async with database.reading() as session:
        rows = (await session.scalars(select(Row).order_by(Row.at))).all()
    assert [row.id for row in rows] == [2, 1]
    assert rows[1].at == noon
    assert rows[1].at.tzinfo is UTC


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="aware"):
        async with database.transaction() as session:
            session.add(Row(id=1, at=datetime(2026, 1, 1)))  # noqa: DTZ001


async def test_the_text_of_an_error_does_not_tell_what_was_to_be_stored(database: Database) -> None:
    with pytest.raises(IntegrityError) as caught:
        async with database.transaction() as session:
            session.add_all(Row(id=1, text=text) for text in ("first", "open sesame"))
    assert "open sesame" not in str(caught.value)
    assert "test_rows" in str(caught.value)


async def test_writers_that_read_first_do_not_disturb_each_other(database: Database) -> None:
    async with database.transaction() as session:
        session.add(Row(id=1, text="0"))

    async def add_one() -> None:
        async with database.transaction() as session:
            row = await session.get_one(Row, 1)
            await asyncio.sleep(0)
            row.text = str(int(row.text) + 1)

    await asyncio.gather(*(add_one() for _ in range(30)))
    async with database.reading() as session:
        assert (await session.get_one(Row, 1)).text == "30"


async def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "ramal.sqlite3"
    file.write_bytes(b"this is no database" * 100)
    database = Database(f"sqlite+aiosqlite:///{file}")
    with pytest.raises(StorageError, match=r"cannot be used.*backup"):
        await database.check()
    await database.close()


async def test_company_settings_are_kept(database: Database) -> None:
    company = Company(database)
    assert (await company.load()).currency == "RUB"
    await company.save(CompanySettings(name="Loja Aurora", language="pt-BR"))
    again = Company(database)
    assert (await again.load()).name == "Loja Aurora"


def test_ids_sort_in_the_order_they_were_made() -> None:
    ids = [new_id() for _ in range(10_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {one[14] for one in ids} == {"7"}


async def test_a_look_up_sees_what_was_committed_a_moment_ago(database: Database) -> None:
    statement = select(Row.id, Row.text).where(Row.text == bindparam("wanted"), Row.id > 1).order_by(Row.id)
    assert list(await database.look_up(statement, wanted="a")) == []
    async with database.transaction() as session:
        session.add_all(Row(id=index, text="a") for index in range(1, 4))
    assert [tuple(row) for row in await database.look_up(statement, wanted="a")] == [(2, "a"), (3, "a")]
    assert list(await database.look_up(statement, wanted="b")) == []


async def test_a_look_up_in_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"garbage" * 1000)
    damaged = Database(f"sqlite+aiosqlite:///{tmp_path}/x.sqlite3")
    with pytest.raises(StorageError):
        await damaged.look_up(select(Row.id).where(Row.id == bindparam("wanted")), wanted=1)
    await damaged.close()
