"""Lamps: what an extension's calls do, told to the colleagues whose phones watch it (RFC 4235).

Every NOTIFY has the whole state. Calls that are over are told as such until the watcher has confirmed it, because some phones
keep a lamp lit for a call that they hear no more of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from core.company import Company
from pbx.directory import Directory
from pbx.extension_states import ExtensionStates
from pbx.live import WatchedLeg
from pbx.party import LegState, Party
from pbx.watched import entity, extension_named, standing
from sip import dialog_info
from sip.dialog_info import DialogDirection, DialogState, WatchedDialog, WatchedParty
from sip.event_package import Standing
from sip.notifier import Notifier
from sip.uri import Uri

_MOST_ENDED: Final = 50
"""Ended calls that a watcher who confirms nothing is still told of."""
_STATES: Final = {
    LegState.RINGING: DialogState.EARLY,
    LegState.ANSWERED: DialogState.CONFIRMED,
    LegState.ENDED: DialogState.TERMINATED,
}


class Lamps:
    """The event package `dialog`."""

    name = "dialog"
    content_type = dialog_info.CONTENT_TYPE

    def __init__(
        self,
        notifier: Notifier,
        directory: Directory,
        company: Company,
        states: ExtensionStates,
        legs: Callable[[str], Sequence[WatchedLeg]],
    ) -> None:
        """Begin to answer.

        Args:
            notifier: holds the subscriptions.
            directory: which extensions there are.
            company: says whether outside numbers are shown.
            states: tells whose calls change; it is listened to as long as somebody watches.
            legs: gives what an extension's legs do now.
        """
        self._notifier = notifier
        self._directory = directory
        self._company = company
        self._states = states
        self._legs = legs

    def resource(self, uri: Uri, _watcher: str) -> str:
        """Return the extension that a URI names, or ""."""
        return extension_named(self._directory.snapshot, uri.user)

    def standing(self, resource: str, watcher: str) -> Standing:
        """Tell whether the watcher may see the extension's calls."""
        return standing(self._directory.snapshot, resource, watcher)

    def feed(self, resource: str, watcher: str, uri: Uri) -> LampFeed:
        """Open a watcher's view of an extension."""
        self._states.on_calls = self._calls_changed
        return LampFeed(self, resource, watcher, uri)

    def _calls_changed(self, extensions: Iterable[str]) -> None:
        """Tell those who watch one of the extensions; when nobody is left, listen no more."""
        if not len(self._notifier):
            self._states.on_calls = None
        for extension in extensions:
            self._notifier.changed(self.name, extension)

    def dialogs(self, extension: str, watcher: str, uri: Uri) -> list[WatchedDialog]:
        """Return the calls of an extension as far as a watcher may see them."""
        login = self._directory.snapshot.logins.get(watcher)
        own = login is not None and login.extension == extension
        return [self._dialog(leg, entity(uri), uri.host, own=own) for leg in self._legs(extension)]

    def _dialog(self, leg: WatchedLeg, name: str, domain: str, *, own: bool) -> WatchedDialog:
        state = _STATES.get(leg.state, DialogState.PROCEEDING if leg.incoming else DialogState.TRYING)
        # A call that rings can be picked up by anyone, one that goes on only by the other phones of its extension.
        takeable = own or (leg.state is LegState.RINGING and not leg.incoming)
        has_dialog = takeable and bool(leg.local_tag and leg.remote_tag)
        return WatchedDialog(
            id=leg.id,
            state=state,
            direction=DialogDirection.INITIATOR if leg.incoming else DialogDirection.RECIPIENT,
            # Whoever picks up asks us and not the phone: so "local" is our end of the dialog (RFC 3891 section 3).
            call_id=leg.sip_call_id if has_dialog else "",
            local_tag=leg.local_tag if has_dialog else "",
            remote_tag=leg.remote_tag if has_dialog else "",
            local=WatchedParty(name, holds=leg.held),
            remote=self._remote(leg.remote, domain, own=own),
        )

    def _remote(self, party: Party, domain: str, *, own: bool) -> WatchedParty | None:
        colleague = party.extension or (party.number if party.number in self._directory.snapshot.extensions else "")
        if not party.number or not (colleague or own or self._company.settings.lamps_show_callers):
            return None
        name = party.name or (self._directory.snapshot.extensions[colleague].name if colleague else "")
        return WatchedParty(str(Uri("sip", party.number, domain)), name)


class LampFeed:
    """One watcher's view of one extension's calls."""

    __slots__ = ("_known", "_lamps", "_resource", "_uri", "_version", "_watcher")

    def __init__(self, lamps: Lamps, resource: str, watcher: str, uri: Uri) -> None:
        self._lamps = lamps
        self._resource = resource
        self._watcher = watcher
        self._uri = uri
        self._version = 0
        self._known: dict[str, bool] = {}
        """The calls that the watcher was told of, and whether they were alive in the last document."""

    def body(self) -> bytes:
        """Return all calls as they are now, and as ended those that the watcher may still take for alive."""
        dialogs = self._lamps.dialogs(self._resource, self._watcher, self._uri)
        alive = {dialog.id for dialog in dialogs}
        ended = [one for one in self._known if one not in alive][-_MOST_ENDED:]
        self._known = {**dict.fromkeys(ended, False), **dict.fromkeys(alive, True)}
        dialogs += [WatchedDialog(one, DialogState.TERMINATED) for one in ended]
        if not dialogs:
            # One that says "idle", because some phones take a document without calls for no news.
            dialogs.append(WatchedDialog(self._resource, DialogState.TERMINATED))
        version, self._version = self._version, self._version + 1
        return dialog_info.dialog_info(entity(self._uri), version, dialogs)

    def count_from(self, number: int) -> None:
        """Number the documents from here on."""
        self._version = number

    def delivered(self) -> None:
        """Forget the ended calls: the watcher knows."""
        self._known = {one: alive for one, alive in self._known.items() if alive}
