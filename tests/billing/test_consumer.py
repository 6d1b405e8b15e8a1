"""The journal becomes charges exactly once, however it is cut and whatever dies in between."""

from datetime import UTC, date, timedelta, timezone
from decimal import Decimal
from math import ceil
from random import Random

import pytest
from sqlalchemy import func, select

from billing.errors import InvalidPeriodError, UnknownCursorError
from billing.tables import ChargeLegRow
from core.events import Direction, LegAnswered, LegCreated, LegEnded
from core.phone_numbers import NumberKind
from tests.billing.conftest import Room
from tests.support.facts import LANDLINE, MOBILE, START, Story, outgoing_call


def busy_hour(seed: int, calls: int = 12) -> Story:
    """Calls of random lengths whose facts are mixed as they would be in time."""
    random = Random(seed)
    story = Story()
    for index in range(calls):
        begin = random.uniform(0, 50)
        answer = begin + random.uniform(1, 10)
        number = random.choice([LANDLINE, MOBILE])
        outgoing_call(
            story, f"call-{index:02}", number, start=begin, answer=answer, end=answer + random.uniform(1, 500)
        )
    story.facts.sort(key=lambda fact: fact.at)
    return story


def by_the_minute(story: Story) -> Decimal:
    """Return what the outgoing legs of a story cost, counted by started minutes."""
    numbers, answers, total = {}, {}, Decimal(0)
    for fact in story.facts:
        match fact:
            case LegCreated(incoming=False):
                numbers[fact.leg_id] = fact.number
            case LegAnswered():
                answers[fact.leg_id] = fact.at
            case LegEnded() if fact.leg_id in numbers:
                minutes = ceil((fact.at - answers[fact.leg_id]).total_seconds() / 60)
                total += minutes * {LANDLINE: Decimal("0.72"), MOBILE: Decimal("1.57")}[numbers[fact.leg_id]]
    return total


async def open_legs(room: Room) -> int:
    async with room.database.reading() as session:
        return await session.scalar(select(func.count()).select_from(ChargeLegRow)) or 0


@pytest.mark.parametrize("batch", [1, 3, 7, 1000])
async def test_batches_of_any_size_give_the_same_bill(room: Room, batch: int) -> None:
    story = busy_hour(1)
    await room.digest(story, batch=batch)
    charges = await room.charges()
    assert len(charges) == 12
    assert len({charge.leg_id for charge in charges}) == 12
    assert sum(charge.amount or 0 for charge in charges) == by_the_minute(story)
    assert await open_legs(room) == 0


async def test_the_whole_journal_read_again_changes_nothing(room: Room) -> None:
    entries = busy_hour(2).entries()
    await room.digest(entries, batch=5)
    before = await room.charges()
    await room.digest(entries, batch=4)
    assert await room.charges() == before
    assert await open_legs(room) == 0


async def test_a_journal_read_again_from_any_place_changes_nothing(room: Room) -> None:
    entries = busy_hour(3, calls=4).entries()
    await room.digest(entries)
    before = await room.charges()
    for start in range(len(entries)):
        await room.digest(entries[start:], batch=6)
    assert await room.charges() == before


async def test_two_nodes_may_use_the_same_leg_ids(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE)
    await room.digest(story, node="n1")
    await room.digest(story, node="n2")
    assert len(await room.charges()) == 2


async def test_an_open_leg_waits_in_the_database_for_its_end(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE)
    entries = story.entries()
    await room.digest(entries[:-3])
    assert (await open_legs(room), await room.charges()) == (1, [])
    await room.digest(entries[-3:])
    assert (await open_legs(room), len(await room.charges())) == (0, 1)


async def test_a_second_answer_of_a_leg_does_not_shorten_it(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=10, end=300)
    story.answered(200, "a", "a-out")
    story.facts.sort(key=lambda fact: fact.at)
    await room.digest(story, batch=1)
    assert [charge.seconds for charge in await room.charges()] == [290]


