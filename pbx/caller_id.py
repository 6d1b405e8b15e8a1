"""Which number a trunk shows for a call, and how it is written: the trunk's policy in one place."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from core import phone_numbers
from pbx.entries import CallerIdPolicy, DestinationKind, InboundNumber, NumberFormat, Trunk
from pbx.party import Party
from pbx.snapshot import Snapshot

_ANY_DIGITS: Final = re.compile(r"(?P<fixed>\+[0-9]*)(?P<open>X{1,8})")
_LAST_DIGITS: Final = re.compile(r"(?P<fixed>[0-9]*)\{(?P<count>[1-8])\}")


class CallerId(NamedTuple):
    """What is shown, and why."""

    number: str
    """As the carrier wants it written."""
    reason: str


def choose(trunk: Trunk, snapshot: Snapshot, caller: Party, country: str) -> CallerId:
    """Return the number that a trunk shows for a call.

    Args:
        trunk: by which the call goes out.
        snapshot: the directory.
        caller: who calls: an extension, or an outside party whose call is sent on.
        country: the company's, ISO 3166-1 alpha-2.
    """
    number, reason = "", ""
    if trunk.caller_id_policy is CallerIdPolicy.PASS:
        number, reason = _own_number(snapshot, caller)
    if not number:
        number, reason = _of_trunk(trunk, snapshot)
    return CallerId(written(number, trunk.caller_id_format, country), reason)


def written(number: str, form: NumberFormat, country: str) -> str:
    """Return an E.164 number as a carrier wants it; anything else stays as it is."""
    if not number.startswith("+"):
        return number
    if form is NumberFormat.E164:
        return number[1:]
    return phone_numbers.national(number, country) if form is NumberFormat.NATIONAL else number


def _of_trunk(trunk: Trunk, snapshot: Snapshot) -> tuple[str, str]:
    if trunk.caller_id:
        return trunk.caller_id, f"the number of trunk {trunk.name}"
    first = next(iter(snapshot.numbers), "")
    if first:
        return first, "the company's first number"
    return (trunk.username, "the trunk's login") if trunk.username else ("anonymous", "no number is known")


def _own_number(snapshot: Snapshot, caller: Party) -> tuple[str, str]:
    if not caller.extension:
        if caller.number.startswith("+"):
            return caller.number, "the outside caller's own number"
        return "", ""
    for entry in snapshot.all_numbers:
        number = _leading_to(entry, caller.extension)
        if number:
            return number, f"the number that leads to extension {caller.extension}"
    return "", ""


def _leading_to(entry: InboundNumber, extension: str) -> str:
    """Return the public number by which an inbound rule leads to an extension, or an empty string."""
    if entry.kind is not DestinationKind.EXTENSION:
        return ""
    if entry.target == extension:
        return entry.number if _ANY_DIGITS.fullmatch(entry.number) is None and entry.number[1:].isdigit() else ""
    rule, target = _ANY_DIGITS.fullmatch(entry.number), _LAST_DIGITS.fullmatch(entry.target)
    if rule is None or target is None or len(rule["open"]) != int(target["count"]):
        return ""
    count = int(target["count"])
    if extension[:-count] != target["fixed"] or len(extension) != len(target["fixed"]) + count:
        return ""
    return rule["fixed"] + extension[-count:]
