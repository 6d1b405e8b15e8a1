"""What the server works off: the journal, its consumers, the event loop, the SIP trace and open files."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ramal.doctor.findings import Finding, Severity, ok

_SUBJECT: Final = "work"
_FAR_BEHIND: Final = 10_000
_LONG_PAUSE: Final = 0.5


@dataclass(slots=True, frozen=True, kw_only=True)
class WorkFacts:
    """How the running server gets on."""

    conditions: Mapping[str, str]
    """What `/readyz` says of each part; `ok` where all is well."""
    lags: Mapping[str, int] = field(default_factory=dict)
    """Facts that each consumer of the journal has before it."""
    longest_pause: float = 0.0
    """Seconds that the event loop was held up at most."""
    trace_dropped: int = 0
    """SIP messages left out of the trace."""
    kept_out: int = 0
    """Addresses that are banned at present."""
    open_files: int = 0
    """How many files and sockets the process may have open."""
    files_needed: int = 0


def open_file_limit() -> int:
    """Return how many files and sockets this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def examine(facts: WorkFacts) -> list[Finding]:
    """Tell what stands still, lags, or will run out."""
    findings = []
    for name, state in facts.conditions.items():
        if state != "ok":
            message = f"{name}: {state}."
            advice = "The server's log names the cause; it goes on by itself when that is gone, and nothing is lost."
            findings.append(Finding(_SUBJECT, Severity.PROBLEM, "part_failing", message, advice, name))
    for name, lag in facts.lags.items():
        if lag > _FAR_BEHIND:
            message = f"{name} is {lag} facts behind the calls: records, bills and events come late."
            advice = (
                "Wait after a rush; if it grows, the database is too slow: look at its disk, or move to PostgreSQL."
            )
            findings.append(Finding(_SUBJECT, Severity.WARNING, "consumer_behind", message, advice, name))
    findings.extend(_examine_process(facts))
    return findings or [ok(_SUBJECT, "work_done", "Journal, consumers and database keep up.")]


def _examine_process(facts: WorkFacts) -> list[Finding]:
    findings = []
    if facts.longest_pause > _LONG_PAUSE:
        message = (
            f"The server's event loop once stood still for {facts.longest_pause:.1f} seconds; calls were answered late."
        )
        advice = "Look for a busy or swapping machine at that time; a virtual machine may have been moved or starved."
        findings.append(Finding(_SUBJECT, Severity.NOTE, "loop_pause", message, advice))
    if facts.trace_dropped:
        message = f"{facts.trace_dropped} SIP messages were left out of the trace: the disk was too slow or full."
        findings.append(Finding(_SUBJECT, Severity.NOTE, "trace_dropped", message, "Calls were not touched by it."))
    if facts.kept_out:
        message = f"Addresses or networks that are banned, for wrong passwords or by hand: {facts.kept_out}."
        advice = "If a phone of yours is among them, lift its ban, and correct its password."
        findings.append(Finding(_SUBJECT, Severity.NOTE, "bans", message, advice))
    if facts.open_files and facts.open_files < facts.files_needed:
        message = f"The process may open {facts.open_files} files and sockets; with all calls up it needs {facts.files_needed}."
        advice = "Raise it: LimitNOFILE= in the systemd unit, or ulimit -n before the start."
        findings.append(Finding(_SUBJECT, Severity.WARNING, "few_open_files", message, advice))
    return findings
