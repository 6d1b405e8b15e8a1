"""One subscription of a watcher, on the notifier's side: it keeps the watcher told, whatever is lost (RFC 6665 section 4.2).

A NOTIFY that is lost is tried again, later and later, and never ends the subscription; only the watcher's word that it
knows of none does. What is tried again is the newest state, so no lamp stays lit for a call that is over.
"""

from __future__ import annotations

import functools
import math
from typing import Final, Protocol

import structlog

from sip.address import Address
from sip.bodies import retry_after_of
from sip.client_request import ClientRequest, SessionHost
from sip.dialog import Dialog
from sip.event_package import EventFeed, EventPackage, Standing
from sip.message import Response
from sip.subscription_tables import (
    DELIVERY,
    SUBSCRIPTION,
    DeliveryAction,
    DeliveryEvent,
    DeliveryState,
    SubscriptionAction,
    SubscriptionEvent,
    SubscriptionState,
)
from sip.timers import Timer
from sip.transaction import ClientTransaction
from sip.uri import Uri

log = structlog.get_logger(__name__)

_GONE: Final = frozenset((404, 405, 410, 481, 489, 501, 604))
"""Answers that say that the watcher knows of no subscription or cannot have one (RFC 5057 section 5.1)."""
_LONGEST_WAIT: Final = 120.0
"""Seconds between two attempts to tell a watcher that does not answer."""
_RENEWAL_PAUSE: Final = 1.0
"""Seconds between two NOTIFYs that tell nothing new."""
_RENEWAL_DELAY: Final = 0.02
"""Seconds by which a renewal lets the answer to its REGISTER go first."""

_STANDINGS: Final = {
    Standing.GRANTED: (SubscriptionEvent.GRANTED, ""),
    Standing.WITHHELD: (SubscriptionEvent.WITHHELD, ""),
    Standing.FORBIDDEN: (SubscriptionEvent.WITHDRAWN, "rejected"),
    Standing.UNKNOWN: (SubscriptionEvent.WITHDRAWN, "noresource"),
}
"""What becomes of a subscription that stands, and the reason the watcher is given."""


class SubscriptionHost(Protocol):
    """Who holds the subscriptions."""

    def subscription_ended(self, subscription: Subscription) -> None:
        """Forget a subscription; its last NOTIFY may still be under way."""
        ...


