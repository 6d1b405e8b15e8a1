"""What can go wrong when call detail records are asked for."""

from __future__ import annotations

from core.errors import InvalidInputError, NotFoundError


class CdrNotFoundError(NotFoundError):
    """There is no call detail record of this id."""

    id = "pbx.cdr_not_found"


class UnknownCdrCursorError(InvalidInputError):
    """The page asked for begins after something that is no key of the list."""

    id = "pbx.unknown_cdr_cursor"
