"""All subscriptions of this node: SUBSCRIBE taken and refused, changes told to those who watch (RFC 6665 section 4.2).

What is kept of the subscriptions outlives a crash. A phone whose subscription is not known all the same gets 481 for its refresh
and makes a new one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import structlog

from sip.address import Address
from sip.binding import Binding
from sip.client_request import SessionHost
from sip.config import SipConfig
from sip.desk import Desk
from sip.dialog import Dialog
from sip.errors import MalformedMessageError
from sip.event_package import EventPackage, Standing
from sip.headers import is_token, parse_seconds
from sip.message import Request, Response, response_to
from sip.stored_subscription import StoredSubscription, SubscriptionKeeper, number_above
from sip.subscription import Subscription
from sip.uri import Uri

log = structlog.get_logger(__name__)

_Key = TypeVar("_Key")

_DEFAULT_SECONDS: Final = 3600
_AT_ONCE: Final = 50
"""Watchers who are told of a change in one turn of the loop."""
_RENEWAL_STEP: Final = 0.002
"""Seconds between two of a phone's subscriptions, when all are told anew."""
_ID: Final = re.compile(r";\s*id\s*=\s*([^\s;,]{1,128})", re.IGNORECASE)
_REFUSALS: Final = {Standing.FORBIDDEN: 403, Standing.UNKNOWN: 404}


