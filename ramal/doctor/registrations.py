"""Registrations: which extensions no phone is registered for, and which phones come and go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ramal.doctor.findings import Finding, Severity, ok

_SUBJECT: Final = "registrations"
_FLAPS: Final = 3
"""Times within a day from which on a phone is said to come and go."""
_MOST_NAMED: Final = 10


@dataclass(slots=True, frozen=True)
class LoginFacts:
    """A login of a phone."""

    username: str
    extension: str
    contacts: int
    """Phones registered with it now."""
    lost: int = 0
    """How often within a day its last contact expired or was taken back."""
    lost_at: datetime | None = None
    """When that was last."""


def examine(logins: Sequence[LoginFacts]) -> list[Finding]:
    """Tell which phones are not there."""
    if not logins:
        message = "There is no extension yet, so no phone can register."
        return [
            Finding(
                _SUBJECT,
                Severity.NOTE,
                "no_extensions",
                message,
                "Add one in the web app or with POST /api/v1/extensions.",
            )
        ]
    findings = []
    for login in logins:
        if login.lost >= _FLAPS:
            message = (
                f"The phone {login.username} lost its registration {login.lost} times within a day{_since(login)}."
            )
            advice = (
                "Look at its network (Wi-Fi, cable, power saving) and its registration interval; behind a router, switch SIP ALG off "
                "there. Two phones with one login that each unregister the other show like this, too."
            )
            findings.append(Finding(_SUBJECT, Severity.WARNING, "phone_flaps", message, advice, login.username))
    gone = [login for login in logins if not login.contacts and login.lost_at is not None and login.lost < _FLAPS]
    for login in gone[:_MOST_NAMED]:
        message = f"The phone {login.username} is no longer registered{_since(login)}."
        advice = "Check that it is switched on and reaches this server; it shows its own error in its status page."
        findings.append(Finding(_SUBJECT, Severity.WARNING, "phone_gone", message, advice, login.username))
    present = {login.extension for login in logins if login.contacts}
    absent = sorted({login.extension for login in logins} - present - {login.extension for login in gone})
    if absent:
        named = ", ".join(absent[:_MOST_NAMED]) + (" ..." if len(absent) > _MOST_NAMED else "")
        message = f"{len(absent)} of {len(absent) + len(present) + len(gone)} extensions have no phone: {named}."
        findings.append(
            Finding(_SUBJECT, Severity.NOTE, "extensions_without_phone", message, "", ",".join(absent[:_MOST_NAMED]))
        )
    contacts = sum(login.contacts for login in logins)
    return findings or [ok(_SUBJECT, "phones_registered", f"Every extension has a phone; {contacts} are registered.")]


def _since(login: LoginFacts) -> str:
    return f", last at {login.lost_at:%Y-%m-%d %H:%M} UTC" if login.lost_at is not None else ""
