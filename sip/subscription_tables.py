"""The two machines of a subscription as tables: whether it stands (RFC 6665 section 4.2), and how its NOTIFYs travel.

The tables are the machines; `sip.subscription` walks them. An event without a rule in a state leaves the state untouched.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class SubscriptionState(enum.StrEnum):
    """Where a subscription stands, as its notifier sees it; the names are those of the RFC's diagram."""

    INIT = "init"
    RESPONSE_WAIT = "resp_wait"
    """A SUBSCRIBE came; what the watcher may see is being decided."""
    PENDING = "pending"
    """It stands, but nothing may be told now."""
    ACTIVE = "active"
    TERMINATED = "terminated"


class SubscriptionEvent(enum.StrEnum):
    """What can happen to a subscription."""

    SUBSCRIBED = "SUBSCRIBE"
    UNSUBSCRIBED = "SUBSCRIBE with Expires: 0"
    """In `resp_wait` it is a fetch: one look at the state, and no more (RFC 6665 section 4.4.3)."""
    GRANTED = "granted"
    WITHHELD = "withheld"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    """We end it."""
    GONE = "watcher gone"
    """The watcher answered a NOTIFY with an error that says it knows of no subscription."""


class SubscriptionAction(enum.StrEnum):
    """What a rule does besides changing the state."""

    NOTIFY = "notify"
    """Tell the whole state."""
    SAY_LAST = "say last"
    """Tell that it is over, and forget it."""
    FORGET = "forget"


_INIT, _WAIT, _PENDING = SubscriptionState.INIT, SubscriptionState.RESPONSE_WAIT, SubscriptionState.PENDING
_ACTIVE, _TERMINATED = SubscriptionState.ACTIVE, SubscriptionState.TERMINATED
_NOTIFY, _SAY_LAST = (SubscriptionAction.NOTIFY,), (SubscriptionAction.SAY_LAST,)

SUBSCRIPTION: Mapping[
    tuple[SubscriptionState, SubscriptionEvent], tuple[SubscriptionState, tuple[SubscriptionAction, ...]]
] = {
    (_INIT, SubscriptionEvent.SUBSCRIBED): (_WAIT, ()),
    (_WAIT, SubscriptionEvent.GRANTED): (_ACTIVE, _NOTIFY),
    (_WAIT, SubscriptionEvent.WITHHELD): (_PENDING, _NOTIFY),
    (_WAIT, SubscriptionEvent.UNSUBSCRIBED): (_TERMINATED, _SAY_LAST),
    (_PENDING, SubscriptionEvent.SUBSCRIBED): (_PENDING, _NOTIFY),
    (_PENDING, SubscriptionEvent.GRANTED): (_ACTIVE, _NOTIFY),
    (_PENDING, SubscriptionEvent.UNSUBSCRIBED): (_TERMINATED, _SAY_LAST),
    (_PENDING, SubscriptionEvent.EXPIRED): (_TERMINATED, _SAY_LAST),
    (_PENDING, SubscriptionEvent.WITHDRAWN): (_TERMINATED, _SAY_LAST),
    (_PENDING, SubscriptionEvent.GONE): (_TERMINATED, (SubscriptionAction.FORGET,)),
    (_ACTIVE, SubscriptionEvent.SUBSCRIBED): (_ACTIVE, _NOTIFY),
    (_ACTIVE, SubscriptionEvent.WITHHELD): (_PENDING, _NOTIFY),
    (_ACTIVE, SubscriptionEvent.UNSUBSCRIBED): (_TERMINATED, _SAY_LAST),
    (_ACTIVE, SubscriptionEvent.EXPIRED): (_TERMINATED, _SAY_LAST),
    (_ACTIVE, SubscriptionEvent.WITHDRAWN): (_TERMINATED, _SAY_LAST),
    (_ACTIVE, SubscriptionEvent.GONE): (_TERMINATED, (SubscriptionAction.FORGET,)),
}
"""Whether a subscription stands."""


