"""Lists in pages: `limit` and `cursor` in, `items` and `next_cursor` out.

A cursor holds the sort key of the last item shown, so that pages stay whole while rows are added, and costs an index look-up however
far one pages. It is opaque to clients and checked as any other input.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from api.errors import FieldError, InvalidFieldsError

Item = TypeVar("Item")
Row = TypeVar("Row")

MOST: Final = 200
_LONGEST_CURSOR: Final = 512


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item] = Field(description="The items of this page.")
    next_cursor: str | None = Field(description="Give this as `cursor` to get the next page; null at the end.")


class PageQuery:
    """The page that a client asked for."""

    def __init__(
        self,
        limit: Annotated[int, Query(ge=1, le=MOST, description="Most items to return.")] = 50,
        cursor: Annotated[
            str | None, Query(max_length=_LONGEST_CURSOR, description="`next_cursor` of the page before.")
        ] = None,
    ) -> None:
        self.limit = limit
        self.cursor = cursor

    def after(self) -> str | None:
        """Return the id that the page begins after, or None for the first page.

        Raises:
            InvalidFieldsError: the cursor is not one of ours.
        """
        return None if self.cursor is None else decode_cursor(self.cursor)


PageParameters = Annotated[PageQuery, Depends()]


def encode_cursor(key: str | None) -> str | None:
    """Return the cursor that stands for a sort key; None, at the end of a list, for None."""
    return None if key is None else base64.urlsafe_b64encode(json.dumps([key]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Return the sort key of a cursor.

    Raises:
        InvalidFieldsError: the cursor is not one of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _not_ours() from error
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], str) or not parts[0].isprintable():
        raise _not_ours()
    return parts[0]


def _not_ours() -> InvalidFieldsError:
    rule = FieldError("query.cursor", "It is not a cursor that this server gave")
    return InvalidFieldsError("The cursor is not one that this server gave.", hint="Begin without one.", errors=[rule])


def cut(rows: Sequence[Row], limit: int, key: Callable[[Row], str]) -> tuple[Sequence[Row], str | None]:
    """Split rows into those to show and the cursor of the next page.

    Args:
        rows: in order; at least `limit + 1` where there are so many.
        limit: rows to show.
        key: the sort key of a row, which the query of the next page begins after.
    """
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_cursor(key(rows[limit - 1]))


def cut_sorted(items: Iterable[Row], page: PageQuery, key: Callable[[Row], str]) -> tuple[Sequence[Row], str | None]:
    """Return the page of a list that is whole in memory, in the order of `key`, and the cursor of the next page."""
    after = page.after()
    rows = sorted((item for item in items if after is None or key(item) > after), key=key)
    return cut(rows, page.limit, key)
