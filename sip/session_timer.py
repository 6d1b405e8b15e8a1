"""Session timers: a call is refreshed from time to time, so that one whose other end is gone is noticed and ended
(RFC 4028).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from sip.capabilities import SESSION_HEADERS
from sip.config import SipConfig
from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Message, Response
from sip.session_tables import SESSION_TIMER, TimerMove, TimerState
from sip.timers import Timer
from sip.transaction import ClientTransaction

if TYPE_CHECKING:
    from sip.session_base import SessionBase

log = structlog.get_logger(__name__)

USUAL_MINIMUM: Final = 90
"""Seconds: the shortest interval where no Min-SE says otherwise (RFC 4028 section 5)."""
LONGEST: Final = 7 * 86_400
"""Seconds: what a peer asks beyond this counts as this."""
_LONGEST_NOTICE: Final = 32.0
"""Seconds before the end of the interval at which the side that waits for refreshes ends the call (section 10)."""
_TELLING: Final = frozenset(("Allow", "Supported", "Session-Expires", "Min-SE"))
_REFRESHER = re.compile(r";\s*refresher\s*=\s*(uac|uas)\b", re.IGNORECASE)
_LONGEST_VALUE: Final = 500
"""Characters: longer values are not read, so that remembering what was read costs little."""
# What every call asks for has names of its own, as in `sip.transaction`.
_OFF, _WE_REFRESH, _SWITCHED_OFF = TimerState.OFF, TimerMove.WE_REFRESH, TimerMove.SWITCHED_OFF
UPDATE_IS_UNKNOWN = (405, 501)
"""What a peer answers that knows no UPDATE, whatever its Allow says."""


class Terms(NamedTuple):
    """What a message says of session timers, and whether its sender takes UPDATE."""

    expires: int | None
    """Seconds, or None where it asks for no timer."""
    refresher: str
    """`uac`, `uas` or empty."""
    minimum: int
    """Seconds of its Min-SE, or 0."""
    supported: bool
    """Whether its sender knows session timers."""
    updates: bool | None
    """Whether its Allow names UPDATE; None where it has no Allow."""


def terms_of(message: Message) -> Terms:
    """Read the terms of a message in one walk over its headers; a number that cannot be read counts as not there."""
    expires, refresher, minimum, supported = None, "", 0, False
    updates: bool | None = None
    for name, value in message.headers:
        if name in _TELLING and len(value) <= _LONGEST_VALUE:
            if name == "Allow":
                updates = bool(updates) or _names_update(value)
            elif name == "Supported":
                supported = supported or has_option(value, "timer")
            elif name == "Session-Expires":
                expires, refresher = _interval(value)
            else:
                minimum = _interval(value)[0] or 0
    return Terms(expires, refresher, minimum, supported, updates)


# The same few values come with every call of a phone or trunk.


def has_option(value: str, option: str) -> bool:
    """Tell whether a list of option tags holds this one."""
    return len(value) <= _LONGEST_VALUE and _has_option(value, option)


@lru_cache(maxsize=1024)
def _has_option(value: str, option: str) -> bool:
    return option in [tag.strip() for tag in value.lower().split(",")]


@lru_cache(maxsize=256)
def _names_update(value: str) -> bool:
    return "UPDATE" in [method.strip() for method in value.upper().split(",")]


@lru_cache(maxsize=256)
def _interval(value: str) -> tuple[int | None, str]:
    """Return seconds and refresher of a Session-Expires."""
    match = _REFRESHER.search(value)
    refresher = match[1].lower() if match is not None else ""
    try:
        return min(parse_seconds(value), LONGEST), refresher
    except MalformedMessageError:
        return None, refresher


def offered_terms(config: SipConfig) -> tuple[tuple[str, str], ...]:
    """Return what an INVITE of ours asks for (RFC 4028 section 7.1)."""
    if not config.session_expires:
        return ()
    expires = ("Session-Expires", str(max(config.session_expires, config.min_session_expires)))
    usual = config.min_session_expires == USUAL_MINIMUM
    return (expires,) if usual else (expires, ("Min-SE", str(config.min_session_expires)))


def is_too_brief(message: Message, config: SipConfig) -> bool:
    """Tell whether a request is to be refused with 422: too short an interval, of one who understands that."""
    value = message.get("Session-Expires")
    expires = _interval(value)[0] if value is not None and len(value) <= _LONGEST_VALUE else None
    return expires is not None and expires < config.min_session_expires and terms_of(message).supported


def accept_terms(session: SessionBase, message: Message) -> list[tuple[str, str]]:
    """Take the terms of a request that is accepted now; return the headers of its 2xx (RFC 4028 section 9)."""
    terms, timer = terms_of(message), session.timer
    if session.peer_updates is None:
        session.peer_updates = terms.updates
    if terms.expires is None and not session.host.config.session_expires:
        if timer is not None:
            timer.stop()
        return []
    if timer is None:
        timer = session.timer = SessionTimer(session)
    return timer.accept(terms)


def take_terms(session: SessionBase, response: Response) -> None:
    """Take the terms of a 2xx to a request of ours (RFC 4028 section 7.2)."""
    terms, timer = terms_of(response), session.timer
    if terms.updates is not None:
        session.peer_updates = terms.updates
    if timer is None:
        if terms.expires is None and not session.host.config.session_expires:
            return
        timer = session.timer = SessionTimer(session)
    timer.take(terms)


class SessionTimer:
    """The timer of one session, whoever refreshes it."""

    __slots__ = ("_agreed", "_deadline", "_due", "_minimum", "_pending", "_session", "interval", "state")

    def __init__(self, session: SessionBase) -> None:
        self._session = session
        self._pending: Timer | None = None
        self._due: Callable[[SessionTimer], None] | None = None
        self._deadline = 0.0
        self._minimum = 0
        self._agreed = False
        self.state: TimerState = _OFF
        self.interval = session.host.config.session_expires
        """Seconds."""

    def headers(self) -> list[tuple[str, str]]:
        """Return what a re-INVITE or UPDATE of ours says, which keeps the roles as they are."""
        if not self.interval:
            return []
        refresher = "uas" if self.state is TimerState.THEIRS else "uac"
        lines = [("Session-Expires", f"{self.interval};refresher={refresher}")]
        minimum = max(self._minimum, self._session.host.config.min_session_expires)
        if minimum != USUAL_MINIMUM:
            lines.append(("Min-SE", str(minimum)))
        return lines

    def accept(self, terms: Terms) -> list[tuple[str, str]]:
        """Settle the terms of the peer's request, which is answered with the returned headers.

        We refresh wherever the choice is ours, so that a phone that says it knows timers and does nothing loses no call.
        """
        config = self._session.host.config
        self._minimum = max(self._minimum, terms.minimum)
        longest = max(config.session_expires, terms.minimum)
        asked = terms.expires if terms.expires is not None else longest
        interval = min(asked, longest) if config.session_expires else asked
        self.interval = max(interval, config.min_session_expires)
        theirs = terms.supported and terms.refresher == "uac"
        self._agreed = terms.supported
        self._start(TimerMove.PEER_REFRESHES if theirs else _WE_REFRESH)
        if not terms.supported and terms.expires is None:
            return []
        lines = [("Session-Expires", f"{self.interval};refresher={'uac' if theirs else 'uas'}")]
        return [*lines, ("Require", "timer")] if terms.supported else lines

    def take(self, terms: Terms) -> None:
        """Take the terms of the 2xx to a request of ours; a peer that knows no timers is refreshed by us."""
        self._agreed = terms.expires is not None
        if terms.expires is not None:
            self.interval = max(terms.expires, self._session.host.config.min_session_expires)
            theirs = terms.refresher == "uas"
            self._start(TimerMove.PEER_REFRESHES if theirs else _WE_REFRESH)
        elif self._session.host.config.session_expires:
            self._start(_WE_REFRESH)
        else:
            self.stop()

    def refused(self, response: Response) -> bool:
        """Take the refusal of a re-INVITE or UPDATE of ours; True when it is to be sent again with a longer interval."""
        if response.status == 422:
            asked = max(terms_of(response).minimum, USUAL_MINIMUM)
            if asked <= self.interval:
                return False
            self._minimum = self.interval = asked
            return True
        if self._agreed:
            self._move(TimerMove.REFUSED, self._remaining() / 2, SessionTimer._refresh)
        elif self.state is TimerState.ASKED:
            # It never promised anything; whatever it says, it is there.
            self._start(_WE_REFRESH)
        return False

    def stop(self) -> None:
        """Let the session live without a limit."""
        self._cancel()
        self.state = SESSION_TIMER.step(self.state, _SWITCHED_OFF) or self.state

    def _start(self, move: TimerMove) -> None:
        self._deadline = self._session.host.timers.clock.monotonic() + self.interval
        if move is _WE_REFRESH:
            self._move(move, self.interval / 2, SessionTimer._half_time)
        else:
            self._move(move, self.interval - min(_LONGEST_NOTICE, self.interval / 3), SessionTimer._expired)

    def _move(self, move: TimerMove, delay: float, then: Callable[[SessionTimer], None]) -> bool:
        state = SESSION_TIMER.step(self.state, move)
        if state is None:
            return False
        self.state = state
        self._wait(delay, then)
        return True

    def _wait(self, delay: float, then: Callable[[SessionTimer], None]) -> None:
        self._cancel()
        self._due = then
        # No bound method, which every call would have in memory for half of its interval.
        self._pending = self._session.host.timers.schedule(delay, self)

    def __call__(self) -> None:
        """Do what is due now; called by the deadline."""
        if self._due is not None:
            self._due(self)

    def _cancel(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None

    def _remaining(self) -> float:
        return max(self._deadline - self._session.host.timers.clock.monotonic(), 0.0)

    def _half_time(self) -> None:
        if self._move(TimerMove.HALF_TIME, self._remaining(), SessionTimer._expired):
            self._refresh()

    def _refresh(self) -> None:
        """Send the refresh: an UPDATE without an offer where the peer takes it, else a re-INVITE with our last offer."""
        session = self._session
        self._wait(self._remaining(), SessionTimer._expired)
        if not session.updates:
            session.repeat_offer()
            return
        headers = [("Contact", session.contact), *SESSION_HEADERS, *self.headers()]
        session.send("UPDATE", headers=headers, on_response=self._updated)

    def _updated(self, response: Response, _transaction: ClientTransaction) -> None:
        if response.status < 200 or self.state is not TimerState.ASKED:
            return
        if response.status < 300:
            if self._session.dialog is not None:
                self._session.dialog.refresh_target(response)
            take_terms(self._session, response)
        elif response.status in UPDATE_IS_UNKNOWN:
            self._session.peer_updates = False
            self._refresh()
        elif self.refused(response):
            self._refresh()

    def _expired(self) -> None:
        self.state = SESSION_TIMER.step(self.state, TimerMove.EXPIRED) or self.state
        self._pending = None
        log.info("session_expired", call_id=self._session.call_id, seconds=self.interval)
        self._session.lost(408, "Session expired")
