"""Rate files: what is read, and that every wrong line is named and nothing is taken."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from billing.errors import LineError, RateImportError
from billing.rate_import import LARGEST_FILE, RateLine, parse_rates
from billing.rates import Removal
from billing.values import RateDraft
from core.phone_numbers import NumberKind
from tests.billing.conftest import LANDLINE_RATE, Room
from tests.support.facts import MOBILE, Story, outgoing_call

HEADER = (
    "prefix,kind,price_per_minute,currency,first_increment,increment,connection_fee,valid_from,valid_to,description"
)


def wrong_lines(text: str | bytes) -> dict[int, str]:
    """Return the reason given for each line of a file that is refused."""
    with pytest.raises(RateImportError) as caught:
        parse_rates(text if isinstance(text, bytes) else text.encode())
    return {error.line: error.reason for error in caught.value.lines}


def drafts(text: str | bytes) -> list[RateDraft]:
    return [line.draft for line in parse_rates(text if isinstance(text, bytes) else text.encode())]


def test_every_column_is_read() -> None:
    (draft,) = drafts(f"{HEADER}\n+7495,landline,0.72,rub,30,6,0.1,2026-01-01,2026-02-01T12:00:00+03:00,Москва\n")
    assert draft == RateDraft(
        prefix="7495",
        kind=NumberKind.LANDLINE,
        price_per_minute=Decimal("0.72"),
        currency="RUB",
        first_increment=30,
        increment=6,
        connection_fee=Decimal("0.1"),
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_to=datetime(2026, 2, 1, 9, tzinfo=UTC),
        description="Москва",
    )


def test_three_columns_in_any_order_are_enough() -> None:
    (draft,) = drafts("Currency, price_per_minute ,PREFIX\nRUB,1,7\n")
    assert draft == RateDraft(prefix="7", price_per_minute=Decimal(1), currency="RUB")


def test_a_table_from_a_spreadsheet_is_read() -> None:
    text = '\ufeffprefix;price_per_minute;currency;description\r\n7;0,72;RUB;"Russia; all"\r\n;;;\r\n\r\n'
    (draft,) = drafts(text.encode())
    assert (draft.price_per_minute, draft.description) == (Decimal("0.72"), "Russia; all")


def test_a_date_is_midnight_in_the_companys_time_zone() -> None:
    (line,) = parse_rates(
        b"prefix,price_per_minute,currency,valid_from\n7,1,RUB,2026-01-01\n", timezone(timedelta(hours=3))
    )
    assert line.draft.valid_from == datetime(2025, 12, 31, 21, tzinfo=UTC)


def test_every_wrong_line_is_named_with_its_reason() -> None:
    wrong = wrong_lines(
        f"{HEADER}\n"
        "7,landline,0.72,RUB,60,60,0,,,\n"
        "7x,landline,0.72,RUB,60,60,0,,,\n"
        "8,mobil,1.57,RUB,60,60,0,,,\n"
        "9,,-1,RUB,60,60,0,,,\n"
        "10,,1,RUR,60,60,0,,,\n"
        "11,,1,RUB,60,0,0,,,\n"
        "12,,1,RUB,1.5,60,0,,,\n"
        "13,,1,RUB,60,60,0,yesterday,,\n"
        "14,,1,RUB,60,60,0,2026-02-01,2026-01-01,\n"
        "15,,1\n"
        "16,,,RUB,60,60,0,,,\n"
        "17,,1.0000001,RUB,60,60,0,,,\n"
    )
    assert set(wrong) == set(range(3, 14))
    assert "“7x”" in wrong[3]
    assert "did you mean “mobile”" in wrong[4]
    assert "is not a price" in wrong[5]
    assert "“RUR” is not a currency code" in wrong[6]
    assert "increment is from 1" in wrong[7]
    assert "whole number of seconds" in wrong[8]
    assert "“yesterday” is not a date" in wrong[9]
    assert "valid_to is not after valid_from" in wrong[10]
    assert "3 cells" in wrong[11]
    assert "price_per_minute" in wrong[12]
    assert "price_per_minute" in wrong[13]


def test_the_message_counts_the_lines_that_it_does_not_show() -> None:
    with pytest.raises(RateImportError, match="And 5 more") as caught:
        parse_rates(("prefix,price_per_minute,currency\n" + "x,1,RUB\n" * 25).encode())
    assert len(caught.value.lines) == 25


def test_a_misspelt_column_is_met_with_the_nearest_name() -> None:
    with pytest.raises(RateImportError) as caught:
        parse_rates(b"prefix,price,currency,curency,prefix\n7,1,RUB,RUB,7\n")
    told = " ".join(error.reason for error in caught.value.lines)
    assert "“price”; did you mean “price_per_minute”?" in told
    assert "“curency”; did you mean “currency”?" in told
    assert "“prefix” is there twice" in told
    assert "“price_per_minute” is missing" in told


def test_a_file_that_is_one_long_line_is_refused_at_once_and_not_cell_by_cell() -> None:
    with pytest.raises(RateImportError) as caught:
        parse_rates((HEADER + ",x" * 1000).encode())
    assert [error.reason for error in caught.value.lines] == ["it has 1010 cells; a file has at most 100 columns."]


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 1, "empty"),
        (b"\n\n", 1, "empty"),
        (b"prefix,price_per_minute,currency,description\n7,1,RUB,x\n8,1,RUB,\xcc\xee\n", 3, "UTF-8"),
        ("prefix,price_per_minute".encode("utf-16"), 1, "UTF-8"),
        (b"prefix,price_per_minute,currency\n7,1,\0\n", 2, "zero byte"),
        (b'prefix,price_per_minute,currency\n7,"1"x,RUB\n', 2, "not CSV"),
        (b"prefix,price_per_minute,currency\n7," + b"1" * 200_000 + b",RUB\n", 2, "not CSV"),
        (b"prefix,price_per_minute,currency\n7," + b"1" * 400 + b",RUB\n", 2, "longer than"),
        (b"x" * (LARGEST_FILE + 1), 1, "larger than"),
    ],
)
def test_a_file_that_is_no_table_says_why(data: bytes, line: int, reason: str) -> None:
    assert reason in wrong_lines(data)[line]


def test_two_lines_that_overlap_are_refused() -> None:
    wrong = wrong_lines(
        "prefix,kind,price_per_minute,currency,valid_from,valid_to\n"
        "7,mobile,1,RUB,,2026-02-01\n"
        "7,mobile,2,RUB,2026-02-01,\n"
        "7,landline,1,RUB,,\n"
        "7,mobile,3,RUB,2026-01-31,2026-02-01\n"
    )
    assert list(wrong) == [5]
    assert "line 2" in wrong[5]


@given(some.binary(max_size=300) | some.text(max_size=300).map(lambda text: f"{HEADER}\n{text}".encode()))
def test_any_bytes_are_read_or_refused_with_line_numbers(data: bytes) -> None:
    read: list[RateLine] = []
    wrong: Sequence[LineError] = ()
    try:
        read = parse_rates(data)
    except RateImportError as error:
        wrong = error.lines or [LineError(0, "")]
    assert all(line.draft.checked() for line in read)
    assert all(error.line >= 1 and error.reason for error in wrong)


async def test_an_import_stores_all_lines(bare: Room) -> None:
    report = await bare.billing.rates.import_file(
        b"prefix,kind,price_per_minute,currency\n7,landline,0.72,RUB\n7,mobile,1.57,RUB\n"
    )
    assert (report.added, report.closed, report.rated) == (2, 0, 0)
    page = await bare.billing.rates.page()
    assert [(rate.kind, str(rate.price_per_minute)) for rate in page.items] == [
        ("landline", "0.72"),
        ("mobile", "1.57"),
    ]
    assert {rate.tariff_id for rate in page.items} == {report.tariff_id}


async def test_one_wrong_line_means_that_nothing_is_stored(bare: Room) -> None:
    with pytest.raises(RateImportError):
        await bare.billing.rates.import_file(b"prefix,price_per_minute,currency\n7,1,RUB\n8,one,RUB\n")
    assert not (await bare.billing.rates.page()).items


async def test_an_overlap_with_a_stored_rate_is_refused_by_line(room: Room) -> None:
    with pytest.raises(RateImportError, match=r"Line 3: prefix 7 \(landline\) has the rate .* since ever without end"):
        await room.billing.rates.import_file(
            b"prefix,kind,price_per_minute,currency,valid_from\n49,,1,EUR,\n7,landline,0.80,RUB,2026-06-01\n"
        )
    assert len((await room.billing.rates.page()).items) == 2


async def test_a_new_price_list_can_end_the_old_rates_where_it_begins(room: Room) -> None:
    report = await room.billing.rates.import_file(
        b"prefix,kind,price_per_minute,currency,valid_from\n7,landline,0.80,RUB,2026-06-01\n", close_previous=True
    )
    assert (report.added, report.closed) == (1, 1)
    page = await room.billing.rates.page(kind=NumberKind.LANDLINE)
    turn = datetime(2026, 6, 1, tzinfo=UTC)
    assert [(rate.valid_from, rate.valid_to) for rate in page.items] == [(None, turn), (turn, None)]


async def test_an_imported_rate_is_used_for_charges_that_waited(bare: Room) -> None:
    story = Story()
    outgoing_call(story, "a", MOBILE)
    await bare.digest(story)
    report = await bare.billing.rates.import_file(b"prefix,kind,price_per_minute,currency\n7,mobile,1.57,RUB\n")
    assert report.rated == 1
    assert [str(charge.amount) for charge in await bare.charges()] == ["1.57"]


async def test_importing_the_same_file_twice_is_refused_whole(bare: Room) -> None:
    data = b"prefix,price_per_minute,currency\n7,1,RUB\n8,1,RUB\n"
    await bare.billing.rates.import_file(data)
    with pytest.raises(RateImportError) as caught:
        await bare.billing.rates.import_file(data)
    assert [error.line for error in caught.value.lines] == [2, 3]


async def test_a_deleted_rate_makes_room_for_another(room: Room) -> None:
    rate = next(rate for rate in (await room.billing.rates.page()).items if rate.kind is NumberKind.LANDLINE)
    assert await room.billing.rates.delete(rate.id) is Removal.DELETED
    assert (await room.billing.rates.create(LANDLINE_RATE)).id != rate.id
