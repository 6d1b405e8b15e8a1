"""What each kind of call and transfer costs: the table of docs/billing.md, one test a row, named after it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from billing.values import Charge, ChargeState
from core.events import Direction, Disposition, LegHeld, LegResumed, TransferKind, TransferResult
from core.phone_numbers import NumberKind
from tests.billing.conftest import LANDLINE_RATE, Room
from tests.support.facts import LANDLINE, MOBILE, OTHER_MOBILE, Story, at, outgoing_call


def shown(charge: Charge) -> tuple[str, str, int, int | None, str | None]:
    """Return what a bill's line says."""
    amount = None if charge.amount is None else str(charge.amount)
    return charge.call_id, charge.number, charge.seconds, charge.billed_seconds, amount


async def bill(room: Room, story: Story) -> list[tuple[str, str, int, int | None, str | None]]:
    await room.digest(story)
    return [shown(charge) for charge in await room.charges()]


def inbound_call(story: Story, call: str, *, answer: float = 10) -> None:
    """A customer calls in and 1001 answers."""
    story.offered(0, call, Direction.INBOUND, from_number=OTHER_MOBILE, to_number="+74950000000", trunk="carrier")
    story.outside(0, call, "customer", OTHER_MOBILE, incoming=True)
    story.answered(1, call, "customer")
    story.phone(2, call, "1001", "1001")
    story.answered(answer, call, "1001")
    story.talking(answer, call, "1001", "1001")


async def test_an_internal_call_costs_nothing(room: Room) -> None:
    story = Story()
    story.offered(0, "a", Direction.INTERNAL, to_number="1002")
    story.phone(0, "a", "1001", "1001", incoming=True)
    story.phone(0, "a", "1002", "1002")
    story.answered(5, "a", "1002", "1001")
    story.left(65, "a", "1001", "1002")
    story.ended(65, "a")
    assert await bill(room, story) == []


async def test_an_inbound_call_costs_nothing(room: Room) -> None:
    story = Story()
    inbound_call(story, "a")
    story.left(70, "a", "customer", "1001")
    story.ended(70, "a")
    assert await bill(room, story) == []


