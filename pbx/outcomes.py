"""Why a call did not come about: for each reason the SIP status, the spoken hint and the disposition, in one table."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from core.events import Disposition


class Outcome(enum.Enum):
    """Why nobody could be reached."""

    UNKNOWN_NUMBER = "unknown_number"
    UNAVAILABLE = "unavailable"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    DECLINED = "declined"
    DO_NOT_DISTURB = "do_not_disturb"
    LOOP = "loop"
    NOT_ALLOWED = "not_allowed"
    TRUNKS_DOWN = "trunks_down"
    FAILED = "failed"
    NO_MEDIA = "no_media"
    NO_PORT = "no_port"
    NOTHING_TO_PICK_UP = "nothing_to_pick_up"


@dataclass(slots=True, frozen=True)
class Ending:
    """How an outcome is told: the final status with its reason phrase, and the prompt played before it (or none)."""

    status: int
    reason: str
    prompt: str
    disposition: Disposition


ENDINGS: Final[dict[Outcome, Ending]] = {
    Outcome.UNKNOWN_NUMBER: Ending(404, "Unknown number", "unknown_number", Disposition.FAILED),
    Outcome.UNAVAILABLE: Ending(480, "Not registered", "unavailable", Disposition.FAILED),
    Outcome.NO_ANSWER: Ending(480, "No answer", "no_answer", Disposition.NO_ANSWER),
    Outcome.BUSY: Ending(486, "Busy here", "busy", Disposition.BUSY),
    Outcome.DECLINED: Ending(603, "Declined", "declined", Disposition.BUSY),
    Outcome.DO_NOT_DISTURB: Ending(480, "Do not disturb", "declined", Disposition.BUSY),
    Outcome.NOT_ALLOWED: Ending(403, "Not allowed to call there", "not_allowed", Disposition.FAILED),
    Outcome.LOOP: Ending(482, "Loop detected", "loop", Disposition.FAILED),
    Outcome.TRUNKS_DOWN: Ending(503, "No trunk is up", "trunks_down", Disposition.FAILED),
    Outcome.FAILED: Ending(500, "Call failed", "failed", Disposition.FAILED),
    Outcome.NO_MEDIA: Ending(488, "No common codec", "", Disposition.FAILED),
    Outcome.NO_PORT: Ending(503, "No media port is free", "", Disposition.FAILED),
    Outcome.NOTHING_TO_PICK_UP: Ending(480, "No call to pick up", "nothing_to_pick_up", Disposition.FAILED),
}

_BY_STATUS: Final[dict[int, Outcome]] = {
    403: Outcome.NOT_ALLOWED,
    404: Outcome.UNKNOWN_NUMBER,
    408: Outcome.NO_ANSWER,
    410: Outcome.UNKNOWN_NUMBER,
    480: Outcome.UNAVAILABLE,
    482: Outcome.LOOP,
    483: Outcome.LOOP,
    484: Outcome.UNKNOWN_NUMBER,
    486: Outcome.BUSY,
    488: Outcome.NO_MEDIA,
    600: Outcome.BUSY,
    603: Outcome.DECLINED,
    604: Outcome.UNKNOWN_NUMBER,
    606: Outcome.NO_MEDIA,
}

_NOBODY: Final = 480
_STRENGTH: Final = (
    Outcome.DECLINED,
    Outcome.BUSY,
    Outcome.NO_ANSWER,
    Outcome.NO_MEDIA,
    Outcome.UNKNOWN_NUMBER,
    Outcome.LOOP,
    Outcome.NOT_ALLOWED,
    Outcome.FAILED,
    Outcome.TRUNKS_DOWN,
    Outcome.UNAVAILABLE,
)


def of_status(status: int) -> Outcome:
    """Return what a final status of the other side means."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status < 400:
        # Sent elsewhere, and that was not followed.
        return Outcome.UNAVAILABLE
    return Outcome.TRUNKS_DOWN if status == 503 else Outcome.FAILED


def of_phones(statuses: list[int]) -> Outcome:
    """Return what the final statuses of all phones of an extension mean together."""
    return _of_phone(best_response(statuses))


def best_response(statuses: list[int]) -> int:
    """Return the best of the final statuses of a fork (RFC 3261 section 16.7 item 6); 480 where there is none.

    A 6xx speaks for all, else the lowest class counts (a 3xx that was not followed no more than a 4xx); in a class, the status that
    says most of a person.
    """
    if not statuses:
        return _NOBODY
    return min(statuses, key=lambda status: (status < 600, max(status // 100, 4), _STRENGTH.index(_of_phone(status))))


def _of_phone(status: int) -> Outcome:
    """Return what a phone's status means: one that is gone (transport failure, 503) is for the caller just not there."""
    outcome = of_status(status)
    return Outcome.UNAVAILABLE if outcome in (Outcome.TRUNKS_DOWN, Outcome.UNKNOWN_NUMBER) else outcome
