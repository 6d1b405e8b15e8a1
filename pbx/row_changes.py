"""Setting the given fields of trunks, inbound numbers and outbound routes, each by its rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from pbx import patterns, validation
from pbx.entries import DestinationKind, Transport
from pbx.entry_fields import ConferenceFields, NumberFields, RouteFields, TrunkFields
from pbx.errors import InvalidEntryError
from pbx.snapshot import Snapshot
from pbx.tables import ConferenceRow, InboundNumberRow, OutboundRouteRow, TrunkRow

_FILLED_TARGET: Final = re.compile(r"[0-9]{0,7}\{[1-8]\}")


def _text(field: str, longest: int) -> Callable[[str], str]:
    return lambda text: validation.plain_text(field, text, longest=longest, required=False)


_TRUNK_RULES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "host": validation.host,
    "port": validation.port,
    "transport": validation.transport,
    "username": _text("username", 128),
    "password": _text("password", 128),
    "register": bool,
    "allow_from": lambda texts: [str(network) for network in validation.networks(texts)],
    "enabled": bool,
    "backup_hosts": validation.servers,
    "domain": lambda text: validation.host(text, "domain") if text else "",
    "codecs": validation.codecs,
    "caller_id_policy": validation.caller_id_policy,
    "encryption": validation.encryption,
    "caller_id_format": validation.caller_id_format,
    "asserted_identity": bool,
    "realm": _text("realm", 200),
    "trust_identity": bool,
    "max_calls": lambda value: validation.limit("max_calls", value),
    "max_calls_in": lambda value: validation.limit("max_calls_in", value),
    "max_calls_out": lambda value: validation.limit("max_calls_out", value),
    "calls_per_second": lambda value: validation.limit("calls_per_second", value, 1000),
    "responses": validation.responses,
    "strip": validation.strip,
    "prepend": lambda text: validation.dial_digits("prepend", text),
    "ping_seconds": validation.ping_seconds,
    "tls_verify": bool,
    "dtmf": validation.key_way,
    "follow_redirects": bool,
}
_ROUTE_RULES: Final[Mapping[str, Callable[[Any], Any]]] = {
    "strip": validation.strip,
    "prepend": lambda text: validation.dial_digits("prepend", text),
    "priority": validation.priority,
    "pattern": lambda text: validation.route_pattern(text) if text else "",
    "hours": validation.spans,
    "extensions": validation.allowed_extensions,
}


def set_trunk(row: TrunkRow, fields: TrunkFields, country: str) -> None:
    """Set the given fields of a trunk.

    Raises:
        InvalidEntryError: one breaks its rule, or they do not go together.
    """
    given: Mapping[str, Any] = fields
    for name, rule in _TRUNK_RULES.items():
        if name in given:
            setattr(row, name, rule(given[name]))
    if "caller_id" in fields:
        caller_id = fields["caller_id"]
        row.caller_id = validation.public_number("caller_id", caller_id, country) if caller_id else ""
    if row.register and not row.username:
        raise InvalidEntryError("username: a trunk that registers needs one.")
    if row.tls_verify and row.transport != Transport.TLS.value:
        raise InvalidEntryError(
            "tls_verify: only a trunk over TLS can prove who it is.",
            hint="Set transport to tls, or tls_verify to false.",
        )
    if row.caller_id_policy == "fixed" and not row.caller_id:
        raise InvalidEntryError("caller_id: the policy “fixed” needs the number to show.")


def set_number(
    row: InboundNumberRow, fields: NumberFields, country: str, snapshot: Snapshot, flows: Collection[str]
) -> None:
    """Set the given fields of an inbound number, all but the number itself.

    Raises:
        InvalidEntryError: one breaks its rule, or the destination is not there.
    """
    kind = validation.destination_kind(fields.get("kind", row.destination_kind))
    target = validation.plain_text("target", fields.get("target", row.destination_target), longest=64)
    if kind is DestinationKind.EXTENSION and target not in snapshot.extensions:
        filled = patterns.is_pattern(row.number) and _FILLED_TARGET.fullmatch(target)
        if not filled:
            raise InvalidEntryError(f"destination: there is no extension “{target[:20]}”.", hint="Create it first.")
    if kind is DestinationKind.CONFERENCE and target not in snapshot.conferences:
        raise InvalidEntryError(f"destination: there is no conference “{target[:20]}”.", hint="Create it first.")
    if kind is DestinationKind.FLOW and target not in flows:
        known = ", ".join(sorted(flows)) or "none"
        raise InvalidEntryError(f"destination: there is no call flow “{target[:20]}”; those there are: {known}.")
    if kind is DestinationKind.NUMBER:
        target = validation.public_number("destination", target, country)
        if target == row.number or snapshot.number_for(target) is not None:
            raise InvalidEntryError(f"destination: {target} is a number of this company; the call would come back.")
    row.destination_kind, row.destination_target = kind, target
    if "greeting" in fields:
        row.greeting = validation.plain_text("greeting", fields["greeting"], longest=1000, required=False)


def set_conference(row: ConferenceRow, fields: ConferenceFields) -> None:
    """Set the given fields of a room, all but its number.

    Raises:
        InvalidEntryError: one breaks its rule.
    """
    if "name" in fields:
        row.name = validation.plain_text("name", fields["name"], longest=200)
    if "pin" in fields:
        row.pin = validation.conference_pin(fields["pin"])
    if "max_members" in fields:
        row.max_members = validation.conference_size(fields["max_members"])


def set_route(row: OutboundRouteRow, fields: RouteFields, snapshot: Snapshot) -> None:
    """Set the given fields of an outbound route, all but its name.

    Raises:
        InvalidEntryError: one breaks its rule, or names a trunk that is not there.
    """
    given: Mapping[str, Any] = fields
    if "prefix" in fields:
        row.prefix = validation.route_prefix(fields["prefix"])
    if "trunks" in fields:
        row.trunks = validation.trunk_list(fields["trunks"], snapshot.trunks)
    for name, rule in _ROUTE_RULES.items():
        if name in given:
            setattr(row, name, rule(given[name]))
    if row.prefix and row.pattern:
        raise InvalidEntryError("pattern: a route has a prefix or a pattern, not both.")
