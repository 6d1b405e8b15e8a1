"""Reliable provisional responses on the answering side: numbered, repeated until their PRACK, one at a time (RFC 3262
section 3).
"""

from __future__ import annotations

import re
import secrets
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sip.message import Request, Response
from sip.session_tables import RELIABLE_PROVISIONALS, Reliability, Reliably
from sip.timers import Timer
from sip.transaction import ServerTransaction

if TYPE_CHECKING:
    from sip.client_request import SessionHost

_RACK: Final = re.compile(r"\s*([0-9]{1,10})\s+([0-9]{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]+)\s*")
_OF_ONE_RESPONSE: Final = frozenset(("Require", "RSeq", "Content-Type", "Content-Length"))
_MOST_WAITING: Final = 16
"""Responses that may wait behind one without a PRACK."""


class ReliableProvisionals:
    """The reliable provisional responses to one INVITE."""

    __slots__ = (
        "_deadline",
        "_host",
        "_interval",
        "_last",
        "_number",
        "_on_silence",
        "_queue",
        "_repeat",
        "_sent",
        "_transaction",
        "held",
        "state",
    )

    def __init__(self, host: SessionHost, transaction: ServerTransaction, on_silence: Callable[[], None]) -> None:
        """Begin.

        Args:
            host: the stack.
            transaction: the INVITE's.
            on_silence: called when 64 * T1 have passed without a PRACK.
        """
        self._host = host
        self._transaction = transaction
        self._on_silence = on_silence
        self._queue: deque[Response] = deque()
        self._number = secrets.randbelow(1 << 30)
        self._sent: Response | None = None
        self._last: Response | None = None
        self._repeat: Timer | None = None
        self._interval = 0.0
        self._deadline = 0.0
        self.state = Reliability.IDLE
        self.held: bytes | None = None
        """The description of a 2xx that may not overtake what waits for its PRACK."""

    @property
    def blocks_answer(self) -> bool:
        """Whether a response with SDP waits for its PRACK, or for being sent: the 2xx has to wait, too (section 3)."""
        waiting = self.state is Reliability.WAITING and self._sent is not None and bool(self._sent.body)
        return waiting or (self.state is not Reliability.OVER and any(response.body for response in self._queue))

    def send(self, response: Response) -> None:
        """Send a response from 101 to 199 reliably, now or when those before it are acknowledged."""
        if len(self._queue) < _MOST_WAITING:
            self._queue.append(response)
        self._send_next()

    def _send_next(self) -> None:
        if not self._queue:
            return
        state = RELIABLE_PROVISIONALS.step(self.state, Reliably.SEND)
        if state is None:
            return
        self.state = state
        response = self._sent = self._last = self._queue.popleft()
        self._number += 1
        response.add("Require", "100rel")
        response.add("RSeq", str(self._number))
        self._transaction.respond(response)
        timing = self._host.timing
        self._interval = timing.t1
        self._deadline = self._host.timers.clock.monotonic() + timing.limit
        self._repeat = self._host.timers.schedule(timing.t1, self._repeat_due)

    def _repeat_due(self) -> None:
        now = self._host.timers.clock.monotonic()
        event = Reliably.SILENCE if now >= self._deadline else Reliably.REPEAT
        state = RELIABLE_PROVISIONALS.step(self.state, event)
        if state is None or self._sent is None:
            return
        self.state = state
        if event is Reliably.SILENCE:
            self._repeat = None
            self._on_silence()
            return
        self._host.send(self._sent.encode(), self._transaction.destination)
        # Not bounded by T2, unlike all other retransmissions.
        self._interval *= 2
        self._repeat = self._host.timers.schedule(min(self._interval, self._deadline - now), self._repeat_due)

    def acknowledge(self, request: Request) -> bool:
        """Take a PRACK; False when what it names waits for none (481)."""
        match = _RACK.fullmatch(request.get("RAck") or "")
        if match is None or self._sent is None:
            return False
        named = (int(match[1]), int(match[2]), match[3])
        if named != (self._number, *self._transaction.request.cseq):
            return False
        state = RELIABLE_PROVISIONALS.step(self.state, Reliably.ACKNOWLEDGED)
        if state is None:
            return False
        self.state, self._sent = state, None
        self._stop()
        return True

    def refresh(self) -> None:
        """Send the last response once more under a new number and without its description: the old one is acknowledged."""
        last = self._last
        if last is not None and self.state is Reliability.IDLE:
            lines = [pair for pair in last.headers if pair[0] not in _OF_ONE_RESPONSE]
            self.send(Response(last.status, last.reason, lines))

    def proceed(self) -> None:
        """Send what waited for the PRACK, which is answered by now."""
        self._send_next()

    def close(self) -> None:
        """Take note of the final response: nothing is repeated any more."""
        self.state = RELIABLE_PROVISIONALS.step(self.state, Reliably.FINAL) or self.state
        self._queue.clear()
        self._stop()

    def _stop(self) -> None:
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None
