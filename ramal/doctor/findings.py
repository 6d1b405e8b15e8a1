"""What the doctor finds, how bad it is, and how it is shown."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final


class Severity(enum.StrEnum):
    """How bad a finding is."""

    OK = "ok"
    """Looked at and found well."""
    NOTE = "note"
    """Worth knowing; nothing needs to be done in many set-ups."""
    WARNING = "warning"
    """Will become a problem, or is one for some."""
    PROBLEM = "problem"
    """Something does not work."""


_ORDER: Final = tuple(Severity)


@dataclass(slots=True, frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """What it belongs to: `ports`, `trunks`, `audio`..."""
    severity: Severity
    code: str
    """Stable, for programs: `port_taken`, `trunk_unreachable`..."""
    message: str
    """What is so, in a sentence."""
    advice: str = ""
    """What to do about it; empty where nothing is to be done."""
    about: str = ""
    """The thing in question: a port, a trunk's name, a call's id."""


def ok(subject: str, code: str, message: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(subject, Severity.OK, code, message)


def worst(findings: Iterable[Finding]) -> Severity:
    """Return the severity of the worst finding."""
    return max((finding.severity for finding in findings), key=_ORDER.index, default=Severity.OK)


def as_text(findings: Sequence[Finding]) -> str:
    """Return findings as lines for people, in the order they were looked at, with the count of each kind at the end."""
    width = max((len(finding.subject) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        mark = finding.severity.value.upper() if finding.severity is Severity.PROBLEM else finding.severity.value
        lines.append(f"{mark:<8} {finding.subject:<{width}}  {finding.message}")
        if finding.advice:
            lines.append(f"{'':<8} {'':<{width}}  -> {finding.advice}")
    counts = [(one, sum(finding.severity is one for finding in findings)) for one in reversed(_ORDER)]
    told = [
        f"{count} {one.value}{'s' if count > 1 else ''}" for one, count in counts if count and one is not Severity.OK
    ]
    lines.append(", ".join(told) + "." if told else "All is well.")
    return "\n".join(lines)