class DeliveryState(enum.StrEnum):
    """How far the watcher is told: one NOTIFY is under way at a time, and the next one carries the newest state."""

    RESTING = "resting"
    """The watcher knows the newest state."""
    SENDING = "sending"
    OUTDATED = "outdated"
    """What is under way is not the newest state any more."""
    BACKING_OFF = "backing off"
    """The last NOTIFY was lost or refused; the newest state goes out later."""
    ENDING = "ending"
    """It is over; the last NOTIFY waits for the one under way."""
    LAST = "last"
    """The last NOTIFY is under way."""
    CLOSED = "closed"


class DeliveryEvent(enum.StrEnum):
    """What can happen to the telling."""

    CHANGED = "changed"
    """There is a newer state."""
    RENEWED = "renewed"
    """The watcher gave a sign of life, and is to be told all there is."""
    MOVED = "moved"
    """The watcher is reached at another address now; what is under way to the old one counts no more."""
    DELIVERED = "delivered"
    FAILED = "failed"
    RETRY_DUE = "retry due"
    ENDED = "ended"


_RESTING, _SENDING, _OUTDATED = DeliveryState.RESTING, DeliveryState.SENDING, DeliveryState.OUTDATED
_BACKING_OFF, _ENDING, _LAST = DeliveryState.BACKING_OFF, DeliveryState.ENDING, DeliveryState.LAST
_CLOSED = DeliveryState.CLOSED


class DeliveryAction(enum.StrEnum):
    """What a rule does besides changing the state."""

    SEND = "send"
    CONFIRM = "confirm"
    """Note that the watcher knows what was sent."""
    WAIT = "wait"
    """Set the timer of the next attempt."""


_SEND, _WAIT_LONGER = (DeliveryAction.SEND,), (DeliveryAction.WAIT,)

DELIVERY: Mapping[tuple[DeliveryState, DeliveryEvent], tuple[DeliveryState, tuple[DeliveryAction, ...]]] = {
    (_RESTING, DeliveryEvent.CHANGED): (_SENDING, _SEND),
    (_RESTING, DeliveryEvent.RENEWED): (_SENDING, _SEND),
    (_RESTING, DeliveryEvent.MOVED): (_SENDING, _SEND),
    (_RESTING, DeliveryEvent.ENDED): (_LAST, _SEND),
    (_SENDING, DeliveryEvent.CHANGED): (_OUTDATED, ()),
    (_SENDING, DeliveryEvent.RENEWED): (_OUTDATED, ()),
    (_SENDING, DeliveryEvent.MOVED): (_SENDING, _SEND),
    (_SENDING, DeliveryEvent.DELIVERED): (_RESTING, (DeliveryAction.CONFIRM,)),
    (_SENDING, DeliveryEvent.FAILED): (_BACKING_OFF, _WAIT_LONGER),
    (_SENDING, DeliveryEvent.ENDED): (_ENDING, ()),
    (_OUTDATED, DeliveryEvent.MOVED): (_SENDING, _SEND),
    (_OUTDATED, DeliveryEvent.DELIVERED): (_SENDING, (DeliveryAction.CONFIRM, DeliveryAction.SEND)),
    (_OUTDATED, DeliveryEvent.FAILED): (_BACKING_OFF, _WAIT_LONGER),
    (_OUTDATED, DeliveryEvent.ENDED): (_ENDING, ()),
    # A change does not hurry a watcher that does not answer: what goes out after the wait is the newest state anyway.
    (_BACKING_OFF, DeliveryEvent.RENEWED): (_SENDING, _SEND),
    (_BACKING_OFF, DeliveryEvent.MOVED): (_SENDING, _SEND),
    (_BACKING_OFF, DeliveryEvent.RETRY_DUE): (_SENDING, _SEND),
    (_BACKING_OFF, DeliveryEvent.ENDED): (_LAST, _SEND),
    (_ENDING, DeliveryEvent.DELIVERED): (_LAST, _SEND),
    (_ENDING, DeliveryEvent.FAILED): (_LAST, _SEND),
    (_LAST, DeliveryEvent.DELIVERED): (_CLOSED, ()),
    (_LAST, DeliveryEvent.FAILED): (_CLOSED, ()),
}
"""How the NOTIFYs of a subscription travel."""
