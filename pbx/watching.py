"""What phones watch and say beside calls, as one part: lamps, presence, mailboxes and texts, told of what changes."""

from __future__ import annotations

from collections.abc import Sequence

from core.database import Database
from pbx.equipment import Equipment
from pbx.lamps import Lamps
from pbx.mailboxes import Mailboxes
from pbx.messages import Messages
from pbx.presence import Presence
from pbx.snapshot import Snapshot
from pbx.switch import Switch
from sip.binding import Binding


class Watching:
    """The event packages of the exchange, and the texts."""

    def __init__(self, equipment: Equipment, switch: Switch, database: Database) -> None:
        """Offer the packages to the stack and begin to listen to the switch; mailboxes are counted in `database`."""
        sip, directory, company, config = equipment.sip, equipment.directory, equipment.company, equipment.config
        inbound = sip.core.inbound
        self._notifier = inbound.notifier
        self._snapshot = directory.snapshot
        self.lamps = Lamps(self._notifier, directory, company, switch.extensions, switch.watched)
        self.presence = Presence(
            self._notifier,
            inbound,
            sip.core.timers,
            sip.config,
            directory=directory,
            company=company,
            states=switch.extensions,
        )
        self.mailboxes = Mailboxes(sip, database, directory, domain=config.domain, unsolicited=config.unsolicited_mwi)
        self.messages = Messages(sip, directory, equipment.bus, equipment.clock, domain=config.domain)
        for package in (self.lamps, self.presence, self.mailboxes):
            self._notifier.offer(package)
        inbound.take("PUBLISH", self.presence.publications.publish)
        switch.extensions.on_state = self.presence.state_changed

    def registered(self, username: str, bindings: Sequence[Binding]) -> None:
        """Tell a phone that has registered all that it watches."""
        self._notifier.registered(username, bindings)
        self.mailboxes.registered(username, bindings)

    def directory_changed(self, snapshot: Snapshot) -> None:
        """Work by a new snapshot: who has no login any more watches nothing, what is no more is told so."""
        before, self._snapshot = self._snapshot, snapshot
        self.mailboxes.directory_changed(snapshot)
        if not len(self._notifier):
            return
        for username, login in before.logins.items():
            if snapshot.logins.get(username) != login:
                self._notifier.remove(username)
        if _visible(before) != _visible(snapshot):
            self._notifier.reconsider()
        self.presence.directory_changed(before, snapshot)

    def close(self) -> None:
        """Have all who watch subscribe again, after the restart."""
        self._notifier.close()


def _visible(snapshot: Snapshot) -> set[str]:
    """Return the extensions that can be watched."""
    return {number for number, extension in snapshot.extensions.items() if extension.enabled}
