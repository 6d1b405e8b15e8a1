"""The registrar: which contacts reach a user, and through which address (RFC 3261 section 10, RFC 3327, RFC 5626)."""

from __future__ import annotations

import enum
import heapq
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from sip.binding import Binding, Source, listens, own_port, shown
from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Request
from sip.register_request import (
    header_seconds,
    in_order,
    instance_of,
    is_direct,
    keeps_flows,
    path_of,
    preference_of,
    reg_id_of,
    says_the_same,
    shown_again,
    supports,
)
from sip.uri import NameAddress

_DEFAULT_SECONDS: Final = 3600
_FLOW_HEADERS: Final = (("Require", "outbound"), ("Supported", "path, outbound"), ("Flow-Timer", "120"))
"""Says that the flow is kept, and asks for a keep-alive every so many seconds (RFC 5626 section 4.4)."""


@dataclass(slots=True, frozen=True)
class RegistrarConfig:
    """The bounds of registrations."""

    min_seconds: int = 30
    """A shorter registration is refused with 423, so that phones don't flood."""
    max_seconds: int = 7200
    """A longer registration is cut to this."""
    default_seconds: int = 3600
    """What a phone gets that asks for nothing."""
    max_contacts: int = 10
    """Contacts a user; one more pushes out the one that was silent longest."""


class ChangeKind(enum.StrEnum):
    """What happened to a binding."""

    ADDED = "added"
    REFRESHED = "refreshed"
    REMOVED = "removed"
    EXPIRED = "expired"


_REFRESHED: Final = ChangeKind.REFRESHED
"""A name of its own: each look into an enumeration costs a walk through its classes."""


class Change(NamedTuple):
    """One binding of one user changed."""

    aor: str
    kind: ChangeKind
    binding: Binding


