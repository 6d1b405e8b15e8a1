"""The answering side of an INVITE: provisional responses, reliable where the caller wants that, and a 2xx repeated until
its ACK comes.
"""

from __future__ import annotations

from collections.abc import Callable

from sip.client_request import SessionHost
from sip.message import Headers, response_to
from sip.reliable import ReliableProvisionals
from sip.timers import Timer
from sip.transaction import ServerTransaction

_PROVISIONAL_REFRESH = 60.0
"""Seconds between repetitions of a provisional response, so that no proxy gives up (RFC 3261 section 13.3.1.1)."""


class InviteAnswer:
    """Answers one INVITE or re-INVITE (RFC 3261 sections 13.3.1 and 14.2)."""

    __slots__ = (
        "_deadline",
        "_expiry",
        "_host",
        "_interval",
        "_on_silence",
        "_payload",
        "_refresh",
        "_repeat",
        "cseq",
        "reliable",
        "transaction",
    )

    def __init__(self, host: SessionHost, transaction: ServerTransaction, on_silence: Callable[[], None]) -> None:
        """Begin.

        Args:
            host: the stack.
            transaction: the INVITE's.
            on_silence: called when 64 * T1 have passed without an ACK for the 2xx.
        """
        self._host = host
        self._on_silence = on_silence
        self._expiry: Timer | None = None
        self._refresh: Timer | None = None
        self._repeat: Timer | None = None
        self._interval = 0.0
        self._deadline = 0.0
        self._payload = b""
        self.reliable: ReliableProvisionals | None = None
        """Made with the first reliable provisional response."""
        self.transaction = transaction
        self.cseq = transaction.request.cseq[0]

    @property
    def open(self) -> bool:
        """Whether no final response went out yet."""
        return not self.transaction.answered

    @property
    def awaits_ack(self) -> bool:
        """Whether a 2xx went out and its ACK did not come yet."""
        return self._repeat is not None

    def expire_in(self, seconds: int, expired: Callable[[], None]) -> None:
        """Call `expired` unless a final response goes out within so many seconds (RFC 3261 section 13.3.1)."""
        self._expiry = self._host.timers.schedule(seconds, expired)

    def provisional(
        self,
        status: int,
        reason: str | None,
        local_tag: str,
        headers: Headers,
        sdp: bytes | None,
        *,
        on_silence: Callable[[], None] | None = None,
    ) -> None:
        """Send a 1xx and repeat the latest one every minute; reliably if `on_silence` says what a missing PRACK leads to."""
        response = response_to(
            self.transaction.request,
            status,
            reason,
            to_tag=local_tag,
            headers=headers,
            content_type="application/sdp" if sdp else "",
            body=sdp or b"",
        )
        if on_silence is not None:
            self._reliably(on_silence).send(response)
        else:
            self.transaction.respond(response)
        self._stop_refresh()
        self._refresh = self._host.timers.schedule(_PROVISIONAL_REFRESH, self._refresh_due)

    def _reliably(self, on_silence: Callable[[], None]) -> ReliableProvisionals:
        if self.reliable is None:
            self.reliable = ReliableProvisionals(self._host, self.transaction, on_silence)
        return self.reliable

    def accept(self, local_tag: str, headers: Headers, sdp: bytes) -> None:
        """Send the 200 and repeat it until `acknowledged`, on reliable transports, too (RFC 3261 section 13.3.1.4).

        `sdp` is empty where offer and answer went before it.
        """
        self._finish()
        content_type = "application/sdp" if sdp else ""
        response = response_to(
            self.transaction.request, 200, to_tag=local_tag, headers=headers, content_type=content_type, body=sdp
        )
        if not self.transaction.respond(response):
            return
        timing = self._host.timing
        self._payload = self.transaction.payload
        self._interval = timing.t1
        self._deadline = self._host.timers.clock.monotonic() + timing.limit
        self._repeat = self._host.timers.schedule(timing.t1, self._repeat_due)

    def refuse(self, status: int, reason: str | None, local_tag: str, headers: Headers = ()) -> None:
        """Send a final error, unless a final response went out before."""
        self._finish()
        self.transaction.respond(
            response_to(self.transaction.request, status, reason, to_tag=local_tag, headers=headers)
        )

    def acknowledged(self) -> None:
        """Take the ACK: the 2xx is repeated no more."""
        if self._repeat is not None:
            self._repeat.cancel()
            self._repeat = None
            self._payload = b""

    def close(self) -> None:
        """Stop all timers."""
        self._finish()
        self.acknowledged()

    def forget(self) -> None:
        """Tell nothing more: the session is over, and need not be kept for it."""
        self.close()
        self._on_silence = _ignore
        self.transaction.on_cancel = None

    def _finish(self) -> None:
        self._stop_refresh()
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self.reliable is not None:
            self.reliable.close()

    def _repeat_due(self) -> None:
        now = self._host.timers.clock.monotonic()
        if now >= self._deadline:
            self._repeat = None
            self._payload = b""
            self._on_silence()
            return
        self._host.send(self._payload, self.transaction.destination)
        self._interval = min(self._interval * 2, self._host.timing.t2)
        self._repeat = self._host.timers.schedule(min(self._interval, self._deadline - now), self._repeat_due)

    def _refresh_due(self) -> None:
        if self.open:
            if self.reliable is not None:
                self.reliable.refresh()
            else:
                self._host.send(self.transaction.payload, self.transaction.destination)
            self._refresh = self._host.timers.schedule(_PROVISIONAL_REFRESH, self._refresh_due)

    def _stop_refresh(self) -> None:
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh = None


def _ignore() -> None:
    """Stand for a session that is over."""
