"""The root of every room's error family.

Each room has one family below `RamalError`. An error carries a stable id for machines, says whose fault it was, and is worded
for the one who can act on it. `api.problems` maps families to HTTP statuses, `pbx` maps them to SIP statuses.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class Fault(enum.Enum):
    """Whose fault an error is: it decides between a 4xx and a 5xx answer."""

    CALLER = "caller"
    """The one who asked: wrong input, missing rights, an unknown thing."""
    PEER = "peer"
    """A system we depend on: a carrier, a broker, a camera, a database."""
    OURS = "ours"
    """This program."""


class RamalError(Exception):
    """Any error that a user or a peer may be told about.

    Subclasses set `id` (stable, dotted, never reused), `fault` and `http_status`.
    """

    id: ClassVar[str] = "ramal.error"
    fault: ClassVar[Fault] = Fault.OURS
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """What to do about it, as a sentence, or empty."""

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInputError(RamalError):
    """The input breaks a rule; the message names the field and the rule."""

    id = "core.invalid_input"
    fault = Fault.CALLER
    http_status = 422


class NotFoundError(RamalError):
    """There is no such thing, or it is not for the one who asks."""

    id = "core.not_found"
    fault = Fault.CALLER
    http_status = 404


class ConflictError(RamalError):
    """The thing exists already, or is in a state that does not allow this."""

    id = "core.conflict"
    fault = Fault.CALLER
    http_status = 409


class StorageError(RamalError):
    """The data folder or the database cannot be used."""

    id = "core.storage"
    fault = Fault.OURS
    http_status = 503