async def test_facts_of_legs_that_are_not_known_are_passed_over(room: Room) -> None:
    story = Story()
    story.answered(1, "a", "ghost")
    story.moved(2, "ghost", from_call="a", to_call="b")
    story.left(3, "b", "ghost")
    story.ended(4, "b", recovered=True)
    await room.digest(story)
    assert await room.charges() == []


async def test_an_overlong_number_does_not_stop_the_journal(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", "+" + "9" * 200, trunk="t" * 300)
    await room.digest(story)
    (charge,) = await room.charges()
    assert (len(charge.number), len(charge.trunk), charge.amount) == (64, 128, None)


async def test_a_short_code_has_the_kind_internal_and_waits_for_a_rate(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", "112")
    await room.digest(story)
    (charge,) = await room.charges()
    assert (charge.kind, charge.amount) == (NumberKind.INTERNAL, None)


async def test_charges_are_paged_newest_first(room: Room) -> None:
    await room.digest(busy_hour(4))
    seen: list[str] = []
    after = None
    while True:
        page = await room.billing.charges.page(limit=5, after=after)
        seen += [charge.id for charge in page.items]
        after = page.after
        if after is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 12
    with pytest.raises(UnknownCursorError):
        await room.billing.charges.page(after="x" * 40)


async def test_the_totals_of_a_day_are_the_sum_of_its_charges(room: Room) -> None:
    await room.digest(busy_hour(5, calls=30))
    charges = await room.charges()
    totals = await room.billing.charges.totals(START.date(), START.date())
    assert [(total.kind, total.currency) for total in totals] == [("landline", "RUB"), ("mobile", "RUB")]
    for total in totals:
        mine = [charge for charge in charges if charge.kind is total.kind]
        assert total.charges == len(mine)
        assert total.amount == sum(charge.amount or 0 for charge in mine)
        assert total.seconds == sum(charge.seconds for charge in mine)
        assert total.billed_seconds == sum(charge.billed_seconds or 0 for charge in mine)


async def test_unrated_charges_stand_apart_in_the_totals(bare: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE)
    await bare.digest(story)
    (total,) = await bare.billing.charges.totals(START.date(), START.date())
    assert (total.charges, total.seconds, total.billed_seconds, total.amount, total.currency) == (1, 60, 0, None, None)


async def test_a_day_begins_where_the_company_is(room: Room) -> None:
    story = Story()
    outgoing_call(story, "evening", LANDLINE, answer=0)
    outgoing_call(story, "next day", LANDLINE, answer=15 * 3600, end=15 * 3600 + 1)
    await room.digest(story)
    day = START.date()
    utc = await room.billing.charges.totals(day, day + timedelta(days=1), UTC)
    assert [(total.day, total.charges) for total in utc] == [(day, 1), (day + timedelta(days=1), 1)]
    west = await room.billing.charges.totals(day, day + timedelta(days=1), timezone(timedelta(hours=-3)))
    assert [(total.day, total.charges) for total in west] == [(day, 2)]
    east = await room.billing.charges.totals(day, day, timezone(timedelta(hours=12)))
    assert [total.charges for total in east] == [1]


@pytest.mark.parametrize(("first", "last"), [("2026-01-02", "2026-01-01"), ("2026-01-01", "2027-01-02")])
async def test_an_impossible_period_is_refused(room: Room, first: str, last: str) -> None:
    with pytest.raises(InvalidPeriodError):
        await room.billing.charges.totals(date.fromisoformat(first), date.fromisoformat(last))


async def test_inbound_trunk_legs_leave_nothing_behind(room: Room) -> None:
    story = Story()
    story.offered(0, "a", Direction.INBOUND, from_number=MOBILE)
    story.outside(0, "a", "in", MOBILE, incoming=True)
    story.answered(1, "a", "in")
    await room.digest(story)
    assert await open_legs(room) == 0
