"""What may be asked of a call while its parties talk; carried out in turn by the call's own coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pbx.dialling import Dialling
from pbx.leg import Leg

Report = Callable[[int, str], None]
"""Tells the one who asked how it goes, as a SIP status with its reason; 200 or more is the last word."""


def unreported(_status: int, _reason: str) -> None:
    """Tell nobody: the one who asked does not listen."""


@dataclass(slots=True, frozen=True)
class TransferBlind:
    """Send the party that talks with `by` to `target`."""

    by: Leg
    target: str
    report: Report = unreported
    referred_by: str = ""
    """The Referred-By of the one who asks, for those who are rung (RFC 3892)."""


@dataclass(slots=True, frozen=True)
class TransferJoin:
    """Join the party that talks with `by` with the one that talks with `consulted`, a leg of the same phone in another call."""

    by: Leg
    consulted: Leg
    report: Report = unreported


@dataclass(slots=True, frozen=True)
class TransferRinging:
    """Join the party that talks with `by` with the one that `by` was ringing in another call, and who rings on for this one."""

    by: Leg
    dialling: Dialling
    target: str
    other_call_id: str
    report: Report = unreported


@dataclass(slots=True, frozen=True)
class Consult:
    """Let `by` talk to `target` while the other party waits; an empty target is asked of `by`, who dials it."""

    by: Leg
    target: str = ""


@dataclass(slots=True, frozen=True)
class CompleteTransfer:
    """End a consultation well: the one who waits gets the one who was consulted."""


@dataclass(slots=True, frozen=True)
class CancelTransfer:
    """End a consultation without effect: the two talk again."""


@dataclass(slots=True, frozen=True)
class ReplaceLeg:
    """Let `new`, which is answered, take the place of `old` (RFC 3891)."""

    old: Leg
    new: Leg


@dataclass(slots=True, frozen=True)
class LegGone:
    """A leg that the call does not end with has ended."""

    leg: Leg


Transfer = TransferBlind | TransferJoin | TransferRinging | Consult
Request = Transfer | CompleteTransfer | CancelTransfer | ReplaceLeg | LegGone


class Inbox:
    """What is asked of one call, in order, for one reader at a time. A fraction of an `asyncio.Queue` in memory: every call has one."""

    __slots__ = ("_reader", "_requests")

    def __init__(self) -> None:
        self._requests: tuple[Request, ...] = ()
        self._reader: asyncio.Future[None] | None = None

    def put(self, request: Request) -> None:
        """Ask for something."""
        self._requests = (*self._requests, request)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def take(self) -> Request | None:
        """Take the next request out, if there is one."""
        if not self._requests:
            return None
        request, *left = self._requests
        self._requests = tuple(left)
        return request

    async def get(self) -> Request:
        """Wait for the next request and take it out."""
        while True:
            request = self.take()
            if request is not None:
                return request
            # A reader that gave up leaves it behind, and the next one has its own.
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader

    def drain(self) -> tuple[Request, ...]:
        """Take out all that nobody will carry out any more."""
        left, self._requests = self._requests, ()
        return left
