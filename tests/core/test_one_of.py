"""One of many values: the same statement however many there are, on either database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import String, bindparam, delete, event, select
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Database
from core.one_of import Texts, one_of


class Shelf(Base):
    __tablename__ = "test_shelves"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)


NAMES = ["", 'a "quoted" one', "c'd", "{e,f}", "ä\u2028", "null", "\\"]


@pytest.fixture
async def shelves(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    await database.create_all()
    async with database.transaction() as session:
        await session.execute(delete(Shelf))
        session.add_all([Shelf(name=name) for name in NAMES])
    yield database
    await database.close()


@pytest.mark.parametrize("wanted", [[], NAMES[:1], NAMES[1:4], [*NAMES, "unknown"], [NAMES[2], NAMES[2]]])
async def test_rows_of_all_the_values_are_found_and_no_others(shelves: Database, wanted: list[str]) -> None:
    async with shelves.reading() as session:
        found = set(await session.scalars(select(Shelf.name).where(one_of(Shelf.name, wanted))))
    assert found == set(wanted) & set(NAMES)


async def test_the_values_may_be_a_parameter_of_a_statement_made_once(shelves: Database) -> None:
    statement = select(Shelf.name).where(one_of(Shelf.name, bindparam("names", type_=Texts())))
    async with shelves.reading() as session:
        assert list(await session.scalars(statement, {"names": NAMES[:1]})) == NAMES[:1]
        assert set(await session.scalars(statement, {"names": NAMES[1:3]})) == set(NAMES[1:3])


async def test_however_many_values_there_are_the_statement_is_the_same(shelves: Database) -> None:
    seen = []
    event.listen(
        shelves.engine.sync_engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: seen.append(statement)
    )
    async with shelves.transaction() as session:
        for count in (1, 2, 3):
            await session.execute(delete(Shelf).where(one_of(Shelf.name, NAMES[:count])))
    deletions = [statement for statement in seen if statement.startswith("DELETE")]
    assert len(deletions) == 3
    assert len(set(deletions)) == 1
