"""Draws the state machines of SIP out of their tables: `python -m sip.diagrams docs/sip-state-machines.md` writes the page.

Without an argument the page goes to standard output.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sip.session_tables import (
    OFFER_ANSWER,
    PROVISIONAL_ACKNOWLEDGEMENT,
    RELIABLE_PROVISIONALS,
    SESSION,
    SESSION_TIMER,
    Table,
)
from sip.subscription_tables import DELIVERY, SUBSCRIPTION, DeliveryState, SubscriptionState
from sip.transaction_tables import MACHINES, TIMERS, Event, Machine


@dataclass(frozen=True, slots=True)
class Drawing:
    """One machine to be drawn."""

    name: str
    source: str
    """The RFCs and sections that rule it."""
    initial: tuple[enum.StrEnum, ...]
    rules: Mapping[tuple[Any, Any], Any]
    """By state and event the next state, or the next state and what is done."""
    notes: Mapping[Any, str] = field(default_factory=dict)
    """What is said of a state beside its name."""


def _of_transaction(machine: Machine) -> Drawing:
    notes = {state: ", ".join(_timer(letter) for letter in letters) for state, letters in machine.timers.items()}
    source = "RFC 3261 section 17, RFC 6026, RFC 4320"
    return Drawing(machine.name, source, (machine.initial,), machine.rules, notes)


def _of_session(table: Table[Any, Any]) -> Drawing:
    return Drawing(table.name, table.source, table.initial, table.rules)


def _timer(letter: str) -> str:
    rule = TIMERS[letter]
    only = "" if rule.reliable else " on UDP"
    base = {"limit": "64*T1", "d": "32 s"}.get(rule.base, rule.base.upper())
    doubled = " doubled" + (" up to T2" if rule.capped else "") if rule.event is Event.RETRANSMIT else ""
    return f"timer {letter} {base}{doubled}{only}"


CHAPTERS: tuple[tuple[str, tuple[Drawing, ...]], ...] = (
    ("Transactions", tuple([_of_transaction(machine) for machine in MACHINES])),
    (
        "Sessions",
        tuple(
            [
                _of_session(table)
                for table in (
                    SESSION,
                    OFFER_ANSWER,
                    RELIABLE_PROVISIONALS,
                    PROVISIONAL_ACKNOWLEDGEMENT,
                    SESSION_TIMER,
                )
            ]
        ),
    ),
    (
        "Subscriptions",
        (
            Drawing("Subscription", "RFC 6665 section 4.2", (SubscriptionState.INIT,), SUBSCRIPTION),
            Drawing("Delivery of notifications", "RFC 6665 section 4.2.2", (DeliveryState.RESTING,), DELIVERY),
        ),
    ),
)
"""Every machine, by chapter of the page."""

_INTRODUCTION = """\
# The state machines of SIP

The tables that the code walks, drawn: `sip/transaction_tables.py`, `sip/session_tables.py` and `sip/subscription_tables.py`. An event
without an arrow leaves a state untouched. The page is written by `python -m sip.diagrams docs/sip-state-machines.md`, and a test
compares the two.
"""


def page() -> str:
    """Return the whole page in Markdown with Mermaid diagrams."""
    parts = [_INTRODUCTION]
    for title, drawings in CHAPTERS:
        parts.append(f"## {title}\n")
        parts += [_section(drawing) for drawing in drawings]
    return "\n".join(parts)


def _section(drawing: Drawing) -> str:
    title = drawing.name[0].upper() + drawing.name[1:]
    diagram = "\n".join(["```mermaid", "stateDiagram-v2", *_states(drawing), *_arrows(drawing), "```"])
    return f"### {title}\n\n{drawing.source}.\n\n{diagram}\n"


def _states(drawing: Drawing) -> list[str]:
    """Declare every state of the machine, in the order of its type, with what runs in it; then say where it begins."""
    used = {state for state, _ in drawing.rules} | {_next(rule)[0] for rule in drawing.rules.values()}
    lines = []
    for state in type(drawing.initial[0]):
        if state in used:
            note = f", {drawing.notes[state]}" if drawing.notes.get(state) else ""
            lines.append(f'    state "{_words(state.value + note)}" as {_name(state)}')
    return [*lines, *[f"    [*] --> {_name(state)}" for state in drawing.initial]]


def _arrows(drawing: Drawing) -> list[str]:
    lines = []
    for (state, event), rule in drawing.rules.items():
        after, actions = _next(rule)
        said = f" / {', '.join(actions)}" if actions else ""
        lines.append(f"    {_name(state)} --> {_name(after)}: {_words(event + said)}")
    return lines


def _next(rule: Any) -> tuple[enum.StrEnum, tuple[str, ...]]:
    """Return the state a rule leads to and what it does, whichever form the table has."""
    return rule if isinstance(rule, tuple) else (rule, ())


def _name(state: enum.StrEnum) -> str:
    return state.name.lower()


def _words(text: str) -> str:
    """Return text that Mermaid takes as it is: a colon or semicolon would end a label."""
    return re.sub(r"\s*[:;]\s*", " - ", text)


def main(arguments: list[str]) -> int:
    """Write the page to the file that is named, or to standard output; return the exit status."""
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m sip.diagrams [FILE]\n")
        return 2
    if not arguments:
        sys.stdout.write(page())
        return 0
    try:
        Path(arguments[0]).write_text(page(), encoding="utf-8")
    except OSError as error:
        sys.stderr.write(f"{arguments[0]} cannot be written: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
