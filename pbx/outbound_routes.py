"""Which outbound routes carry a call to a public number, by which trunks, and which do not and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pbx import hours, patterns
from pbx.entries import ABROAD, OutboundRoute, Trunk
from pbx.explanation import Explanation
from pbx.snapshot import Snapshot

LocalTime = Callable[[], datetime]
"""Returns the present time where the company is; asked only when a route has hours."""


@dataclass(slots=True, frozen=True)
class OutboundStep:
    """One trunk to try and the digits it is given."""

    trunk: Trunk
    route: OutboundRoute
    digits: str


@dataclass(slots=True, frozen=True)
class Found:
    """The steps to a number, and whether there were routes that this caller may not use, or not now."""

    steps: Sequence[OutboundStep]
    withheld: bool


def find(
    snapshot: Snapshot, number: str, *, country: str, payer: str, at: LocalTime | None, lines: Explanation
) -> Found:
    """Return the steps that lead to a number, best first.

    Args:
        snapshot: the directory to decide by.
        number: E.164.
        country: the company's, ISO 3166-1 alpha-2.
        payer: the extension at whose cost the call goes: who calls, or who sent the call on; empty for nobody's.
        at: the time; None: routes count as open.
        lines: takes the explanation.
    """
    steps: list[OutboundStep] = []
    withheld = False
    for route in snapshot.routes:
        if not route.leads_to(number, country):
            if lines.thorough:
                lines.append(f"route “{route.name}” ({_what_for(route)}) is not for {number}")
            continue
        reason = _withheld(route, payer, at)
        if reason:
            lines.append(f"route “{route.name}” ({_what_for(route)}) {reason}")
            withheld = True
            continue
        digits = route.prepend + number[route.strip :]
        lines.append(f"route “{route.name}” ({_what_for(route)}) sends {digits}")
        steps += _trunks(snapshot, route, digits, lines)
    return Found(steps, withheld)


def _trunks(snapshot: Snapshot, route: OutboundRoute, digits: str, lines: Explanation) -> list[OutboundStep]:
    steps = []
    for name in route.trunks:
        trunk = snapshot.trunks.get(name)
        if trunk is None or not trunk.enabled:
            lines.append(f"  trunk {name} is switched off")
            continue
        lines.append(f"  by trunk {name}")
        steps.append(OutboundStep(trunk, route, trunk.prepend + digits[trunk.strip :]))
    return steps


def _withheld(route: OutboundRoute, payer: str, at: LocalTime | None) -> str:
    """Return why the route may not be used, or an empty string."""
    if route.extensions and not any(patterns.parse(text).matches(payer) for text in route.extensions):
        return f"is not open to {f'extension {payer}' if payer else 'calls that no extension makes'}"
    if route.spans and at is not None:
        now = at()
        if not hours.hold(route.spans, now):
            return f"is closed now, {hours.DAYS[now.weekday()]} {now:%H:%M}; it is open {', '.join(route.hours)}"
    return ""


def _what_for(route: OutboundRoute) -> str:
    if route.pattern:
        return f"pattern {route.pattern}"
    return f"prefix {route.prefix or 'any'}" + (", all numbers abroad" if route.prefix == ABROAD else "")
