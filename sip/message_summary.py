"""Waiting messages as `application/simple-message-summary` (RFC 3842)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "application/simple-message-summary"


@dataclass(slots=True, frozen=True)
class MailboxCounts:
    """What waits in a mailbox."""

    new: int = 0
    old: int = 0
    urgent_new: int = 0
    """Of the new ones, those that are urgent."""
    urgent_old: int = 0

    @property
    def waiting(self) -> bool:
        """Whether the lamp is lit."""
        return self.new > 0


def message_summary(account: str, counts: MailboxCounts) -> bytes:
    """Return the summary of the voice messages of an account, which is a SIP URI."""
    return (
        f"Messages-Waiting: {'yes' if counts.waiting else 'no'}\r\n"
        f"Message-Account: {account}\r\n"
        f"Voice-Message: {counts.new}/{counts.old} ({counts.urgent_new}/{counts.urgent_old})\r\n"
    ).encode()
