"""What can go wrong with rates and charges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import ConflictError, InvalidInputError, NotFoundError


class InvalidRateError(InvalidInputError):
    """A price, an increment, a prefix or a date of a rate breaks a rule."""

    id = "billing.invalid_rate"


class InvalidTariffError(InvalidInputError):
    """The name or the trunks of a tariff break a rule."""

    id = "billing.invalid_tariff"


class InvalidPeriodError(InvalidInputError):
    """The days asked for are too many or the wrong way round."""

    id = "billing.invalid_period"


class UnknownCursorError(InvalidInputError):
    """The page asked for begins after something that does not exist."""

    id = "billing.unknown_cursor"


class RateNotFoundError(NotFoundError):
    """There is no such rate."""

    id = "billing.rate_not_found"


class TariffNotFoundError(NotFoundError):
    """There is no such tariff."""

    id = "billing.tariff_not_found"


class OverlappingRateError(ConflictError):
    """Two rates of a tariff would hold for the same prefix and kind at the same time."""

    id = "billing.overlapping_rate"


class RateInUseError(ConflictError):
    """A charge names this rate, so its price cannot change any more."""

    id = "billing.rate_in_use"


class TariffInUseError(ConflictError):
    """The tariff cannot be deleted or renamed: it has rates, is the default, or the name is taken."""

    id = "billing.tariff_in_use"


class RateDeckTooLargeError(ConflictError):
    """A tariff would hold more rates than are kept in memory."""

    id = "billing.rate_deck_too_large"


_SHOWN: Final = 20
"""Lines named in the message itself; `lines` has all of them."""


@dataclass(slots=True, frozen=True)
class LineError:
    """What is wrong with one line of a rate file."""

    line: int
    """The number of the line in the file, counted from 1."""
    reason: str


class RateImportError(InvalidInputError):
    """A rate file has wrong lines; nothing of it was stored."""

    id = "billing.rate_import"

    def __init__(self, lines: Sequence[LineError]) -> None:
        self.lines = tuple(lines)
        """Every wrong line, in the order of the file."""
        super().__init__(self.told(" "), hint="Correct these lines and import again.")

    def told(self, separator: str) -> str:
        """Return the first wrong lines with what is wrong in them, and how many more there are."""
        shown = [f"Line {error.line}: {error.reason}" for error in self.lines[:_SHOWN]]
        more = [f"And {len(self.lines) - _SHOWN} more."] if len(self.lines) > _SHOWN else []
        return separator.join(["The rate file was not imported.", *shown, *more])
