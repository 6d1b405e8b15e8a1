"""What waits in the mailboxes of extensions, and the lamps that tell it (RFC 3842).

The messages themselves are elsewhere: whoever takes them (a voicemail, a CRM) tells how many wait, and that is kept in the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select, update

from core.database import Database
from pbx.directory import Directory
from pbx.errors import UnknownEntryError
from pbx.snapshot import Snapshot
from pbx.tables import ExtensionRow
from pbx.watched import extension_named, standing
from sip import message_summary
from sip.binding import Binding
from sip.event_package import Standing
from sip.message import Response
from sip.message_summary import MailboxCounts
from sip.transaction import ClientTransaction
from sip.uri import NameAddress, Uri

if TYPE_CHECKING:
    from sip.stack import SipStack

_NOTHING: Final = MailboxCounts()


class Mailboxes:
    """The event package `message-summary`, and the counts behind it."""

    name = "message-summary"
    content_type = message_summary.CONTENT_TYPE

    def __init__(
        self, sip: SipStack, database: Database, directory: Directory, *, domain: str, unsolicited: bool = False
    ) -> None:
        """Begin with empty mailboxes; `load` takes up what is stored.

        Args:
            sip: the stack that notifies.
            database: where the counts are kept, beside their extensions.
            directory: which extensions there are.
            domain: the host part of our addresses.
            unsolicited: tell also phones that never subscribe.
        """
        self._sip = sip
        self._database = database
        self._notifier = sip.core.inbound.notifier
        self._directory = directory
        self._domain = domain
        self._unsolicited = unsolicited
        self._writing = asyncio.Lock()
        self._counts: dict[str, MailboxCounts] = {}
        """What waits, by the extension's id: it stays with an extension that gets another number."""

    async def load(self) -> None:
        """Take up what waited when the server ended.

        Raises:
            StorageError: the database cannot be read.
        """
        columns = (ExtensionRow.id, ExtensionRow.waiting_new, ExtensionRow.waiting_old)
        waiting = select(*columns).where(or_(ExtensionRow.waiting_new > 0, ExtensionRow.waiting_old > 0))
        async with self._database.reading() as session:
            self._counts = {id_: MailboxCounts(new, old) for id_, new, old in await session.execute(waiting)}

    def counts(self, extension: str) -> MailboxCounts:
        """Return what waits for an extension, by its number."""
        entry = self._directory.snapshot.extensions.get(extension)
        return _NOTHING if entry is None else self._counts.get(entry.id, _NOTHING)

    async def set_counts(self, extension: str, *, new: int, old: int = 0) -> None:
        """Keep how many messages wait for an extension now, and light or put out its lamps.

        Args:
            extension: its number.
            new: how many were not heard yet; the lamp is lit while there are any.
            old: how many were heard and kept.

        Raises:
            UnknownEntryError: there is no such extension.
            StorageError: the database cannot be written; the lamps stay as they are.
        """
        entry = self._directory.snapshot.extensions.get(extension)
        if entry is None:
            raise UnknownEntryError("There is no such extension.")
        counts = MailboxCounts(new, old)
        # One after the other, so that what is stored last is also what the lamps show.
        async with self._writing:
            if counts == self._counts.get(entry.id, _NOTHING):
                return
            await self._store(entry.id, counts)
            if counts == _NOTHING:
                self._counts.pop(entry.id, None)
            else:
                self._counts[entry.id] = counts
        self._notifier.changed(self.name, extension)
        for username in self._directory.snapshot.usernames.get(extension, ()):
            self.registered(username, self._sip.bindings(username))

    async def _store(self, extension_id: str, counts: MailboxCounts) -> None:
        mine = ExtensionRow.id == extension_id
        change = update(ExtensionRow).where(mine).values(waiting_new=counts.new, waiting_old=counts.old)
        async with self._database.transaction() as session:
            if await session.scalar(change.returning(ExtensionRow.id)) is None:
                raise UnknownEntryError("There is no such extension.")

    def directory_changed(self, snapshot: Snapshot) -> None:
        """Forget what waited for extensions that are no more."""
        if self._counts:
            there = {entry.id for entry in snapshot.extensions.values()}
            self._counts = {id_: counts for id_, counts in self._counts.items() if id_ in there}

    def registered(self, username: str, bindings: Sequence[Binding]) -> None:
        """Tell the phones of a user what waits, where that is wanted and they have not subscribed."""
        if (
            not self._unsolicited
            or not bindings
            or any(s.package is self for s in self._notifier.subscriptions(username))
        ):
            return
        extension = extension_named(self._directory.snapshot, username)
        body = self.document(extension, str(Uri("sip", extension, self._domain)))
        for binding in bindings:
            self._tell(extension, binding, body)

    def document(self, extension: str, account: str) -> bytes:
        """Return the summary of an extension's mailbox."""
        return message_summary.message_summary(account, self.counts(extension))

    def _tell(self, extension: str, binding: Binding, body: bytes) -> None:
        """Send a NOTIFY that nobody asked for; one that is lost is made good by the next registration."""
        own = NameAddress("", Uri("sip", extension, self._domain))
        way = self._sip.way_to(binding)
        self._sip.core.request(
            "NOTIFY",
            binding.uri,
            on_response=_heard,
            from_=own,
            to=own,
            destination=way,
            headers=[
                ("Contact", self._sip.contact(way, extension)),
                ("Event", self.name),
                ("Subscription-State", "active"),
                *[("Route", edge) for edge in binding.path],
            ],
            content_type=self.content_type,
            body=body,
        )

    # To watch (sip.event_package.EventPackage).

    def resource(self, uri: Uri, watcher: str) -> str:
        """Return whose mailbox is meant: a colleague's by its number, else the watcher's own.

        Many phones subscribe to the number that the messages are listened to at, and mean their own.
        """
        snapshot = self._directory.snapshot
        return extension_named(snapshot, uri.user) or extension_named(snapshot, watcher)

    def standing(self, resource: str, watcher: str) -> Standing:
        """Tell whether the watcher may see the mailbox: only its own."""
        snapshot = self._directory.snapshot
        if extension_named(snapshot, watcher) != resource:
            return Standing.FORBIDDEN
        return standing(snapshot, resource, watcher)

    def feed(self, resource: str, _watcher: str, uri: Uri) -> MailboxFeed:
        """Open a watcher's view of a mailbox."""
        return MailboxFeed(self, resource, str(Uri("sip", resource, uri.host, uri.port)))


class MailboxFeed:
    """One watcher's view of one mailbox."""

    __slots__ = ("_account", "_mailboxes", "_resource")

    def __init__(self, mailboxes: Mailboxes, resource: str, account: str) -> None:
        self._mailboxes = mailboxes
        self._resource = resource
        self._account = account

    def body(self) -> bytes:
        """Return what waits now."""
        return self._mailboxes.document(self._resource, self._account)

    def count_from(self, number: int) -> None:
        """Do nothing: its documents are not numbered."""

    def delivered(self) -> None:
        """Do nothing: each document stands for itself."""


def _heard(_response: Response, _transaction: ClientTransaction) -> None:
    """Take no notice."""