async def test_an_unanswered_outbound_call_costs_nothing(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.outside(0, "a", "out", LANDLINE)
    story.rang(1, "a", "out")
    story.left(30, "a", "out", status=480)
    story.ended(30, "a", Disposition.NO_ANSWER, status=480)
    assert await bill(room, story) == []


async def test_an_outbound_call_to_a_landline(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=10, end=71)
    assert await bill(room, story) == [("a", LANDLINE, 61, 120, "1.44")]
    (charge,) = await room.charges()
    (rate,) = (await room.billing.rates.page(kind=NumberKind.LANDLINE)).items
    assert (charge.kind, charge.currency, charge.rate_id) == (NumberKind.LANDLINE, "RUB", rate.id)
    assert (charge.price_per_minute, charge.first_increment, charge.increment) == (Decimal("0.72"), 60, 60)
    assert (charge.started_at, charge.ended_at, charge.state) == (at(10), at(71), ChargeState.RATED)


async def test_an_outbound_call_to_a_mobile(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", MOBILE, answer=10, end=70)
    assert await bill(room, story) == [("a", MOBILE, 60, 60, "1.57")]


async def test_hold_is_charged_as_talk(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=0, end=180)
    story.facts[-3:-3] = [
        LegHeld(at=at(20), call_id="a", leg_id="a-out"),
        LegResumed(at=at(170), call_id="a", leg_id="a-out"),
    ]
    assert await bill(room, story) == [("a", LANDLINE, 180, 180, "2.16")]


async def test_a_blind_transfer_of_an_outbound_call_to_a_colleague(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.phone(0, "a", "1001", "1001", incoming=True)
    story.outside(0, "a", "out", LANDLINE)
    story.answered(10, "a", "out", "1001")
    story.phone(50, "a", "1002", "1002")
    story.left(50, "a", "1001")
    story.answered(60, "a", "1002")
    story.transferred(60, "a", "1002", new_leg="1002")
    story.left(190, "a", "1002", "out")
    story.ended(190, "a")
    assert await bill(room, story) == [("a", LANDLINE, 180, 180, "2.16")]


async def test_a_blind_transfer_of_an_inbound_call_to_an_outside_number(room: Room) -> None:
    story = Story()
    inbound_call(story, "a")
    story.outside(50, "a", "out", MOBILE)
    story.left(50, "a", "1001")
    story.answered(60, "a", "out")
    story.transferred(60, "a", MOBILE, new_leg="out")
    story.left(121, "a", "customer", "out")
    story.ended(121, "a")
    assert await bill(room, story) == [("a", MOBILE, 61, 120, "3.14")]


async def test_a_blind_transfer_of_an_outbound_call_to_an_outside_number(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.phone(0, "a", "1001", "1001", incoming=True)
    story.outside(0, "a", "out", LANDLINE)
    story.answered(10, "a", "out", "1001")
    story.outside(50, "a", "second", MOBILE)
    story.left(50, "a", "1001")
    story.answered(60, "a", "second")
    story.transferred(60, "a", MOBILE, new_leg="second")
    story.left(130, "a", "out", "second")
    story.ended(130, "a")
    assert await bill(room, story) == [("a", LANDLINE, 120, 120, "1.44"), ("a", MOBILE, 70, 120, "3.14")]


async def test_a_blind_transfer_that_is_not_answered(room: Room) -> None:
    story = Story()
    inbound_call(story, "a")
    story.outside(50, "a", "out", MOBILE)
    story.left(70, "a", "out", status=486)
    story.transferred(70, "a", MOBILE, result=TransferResult.FAILED)
    story.left(130, "a", "customer", "1001")
    story.ended(130, "a")
    assert await bill(room, story) == []


async def test_an_attended_transfer_of_an_outbound_call_to_a_colleague(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.phone(0, "a", "1001", "1001", incoming=True)
    story.outside(0, "a", "out", LANDLINE)
    story.answered(10, "a", "out", "1001")
    story.offered(40, "b", Direction.INTERNAL, to_number="1002")
    story.phone(40, "b", "1001-b", "1001", incoming=True)
    story.phone(40, "b", "1002", "1002")
    story.answered(45, "b", "1002", "1001-b")
    story.moved(60, "1002", from_call="b", to_call="a")
    story.transferred(60, "a", "1002", TransferKind.ATTENDED, new_leg="1002", other_call="b")
    story.left(60, "b", "1001-b")
    story.ended(60, "b")
    story.left(60, "a", "1001")
    story.left(130, "a", "out", "1002")
    story.ended(130, "a")
    assert await bill(room, story) == [("a", LANDLINE, 120, 120, "1.44")]


async def test_an_attended_transfer_to_an_outside_number_is_charged_once_in_the_call_that_goes_on(room: Room) -> None:
    story = Story()
    inbound_call(story, "a")
    story.offered(40, "b", to_number=MOBILE, trunk="carrier")
    story.phone(40, "b", "1001-b", "1001", incoming=True)
    story.outside(40, "b", "out", MOBILE)
    story.answered(50, "b", "out", "1001-b")
    story.moved(80, "out", from_call="b", to_call="a")
    story.transferred(80, "a", MOBILE, TransferKind.ATTENDED, new_leg="out", other_call="b")
    story.left(80, "b", "1001-b")
    story.ended(80, "b")
    story.left(80, "a", "1001")
    story.left(171, "a", "customer", "out")
    story.ended(171, "a")
    assert await bill(room, story) == [("a", MOBILE, 121, 180, "4.71")]
    (charge,) = await room.charges()
    assert (charge.first_call_id, charge.started_at) == ("b", at(50))
    assert await room.billing.charges.of_calls(["a", "b", "c"]) == {"a": [charge]}


async def test_two_outbound_legs_that_are_connected_are_charged_each_for_its_own_life(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.phone(0, "a", "1001", "1001", incoming=True)
    story.outside(0, "a", "first", LANDLINE)
    story.answered(10, "a", "first", "1001")
    story.offered(40, "b", to_number=MOBILE)
    story.phone(40, "b", "1001-b", "1001", incoming=True)
    story.outside(40, "b", "second", MOBILE)
    story.answered(50, "b", "second", "1001-b")
    story.moved(70, "second", from_call="b", to_call="a")
    story.transferred(70, "a", MOBILE, TransferKind.ATTENDED, new_leg="second", other_call="b")
    story.left(70, "b", "1001-b")
    story.ended(70, "b")
    story.left(70, "a", "1001")
    story.left(100, "a", "second")
    story.left(130, "a", "first")
    story.ended(130, "a")
    assert await bill(room, story) == [("a", LANDLINE, 120, 120, "1.44"), ("a", MOBILE, 50, 60, "1.57")]


async def test_a_consultation_that_is_not_completed_is_charged_in_its_own_call(room: Room) -> None:
    story = Story()
    inbound_call(story, "a")
    outgoing_call(story, "b", MOBILE, start=40, answer=50, end=80)
    story.left(130, "a", "customer", "1001")
    story.ended(130, "a")
    assert await bill(room, story) == [("b", MOBILE, 30, 60, "1.57")]


async def test_a_recovered_call_is_charged_to_the_last_time_its_voice_was_alive(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.outside(0, "a", "out", LANDLINE)
    story.answered(10, "a", "out")
    story.ended(135, "a", Disposition.INTERRUPTED, recovered=True)
    assert await bill(room, story) == [("a", LANDLINE, 125, 180, "2.16")]


async def test_a_recovered_call_whose_leg_was_moved_is_charged_once(room: Room) -> None:
    story = Story()
    inbound_call(story, "a")
    story.offered(40, "b", to_number=MOBILE)
    story.outside(40, "b", "out", MOBILE)
    story.answered(50, "b", "out")
    story.moved(60, "out", from_call="b", to_call="a")
    story.ended(65, "b", Disposition.INTERRUPTED, recovered=True)
    story.left(110, "a", "out")
    story.ended(110, "a", Disposition.INTERRUPTED, recovered=True)
    assert await bill(room, story) == [("a", MOBILE, 60, 60, "1.57")]


async def test_a_recovered_call_that_was_not_answered_costs_nothing(room: Room) -> None:
    story = Story()
    story.offered(0, "a")
    story.outside(0, "a", "out", LANDLINE)
    story.ended(20, "a", Disposition.INTERRUPTED, recovered=True)
    assert await bill(room, story) == []
    story = Story()
    story.answered(25, "a", "out")
    story.left(90, "a", "out")
    await room.digest(story.entries(10))
    assert await room.charges() == []


async def test_the_price_is_that_of_the_moment_of_the_answer(room: Room) -> None:
    (rate,) = (await room.billing.rates.page(kind=NumberKind.LANDLINE)).items
    await room.billing.rates.update(rate.id, replace(rate.draft(), valid_to=at(60)))
    await room.billing.rates.create(replace(LANDLINE_RATE, price_per_minute=Decimal(9), valid_from=at(60)))
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=59.999999, end=600)
    outgoing_call(story, "b", LANDLINE, answer=60, end=600)
    assert [line[-1] for line in await bill(room, story)] == ["7.20", "81.00"]


async def test_a_call_without_a_rate_is_seen_and_rated_once_there_is_one(bare: Room) -> None:
    story = Story()
    outgoing_call(story, "a", MOBILE, answer=10, end=70)
    assert await bill(bare, story) == [("a", MOBILE, 60, None, None)]
    waiting = await bare.billing.charges.page(state=ChargeState.UNRATED)
    assert [(charge.state, charge.rate_id, charge.currency) for charge in waiting.items] == [("unrated", None, None)]
    assert await bare.billing.charges.unrated() == 1
    rate = await bare.billing.rates.create(replace(LANDLINE_RATE, kind=None))
    (charge,) = await bare.charges()
    assert (*shown(charge), charge.rate_id) == ("a", MOBILE, 60, 60, "0.72", rate.id)
    assert await bare.billing.charges.unrated() == 0
    assert await bare.billing.charges.rate_unrated() == 0


async def test_a_clock_that_went_back_is_not_charged(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=70, end=60)
    assert await bill(room, story) == [("a", LANDLINE, 0, 0, "0.00")]


async def test_a_very_long_call_is_charged_to_the_second(room: Room) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE, answer=0, end=timedelta(days=2, seconds=1).total_seconds())
    assert await bill(room, story) == [("a", LANDLINE, 172_801, 172_860, "2074.32")]
