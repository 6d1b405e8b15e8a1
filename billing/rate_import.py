"""Reading a rate file (CSV): every wrong line is found and named, and one wrong line means that nothing is taken.

The first line names the columns, in any order: prefix, price_per_minute and currency must be there; kind, first_increment,
increment, connection_fee, valid_from, valid_to and description may be. Lines are separated by commas, or by semicolons, in which
case a price may have a decimal comma (0,72). A date means its midnight in the company's time zone; `valid_to` is the first moment
at which the rate holds no more.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any, Final

from billing.errors import InvalidRateError, LineError, RateImportError
from billing.overlaps import find_overlaps
from billing.values import RateDraft
from core.phone_numbers import NumberKind

LARGEST_FILE: Final = 32 << 20
"""Bytes."""
MOST_LINES: Final = 300_000
_LONGEST_CELL: Final = 300
_MOST_COLUMNS: Final = 100
_DECIMAL: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")
_WHOLE: Final = re.compile(r"[0-9]{1,6}")
_REQUIRED: Final = ("prefix", "price_per_minute", "currency")


@dataclass(slots=True, frozen=True)
class RateLine:
    """A rate and the number of the line it stands on."""

    line: int
    draft: RateDraft


def parse_rates(data: bytes, zone: tzinfo = UTC) -> list[RateLine]:
    """Read a rate file.

    Args:
        data: the file, UTF-8 with or without byte order mark.
        zone: the time zone of dates and of times that name none.

    Raises:
        RateImportError: with every wrong line and its reason.
    """
    text = _decode(data)
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    # Only the newline of the file itself ends a line; quoted ones belong to their cell, as the csv module wants it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[RateLine] = []
    errors: list[LineError] = []
    columns: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _header(cells, reader.line_num)
                continue
            if len(lines) + len(errors) >= MOST_LINES:
                raise _refused(reader.line_num, f"a file has at most {MOST_LINES} rates.")
            try:
                draft = _draft(_named(columns, cells), zone, decimal_comma=delimiter == ";")
                draft.checked()
                lines.append(RateLine(reader.line_num, draft))
            except InvalidRateError as error:
                errors.append(LineError(reader.line_num, str(error)))
    except csv.Error as error:
        errors.append(LineError(reader.line_num, f"this is not CSV: {error}."))
    if columns is None and not errors:
        raise _refused(1, "the file is empty; its first line names the columns.")
    for later, earlier in find_overlaps(lines, lambda line: line.draft):
        reason = f"prefix {later.draft.prefix} holds at the same time in line {earlier.line} for the same kind."
        errors.append(LineError(later.line, reason))
    if errors:
        raise RateImportError(sorted(errors, key=lambda error: error.line))
    return lines


def _refused(line: int, reason: str) -> RateImportError:
    return RateImportError([LineError(line, reason)])


def _decode(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        raise _refused(1, f"the file is larger than {LARGEST_FILE >> 20} MiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refused(line, "this is not UTF-8 text; save the table as “CSV UTF-8”.") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _refused(line, "there is a zero byte; save the table as “CSV UTF-8”.")
    return text


def _header(cells: list[str], line: int) -> list[str]:
    if len(cells) > _MOST_COLUMNS:
        # To look for what each may have meant would take minutes for a file of 32 MiB that is one line.
        raise _refused(line, f"it has {len(cells)} cells; a file has at most {_MOST_COLUMNS} columns.")
    names = [cell.strip().lower() for cell in cells]
    errors: list[str] = []
    for name in names:
        if name not in _READERS:
            part = [known for known in _READERS if name and name in known]
            near = part or difflib.get_close_matches(name[:50], _READERS, n=1)
            hint = f"did you mean “{near[0]}”?" if near else f"known are {', '.join(_READERS)}."
            errors.append(f"there is no column “{name[:50]}”; {hint}")
    errors += [f"the column “{name}” is there twice." for name in _READERS if names.count(name) > 1]
    errors += [f"the column “{name}” is missing." for name in _REQUIRED if name not in names]
    if errors:
        raise RateImportError([LineError(line, error) for error in errors])
    return names


def _named(columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(columns) and not any(cell.strip() for cell in cells[len(columns) :]):
        cells = cells[: len(columns)]
    if len(cells) != len(columns):
        raise InvalidRateError(f"it has {len(cells)} cells, but the first line names {len(columns)} columns.")
    for name, cell in zip(columns, cells, strict=True):
        if len(cell) > _LONGEST_CELL:
            raise InvalidRateError(f"{name} is longer than {_LONGEST_CELL} characters.")
    return {name: cell.strip() for name, cell in zip(columns, cells, strict=True)}


def _draft(cells: Mapping[str, str], zone: tzinfo, *, decimal_comma: bool) -> RateDraft:
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, cell in cells.items():
        if not cell and name not in _REQUIRED:
            continue
        try:
            values[name] = _READERS[name](cell.replace(",", ".") if decimal_comma and name in _PRICES else cell, zone)
        except ValueError as error:
            problems.append(f"{name} “{cell[:40]}” {error}.")
    if problems:
        raise InvalidRateError(" ".join(problems))
    return RateDraft(**values)


def _prefix(cell: str, _zone: tzinfo) -> str:
    return cell.removeprefix("+")


def _kind(cell: str, _zone: tzinfo) -> NumberKind:
    try:
        return NumberKind(cell.lower())
    except ValueError:
        near = difflib.get_close_matches(cell.lower(), list(NumberKind), n=1)
        hint = f"did you mean “{near[0]}”" if near else f"known are {', '.join(NumberKind)}"
        raise ValueError(f"is no kind of numbers; {hint}") from None


def _price(cell: str, _zone: tzinfo) -> Decimal:
    if not _DECIMAL.fullmatch(cell):
        raise ValueError("is not a price, like 0.72 with at most 6 decimal places")
    return Decimal(cell)


def _seconds(cell: str, _zone: tzinfo) -> int:
    if not _WHOLE.fullmatch(cell):
        raise ValueError("is not a whole number of seconds")
    return int(cell)


def _time(cell: str, zone: tzinfo) -> datetime:
    try:
        moment = datetime.fromisoformat(cell)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not a date like 2026-01-31 or a time like 2026-01-31T12:00:00Z") from None


def _text(cell: str, _zone: tzinfo) -> str:
    return cell


def _currency(cell: str, _zone: tzinfo) -> str:
    return cell.upper()


_PRICES: Final = frozenset({"price_per_minute", "connection_fee"})
_READERS: Final[Mapping[str, Callable[[str, tzinfo], Any]]] = {
    "prefix": _prefix,
    "kind": _kind,
    "price_per_minute": _price,
    "currency": _currency,
    "first_increment": _seconds,
    "increment": _seconds,
    "connection_fee": _price,
    "valid_from": _time,
    "valid_to": _time,
    "description": _text,
}