class Subscription:
    """One watcher's subscription to one resource."""

    __slots__ = (
        "_attempt",
        "_delivery",
        "_dialog",
        "_event",
        "_expiry",
        "_failures",
        "_feed",
        "_granted",
        "_owner",
        "_package",
        "_reason",
        "_renewal",
        "_retry",
        "_retry_after",
        "_sent_at",
        "_stack",
        "expires_at",
        "resource",
        "state",
        "uri",
        "watcher",
    )

    def __init__(
        self,
        stack: SessionHost,
        owner: SubscriptionHost,
        dialog: Dialog,
        package: EventPackage,
        *,
        resource: str,
        watcher: str,
        event: str,
        uri: Uri,
    ) -> None:
        """Begin a subscription that nothing is told of yet; `start` comes next.

        Args:
            stack: sends the NOTIFYs.
            owner: forgets the subscription when it is over.
            dialog: the dialog of the SUBSCRIBE.
            package: knows the event.
            resource: what is watched, as the package names it.
            watcher: the SIP user who watches.
            event: the Event header of the NOTIFYs, with the `id` that the SUBSCRIBE had.
            uri: how the watcher names the resource.
        """
        self._stack = stack
        self._owner = owner
        self._dialog = dialog
        self._package = package
        self._event = event
        self._feed: EventFeed = package.feed(resource, watcher, uri)
        self.resource = resource
        self.uri = uri
        """How the watcher names the resource."""
        self.watcher = watcher
        self.state = SubscriptionState.INIT
        self.expires_at = 0.0
        """Monotonic seconds."""
        self._granted = False
        self._reason = ""
        self._delivery = DeliveryState.RESTING
        self._attempt = 0
        """Counts the NOTIFYs: only the answer to the last one counts."""
        self._failures = 0
        self._retry_after: int | None = None
        self._sent_at = -math.inf
        self._expiry: Timer | None = None
        self._retry: Timer | None = None
        self._renewal: Timer | None = None

    @property
    def dialog(self) -> Dialog:
        """The dialog of the subscription."""
        return self._dialog

    @property
    def event(self) -> str:
        """The Event header of the NOTIFYs."""
        return self._event

    @property
    def package(self) -> EventPackage:
        """The package of the event."""
        return self._package

    @property
    def told(self) -> bool:
        """Whether the watcher has confirmed the newest state."""
        return self._delivery is DeliveryState.RESTING

    def count_from(self, number: int) -> None:
        """Number the documents from here on: the watcher has had others from an earlier run."""
        self._feed.count_from(number)

    # What the watcher asks for.

    def start(self, seconds: int, standing: Standing) -> None:
        """Begin: tell the state for the first time; 0 seconds make it the only time."""
        self._granted = standing is Standing.GRANTED
        self._feed_event(SubscriptionEvent.SUBSCRIBED)
        if seconds == 0:
            self._reason = "timeout"
            self._feed_event(SubscriptionEvent.UNSUBSCRIBED)
            return
        self._expire_in(seconds)
        self._feed_event(SubscriptionEvent.GRANTED if self._granted else SubscriptionEvent.WITHHELD)

    def refresh(self, seconds: int) -> None:
        """Go on for so many seconds, and tell the whole state again; 0 ends it."""
        if seconds == 0:
            self._end(SubscriptionEvent.UNSUBSCRIBED, "timeout")
            return
        self._expire_in(seconds)
        self._feed_event(SubscriptionEvent.SUBSCRIBED)

    def follow(self, source: Address) -> None:
        """Reach the watcher where it is now; a NOTIFY that is under way to where it was is not waited for."""
        if source != self._dialog.source:
            self._dialog.source = source
            if not self.told:
                self._tell(DeliveryEvent.MOVED)

    # What becomes of it here.

    def changed(self) -> None:
        """Tell the newest state, at once or after the NOTIFY that is under way."""
        if self._granted:
            self._tell(DeliveryEvent.CHANGED)

    def renew(self, delay: float = 0.0) -> None:
        """Tell the whole state in a moment though it may be known: the phone has registered, and perhaps forgotten all.

        `delay` (seconds) lets others go first.
        """
        if self._renewal is None and self.state is not SubscriptionState.TERMINATED:
            wait = self._sent_at + _RENEWAL_PAUSE - self._stack.timers.clock.monotonic()
            self._renewal = self._stack.timers.schedule(max(wait, _RENEWAL_DELAY + delay), self._renewal_due)

    def reconsider(self) -> None:
        """Ask again what the watcher may see, because the rules changed."""
        standing = self._package.standing(self.resource, self.watcher)
        event, reason = _STANDINGS[standing]
        if event is SubscriptionEvent.WITHDRAWN:
            self.withdraw(reason)
            return
        self._granted = standing is Standing.GRANTED
        self._feed_event(event)

    def withdraw(self, reason: str) -> None:
        """End it, with a reason of RFC 6665 section 4.1.3: `deactivated`, `rejected`, `noresource`."""
        self._end(SubscriptionEvent.WITHDRAWN, reason)

    def abandon(self) -> None:
        """End it without a word: the watcher has put another one in its place."""
        self._feed_event(SubscriptionEvent.GONE)

    # The machine of the subscription.

    def _feed_event(self, event: SubscriptionEvent) -> bool:
        rule = SUBSCRIPTION.get((self.state, event))
        if rule is None:
            return False
        self.state, actions = rule
        for action in actions:
            if action is SubscriptionAction.NOTIFY:
                self._tell(DeliveryEvent.RENEWED)
            elif action is SubscriptionAction.SAY_LAST:
                self._forget()
                self._tell(DeliveryEvent.ENDED)
            else:
                self._delivery = DeliveryState.CLOSED
                self._forget()
        return True

    def _end(self, event: SubscriptionEvent, reason: str) -> None:
        self._reason = reason
        self._feed_event(event)

    def _expire_in(self, seconds: int) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        self.expires_at = self._stack.timers.clock.monotonic() + seconds
        self._expiry = self._stack.timers.schedule(seconds, self._end, SubscriptionEvent.EXPIRED, "timeout")

    def _forget(self) -> None:
        for timer in (self._expiry, self._retry, self._renewal):
            if timer is not None:
                timer.cancel()
        self._owner.subscription_ended(self)

    # The machine of the NOTIFYs.

    def _tell(self, event: DeliveryEvent) -> None:
        rule = DELIVERY.get((self._delivery, event))
        if rule is None:
            return
        self._delivery, actions = rule
        for action in actions:
            if action is DeliveryAction.SEND:
                self._send()
            elif action is DeliveryAction.CONFIRM:
                self._failures = 0
                self._feed.delivered()
            else:
                self._wait()

    def _wait(self) -> None:
        self._failures += 1
        wait = min(2.0**self._failures, _LONGEST_WAIT)
        if self._retry_after is not None:
            wait = min(max(wait, float(self._retry_after)), _LONGEST_WAIT)
            self._retry_after = None
        self._retry = self._stack.timers.schedule(wait, self._tell, DeliveryEvent.RETRY_DUE)
        log.info(
            "notify_lost",
            call_id=self._dialog.call_id,
            event_package=self._package.name,
            watcher=self.watcher,
            failures=self._failures,
            again_in_seconds=wait,
        )

    def _renewal_due(self) -> None:
        self._renewal = None
        self._tell(DeliveryEvent.RENEWED)

    def _send(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
        try:
            body = self._feed.body() if self._granted and self._reason in ("", "timeout") else b""
        except Exception:
            # The subscription outlives what its package cannot say now.
            log.exception("event_state_not_made", call_id=self._dialog.call_id, event_package=self._package.name)
            self._tell(DeliveryEvent.FAILED)
            return
        now = self._stack.timers.clock.monotonic()
        self._sent_at = now
        hop = self._stack.next_hop(self._dialog)
        headers = [
            ("Contact", self._stack.contact(hop, self.resource)),
            ("Event", self._event),
            ("Subscription-State", self._state_header(now)),
        ]
        request = self._dialog.request(
            "NOTIFY", headers=headers, content_type=self._package.content_type if body else "", body=body
        )
        self._attempt += 1
        answered = functools.partial(self._answered, self._attempt)
        ClientRequest(self._stack, request, hop, answered, next_cseq=self._dialog.next_cseq)

    def _state_header(self, now: float) -> str:
        if self.state is SubscriptionState.TERMINATED:
            return f"terminated;reason={self._reason}"
        return f"{self.state};expires={max(0, round(self.expires_at - now))}"

    def _answered(self, attempt: int, response: Response, transaction: ClientTransaction) -> None:
        status = response.status
        if status < 200 or attempt != self._attempt:
            return
        if status < 300:
            self._tell(DeliveryEvent.DELIVERED)
        elif status in _GONE and not transaction.local_failure and self.state is not SubscriptionState.TERMINATED:
            log.info(
                "watcher_gone",
                call_id=self._dialog.call_id,
                event_package=self._package.name,
                watcher=self.watcher,
                status=status,
            )
            self._feed_event(SubscriptionEvent.GONE)
        else:
            self._retry_after = retry_after_of(response)
            self._tell(DeliveryEvent.FAILED)
