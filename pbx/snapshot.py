"""The whole directory in memory, as one immutable value: calls are routed by it without touching the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final, cast

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from core.database import value_of
from pbx import patterns
from pbx.entries import (
    Conference,
    DestinationKind,
    Device,
    Extension,
    InboundNumber,
    Login,
    OutboundRoute,
    Trunk,
)
from pbx.tables import ConferenceRow, DeviceRow, ExtensionRow, InboundNumberRow, OutboundRouteRow, TrunkRow
from sip.authentication import HA1s

_LAST_DIGITS: Final = re.compile(r"\{([1-8])\}")


@dataclass(slots=True, frozen=True)
class Snapshot:
    """The directory at one moment; replaced as a whole when an entry changes."""

    extensions: Mapping[str, Extension] = field(default_factory=dict)
    """By number."""
    devices: Sequence[Device] = ()
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    """By name."""
    numbers: Mapping[str, InboundNumber] = field(default_factory=dict)
    """By E.164 number."""
    number_patterns: Sequence[InboundNumber] = ()
    """Those whose number is a pattern; the one that fixes most comes first."""
    routes: Sequence[OutboundRoute] = ()
    """The longest prefix (or what a pattern fixes) first, then the smallest priority."""
    conferences: Mapping[str, Conference] = field(default_factory=dict)
    """By number."""
    logins: Mapping[str, Login] = field(default_factory=dict)
    """Enabled logins by SIP username."""
    usernames: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The enabled logins of each enabled extension."""

    @property
    def all_numbers(self) -> list[InboundNumber]:
        """The company's numbers and its patterns of numbers."""
        return [*self.numbers.values(), *self.number_patterns]

    def number_for(self, number: str) -> InboundNumber | None:
        """Return the rule for a number of the company: its own, else the pattern that says most, made out to the number."""
        entry = self.numbers.get(number)
        if entry is not None or not self.number_patterns:
            return entry
        for rule in self.number_patterns:
            if patterns.parse(rule.number).matches(number):
                return replace(rule, number=number, target=_filled(rule.target, number))
        return None


def build(
    extensions: Iterable[Extension] = (),
    devices: Iterable[Device] = (),
    trunks: Iterable[Trunk] = (),
    numbers: Iterable[InboundNumber] = (),
    routes: Iterable[OutboundRoute] = (),
    conferences: Iterable[Conference] = (),
) -> Snapshot:
    """Index entries into a snapshot."""
    by_number = {extension.number: extension for extension in extensions}
    numbers = tuple(numbers)
    exact = {number.number: number for number in numbers if not patterns.is_pattern(number.number)}
    rules = [number for number in numbers if number.number not in exact]
    devices = tuple(devices)
    logins = {
        e.number: Login(e.number, e.number, HA1s(e.ha1_md5, e.ha1_sha256)) for e in by_number.values() if e.enabled
    }
    for device in devices:
        if device.enabled and device.extension in logins:
            logins[device.username] = Login(device.username, device.extension, HA1s(device.ha1_md5, device.ha1_sha256))
    usernames: dict[str, tuple[str, ...]] = {}
    for login in logins.values():
        usernames[login.extension] = (*usernames.get(login.extension, ()), login.username)
    return Snapshot(
        extensions=by_number,
        devices=devices,
        trunks={trunk.name: trunk for trunk in trunks},
        numbers=exact,
        number_patterns=tuple(sorted(rules, key=lambda rule: (-patterns.parse(rule.number).fixed, rule.number))),
        routes=tuple(sorted(routes, key=lambda route: (-route.weight, route.priority, route.name))),
        conferences={conference.number: conference for conference in conferences},
        logins=logins,
        usernames=usernames,
    )


_EXTENSIONS: Final = select(*[ExtensionRow.__table__.columns[field.name] for field in fields(Extension)]).order_by(
    ExtensionRow.__table__.columns.number
)


async def load(session: AsyncSession) -> Snapshot:
    """Read the whole directory."""
    # Of the plain table and in the order of the entry's fields: a hundred thousand take seconds more in any other way.
    found = await session.execute(_EXTENSIONS)
    extensions = [Extension(*row) for row in found.all()]
    # Rows of plain tables have the same attributes as the mapper's objects.
    device_rows = cast("Sequence[DeviceRow]", (await session.execute(select(*DeviceRow.__table__.columns))).all())
    numbers_by_id = {extension.id: extension.number for extension in extensions} if device_rows else {}
    return build(
        extensions=extensions,
        devices=[device_entry(row, numbers_by_id[row.extension_id]) for row in device_rows],
        trunks=map(trunk_entry, await session.scalars(select(TrunkRow).order_by(TrunkRow.name))),
        numbers=map(number_entry, await session.scalars(select(InboundNumberRow).order_by(InboundNumberRow.number))),
        routes=map(route_entry, await session.scalars(select(OutboundRouteRow))),
        conferences=map(conference_entry, await session.scalars(select(ConferenceRow).order_by(ConferenceRow.number))),
    )


def extension_entry(row: ExtensionRow) -> Extension:
    """Turn a row into its value."""
    return value_of(row, Extension)


def device_entry(row: DeviceRow, extension: str) -> Device:
    """Turn a row into its value; `extension` is the number of the extension it belongs to."""
    return Device(
        id=row.id,
        extension=extension,
        username=row.username,
        label=row.label,
        ha1_md5=row.ha1_md5,
        ha1_sha256=row.ha1_sha256,
        enabled=row.enabled,
    )


def trunk_entry(row: TrunkRow) -> Trunk:
    """Turn a row into its value."""
    return value_of(row, Trunk)


def number_entry(row: InboundNumberRow) -> InboundNumber:
    """Turn a row into its value."""
    return InboundNumber(
        id=row.id,
        number=row.number,
        kind=DestinationKind(row.destination_kind),
        target=row.destination_target,
        greeting=row.greeting,
    )


def route_entry(row: OutboundRouteRow) -> OutboundRoute:
    """Turn a row into its value."""
    return value_of(row, OutboundRoute)


def conference_entry(row: ConferenceRow) -> Conference:
    """Turn a row into its value."""
    return value_of(row, Conference)


def _filled(target: str, number: str) -> str:
    """Return a target with `{2}` replaced by the number's last two digits."""
    return _LAST_DIGITS.sub(lambda match: number[-int(match[1]) :], target)