class Notifier:
    """The subscriptions, and the event packages that can be subscribed to."""

    def __init__(self, stack: SessionHost, desk: Desk, config: SipConfig) -> None:
        self._stack = stack
        self._desk = desk
        self._config = config
        self._packages: dict[str, EventPackage] = {}
        self._closed = False
        self._dialogs: dict[tuple[str, str], Subscription] = {}
        """By Call-ID and our tag."""
        self._origins: dict[tuple[str, str, str], Subscription] = {}
        """By Call-ID, the watcher's tag and event: a watcher that has lost its dialog begins anew under the same."""
        # Dictionaries for their order: who subscribed first is told first.
        self._by_resource: dict[tuple[str, str], dict[Subscription, None]] = {}
        self._by_watcher: dict[str, dict[Subscription, None]] = {}
        self.keeper: SubscriptionKeeper | None = None
        """Who stores the subscriptions."""

    def __len__(self) -> int:
        """Return how many subscriptions there are."""
        return len(self._dialogs)

    @property
    def events(self) -> str:
        """What can be subscribed to, as Allow-Events tells it."""
        return ", ".join(self._packages)

    def offer(self, package: EventPackage) -> None:
        """Let an event package be subscribed to."""
        self._packages[package.name] = package

    def subscriptions(self, watcher: str = "") -> list[Subscription]:
        """Return the subscriptions of a user, or all."""
        return list(self._by_watcher.get(watcher, ()) if watcher else self._dialogs.values())

    def count_by_event(self) -> dict[str, float]:
        """Return how many subscriptions there are to each event."""
        counts = dict.fromkeys(self._packages, 0.0)
        for subscription in self._dialogs.values():
            counts[subscription.package.name] += 1
        return counts

    # What changes.

    def watched(self, package: str, resource: str) -> bool:
        """Tell whether anybody watches."""
        return (package, resource) in self._by_resource

    def changed(self, package: str, resource: str) -> None:
        """Tell those who watch a resource its newest state."""
        watching = self._by_resource.get((package, resource))
        if watching:
            self._tell(tuple(watching), 0)

    def _tell(self, watching: tuple[Subscription, ...], start: int) -> None:
        """Tell some of many at a time, so that the one whom everybody watches holds up no calls."""
        end = start + _AT_ONCE
        for subscription in watching[start:end]:
            subscription.changed()
        if end < len(watching):
            self._stack.timers.schedule(0.0, self._tell, watching, end)

    def registered(self, user: str, bindings: Sequence[Binding]) -> None:
        """Tell a user who has registered all that it watches: its phone may have been restarted, or moved.

        A phone that is reached by another address now is told there, even before its subscription is refreshed.
        """
        subscriptions = self._by_watcher.get(user)
        if subscriptions and bindings:
            for place, subscription in enumerate(tuple(subscriptions)):
                _follow(subscription, bindings)
                subscription.renew(place * _RENEWAL_STEP)

    def reconsider(self) -> None:
        """Ask again who may see what, because the rules or the resources changed."""
        for subscription in tuple(self._dialogs.values()):
            subscription.reconsider()

    def remove(self, watcher: str) -> None:
        """End the subscriptions of a user who is gone or has another password."""
        for subscription in tuple(self._by_watcher.get(watcher, ())):
            subscription.withdraw("rejected")

    def close(self) -> None:
        """End all subscriptions, have the watchers subscribe again after a while, and take no new ones until then."""
        self._closed = True
        for subscription in tuple(self._dialogs.values()):
            subscription.withdraw("deactivated")

    # SUBSCRIBE.

    def subscribe(self, request: Request, source: Address) -> None:
        """Take a SUBSCRIBE outside of a dialog."""
        package = self._packages.get(_event_name(request))
        if package is None:
            self._desk.refuse(request, source, 489, headers=[("Allow-Events", self.events)])
            return
        if not _accepts(request, package.content_type):
            self._desk.refuse(request, source, 406, headers=[("Accept", package.content_type)])
            return
        before = self._origins.get((request.call_id, request.from_tag, _event_header(request)))
        if before is not None and before.dialog.remote_cseq == request.cseq[0]:
            # The same request by another way (RFC 3261 section 8.2.2.2).
            self._desk.refuse(request, source, 482)
            return
        watcher = self._desk.admit(request, source, proxy=False)
        if watcher is None:
            return
        seconds = self._seconds(request)
        resource = package.resource(request.uri, watcher)
        standing = package.standing(resource, watcher) if resource else Standing.UNKNOWN
        if seconds is None:
            self._desk.refuse(request, source, 423, headers=self._least)
        elif standing in _REFUSALS:
            self._desk.refuse(request, source, _REFUSALS[standing])
        elif before is not None and before.watcher == watcher:
            before.abandon()
            self._begin(request, source, package, resource, watcher, standing, seconds)
        elif self._has_room(request, source, watcher):
            self._begin(request, source, package, resource, watcher, standing, seconds)

    def _begin(
        self,
        request: Request,
        source: Address,
        package: EventPackage,
        resource: str,
        watcher: str,
        standing: Standing,
        seconds: int,
    ) -> None:
        tag = secrets.token_hex(8)
        # The watchers are our users: phones, mostly behind NAT.
        dialog = Dialog.as_server(request, tag, source, symmetric=True)
        subscription = Subscription(
            self._stack,
            self,
            dialog,
            package,
            resource=resource,
            watcher=watcher,
            event=_event_header(request),
            uri=request.uri,
        )
        transaction = self._desk.accept(request, source)
        self._enter(subscription)
        transaction.respond(self._acceptance(request, dialog, resource, seconds))
        subscription.start(seconds, standing)
        self._keep(subscription, seconds)

    def _enter(self, subscription: Subscription) -> None:
        dialog = subscription.dialog
        self._dialogs[dialog.call_id, dialog.local_tag] = subscription
        self._origins[dialog.call_id, dialog.remote_tag, subscription.event] = subscription
        self._by_resource.setdefault((subscription.package.name, subscription.resource), {})[subscription] = None
        self._by_watcher.setdefault(subscription.watcher, {})[subscription] = None

    def _keep(self, subscription: Subscription, seconds: int) -> None:
        if self.keeper is not None and seconds:
            self.keeper.kept(StoredSubscription.of(subscription, seconds, self._stack.timers.clock.now()))

    def restore(self, stored: Iterable[StoredSubscription]) -> None:
        """Go on with the subscriptions of a run that was killed: all who watch are told everything anew."""
        now = self._stack.timers.clock.now()
        number = number_above(now)
        for place, one in enumerate(stored):
            subscription = self._restored(one, number)
            if subscription is None:
                if self.keeper is not None:
                    self.keeper.ended(one.call_id, one.local_tag)
                continue
            self._enter(subscription)
            seconds = max(round((one.expires_at - now).total_seconds()), 1)
            self._stack.timers.schedule(place * _RENEWAL_STEP, self._resume, subscription, seconds)

    def _restored(self, one: StoredSubscription, number: int) -> Subscription | None:
        package = self._packages.get(one.package)
        if package is None or package.standing(one.resource, one.watcher) in _REFUSALS:
            return None
        try:
            dialog, uri = one.dialog(number), Uri.parse(one.uri)
        except MalformedMessageError as error:
            log.warning("stored_subscription_unreadable", call_id=one.call_id, error=error.message)
            return None
        subscription = Subscription(
            self._stack,
            self,
            dialog,
            package,
            resource=one.resource,
            watcher=one.watcher,
            event=one.event,
            uri=uri,
        )
        subscription.count_from(number)
        return subscription

    def _resume(self, subscription: Subscription, seconds: int) -> None:
        dialog = subscription.dialog
        if self._dialogs.get((dialog.call_id, dialog.local_tag)) is subscription:
            subscription.start(seconds, subscription.package.standing(subscription.resource, subscription.watcher))

    def refresh(self, request: Request, source: Address) -> bool:
        """Take a SUBSCRIBE inside a dialog; False: there is no such subscription."""
        subscription = self._dialogs.get((request.call_id, request.to_tag))
        if subscription is None or request.from_tag != subscription.dialog.remote_tag:
            return False
        dialog = subscription.dialog
        transaction = self._desk.accept(request, source)
        if not dialog.accepts(request):
            transaction.respond(response_to(request, 500, "CSeq Out Of Order"))
            return True
        if _event_header(request) != subscription.event:
            # One dialog carries one subscription (RFC 6665 section 4.5.2).
            transaction.respond(response_to(request, 489, headers=[("Allow-Events", self.events)]))
            return True
        try:
            seconds = self._seconds(request)
        except MalformedMessageError as error:
            transaction.respond(response_to(request, 400, error.message))
            return True
        if seconds is None:
            transaction.respond(response_to(request, 423, headers=self._least))
            return True
        dialog.refresh_target(request)
        subscription.follow(source)
        transaction.respond(self._acceptance(request, dialog, subscription.resource, seconds))
        subscription.refresh(seconds)
        self._keep(subscription, seconds)
        return True

    def subscription_ended(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        dialog = subscription.dialog
        self._dialogs.pop((dialog.call_id, dialog.local_tag), None)
        if self.keeper is not None:
            self.keeper.ended(dialog.call_id, dialog.local_tag)
        origin = (dialog.call_id, dialog.remote_tag, subscription.event)
        if self._origins.get(origin) is subscription:
            del self._origins[origin]
        _discard(self._by_resource, (subscription.package.name, subscription.resource), subscription)
        _discard(self._by_watcher, subscription.watcher, subscription)

    def _has_room(self, request: Request, source: Address, watcher: str) -> bool:
        if self._closed or len(self._dialogs) >= self._config.max_subscriptions:
            wait = str(self._config.retry_after_seconds)
            self._desk.refuse(request, source, 503, headers=[("Retry-After", wait)])
            return False
        if len(self._by_watcher.get(watcher, ())) >= self._config.max_subscriptions_per_user:
            log.warning("too_many_subscriptions", watcher=watcher, source=source.host)
            self._desk.refuse(request, source, 403)
            return False
        return True

    def _seconds(self, request: Request) -> int | None:
        """Return how long a subscription lasts, or None where that is too short (423)."""
        value = request.get("Expires")
        asked = _DEFAULT_SECONDS if value is None else parse_seconds(value)
        if 0 < asked < self._config.min_expires:
            return None
        return min(asked, self._config.max_subscription_seconds)

    @property
    def _least(self) -> tuple[tuple[str, str], ...]:
        return (("Min-Expires", str(self._config.min_expires)),)

    def _acceptance(self, request: Request, dialog: Dialog, resource: str, seconds: int) -> Response:
        headers = [
            ("Contact", self._stack.contact(dialog.source, resource)),
            ("Expires", str(seconds)),
            ("Allow-Events", self.events),
            ("Server", self._config.user_agent),
        ]
        return response_to(request, 200, to_tag=dialog.local_tag, headers=headers)


def _discard(index: dict[_Key, dict[Subscription, None]], key: _Key, subscription: Subscription) -> None:
    held = index.get(key)
    if held is not None:
        held.pop(subscription, None)
        if not held:
            del index[key]


def _event_name(request: Request) -> str:
    return (request.get("Event") or "").partition(";")[0].strip().lower()


def _event_header(request: Request) -> str:
    """Return the event with the `id` that tells a watcher's subscriptions apart; other parameters are none of ours."""
    match = _ID.search(request.get("Event") or "")
    name = _event_name(request)
    return f"{name};id={match[1]}" if match is not None and is_token(match[1]) else name


def _accepts(request: Request, content_type: str) -> bool:
    """Tell whether the watcher can read what it will be told; one that says nothing can (RFC 6665 section 3.1.3)."""
    kinds = [item.partition(";")[0].strip().lower() for item in request.get_list("Accept")]
    general = content_type.partition("/")[0] + "/*"
    return not kinds or any(kind in (content_type, general, "*/*") for kind in kinds)


def _follow(subscription: Subscription, bindings: Iterable[Binding]) -> None:
    """Note where the phone that watches is reached now."""
    target = subscription.dialog.remote_target
    for binding in bindings:
        if (binding.uri.host, binding.uri.port) == (target.host, target.port):
            subscription.follow(Address(*binding.source))
