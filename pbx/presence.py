"""Presence of extensions: whether one can be reached, made from registration, calls, settings, and what phones publish."""

from __future__ import annotations

from typing import Final

from core.company import Company
from pbx.directory import Directory
from pbx.extension_states import ExtensionState, ExtensionStates
from pbx.snapshot import Snapshot
from pbx.watched import entity, extension_named, standing
from sip import presence_document
from sip.config import SipConfig
from sip.desk import Desk
from sip.event_package import Standing
from sip.message import Request
from sip.notifier import Notifier
from sip.presence_document import PresenceState
from sip.publication import Publications
from sip.timers import TimerHeap
from sip.uri import Uri

_NOTES: Final = {
    "en": {"talking": "On the phone", "ringing": "Ringing", "do_not_disturb": "Do not disturb"},
    "pt-BR": {"talking": "Ao telefone", "ringing": "Chamando", "do_not_disturb": "Não perturbe"},
    "ru": {"talking": "Говорит по телефону", "ringing": "Звонит", "do_not_disturb": "Не беспокоить"},
}
"""What colleagues read, in the company's language."""


class Presence:
    """The event package `presence`, to watch and to publish."""

    name = "presence"
    content_type = presence_document.CONTENT_TYPE

    def __init__(
        self,
        notifier: Notifier,
        desk: Desk,
        timers: TimerHeap,
        config: SipConfig,
        *,
        directory: Directory,
        company: Company,
        states: ExtensionStates,
    ) -> None:
        """Begin to answer; `state_changed` and `directory_changed` are to be told of changes.

        Args:
            notifier: holds the subscriptions.
            desk: where PUBLISH comes in.
            timers: end publications.
            config: bounds of the stack.
            directory: which extensions there are, and who is not to be disturbed.
            company: its language.
            states: what extensions do.
        """
        self._notifier = notifier
        self._directory = directory
        self._company = company
        self._states = states
        self.publications: Publications[PresenceState] = Publications(desk, self, timers, config)

    def state_changed(self, extension: str) -> None:
        """Tell those who watch an extension that it does something else."""
        self._notifier.changed(self.name, extension)

    def directory_changed(self, before: Snapshot, snapshot: Snapshot) -> None:
        """Tell those who watch an extension that is not to be disturbed, or may be again."""
        for number, extension in snapshot.extensions.items():
            old = before.extensions.get(number)
            if old is not None and old.do_not_disturb != extension.do_not_disturb:
                self._notifier.changed(self.name, number)

    def state(self, extension: str) -> PresenceState:
        """Return what those who watch are told.

        A call counts more than a setting, a setting more than what a phone publishes; without a phone nobody is there.
        """
        doing = self._states.state(extension)
        notes = _NOTES[self._company.settings.language]
        if doing in (ExtensionState.TALKING, ExtensionState.HELD):
            return PresenceState(open=True, activity="on-the-phone", note=notes["talking"])
        if doing is ExtensionState.RINGING:
            return PresenceState(open=True, note=notes["ringing"])
        if doing is ExtensionState.OFFLINE:
            return PresenceState(open=False)
        entry = self._directory.snapshot.extensions.get(extension)
        if entry is not None and entry.do_not_disturb:
            return PresenceState(open=True, activity="busy", note=notes["do_not_disturb"])
        published = self.publications.values(extension)
        if not published:
            return PresenceState(open=True)
        newest = published[-1]
        reachable = any(state.open for state in published)
        return PresenceState(open=reachable, activity=newest.activity, note=newest.note)

    # To watch (sip.event_package.EventPackage).

    def resource(self, uri: Uri, _watcher: str) -> str:
        """Return the extension that a URI names, or ""."""
        return extension_named(self._directory.snapshot, uri.user)

    def standing(self, resource: str, watcher: str) -> Standing:
        """Tell whether the watcher may see the extension's presence."""
        return standing(self._directory.snapshot, resource, watcher)

    def feed(self, resource: str, _watcher: str, uri: Uri) -> PresenceFeed:
        """Open a watcher's view of an extension."""
        return PresenceFeed(self, resource, uri)

    # To publish (sip.publication.PublishedPackage).

    def publisher(self, request: Request, user: str) -> str:
        """Return the extension a user publishes for: only the user's own."""
        own = extension_named(self._directory.snapshot, user)
        return own if extension_named(self._directory.snapshot, request.uri.user) == own else ""

    def parse(self, body: bytes) -> PresenceState:
        """Read a published document.

        Raises:
            MalformedMessageError: it cannot be read.
        """
        return presence_document.parse_presence(body)

    def published(self, resource: str) -> None:
        """Tell those who watch that a phone has published something else."""
        self._notifier.changed(self.name, resource)


class PresenceFeed:
    """One watcher's view of one extension's presence."""

    __slots__ = ("_presence", "_resource", "_uri")

    def __init__(self, presence: Presence, resource: str, uri: Uri) -> None:
        self._presence = presence
        self._resource = resource
        self._uri = uri

    def body(self) -> bytes:
        """Return the presence as it is now."""
        return presence_document.presence_document(entity(self._uri), self._presence.state(self._resource))

    def count_from(self, number: int) -> None:
        """Do nothing: its documents are not numbered."""

    def delivered(self) -> None:
        """Do nothing: each document stands for itself."""
