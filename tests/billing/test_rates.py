"""Tariffs and rates as they are kept: on both databases."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from billing.errors import (
    InvalidRateError,
    InvalidTariffError,
    OverlappingRateError,
    RateDeckTooLargeError,
    RateInUseError,
    RateNotFoundError,
    TariffInUseError,
    TariffNotFoundError,
    UnknownCursorError,
)
from billing.rates import RateStore, Removal
from billing.values import RateDraft
from core.clock import ManualClock
from core.phone_numbers import NumberKind
from tests.billing.conftest import LANDLINE_RATE, MOBILE_RATE, Room
from tests.support.facts import LANDLINE, MOBILE, Story, at, outgoing_call

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
ABSENT = "00000000-0000-7000-8000-000000000000"


async def test_a_rate_reads_back_as_it_was_written(bare: Room) -> None:
    draft = replace(
        LANDLINE_RATE,
        price_per_minute=Decimal("0.012345"),
        connection_fee=Decimal("0.5"),
        valid_from=datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        valid_to=JUNE,
    )
    created = await bare.billing.rates.create(draft)
    read = await bare.billing.rates.get(created.id)
    assert read == created
    assert read.draft() == draft
    assert (str(read.price_per_minute), str(read.connection_fee)) == ("0.012345", "0.50")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prices=some.lists(some.decimals(0, 1_000_000_000, places=6), min_size=1, max_size=20))
async def test_prices_survive_the_database_to_the_last_digit(bare: Room, prices: list[Decimal]) -> None:
    tariff = await bare.billing.tariffs.create(f"Prices {datetime.now(UTC).timestamp()}")
    ids = {}
    for index, price in enumerate(prices):
        draft = RateDraft(prefix=str(index + 1), price_per_minute=price, currency="RUB")
        ids[(await bare.billing.rates.create(draft, tariff.id)).id] = price
    page = await bare.billing.rates.page(limit=1000, tariff_id=tariff.id)
    assert {rate.id: rate.price_per_minute for rate in page.items} == ids


async def test_rates_are_paged_by_prefix_and_filtered(bare: Room) -> None:
    rates = bare.billing.rates
    for prefix in ("7495", "49", "7", "7812", "1"):
        await rates.create(RateDraft(prefix=prefix, price_per_minute=Decimal(1), currency="RUB"))
    await rates.create(replace(LANDLINE_RATE, valid_to=JUNE))
    seen: list[str] = []
    after = None
    while True:
        page = await rates.page(limit=2, after=after)
        seen += [rate.prefix for rate in page.items]
        after = page.after
        if after is None:
            break
    assert seen == ["1", "49", "7", "7", "7495", "7812"]
    assert [rate.prefix for rate in (await rates.page(prefix="+74")).items] == ["7495"]
    assert [rate.prefix for rate in (await rates.page(kind=NumberKind.LANDLINE)).items] == ["7"]
    assert len((await rates.page(valid_at=JUNE)).items) == 5
    with pytest.raises(UnknownCursorError):
        await rates.page(after="nonsense")


async def test_a_wrong_rate_is_refused(bare: Room) -> None:
    for wrong in ({"prefix": ""}, {"prefix": "+7"}, {"currency": "XXX"}, {"description": "a\nb"}, {"increment": 0}):
        with pytest.raises(InvalidRateError):
            await bare.billing.rates.create(replace(LANDLINE_RATE, **wrong))
    with pytest.raises(TariffNotFoundError):
        await bare.billing.rates.create(LANDLINE_RATE, ABSENT)
    assert not (await bare.billing.rates.page()).items


async def test_an_overlapping_rate_is_refused_and_one_that_follows_is_taken(room: Room) -> None:
    follower = replace(LANDLINE_RATE, price_per_minute=Decimal("0.80"), valid_from=JUNE)
    with pytest.raises(OverlappingRateError):
        await room.billing.rates.create(follower)
    (old,) = (await room.billing.rates.page(kind=NumberKind.LANDLINE)).items
    await room.billing.rates.update(old.id, replace(old.draft(), valid_to=JUNE))
    assert (await room.billing.rates.create(follower)).valid_from == JUNE
    with pytest.raises(OverlappingRateError):
        await room.billing.rates.update(old.id, replace(old.draft(), valid_to=None))


async def test_an_unused_rate_can_be_changed_and_deleted(room: Room) -> None:
    (rate,) = (await room.billing.rates.page(kind=NumberKind.LANDLINE)).items
    changed = await room.billing.rates.update(rate.id, replace(rate.draft(), price_per_minute=Decimal("0.9")))
    assert str(changed.price_per_minute) == "0.90"
    assert await room.billing.rates.delete(rate.id) is Removal.DELETED
    with pytest.raises(RateNotFoundError):
        await room.billing.rates.get(rate.id)
    with pytest.raises(RateNotFoundError):
        await room.billing.rates.delete(rate.id)


async def test_a_rate_that_a_charge_names_is_only_closed(room: Room, clock: ManualClock) -> None:
    story = Story()
    outgoing_call(story, "a", LANDLINE)
    await room.digest(story)
    (rate,) = (await room.billing.rates.page(kind=NumberKind.LANDLINE)).items
    with pytest.raises(RateInUseError):
        await room.billing.rates.update(rate.id, replace(rate.draft(), price_per_minute=Decimal(5)))
    clock.advance(1000)
    assert await room.billing.rates.delete(rate.id) is Removal.CLOSED
    kept = await room.billing.rates.get(rate.id)
    assert (kept.valid_to, kept.price_per_minute) == (at(1000), Decimal("0.72"))
    later = Story()
    outgoing_call(later, "b", LANDLINE, start=2000, answer=2010, end=2020)
    await room.digest(later.entries(100))
    first, second = await room.charges()
    assert (str(first.amount), first.rate_id, second.amount) == ("0.72", rate.id, None)


async def test_a_full_tariff_refuses_more_rates(room: Room, clock: ManualClock) -> None:
    full = RateStore(room.database, room.billing.tariffs, room.billing.charges, clock, most_rates=2)
    with pytest.raises(RateDeckTooLargeError):
        await full.create(replace(LANDLINE_RATE, prefix="49"))
    with pytest.raises(RateDeckTooLargeError):
        await full.import_file(b"prefix,price_per_minute,currency\n49,1,EUR\n")


async def test_the_first_tariff_is_the_default(bare: Room) -> None:
    first = await bare.billing.tariffs.create("Main")
    second = await bare.billing.tariffs.create("Night")
    assert (first.is_default, second.is_default) == (True, False)
    changed = await bare.billing.tariffs.update(second.id, "Night line", ("carrier",), is_default=True)
    assert (changed.name, changed.trunks, changed.is_default) == ("Night line", ("carrier",), True)
    assert [tariff.name for tariff in await bare.billing.tariffs.all()] == ["Night line", "Main"]
    third = await bare.billing.tariffs.create("Third", is_default=True)
    assert [tariff.is_default for tariff in await bare.billing.tariffs.all()] == [True, False, False]
    assert (await bare.billing.tariffs.get(third.id)).is_default


async def test_a_rate_without_a_tariff_goes_to_the_default_one(bare: Room) -> None:
    one = await bare.billing.rates.create(LANDLINE_RATE)
    two = await bare.billing.rates.create(MOBILE_RATE)
    (tariff,) = await bare.billing.tariffs.all()
    assert one.tariff_id == two.tariff_id == tariff.id
    assert (tariff.name, tariff.rates, tariff.is_default) == ("Default", 2, True)


async def test_what_a_tariff_may_not_be_is_refused(room: Room) -> None:
    tariffs = room.billing.tariffs
    (default,) = await tariffs.all()
    night = await tariffs.create("Night", ["carrier"])
    with pytest.raises(InvalidTariffError):
        await tariffs.create(" ")
    with pytest.raises(InvalidTariffError):
        await tariffs.create("x", [""])
    with pytest.raises(TariffInUseError, match="“Night”"):
        await tariffs.create("Night")
    with pytest.raises(TariffInUseError, match="“carrier” has another"):
        await tariffs.update(default.id, "Default", ["carrier"], is_default=True)
    with pytest.raises(TariffInUseError, match="One tariff is the default"):
        await tariffs.update(default.id, "Default", [], is_default=False)
    with pytest.raises(TariffInUseError, match="default tariff"):
        await tariffs.delete(default.id)
    await room.billing.rates.create(MOBILE_RATE, night.id)
    with pytest.raises(TariffInUseError, match="has rates"):
        await tariffs.delete(night.id)
    with pytest.raises(TariffNotFoundError):
        await tariffs.get(ABSENT)


async def test_a_tariff_without_rates_can_be_deleted(room: Room) -> None:
    night = await room.billing.tariffs.create("Night", ["carrier"])
    await room.billing.tariffs.delete(night.id)
    assert [tariff.name for tariff in await room.billing.tariffs.all()] == ["Default"]
    assert (await room.billing.tariffs.create("Day", ["carrier"])).trunks == ("carrier",)


async def test_a_trunk_with_a_tariff_of_its_own_is_rated_by_that_alone(room: Room) -> None:
    cheap = await room.billing.tariffs.create("Cheap", ["cheap carrier"])
    await room.billing.rates.create(replace(LANDLINE_RATE, price_per_minute=Decimal("0.10")), cheap.id)
    story = Story()
    outgoing_call(story, "a", LANDLINE)
    outgoing_call(story, "b", LANDLINE, answer=11, trunk="cheap carrier")
    outgoing_call(story, "c", MOBILE, answer=12, trunk="cheap carrier")
    await room.digest(story)
    assert [charge.amount for charge in await room.charges()] == [Decimal("0.72"), Decimal("0.10"), None]
    await room.billing.tariffs.update(cheap.id, "Cheap", [], is_default=False)
    assert [charge.amount for charge in await room.charges()] == [Decimal("0.72"), Decimal("0.10"), Decimal("1.57")]


async def test_a_change_of_rates_is_used_by_the_next_charge(room: Room) -> None:
    (rate,) = (await room.billing.rates.page(kind=NumberKind.LANDLINE)).items
    for price, call in (("0.72", "a"), ("0.90", "b"), ("1.10", "c")):
        follower = replace(rate.draft(), prefix="7" + "495"[: "abc".index(call)], price_per_minute=Decimal(price))
        if call != "a":
            await room.billing.rates.create(follower)
        story = Story()
        outgoing_call(story, call, LANDLINE, answer=10 + "abc".index(call))
        await room.digest(story)
    assert [str(charge.amount) for charge in await room.charges()] == ["0.72", "0.90", "1.10"]
