"""PUBLISH: phones tell their own state, bit by bit, and this end puts the bits together (RFC 3903)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from sip.address import Address
from sip.config import SipConfig
from sip.desk import Desk
from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Request, response_to
from sip.timers import Timer, TimerHeap

Value_co = TypeVar("Value_co", covariant=True)
Value = TypeVar("Value")

_DEFAULT_SECONDS: Final = 3600


class PublishedPackage(Protocol[Value_co]):
    """An event package whose state phones may publish."""

    name: str
    content_type: str

    def publisher(self, request: Request, user: str) -> str:
        """Return the resource that a user publishes for, or "" when it is not the user's own."""
        ...

    def parse(self, body: bytes) -> Value_co:
        """Read a document.

        Raises:
            MalformedMessageError: it cannot be read.
        """
        ...

    def published(self, resource: str) -> None:
        """Take note that what is published of a resource changed."""
        ...


@dataclass(slots=True)
class _Publication(Generic[Value]):
    """What one phone told last."""

    value: Value
    expiry: Timer


class Publications(Generic[Value]):
    """What is published of the resources of one event package (RFC 3903 section 6: the event state compositor)."""

    def __init__(self, desk: Desk, package: PublishedPackage[Value], timers: TimerHeap, config: SipConfig) -> None:
        self._desk = desk
        self._package = package
        self._timers = timers
        self._config = config
        self._held: dict[str, dict[str, _Publication[Value]]] = {}
        """By resource and entity tag; the newest is the last."""

    def values(self, resource: str) -> list[Value]:
        """Return what is published of a resource, the oldest first."""
        return [held.value for held in self._held.get(resource, {}).values()]

    def publish(self, request: Request, source: Address) -> None:
        """Take a PUBLISH (RFC 3903 section 6).

        Raises:
            MalformedMessageError: a header or the document cannot be read; nothing was changed.
        """
        package = self._package
        event = (request.get("Event") or "").partition(";")[0].strip().lower()
        if event != package.name:
            self._desk.refuse(request, source, 489, headers=[("Allow-Events", package.name)])
            return
        user = self._desk.admit(request, source, proxy=False)
        if user is None:
            return
        resource = package.publisher(request, user)
        refusal = self._refusal(request, resource)
        if refusal is not None:
            status, headers = refusal
            self._desk.refuse(request, source, status, headers=headers)
            return
        seconds = self._seconds(request)
        tag = self._carry_out(request, resource, seconds)
        headers = [("SIP-ETag", tag), ("Expires", str(seconds)), ("Server", self._config.user_agent)]
        transaction = self._desk.accept(request, source)
        transaction.respond(response_to(request, 200, to_tag=secrets.token_hex(6), headers=headers))

    def _refusal(self, request: Request, resource: str) -> tuple[int, list[tuple[str, str]]] | None:
        """Return status and headers of what a PUBLISH is to be refused with, or None."""
        if not resource:
            return 403, []
        seconds = self._seconds(request)
        if 0 < seconds < self._config.min_expires:
            return 423, [("Min-Expires", str(self._config.min_expires))]
        tag = (request.get("SIP-If-Match") or "").strip()
        held = self._held.get(resource, {})
        if tag and tag not in held:
            return 412, []
        if request.body and request.content_type != self._package.content_type:
            return 415, [("Accept", self._package.content_type)]
        if not tag and not request.body:
            raise MalformedMessageError("A first PUBLISH needs a document.", request=request)
        if not tag and seconds and len(held) >= self._config.max_contacts:
            return 403, []
        return None

    def _carry_out(self, request: Request, resource: str, seconds: int) -> str:
        """Make, refresh, change or remove a publication, and return its new tag."""
        old_tag = (request.get("SIP-If-Match") or "").strip()
        held = self._held.setdefault(resource, {})
        try:
            value = self._package.parse(request.body) if request.body else held[old_tag].value
        except MalformedMessageError as error:
            error.request = request
            self._tidy(resource)
            raise
        old = held.pop(old_tag, None)
        if old is not None:
            old.expiry.cancel()
        tag = secrets.token_hex(8)
        if seconds:
            held[tag] = _Publication(value, self._timers.schedule(seconds, self._expired, resource, tag))
        self._tidy(resource)
        if request.body or not seconds:
            self._package.published(resource)
        return tag

    def _expired(self, resource: str, tag: str) -> None:
        self._held.get(resource, {}).pop(tag, None)
        self._tidy(resource)
        self._package.published(resource)

    def _tidy(self, resource: str) -> None:
        if not self._held.get(resource):
            self._held.pop(resource, None)

    def _seconds(self, request: Request) -> int:
        value = request.get("Expires")
        asked = _DEFAULT_SECONDS if value is None else parse_seconds(value)
        return min(asked, self._config.max_subscription_seconds)
