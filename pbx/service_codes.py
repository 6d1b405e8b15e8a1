"""Star codes that are dialled to change a setting of one's own extension, and what each of them sets."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from pbx.entry_fields import ExtensionFields


class ServiceCode(enum.StrEnum):
    """A code that is dialled like a number; `docs/star-codes.md` lists them for users."""

    FORWARD_ALL = "*72"
    FORWARD_ALL_OFF = "*73"
    FORWARD_BUSY = "*90"
    FORWARD_BUSY_OFF = "*91"
    FORWARD_NO_ANSWER = "*92"
    FORWARD_NO_ANSWER_OFF = "*93"
    FORWARD_UNAVAILABLE = "*94"
    FORWARD_UNAVAILABLE_OFF = "*95"
    DO_NOT_DISTURB = "*78"
    DO_NOT_DISTURB_OFF = "*79"
    CALL_WAITING = "*43"
    CALL_WAITING_OFF = "*44"


SERVICE_CODES: Final = {code.value: code for code in ServiceCode}


@dataclass(slots=True, frozen=True)
class Service:
    """What a code does."""

    fields: ExtensionFields
    """What it sets; for a forwarding this is its end."""
    prompt: str
    """The prompt that confirms it."""
    target: str = ""
    """The field that takes the number dialled behind the code; empty: nothing is dialled behind it."""


SERVICES: Final[dict[ServiceCode, Service]] = {
    ServiceCode.FORWARD_ALL: Service({}, "forwarding_on", "forward_to"),
    ServiceCode.FORWARD_ALL_OFF: Service({"forward_to": ""}, "forwarding_off"),
    ServiceCode.FORWARD_BUSY: Service({}, "forwarding_on", "forward_busy_to"),
    ServiceCode.FORWARD_BUSY_OFF: Service({"forward_busy_to": ""}, "forwarding_off"),
    ServiceCode.FORWARD_NO_ANSWER: Service({}, "forwarding_on", "forward_no_answer_to"),
    ServiceCode.FORWARD_NO_ANSWER_OFF: Service({"forward_no_answer_to": ""}, "forwarding_off"),
    ServiceCode.FORWARD_UNAVAILABLE: Service({}, "forwarding_on", "forward_unavailable_to"),
    ServiceCode.FORWARD_UNAVAILABLE_OFF: Service({"forward_unavailable_to": ""}, "forwarding_off"),
    ServiceCode.DO_NOT_DISTURB: Service({"do_not_disturb": True}, "do_not_disturb_on"),
    ServiceCode.DO_NOT_DISTURB_OFF: Service({"do_not_disturb": False}, "do_not_disturb_off"),
    ServiceCode.CALL_WAITING: Service({"call_waiting": True}, "call_waiting_on"),
    ServiceCode.CALL_WAITING_OFF: Service({"call_waiting": False}, "call_waiting_off"),
}
