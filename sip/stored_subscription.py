"""What is kept of a subscription, so that a server that was killed goes on with it: its dialog, and what is watched until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from sip.address import Address
from sip.dialog import Dialog
from sip.uri import Uri

if TYPE_CHECKING:
    from sip.subscription import Subscription

_BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)
_STEPS: Final = 4
"""How many numbers there are for a second: no watcher is told more often for long."""


@dataclass(slots=True, frozen=True)
class StoredSubscription:
    """One subscription."""

    call_id: str
    local_tag: str
    remote_tag: str
    local: str
    """Our From, with our tag."""
    remote: str
    """Our To, with the watcher's tag."""
    target: str
    """The watcher's Contact."""
    routes: tuple[str, ...]
    source: tuple[str, int, str]
    """Where its packets come from."""
    remote_cseq: int
    package: str
    resource: str
    watcher: str
    event: str
    uri: str
    """How the watcher names the resource."""
    expires_at: datetime

    @classmethod
    def of(cls, subscription: Subscription, seconds: int, now: datetime) -> StoredSubscription:
        """Note a subscription that lasts so many seconds from now on."""
        dialog = subscription.dialog
        return cls(
            dialog.call_id,
            dialog.local_tag,
            dialog.remote_tag,
            dialog.local,
            dialog.remote,
            str(dialog.remote_target),
            dialog.route_set,
            (dialog.source.host, dialog.source.port, dialog.source.transport),
            dialog.remote_cseq or 0,
            subscription.package.name,
            subscription.resource,
            subscription.watcher,
            subscription.event,
            str(subscription.uri),
            now + timedelta(seconds=seconds),
        )

    def dialog(self, local_cseq: int) -> Dialog:
        """Return its dialog; our next request is the one after `local_cseq`.

        Raises:
            MalformedMessageError: what is stored cannot be read.
        """
        return Dialog(
            call_id=self.call_id,
            local=self.local,
            local_tag=self.local_tag,
            remote=self.remote,
            remote_tag=self.remote_tag,
            remote_target=Uri.parse(self.target),
            route_set=self.routes,
            source=Address(*self.source),
            local_cseq=local_cseq,
            remote_cseq=self.remote_cseq,
            symmetric=True,
        )


class SubscriptionKeeper(Protocol):
    """One who stores subscriptions. Called on the event loop; it must not block."""

    def kept(self, subscription: StoredSubscription) -> None:
        """Take a subscription that is new or was refreshed."""
        ...

    def ended(self, call_id: str, local_tag: str) -> None:
        """Forget one."""
        ...


def number_above(now: datetime) -> int:
    """Return a number above all that an earlier run can have counted up to: CSeqs and versions go on from it."""
    return max(int((now - _BEGIN).total_seconds() * _STEPS), 0) % (1 << 31)
