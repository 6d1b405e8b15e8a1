"""The directory: extensions, devices, trunks, inbound numbers and outbound routes, with the rules for changing them.

Reading is by `directory.snapshot`, in memory. Every change is one database transaction, after which a new snapshot takes the old
one's place as a whole; calls under way keep the one they began with. A change made by another node is taken over by `reload`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime
from typing import TypeVar, Unpack

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from core.clock import Clock
from core.company import Company
from core.database import Base, Database
from pbx import row_changes, validation
from pbx import snapshot as snapshots
from pbx.entries import (
    Conference,
    DestinationKind,
    Device,
    Extension,
    InboundNumber,
    OutboundRoute,
    Trunk,
)
from pbx.entry_fields import ConferenceFields, DeviceFields, ExtensionFields, NumberFields, RouteFields, TrunkFields
from pbx.errors import EntryExistsError, EntryInUseError, InvalidEntryError, UnknownEntryError
from pbx.forwarding import MOST_FORWARDS, TARGETS
from pbx.snapshot import Snapshot
from pbx.tables import ConferenceRow, DeviceRow, ExtensionRow, InboundNumberRow, OutboundRouteRow, TrunkRow, new_row
from sip.authentication import HA1s

T = TypeVar("T")
Row = TypeVar("Row", ExtensionRow, DeviceRow, TrunkRow, InboundNumberRow, OutboundRouteRow, ConferenceRow)


class Directory:
    """The one who knows all entries and changes them."""

    def __init__(
        self, database: Database, company: Company, clock: Clock, *, realm: str, flows: Collection[str] = ()
    ) -> None:
        """Prepare it; `reload` reads the entries.

        Args:
            database: where the entries are kept.
            company: its country, for numbers without a code.
            clock: the time of changes.
            realm: part of the digests of passwords.
            flows: names of the call flows that a number may lead to.
        """
        self._database = database
        self._flows = flows
        self._company = company
        self._clock = clock
        self._realm = realm
        self._listeners: list[Callable[[Snapshot], None]] = []
        self.snapshot = Snapshot()

    def listen(self, listener: Callable[[Snapshot], None]) -> None:
        """Call `listener` with every new snapshot."""
        self._listeners.append(listener)

    async def reload(self) -> Snapshot:
        """Read everything anew and put it in the place of the old snapshot."""
        async with self._database.reading() as session:
            self.snapshot = await snapshots.load(session)
        for listener in self._listeners:
            listener(self.snapshot)
        return self.snapshot

    async def create_extension(self, **fields: Unpack[ExtensionFields]) -> Extension:
        """Add an extension; `number`, `name` and `password` are required.

        Raises:
            InvalidEntryError: a field breaks its rule, or calls would be forwarded to an extension that is not there.
            EntryExistsError: the number or login is taken.
        """
        number = validation.extension_number(_required(fields.get("number"), "number"))
        row = new_row(ExtensionRow, self._now(), number=number)
        _required(fields.get("name"), "name")
        _required(fields.get("password"), "password")
        async with self._changing("number", number) as session:
            await self._refuse_taken_login(session, number)
            self._set_extension(row, fields)
            session.add(row)
        return snapshots.extension_entry(row)

    async def update_extension(self, id: str, **fields: Unpack[ExtensionFields]) -> Extension:  # noqa: A002 - the entry's own name for it
        """Change the given fields of an extension; a new number needs the password too, for the digests contain it.

        Raises:
            EntryInUseError: its number is to change, but an inbound number or a forwarding leads to it.
            InvalidEntryError, EntryExistsError: as `create_extension`.
        """
        async with self._changing("number", fields.get("number", "")) as session:
            row = await _find(session, ExtensionRow, id)
            number = fields.get("number", row.number)
            if number != row.number:
                if "password" not in fields:
                    raise InvalidEntryError("password: must be set again when the number changes.")
                self._refuse_in_use(row.number)
                await self._refuse_taken_login(session, number)
                row.number = validation.extension_number(number)
            self._set_extension(row, fields)
        return snapshots.extension_entry(row)

    async def delete_extension(self, id: str) -> None:  # noqa: A002
        """Remove an extension and its devices.

        Raises:
            EntryInUseError: an inbound number or a forwarding leads to it.
        """
        async with self._changing() as session:
            row = await _find(session, ExtensionRow, id)
            self._refuse_in_use(row.number)
            await session.delete(row)

    async def create_device(self, **fields: Unpack[DeviceFields]) -> Device:
        """Add a phone to an extension; `extension`, `username` and `password` are required."""
        extension = self._extension(_required(fields.get("extension"), "extension"))
        username = validation.username(_required(fields.get("username"), "username"))
        row = new_row(DeviceRow, self._now(), extension_id=extension.id, username=username)
        _required(fields.get("password"), "password")
        async with self._changing("username", username) as session:
            await self._refuse_taken_login(session, username)
            self._set_device(row, fields)
            session.add(row)
        return snapshots.device_entry(row, extension.number)

    async def update_device(self, id: str, **fields: Unpack[DeviceFields]) -> Device:  # noqa: A002
        """Change the label, password or state of a device; login and extension stay."""
        async with self._changing() as session:
            row = await _find(session, DeviceRow, id)
            if fields.get("username", row.username) != row.username:
                raise InvalidEntryError("username: cannot be changed; create another device.")
            owner = await session.get_one(ExtensionRow, row.extension_id)
            if fields.get("extension", owner.number) != owner.number:
                raise InvalidEntryError("extension: cannot be changed; create another device.")
            self._set_device(row, fields)
        return snapshots.device_entry(row, owner.number)

    async def delete_device(self, id: str) -> None:  # noqa: A002
        """Remove a device."""
        async with self._changing() as session:
            await session.delete(await _find(session, DeviceRow, id))

    async def create_trunk(self, **fields: Unpack[TrunkFields]) -> Trunk:
        """Add a trunk; `name` and `host` are required."""
        name = validation.username(_required(fields.get("name"), "name"), "name")
        _required(fields.get("host"), "host")
        row = new_row(TrunkRow, self._now(), name=name)
        async with self._changing("name", name) as session:
            row_changes.set_trunk(row, fields, self._country)
            session.add(row)
        return snapshots.trunk_entry(row)

    async def update_trunk(self, id: str, **fields: Unpack[TrunkFields]) -> Trunk:  # noqa: A002
        """Change the given fields of a trunk; its name, by which routes and call records know it, stays."""
        async with self._changing() as session:
            row = await _find(session, TrunkRow, id)
            if fields.get("name", row.name) != row.name:
                raise InvalidEntryError("name: cannot be changed; create another trunk.")
            row_changes.set_trunk(row, fields, self._country)
        return snapshots.trunk_entry(row)

    async def delete_trunk(self, id: str) -> None:  # noqa: A002
        """Remove a trunk.

        Raises:
            EntryInUseError: a route still uses it.
        """
        async with self._changing() as session:
            row = await _find(session, TrunkRow, id)
            for route in self.snapshot.routes:
                if row.name in route.trunks:
                    raise EntryInUseError(f"The route “{route.name}” uses the trunk “{row.name}”.")
            await session.delete(row)

    async def create_number(self, **fields: Unpack[NumberFields]) -> InboundNumber:
        """Add an inbound number or a pattern of them; `number`, `kind` and `target` are required."""
        number = validation.number_or_pattern("number", _required(fields.get("number"), "number"), self._country)
        row = new_row(InboundNumberRow, self._now(), number=number)
        row.destination_kind = validation.destination_kind(_required(fields.get("kind"), "kind"))
        row.destination_target = _required(fields.get("target"), "target")
        async with self._changing("number", number) as session:
            row_changes.set_number(row, fields, self._country, self.snapshot, self._flows)
            session.add(row)
        return snapshots.number_entry(row)

    async def update_number(self, id: str, **fields: Unpack[NumberFields]) -> InboundNumber:  # noqa: A002
        """Change the given fields of an inbound number."""
        async with self._changing("number", fields.get("number", "")) as session:
            row = await _find(session, InboundNumberRow, id)
            if "number" in fields:
                row.number = validation.number_or_pattern("number", fields["number"], self._country)
            row_changes.set_number(row, fields, self._country, self.snapshot, self._flows)
        return snapshots.number_entry(row)

    async def delete_number(self, id: str) -> None:  # noqa: A002
        """Remove an inbound number."""
        async with self._changing() as session:
            await session.delete(await _find(session, InboundNumberRow, id))

    async def create_route(self, **fields: Unpack[RouteFields]) -> OutboundRoute:
        """Add an outbound route; `name` and `trunks` are required."""
        name = validation.plain_text("name", _required(fields.get("name"), "name"), longest=64)
        row = new_row(OutboundRouteRow, self._now(), name=name, prefix="")
        _required(fields.get("trunks"), "trunks")
        async with self._changing("name", name) as session:
            row_changes.set_route(row, fields, self.snapshot)
            session.add(row)
        return snapshots.route_entry(row)

    async def update_route(self, id: str, **fields: Unpack[RouteFields]) -> OutboundRoute:  # noqa: A002
        """Change the given fields of an outbound route."""
        async with self._changing("name", fields.get("name", "")) as session:
            row = await _find(session, OutboundRouteRow, id)
            if "name" in fields:
                row.name = validation.plain_text("name", fields["name"], longest=64)
            row_changes.set_route(row, fields, self.snapshot)
        return snapshots.route_entry(row)

    async def delete_route(self, id: str) -> None:  # noqa: A002
        """Remove an outbound route."""
        async with self._changing() as session:
            await session.delete(await _find(session, OutboundRouteRow, id))

    async def create_conference(self, **fields: Unpack[ConferenceFields]) -> Conference:
        """Add a conference's room; `number` and `name` are required."""
        number = validation.extension_number(_required(fields.get("number"), "number"))
        row = new_row(ConferenceRow, self._now(), number=number)
        _required(fields.get("name"), "name")
        async with self._changing("number", number) as session:
            await self._refuse_taken_login(session, number)
            row_changes.set_conference(row, fields)
            session.add(row)
        return snapshots.conference_entry(row)

    async def update_conference(self, id: str, **fields: Unpack[ConferenceFields]) -> Conference:  # noqa: A002
        """Change the given fields of a room; its number stays."""
        async with self._changing() as session:
            row = await _find(session, ConferenceRow, id)
            if fields.get("number", row.number) != row.number:
                raise InvalidEntryError("number: cannot be changed; create another conference.")
            row_changes.set_conference(row, fields)
        return snapshots.conference_entry(row)

    async def delete_conference(self, id: str) -> None:  # noqa: A002
        """Remove a room; a conference that goes on in it is not disturbed.

        Raises:
            EntryInUseError: an inbound number leads to it.
        """
        async with self._changing() as session:
            row = await _find(session, ConferenceRow, id)
            for number in self.snapshot.all_numbers:
                if number.kind is DestinationKind.CONFERENCE and number.target == row.number:
                    raise EntryInUseError(f"The number {number.number} leads to conference {row.number}.")
            await session.delete(row)

    @property
    def _country(self) -> str:
        return self._company.settings.country

    def _now(self) -> datetime:
        return self._clock.now()

    @contextlib.asynccontextmanager
    async def _changing(self, field: str = "", value: str = "") -> AsyncIterator[AsyncSession]:
        """Give a transaction; afterwards load the new snapshot. A breach of uniqueness is told of `field`."""
        try:
            async with self._database.transaction() as session:
                yield session
        except IntegrityError as error:
            raise EntryExistsError(f"{field or 'entry'}: “{value}” exists already.") from error
        await self.reload()

    async def _refuse_taken_login(self, session: AsyncSession, username: str) -> None:
        # An extension's number is its login too, and is dialled as rooms are, so the tables share one space of names.
        for column in (ExtensionRow.number, DeviceRow.username, ConferenceRow.number):
            if await session.scalar(select(column).where(column == username)) is not None:
                raise EntryExistsError(f"“{username}” exists already.")

    def _extension(self, number: str) -> Extension:
        extension = self.snapshot.extensions.get(number)
        if extension is None:
            raise InvalidEntryError(f"extension: there is no extension “{number[:20]}”.")
        return extension

    def _refuse_in_use(self, extension: str) -> None:
        for number in self.snapshot.all_numbers:
            if number.kind is DestinationKind.EXTENSION and number.target == extension:
                raise EntryInUseError(f"The number {number.number} leads to extension {extension}.")
        for other in self.snapshot.extensions.values():
            if any(getattr(other, field) == extension for field in TARGETS):
                raise EntryInUseError(f"Extension {other.number} is forwarded to {extension}.")

    def _digests(self, username: str, password: str) -> tuple[str, str]:
        digests = HA1s.derive(username, self._realm, validation.password(password))
        return digests.md5, digests.sha256

    def _set_extension(self, row: ExtensionRow, fields: ExtensionFields) -> None:
        if "name" in fields:
            row.name = validation.plain_text("name", fields["name"], longest=200)
        if "password" in fields:
            row.ha1_md5, row.ha1_sha256 = self._digests(row.number, fields["password"])
        if "email" in fields:
            row.email = validation.email(fields["email"])
        if "language" in fields:
            row.language = validation.language(fields["language"])
        if "enabled" in fields:
            row.enabled = fields["enabled"]
        if "dtmf" in fields:
            row.dtmf = validation.key_way(fields["dtmf"])
        if "supervises" in fields:
            row.supervises = fields["supervises"]
        if "encryption" in fields:
            row.encryption = validation.encryption(fields["encryption"])
        self._set_forwarding(row, fields)

    def _set_forwarding(self, row: ExtensionRow, fields: ExtensionFields) -> None:
        for field in TARGETS:
            target = fields.get(field)
            # What stands there already was accepted once: a form sends it back with what it changes.
            if isinstance(target, str) and target not in (row.number, getattr(row, field)):
                target = validation.target_number(field, target, self._country, self.snapshot.extensions)
            if isinstance(target, str):
                setattr(row, field, target)
            if getattr(row, field) == row.number:
                raise InvalidEntryError(f"{field}: {row.number} → {row.number} would go round in circles.")
        if "forward_no_answer_seconds" in fields:
            row.forward_no_answer_seconds = validation.ring_seconds(fields["forward_no_answer_seconds"])
        if "do_not_disturb" in fields:
            row.do_not_disturb = fields["do_not_disturb"]
        if "call_waiting" in fields:
            row.call_waiting = fields["call_waiting"]
        self._refuse_forwarding_loop(row.number, row.forward_to)

    def _refuse_forwarding_loop(self, number: str, target: str) -> None:
        """Refuse what sends every call in circles, or on too often; what depends on busy phones is bounded call by call."""
        chain = [number]
        while target in self.snapshot.extensions or target == number:
            chain.append(target)
            if target == number:
                raise InvalidEntryError(f"forward_to: {' → '.join(chain)} would go round in circles.")
            if len(chain) - 1 > MOST_FORWARDS:
                raise InvalidEntryError(
                    f"forward_to: {' → '.join(chain)} is forwarded more than {MOST_FORWARDS} times."
                )
            target = self.snapshot.extensions[target].forward_to

    def _set_device(self, row: DeviceRow, fields: DeviceFields) -> None:
        if "label" in fields:
            row.label = validation.plain_text("label", fields["label"], longest=200, required=False)
        if "password" in fields:
            row.ha1_md5, row.ha1_sha256 = self._digests(row.username, fields["password"])
        if "enabled" in fields:
            row.enabled = fields["enabled"]


def new_password() -> str:
    """Return a random password for a phone: 16 characters that can be read out."""
    return secrets.token_hex(8)


def _required(value: T | None, field: str) -> T:
    if not value:
        raise InvalidEntryError(f"{field}: is required.")
    return value


async def _find(session: AsyncSession, table: type[Row], id: str) -> Row:  # noqa: A002
    row: Base | None = await session.get(table, id)
    if row is None:
        raise UnknownEntryError(f"There is no such {table.__tablename__.rstrip('s').replace('_', ' ')}.")
    return row  # type: ignore[return-value]
