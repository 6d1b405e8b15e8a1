"""E.164 and what a line costs by its kind."""

import contextlib

import phonenumbers
import pytest

from core.phone_numbers import InvalidNumberError, NumberKind, classify, is_assigned, normalise


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("8 (495) 123-45-67", "RU", "+74951234567"),
        ("+7 916 123 45 67", "BR", "+79161234567"),
        ("011 3333-4444", "BR", "+551133334444"),
        ("00551133334444", "RU", "+551133334444"),
    ],
)
def test_a_number_is_read_by_the_companys_country(text: str, country: str, number: str) -> None:
    assert normalise(text, country) == number


@pytest.mark.parametrize("text", ["", "1001", "abc", "+", "9" * 60, "+7;drop", "anonymous", "+7495123456\n7"])
def test_what_cannot_be_a_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidNumberError):
        normalise(text, "RU")


@pytest.mark.parametrize(
    ("number", "home", "kind"),
    [
        ("+74951234567", "RU", NumberKind.LANDLINE),
        ("+79161234567", "RU", NumberKind.MOBILE),
        ("+78001234567", "RU", NumberKind.TOLL_FREE),
        ("+77012345678", "RU", NumberKind.INTERNATIONAL),
        ("+5511987654321", "BR", NumberKind.MOBILE),
        ("+551133334444", "BR", NumberKind.LANDLINE),
        ("+551133334444", "RU", NumberKind.INTERNATIONAL),
        ("1001", "RU", NumberKind.INTERNAL),
    ],
)
def test_the_kind_is_seen_from_home(number: str, home: str, kind: NumberKind) -> None:
    assert classify(number, home) is kind


@pytest.mark.parametrize(
    ("text", "country", "assigned"),
    [
        ("22001100", "NO", True),
        ("1002", "DE", False),
        ("5551234", "RU", False),
        ("84951234567", "RU", True),
        ("x", "RU", False),
    ],
)
def test_a_number_that_nobody_can_have_is_told_from_one_in_use(text: str, country: str, assigned: bool) -> None:
    assert is_assigned(text, country) is assigned


def test_a_number_that_is_in_e164_already_stays_what_the_full_reading_makes_of_it() -> None:
    # 210 is nobody's.
    for code in (*phonenumbers.COUNTRY_CODE_TO_REGION_CODE, 210):
        for length in (7, 9, 10):
            for first in range(0, 100, 11):
                text = f"+{code}{first:02}{'617394285'[: length - 2]}"
                assert normalised(text) == read_in_full(text)


def normalised(text: str) -> str | None:
    with contextlib.suppress(InvalidNumberError):
        return normalise(text, "RU")
    return None


def read_in_full(text: str) -> str | None:
    with contextlib.suppress(phonenumbers.NumberParseException):
        number = phonenumbers.parse(text, "RU")
        if phonenumbers.is_possible_number(number):
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None
