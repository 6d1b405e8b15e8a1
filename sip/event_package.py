"""What the one who knows an event tells the notifier: who may watch what, and how the state reads (RFC 6665 section 5)."""

from __future__ import annotations

import enum
from typing import Protocol

from sip.uri import Uri


class Standing(enum.StrEnum):
    """What a watcher may see of a resource."""

    GRANTED = "granted"
    WITHHELD = "withheld"
    """Nothing now, perhaps later: the subscription is pending."""
    FORBIDDEN = "forbidden"
    UNKNOWN = "unknown"
    """There is no such resource."""


class EventFeed(Protocol):
    """One watcher's view of one resource."""

    def body(self) -> bytes:
        """Return the whole state as it is now; called once for every NOTIFY that is sent."""
        ...

    def count_from(self, number: int) -> None:
        """Number the documents from here on, where they are numbered."""
        ...

    def delivered(self) -> None:
        """Take note that the watcher has confirmed the last body."""
        ...


class EventPackage(Protocol):
    """One event package: `dialog`, `presence`, `message-summary`."""

    name: str
    """As the Event header names it."""
    content_type: str
    """The type of the bodies."""

    def resource(self, uri: Uri, watcher: str) -> str:
        """Return the key of what a Request-URI names to this watcher (a SIP user name), or "" when it names nothing."""
        ...

    def standing(self, resource: str, watcher: str) -> Standing:
        """Tell what the watcher may see now."""
        ...

    def feed(self, resource: str, watcher: str, uri: Uri) -> EventFeed:
        """Open the view of a watcher who may see something, now or later; `uri` is how the watcher names the resource."""
        ...
