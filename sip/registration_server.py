"""The registrar at work: REGISTER answered, expiry on the stack's timers, call control told (RFC 3261 section 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog

from core.clock import Clock
from sip.address import Address
from sip.binding import Binding
from sip.message import Request
from sip.registrar import Change, ChangeKind, Registrar, RegistrarConfig
from sip.timers import TimerHeap

if TYPE_CHECKING:
    from sip.application import Application
    from sip.config import SipConfig

log = structlog.get_logger(__name__)

_ACCEPTED_ONLY = ("ws", "wss")
"""Transports over which no connection can be opened from here."""
_REFRESHED = ChangeKind.REFRESHED
_RETURN_SECONDS = 30.0
"""After which a phone is asked whether it listens at the port that its closed connection came from; many connect anew meanwhile."""
_ANSWER_SECONDS = 5.0
"""Within which a connection to it opens or fails."""
_SWEEP_SECONDS = 5.0
"""How late an expired contact may be noticed; it is not used for calls from the second it expires."""


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


class RegistrationServer:
    """The contacts of our users. The address of record is the user name alone: one company, one realm."""

    def __init__(
        self,
        config: SipConfig,
        application: Application,
        clock: Clock,
        timers: TimerHeap,
        connect: Callable[[Address], None],
    ) -> None:
        """Begin without contacts; `connect` opens a connection, whose failure comes back as `connection_lost`."""
        self._application = application
        self._connect = connect
        self._doubted: set[Address] = set()
        """Whence connections came that are closed, but whose phones may listen there."""
        self._clock = clock
        self._timers = timers
        self._sweeping = False
        self.registrar = Registrar(
            RegistrarConfig(
                min_seconds=config.min_expires,
                max_seconds=config.max_expires,
                default_seconds=config.max_expires,
                max_contacts=config.max_contacts,
            )
        )

    def register(self, user: str, request: Request, source: Address) -> tuple[int, list[tuple[str, str]], str | None]:
        """Carry out a REGISTER whose sender was authenticated; return status, headers and reason (None: the usual one) of its answer.

        Raises:
            MalformedMessageError: it cannot be read; nothing was changed.
        """
        now = self._clock.now()
        result = self.registrar.register(user, request, source, now)
        # Phones without a clock set theirs by the Date.
        headers = [*result.headers, ("Date", _date(int(now.timestamp())))]
        self._tell(result.changes, now)
        if not self._sweeping:
            self._plan_sweep()
        return result.status, headers, result.reason

    def bindings(self, user: str) -> list[Binding]:
        """Return the valid contacts of a user, the freshest first."""
        return self.registrar.bindings(user, self._clock.now())

    def restore(self, user: str, bindings: Sequence[Binding]) -> bool:
        """Put back the contacts that were stored before a restart, but those whose WebSocket is gone; tell whether there are any.

        Call control is not told.
        """
        kept = [binding for binding in bindings if binding.source[2] not in _ACCEPTED_ONLY]
        self.registrar.restore(user, kept)
        self._plan_sweep()
        return bool(kept)

    def remove(self, user: str) -> None:
        """Drop every contact of a user that was deleted or got another password."""
        self._tell(self.registrar.remove(user), self._clock.now())

    def connection_lost(self, source: Address) -> None:
        """Drop the contacts that only this connection reached; a phone that may listen where it came from is asked first."""
        if source in self._doubted or not self.registrar.may_return(source):
            self._doubted.discard(source)
            self._tell(self.registrar.connection_lost(source), self._clock.now())
        else:
            self._doubted.add(source)
            self._timers.schedule(_RETURN_SECONDS, self._ask, source)

    def _ask(self, source: Address) -> None:
        if source in self._doubted and self.registrar.reaches(source):
            self._connect(source)
        self._timers.schedule(_ANSWER_SECONDS, self._doubted.discard, source)

    def _tell(self, changes: Iterable[Change], now: datetime) -> None:
        """Tell call control once for every user whose contacts changed."""
        users: dict[str, None] = {}
        for user, kind, binding in changes:
            users[user] = None
            if kind is not _REFRESHED:
                log.info("contact_changed", user=user, change=kind, contact=str(binding.uri))
        for user in users:
            try:
                self._application.registered(user, self.registrar.bindings(user, now))
            except Exception:
                log.exception("registration_not_taken", user=user)

    def _plan_sweep(self) -> None:
        if not self._sweeping and self.registrar.next_expiry() is not None:
            self._sweeping = True
            self._timers.schedule(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        self._sweeping = False
        now = self._clock.now()
        self._tell(self.registrar.expire(now), now)
        self._plan_sweep()
