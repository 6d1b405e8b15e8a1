"""Public phone numbers: E.164 and what kind of line they are, by Google's metadata (`phonenumbers`)."""

from __future__ import annotations

import enum
import functools
import re
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberType

from core.errors import InvalidInputError

_LONGEST: Final = 40
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SHAPE: Final = re.compile(r"[+0-9 ().\-/]+")


class NumberKind(enum.StrEnum):
    """What a call to a number costs is decided by this first."""

    LANDLINE = "landline"
    MOBILE = "mobile"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    INTERNATIONAL = "international"
    INTERNAL = "internal"


_KINDS: Final = {
    PhoneNumberType.FIXED_LINE: NumberKind.LANDLINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberKind.LANDLINE,
    PhoneNumberType.MOBILE: NumberKind.MOBILE,
    PhoneNumberType.PAGER: NumberKind.MOBILE,
    PhoneNumberType.TOLL_FREE: NumberKind.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: NumberKind.PREMIUM,
    PhoneNumberType.SHARED_COST: NumberKind.PREMIUM,
}


class InvalidNumberError(InvalidInputError):
    """The text is not a phone number that can exist."""

    id = "core.invalid_number"


def normalise(text: str, country: str) -> str:
    """Return a public number in E.164 (`+551133334444`).

    Args:
        text: as dialled or written: national, with 00 or +, with blanks and signs.
        country: the company's country, ISO 3166-1 alpha-2, by which national numbers are read.

    Raises:
        InvalidNumberError: no such number can exist.
    """
    return _normalise(text.strip()[: _LONGEST + 1], country.upper())


@functools.lru_cache(maxsize=65_536)
def _normalise(text: str, country: str) -> str:
    if len(text) > _LONGEST or not _SHAPE.fullmatch(text):
        raise InvalidNumberError(f"“{text[:_LONGEST]}” is not a phone number.")
    if text.startswith("00"):
        text = "+" + text[2:]
    if _is_normal(text):
        return text
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        raise InvalidNumberError(f"“{text}” is not a phone number: {error}.") from error
    if not phonenumbers.is_possible_number(number):
        raise InvalidNumberError(f"“{text}” has too few or too many digits for a phone number.")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_normal(text: str) -> bool:
    """Tell of most numbers that carriers send that they are in E.164 already, in a fiftieth of the time that taking them apart costs."""
    if _E164.fullmatch(text) is None:
        return False
    for end in (2, 3, 4):
        # No country code begins another.
        lengths, prefix = _national(text[1:end])
        if lengths:
            # What reads as a prefix for calls within the country may be taken off; zeros at the front have rules of their own.
            number = text[end:]
            return len(number) in lengths and number[0] != "0" and (prefix is None or prefix.match(number) is None)
    return False


@functools.lru_cache(maxsize=1_024)
def _national(country_code: str) -> tuple[frozenset[int], re.Pattern[str] | None]:
    """Return how many digits follow a country code, none where there is none, and what they have before them within the country."""
    code = int(country_code)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code)
    if regions is None:
        return frozenset(), None
    metadata = (
        PhoneMetadata.metadata_for_nongeo_region(code)
        if regions[0] == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
        else PhoneMetadata.metadata_for_region(regions[0])
    )
    if metadata is None or metadata.general_desc is None:
        return frozenset(), None
    prefix = metadata.national_prefix_for_parsing
    return frozenset(metadata.general_desc.possible_length), re.compile(prefix) if prefix else None


@functools.lru_cache(maxsize=8192)
def is_country(code: str) -> bool:
    """Tell whether numbers of this country (ISO 3166-1 alpha-2) can be read."""
    return code in phonenumbers.SUPPORTED_REGIONS


def national(number: str, country: str) -> str:
    """Return an E.164 number as it is dialled within its country; one of another country than `country` stays as it is."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number
    if parsed.country_code != phonenumbers.country_code_for_region(country.upper()):
        return number
    text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(character for character in text if character.isdigit())


@functools.lru_cache(maxsize=8192)
def is_abroad(number: str, country: str) -> bool:
    """Tell whether an E.164 number is dialled with the prefix for calls abroad (00, or what the country has) in a country."""
    return not number.startswith(f"+{phonenumbers.country_code_for_region(country.upper())}")


def is_public(text: str, country: str) -> bool:
    """Tell whether the text can be read as a public number."""
    try:
        normalise(text, country)
    except InvalidNumberError:
        return False
    return True


def is_assigned(text: str, country: str) -> bool:
    """Tell whether the text can be read as a public number of a range that its country has given to somebody."""
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(normalise(text, country)))
    except (InvalidNumberError, phonenumbers.NumberParseException):
        return False


@functools.lru_cache(maxsize=65_536)
def classify(number: str, home_country: str) -> NumberKind:
    """Return the kind of an E.164 number as seen from `home_country` (ISO 3166-1 alpha-2); not E.164 means an extension.

    A number abroad is international whatever its line type, except toll-free and premium ones, which keep their kind.
    """
    if not number.startswith("+"):
        return NumberKind.INTERNAL
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return NumberKind.INTERNATIONAL
    kind = _KINDS.get(phonenumbers.number_type(parsed), NumberKind.LANDLINE)
    if kind in (NumberKind.TOLL_FREE, NumberKind.PREMIUM):
        return kind
    home = phonenumbers.country_code_for_region(home_country.upper())
    if parsed.country_code != home:
        return NumberKind.INTERNATIONAL
    # One country code can serve several countries (+7: Russia and Kazakhstan, +1: North America).
    region = phonenumbers.region_code_for_number(parsed)
    return kind if region in (home_country.upper(), None) else NumberKind.INTERNATIONAL
