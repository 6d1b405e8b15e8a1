"""Live events inside the process, for those who look on (the event WebSocket, the wallboard).

Nothing depends on an event arriving: what must not be lost goes through the journal or the outbox. A subscriber that does not keep up
is cut off, so that it never holds memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import msgspec

_QUEUE: Final = 1000


class LiveEvent(msgspec.Struct, frozen=True):
    """Something that happened: a dotted kind in the past (`call.answered`), its JSON payload, and its call if it has one."""

    kind: str
    payload: dict[str, Any] = msgspec.field(default_factory=dict)
    call_id: str = ""


class SubscriberTooSlowError(Exception):
    """The subscriber's queue was full; it must subscribe again and load the present state anew."""


class Subscription:
    """One subscriber's bounded queue; iterate over it."""

    def __init__(self, size: int) -> None:
        self._queue: asyncio.Queue[LiveEvent] = asyncio.Queue(size)
        self.overflowed = False

    def put(self, event: LiveEvent) -> None:
        """Queue an event, or mark the subscription as lost when it is full."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.overflowed = True

    async def __aiter__(self) -> AsyncIterator[LiveEvent]:
        while True:
            if self.overflowed:
                raise SubscriberTooSlowError
            yield await self._queue.get()


class EventBus:
    """Hands each published event to all subscribers; never blocks, never raises."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[LiveEvent], None]] = []
        self._of_kind: dict[str, list[Callable[[LiveEvent], None]]] = {}

    def heard(self, kind: str) -> bool:
        """Tell whether anybody would hear such an event; one that is costly to make need not be made otherwise."""
        return bool(self._subscriptions or self._listeners or kind in self._of_kind)

    def publish(self, kind: str, payload: dict[str, Any] | None = None, *, call_id: str = "") -> None:
        """Tell all who listen; must be called on the event loop."""
        if not self.heard(kind):
            return
        event = LiveEvent(kind, payload or {}, call_id)
        for subscription in self._subscriptions:
            subscription.put(event)
        for listener in (*self._listeners, *self._of_kind.get(kind, ())):
            listener(event)

    def listen(self, listener: Callable[[LiveEvent], None], kind: str = "") -> None:
        """Call `listener` with every event, or those of one kind, at once; it must be quick and must not raise."""
        (self._of_kind.setdefault(kind, []) if kind else self._listeners).append(listener)

    @contextlib.contextmanager
    def subscribe(self, size: int = _QUEUE) -> Iterator[Subscription]:
        """Give a subscription that ends with the context."""
        subscription = Subscription(size)
        self._subscriptions.append(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.remove(subscription)
