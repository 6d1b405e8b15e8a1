"""Field types that the resources share: text without control characters, times, money, numbers, ids."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final, Self

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
)

from api.errors import FieldError, InvalidFieldsError

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Input(BaseModel):
    """A request body: unknown fields are refused, and NUL, which PostgreSQL has in no text; blanks around text are cut."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _without_nul(cls, value: Any) -> Any:
        texts = value if isinstance(value, list) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise ValueError("It must not hold NUL")
        return value


class Output(BaseModel):
    """A resource as it is shown; made from the objects of the rooms."""

    model_config = ConfigDict(from_attributes=True)

    @classmethod
    def of(cls, *things: object, **given: object) -> Self:
        """Return the resource of the rooms' objects: a field that is not given is the attribute of its name of the first that has it.

        Raises:
            ValidationError: none has it, or it is not of the field's type.
        """
        values = dict(given)
        for name, field in cls.model_fields.items():
            attribute = field.validation_alias if isinstance(field.validation_alias, str) else name
            owner = next((thing for thing in things if hasattr(thing, attribute)), None)
            if owner is not None and attribute not in values:
                values[attribute] = getattr(owner, attribute)
        return cls.model_validate(values)


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("It must not hold control characters")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("It must be one line of printable characters")
    return text


def _as_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("It is outside the calendar") from error


def _utc_text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain_decimal(value: Decimal) -> str:
    return format(value, "f")


Line = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
"""A name or the like: one line of up to 200 characters."""


def _empty_for_null(value: Any) -> Any:
    return "" if value is None else value


NullIsEmpty: Final = BeforeValidator(_empty_for_null, json_schema_input_type=str | None)
"""Marks a text that may be given as null, which is how some of them are shown when they are empty."""

EmptyIsNull: Final = BeforeValidator(lambda value: value or None)
"""Marks a field that is shown as null while it is empty or 0."""

TextOrNull = Annotated[str | None, EmptyIsNull]
"""A text that is shown as null while it is empty."""

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
"""A line that is not empty."""

Note = Annotated[str, Field(max_length=10_000), AfterValidator(_printable)]
"""Free text of several lines."""

ExtensionNumber = Annotated[str, Field(pattern=r"^[0-9]{2,8}$", examples=["1001"])]
"""An extension's number, two to eight digits."""

Dialled = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[+*#0-9 ().\-/]+$", examples=["+74951234567"])]
"""What a person would dial: an extension, a national or an international number."""

PhoneIn = Annotated[str, Field(min_length=1, max_length=40, examples=["+7 916 123-45-67"])]
"""A phone number as people write it; the room that stores it reads it."""

CallId = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._@-]*$", examples=[""])]
"""The id of a call, or empty."""

Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$", examples=["ana@example.com"])]
"""An e-mail address, checked loosely: the mail server knows better."""

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["RUB"])]
"""ISO 4217."""

TimeIn = Annotated[AwareDatetime, AfterValidator(_as_utc)]
"""A time with its zone, taken to UTC."""

Time = Annotated[
    datetime,
    PlainSerializer(_utc_text, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-03-01T09:30:00.250000Z"]}),
]
"""RFC 3339 in UTC."""

MoneyIn = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=6, allow_inf_nan=False, examples=["1.57"])]
"""An amount or price, from a decimal string."""

Money = Annotated[
    Decimal,
    PlainSerializer(_plain_decimal, return_type=str),
    WithJsonSchema({"type": "string", "format": "decimal", "examples": ["1.57"]}),
]
"""An amount or price as a decimal string, never rounded on the way."""

ThingId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="The id that the list shows.")]
"""An id in a path."""


def changes_of(body: Input, *, nullable: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields that were sent, as the rooms take them.

    Raises:
        InvalidFieldsError: a field is null that has no empty state.
    """
    given = body.model_dump(exclude_unset=True, by_alias=True)
    for name, value in given.items():
        if value is None and name not in nullable:
            rule = FieldError(f"body.{name}", "It cannot be null; leave it out to keep it")
            raise InvalidFieldsError(f"The field {name} cannot be null.", errors=[rule])
    return {name: plain(value) for name, value in given.items()}


def fields_of(body: Input) -> dict[str, Any]:
    """Return the fields of a new thing, as the rooms take them."""
    return {name: plain(value) for name, value in body.model_dump(by_alias=True).items()}


def plain(value: Any) -> Any:
    """Return a value as the rooms take it: empty text for null, a tuple for a list."""
    if value is None:
        return ""
    return tuple(value) if isinstance(value, list) else value
