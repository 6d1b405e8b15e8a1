"""The early dialogs of one outgoing INVITE: a proxy may fork it, and each branch speaks for itself (RFC 3261 section
13.2.2.4), reliably where it wants (RFC 3262 section 4).
"""

from __future__ import annotations

from typing import Final

from sip.dialog import Dialog
from sip.message import Response
from sip.session_tables import PROVISIONAL_ACKNOWLEDGEMENT, Acknowledge, Acknowledging
from sip.session_timer import has_option

MOST_BRANCHES: Final = 32
"""Early dialogs of one INVITE; branches beyond are not listened to before they answer."""


class EarlyDialog:
    """One branch of an INVITE."""

    __slots__ = ("agreed", "answer", "dialog", "number", "state")

    def __init__(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self.number: int | None = None
        """The RSeq of its last reliable response that was taken."""
        self.answer: bytes | None = None
        """The session description that it answered our offer with, reliably."""
        self.agreed = False
        """Whether offer and answer were exchanged before the 2xx, which then brings neither."""
        self.state = Acknowledging.NONE

    def takes(self, number: int) -> bool:
        """Note a reliable response; False when it is to be discarded: repeated, or ahead of one that is missing."""
        if self.number is not None and number != self.number + 1:
            return False
        self.number = number
        return True

    def move(self, event: Acknowledge) -> bool:
        """Walk the table; False when the event has no rule now."""
        state = PROVISIONAL_ACKNOWLEDGEMENT.step(self.state, event)
        if state is None:
            return False
        self.state = state
        return True


def reliable_number(response: Response) -> int | None:
    """Return the RSeq of a reliable provisional response, or None when it is not one."""
    value = response.get("RSeq")
    if value is None or not any(has_option(required, "100rel") for required in response.get_all("Require")):
        return None
    text = value.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None