class RegisterResult(NamedTuple):
    """What a REGISTER is answered, and what it changed."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    reason: str | None = None


@dataclass(slots=True, frozen=True)
class _Wish:
    """One contact of a REGISTER with the seconds that it gets (0 removes it), and what is held of it already."""

    contact: NameAddress
    seconds: int
    held: Binding | None


class Registrar:
    """All bindings of one node, by address of record. The caller has authenticated the request."""

    def __init__(self, config: RegistrarConfig | None = None) -> None:
        self._config = config or RegistrarConfig()
        self._least_seconds = max(self._config.min_seconds, 1)
        self._users: dict[str, list[Binding]] = {}
        self._flows: dict[Source, set[str]] = {}
        """Who is reached over which connection; datagrams have none."""
        self._sources: dict[Source, int] = {}
        """How many contacts are reached at which address."""
        self._deadlines: list[tuple[datetime, str]] = []
        self._planned: dict[str, datetime] = {}

    def register(self, aor: str, request: Request, source: Source, now: datetime) -> RegisterResult:
        """Carry out a REGISTER, all of it or nothing (RFC 3261 section 10.3).

        Args:
            aor: the user, as `bindings` asks for it.
            request: the REGISTER.
            source: where it came from.
            now: the time.

        Raises:
            MalformedMessageError: a contact or interval cannot be read; nothing was changed.
        """
        return self._refresh(aor, request, source, now) or self._carry_out(aor, request, source, now)

    def _carry_out(self, aor: str, request: Request, source: Source, now: datetime) -> RegisterResult:
        items = request.get_all("Contact")
        if not items:
            return self._answer(aor, request, now, ())
        if any("*" in item for item in items) and "*" in (names := request.get_list("Contact")):
            if len(names) > 1 or header_seconds(request) != 0:
                return RegisterResult(400, reason="A wildcard stands alone, with Expires: 0")
            wishes = [_Wish(NameAddress("", held.uri), 0, held) for held in self.bindings(aor, now)]
        else:
            wishes = [self._wish(aor, contact, request) for contact in request.contacts]
        if len(wishes) > self._config.max_contacts:
            return RegisterResult(403, reason="Too Many Contacts")
        if any(0 < wish.seconds < self._config.min_seconds for wish in wishes):
            return RegisterResult(423, (("Min-Expires", str(self._config.min_seconds)),))
        if not all(in_order(wish.held, request, now) for wish in wishes):
            return RegisterResult(500, reason="An Older Registration Came Too Late")
        path = path_of(request) if request.get("Path") is not None else ()
        changes: list[Change] = []
        for wish in wishes:
            changes += self._apply(aor, wish, request, source, now, path, alone=len(wishes) == 1)
        return self._answer(aor, request, now, tuple(changes))

    def _refresh(self, aor: str, request: Request, source: Source, now: datetime) -> RegisterResult | None:
        """Carry out what nearly every REGISTER is: the only contact of a user, once more as it stands. None: it is another one."""
        bindings, contacts = self._users.get(aor), request.contacts
        if bindings is None or len(bindings) != 1 or len(contacts) != 1:
            return None
        held, contact = bindings[0], contacts[0]
        if held.expires_at <= now or not says_the_same(held, contact, request, source):
            return None
        seconds = self._seconds(contact, request)
        call_id, count = request.call_id, request.cseq[0]
        if seconds < self._least_seconds or (held.call_id == call_id and count <= held.cseq):
            return None
        held.expires_at, held.refreshed_at, held.call_id, held.cseq = now + timedelta(0, seconds), now, call_id, count
        self._wake(aor, held.expires_at)
        return RegisterResult(
            200, (("Contact", shown_again(held, request, seconds)),), (Change(aor, _REFRESHED, held),)
        )

    def bindings(self, aor: str, now: datetime) -> list[Binding]:
        """Return the live contacts of a user, the one that was heard of last first."""
        held = [binding for binding in self._users.get(aor, ()) if binding.expires_at > now]
        return held if len(held) < 2 else sorted(held, key=lambda binding: binding.refreshed_at, reverse=True)

    def reaches(self, source: Source) -> bool:
        """Tell whether a contact is reached at exactly this address and port."""
        return source in self._sources

    def users(self) -> Iterator[str]:
        """Return everyone who has a contact."""
        return iter(tuple(self._users))

    def restore(self, aor: str, bindings: Iterable[Binding]) -> None:
        """Put back what a store remembers, after a start."""
        for binding in bindings:
            self._put(aor, binding)

    def remove(self, aor: str) -> list[Change]:
        """Drop every contact of a user, because the user is gone or its password changed."""
        return [self._drop(aor, binding, ChangeKind.REMOVED) for binding in tuple(self._users.get(aor, ()))]

    def connection_lost(self, source: Source) -> list[Change]:
        """Drop the contacts that only a connection reached, because it is closed (RFC 5626 section 4.2).

        A phone that is not behind a NAT and listens at a port of its own is reached by a new one.
        """
        return [
            self._drop(aor, binding, ChangeKind.EXPIRED)
            for aor in tuple(self._flows.get(source, ()))
            for binding in tuple(self._users.get(aor, ()))
            if binding.source == source and not binding.path and not listens(binding)
        ]

    def may_return(self, source: Source) -> bool:
        """Tell whether a contact names the very port that this connection came from, and so may be listened at although it is closed."""
        return any(
            binding.source == source and own_port(binding) == source[1]
            for aor in self._flows.get(source, ())
            for binding in self._users.get(aor, ())
        )

    def expire(self, now: datetime) -> list[Change]:
        """Drop what has run out, and tell what it was."""
        changes: list[Change] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, aor = heapq.heappop(self._deadlines)
            if self._planned.get(aor) != deadline:
                continue
            del self._planned[aor]
            gone = [binding for binding in self._users.get(aor, ()) if binding.expires_at <= now]
            changes += [self._drop(aor, binding, ChangeKind.EXPIRED) for binding in gone]
            held = self._users.get(aor)
            if held:
                self._wake(aor, min(binding.expires_at for binding in held))
        return changes

    def next_expiry(self) -> datetime | None:
        """Return when `expire` is worth calling next, or None."""
        return self._deadlines[0][0] if self._deadlines else None

    def _wish(self, aor: str, contact: NameAddress, request: Request) -> _Wish:
        if not contact.uri.is_sip:
            raise MalformedMessageError("A contact is no SIP URI.", request=request)
        return _Wish(contact, self._seconds(contact, request), self._find(aor, contact))

    def _seconds(self, contact: NameAddress, request: Request) -> int:
        own = contact.parameter("expires") if contact.parameters else None
        if own is not None:
            # What is no number counts as an hour (RFC 3261 section 10.2.1.1).
            seconds = parse_seconds(own) if own.isascii() and own.isdigit() else _DEFAULT_SECONDS
        else:
            asked = header_seconds(request)
            seconds = self._config.default_seconds if asked is None else asked
        return min(seconds, self._config.max_seconds)

    def _find(self, aor: str, contact: NameAddress) -> Binding | None:
        bindings = self._users.get(aor)
        if bindings is None:
            return None
        instance, reg_id = instance_of(contact), reg_id_of(contact)
        for binding in bindings:
            # A restart does not know the flows of a phone any more: each of them takes the place of one.
            if instance and binding.instance == instance and (binding.reg_id == reg_id or not binding.reg_id):
                return binding
            if binding.uri.same_target(contact.uri):
                return binding
        return None

    def _apply(
        self,
        aor: str,
        wish: _Wish,
        request: Request,
        source: Source,
        now: datetime,
        path: tuple[str, ...],
        *,
        alone: bool,
    ) -> list[Change]:
        # What was found before may be gone, or is there only now: two contacts of one REGISTER can mean the same phone.
        held = wish.held if alone else self._find(aor, wish.contact)
        if wish.seconds == 0:
            return [self._drop(aor, held, ChangeKind.REMOVED)] if held is not None else []
        binding = Binding(
            uri=wish.contact.uri,
            source=source,
            expires_at=now + timedelta(seconds=wish.seconds),
            refreshed_at=now,
            user_agent=sys.intern((request.get("User-Agent") or "")[:200]),
            call_id=request.call_id,
            cseq=request.cseq[0],
            path=path,
            instance=instance_of(wish.contact),
            reg_id=reg_id_of(wish.contact),
            q=preference_of(wish.contact),
            direct=is_direct(request, source),
        )
        changes: list[Change] = []
        if held is not None and held.is_refreshed_by(binding):
            # One of several that a phone refreshes together, or the only one from an edge.
            held.expires_at, held.refreshed_at = binding.expires_at, now
            held.call_id, held.cseq = binding.call_id, binding.cseq
            self._wake(aor, held.expires_at)
            return [Change(aor, ChangeKind.REFRESHED, held)]
        if held is not None:
            self._take_out(aor, held)
        elif len(self._users.get(aor, ())) >= self._config.max_contacts:
            silent = min(self._users[aor], key=lambda other: other.refreshed_at)
            changes.append(self._drop(aor, silent, ChangeKind.REMOVED))
        self._put(aor, binding)
        changes.append(Change(aor, ChangeKind.REFRESHED if held is not None else ChangeKind.ADDED, binding))
        return changes

    def _put(self, aor: str, binding: Binding) -> None:
        self._users.setdefault(aor, []).append(binding)
        self._sources[binding.source] = self._sources.get(binding.source, 0) + 1
        # Through an edge another connection does as well (RFC 3327).
        if binding.source[2] != "udp" and not binding.path:
            self._flows.setdefault(binding.source, set()).add(aor)
        self._wake(aor, binding.expires_at)

    def _wake(self, aor: str, deadline: datetime) -> None:
        """See to it that `expire` looks at this user at `deadline` at the latest; a refresh adds no second look."""
        planned = self._planned.get(aor)
        if planned is None or deadline < planned:
            self._planned[aor] = deadline
            heapq.heappush(self._deadlines, (deadline, aor))

    def _drop(self, aor: str, binding: Binding, kind: ChangeKind) -> Change:
        self._take_out(aor, binding)
        return Change(aor, kind, binding)

    def _take_out(self, aor: str, binding: Binding) -> None:
        held = self._users[aor]
        held[:] = [other for other in held if other is not binding]
        if not held:
            del self._users[aor]
        count = self._sources[binding.source] - 1
        if count:
            self._sources[binding.source] = count
        else:
            del self._sources[binding.source]
        flow = self._flows.get(binding.source)
        if flow is not None and not any(other.source == binding.source and not other.path for other in held):
            flow.discard(aor)
            if not flow:
                del self._flows[binding.source]

    def _answer(self, aor: str, request: Request, now: datetime, changes: tuple[Change, ...]) -> RegisterResult:
        headers = [
            ("Contact", shown(binding, max(1, round((binding.expires_at - now).total_seconds()))))
            for binding in self.bindings(aor, now)
        ]
        if request.get("Path") is not None and supports(request, "path"):
            headers += [("Path", edge) for edge in request.get_list("Path")]
        if changes and any(change.binding.reg_id for change in changes) and keeps_flows(request):
            headers += _FLOW_HEADERS
        return RegisterResult(200, tuple(headers), changes)
