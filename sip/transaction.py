"""Transactions: one request, its responses, and the patience between them (RFC 3261 section 17, RFC 6026).

The machines are the tables of `sip.transaction_tables`; this module walks them. Nothing here knows sockets or a loop: what
leaves, the deadlines and the memory of what is over are the matter of `sip.transaction_layer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sip.address import Address
from sip.message import Request, Response, response_to
from sip.oversize import LARGEST_DATAGRAM
from sip.timers import Timer
from sip.transaction_key import Key
from sip.transaction_tables import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    SERVER,
    TIMERS,
    Action,
    Event,
    Machine,
    State,
    response_event,
)

if TYPE_CHECKING:
    from sip.transaction_layer import TransactionLayer

ResponseCallback = Callable[[Response, "ClientTransaction"], None]

# Names of their own: each look into an enumeration costs a walk through its classes, and these are asked for with every message.
_RETRANSMIT, _ACK, _REQUEST, _TERMINATED = Event.RETRANSMIT, Event.ACK, Event.REQUEST, State.TERMINATED
_UNANSWERED_CLIENT = (State.CALLING, State.TRYING, State.PROCEEDING)
_UNANSWERED_SERVER = (State.TRYING, State.PROCEEDING)
_SEND, _RESEND, _SEND_TRYING = Action.SEND, Action.RESEND, Action.SEND_TRYING
_DELIVER, _ACKNOWLEDGE = Action.DELIVER, Action.ACKNOWLEDGE


class Transaction:
    """What the four machines share: the walk through the table, and two timers."""

    __slots__ = ("_interval", "_layer", "_limit", "_retransmit", "destination", "key", "machine", "payload", "state")

    def __init__(self, layer: TransactionLayer, machine: Machine, key: Key, destination: Address) -> None:
        self._layer = layer
        self.machine = machine
        self.key = key
        self.destination = destination
        self.state = machine.initial
        self.payload = b""
        """What is sent again: the request, the last response, or the ACK."""
        self._interval = 0.0
        self._retransmit: Timer | None = None
        self._limit: Timer | None = None

    def _feed(self, event: Event, message: Request | Response | None = None) -> bool:
        """Apply one event; return False, with nothing changed, when the state has no rule for it."""
        rule = self.machine.rules.get((self.state, event))
        if rule is None:
            return False
        state, actions = rule
        changed = state is not self.state
        # The state first: an action may call the user, who may act on this transaction again.
        self.state = state
        for action in actions:
            self._act(action, message)
        if changed and self.state is state:
            self._enter(state)
        return True

    def _act(self, action: Action, message: Request | Response | None) -> None:
        if action is _RESEND:
            if self.payload:
                self._layer.retransmitted += 1
                self._layer.send(self.payload, self.destination)
        elif action is _SEND and message is not None:
            self.payload = message.encode()
            self._layer.send(self.payload, self.destination)

    def _enter(self, state: State) -> None:
        letters = self.machine.timers.get(state, "")
        if "E" in letters:
            # From trying to proceeding: both timers go on, E at the pace of T2 (RFC 3261 section 17.1.2.2).
            self._interval = self._layer.timing.t2
            return
        self._stop_timers()
        if state in self.machine.kept:
            self._layer.shrink(self)
        elif state is _TERMINATED:
            self._layer.forget(self)
        else:
            self._start_timers(letters)

    def _start_timers(self, letters: str) -> None:
        layer, reliable = self._layer, self.destination.reliable
        for letter in letters:
            rule = TIMERS[letter]
            if reliable and not rule.reliable:
                continue
            seconds = layer.seconds[letter]
            if rule.event is _RETRANSMIT:
                self._interval = seconds
                self._retransmit = layer.timers.schedule(seconds, self._retransmit_due, letter)
            else:
                self._limit = layer.timers.schedule(seconds, self._feed, rule.event)

    def _retransmit_due(self, letter: str) -> None:
        doubled = self._interval * 2
        self._interval = min(doubled, self._layer.timing.t2) if TIMERS[letter].capped else doubled
        self._retransmit = self._layer.timers.schedule(self._interval, self._retransmit_due, letter)
        self._feed(Event.RETRANSMIT)

    def _stop_timers(self) -> None:
        if self._retransmit is not None:
            self._retransmit.cancel()
            self._retransmit = None
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None


class ClientTransaction(Transaction):
    """A request of ours. Every response reaches `on_response`; so do, as a local 408 or 503, silence and a broken
    transport.
    """

    __slots__ = ("_datagram_way", "challenger", "local_failure", "on_response", "request")

    def __init__(
        self, layer: TransactionLayer, key: Key, request: Request, destination: Address, on_response: ResponseCallback
    ) -> None:
        machine = INVITE_CLIENT if request.method == "INVITE" else CLIENT
        super().__init__(layer, machine, key, destination)
        self.request: Request = request
        self.local_failure = False
        """Whether the final response was made here, because the peer said nothing."""
        self.challenger: Address | None = None
        """Where a 401 or 407 came from."""
        self.on_response: ResponseCallback = on_response
        self._datagram_way: tuple[Address, str] | None = None
        """Destination and Via of a large request that goes by TCP, in case that TCP is refused."""

    def start(self) -> None:
        """Send the request and begin to wait."""
        self.payload = self.request.encode()
        if len(self.payload) > LARGEST_DATAGRAM and self.destination.transport == "udp":
            self._go_by_tcp()
        self._start_timers(self.machine.timers[self.state])
        self._layer.send(self.payload, self.destination)

    def receive(self, response: Response) -> None:
        """Take a response from the wire."""
        self._feed(response_event(response.status), response)

    def transport_failed(self) -> None:
        """Take the news that the request cannot be delivered (RFC 3261 section 17.1.4)."""
        if self._datagram_way is not None and self.state in (State.CALLING, State.TRYING):
            self._go_by_udp(*self._datagram_way)
        else:
            self._feed(Event.TRANSPORT_FAILED)

    def _go_by_tcp(self) -> None:
        """Choose TCP for a large request, if there is such a way (RFC 3261 section 18.1.1)."""
        oversize = self._layer.oversize
        way = oversize.way(self.destination) if oversize is not None else None
        name, via = self.request.headers[0]
        if way is None or name != "Via":
            return
        self._datagram_way = self.destination, via
        destination, sent_by = way
        self._travel(destination, f"SIP/2.0/TCP {sent_by};branch={self.request.via.branch};rport")

    def _go_by_udp(self, destination: Address, via: str) -> None:
        """Send the request as a datagram after all."""
        self._datagram_way = None
        if self._layer.oversize is not None:
            self._layer.oversize.refused(destination)
        self._stop_timers()
        self._travel(destination, via)
        self._start_timers(self.machine.timers[self.state])
        self._layer.send(self.payload, self.destination)

    def _travel(self, destination: Address, via: str) -> None:
        self.destination = destination
        self.request.headers[0] = ("Via", via)
        self.request.forget()
        self.payload = self.request.encode()

    def abandon(self) -> None:
        """Wait no longer: for the final response of a cancelled INVITE, or for any sign of life; the user is told by a local 408."""
        self._feed(Event.ABANDON)

    def settle(self, acknowledgement: bytes, destination: Address) -> None:
        """Let an accepted INVITE go: from now on a repeated 2xx is answered with these bytes, without asking the
        user.
        """
        if self.state is State.ACCEPTED:
            self.payload, self.destination = acknowledgement, destination
            self._stop_timers()
            self._layer.shrink(self)
            # Whoever settles it while it tells of the 2xx must not have it wait for its end.
            self.state = State.TERMINATED

    @property
    def answered(self) -> bool:
        """Whether a final response came, or none will."""
        return self.state not in _UNANSWERED_CLIENT

    def _act(self, action: Action, message: Request | Response | None) -> None:
        if action is _DELIVER and isinstance(message, Response):
            self.on_response(message, self)
        elif action is _ACKNOWLEDGE and isinstance(message, Response):
            self.payload = acknowledge_failure(self.request, message)
            self._layer.send(self.payload, self.destination)
        elif action is Action.REPORT_TIMEOUT:
            self._report(408, "Request Timeout")
        elif action is Action.REPORT_FAILURE:
            self._report(503, "Service Unavailable")
        else:
            super()._act(action, message)

    def _report(self, status: int, reason: str) -> None:
        self.local_failure = True
        self.on_response(response_to(self.request, status, reason), self)


class ServerTransaction(Transaction):
    """A request of a peer, to be answered with `respond`."""

    __slots__ = ("on_cancel", "request")

    def __init__(self, layer: TransactionLayer, key: Key, request: Request, source: Address) -> None:
        super().__init__(layer, INVITE_SERVER if request.method == "INVITE" else SERVER, key, source)
        self.request: Request = request
        self.on_cancel: Callable[[Request], None] | None = None
        """INVITE: called with the CANCEL when the peer gives up."""

    def respond(self, response: Response) -> bool:
        """Send a response; return False when it came too late or out of turn, and was not sent."""
        return self._feed(response_event(response.status), response)

    def receive(self, request: Request) -> None:
        """Take a retransmission of the request, or the ACK of the refused INVITE."""
        self._feed(_ACK if request.method == "ACK" else _REQUEST)

    def is_meant_by(self, request: Request, source: Address) -> bool:
        """Tell whether this is the INVITE that an ACK or CANCEL of the same host means by all but its branch."""
        invite = self.request
        if invite.method != "INVITE" or self.destination.host != source.host:
            return False
        meant = request.call_id, request.cseq[0], request.from_tag
        return (invite.call_id, invite.cseq[0], invite.from_tag) == meant

    def await_answer(self) -> None:
        """Take note that the answer to a non-INVITE request takes its time (RFC 4320 section 4)."""
        self._limit = self._layer.timers.schedule(self._layer.timing.slow, self._answer_is_slow)

    def _answer_is_slow(self) -> None:
        timing = self._layer.timing
        if self._feed(Event.SLOW):
            self._limit = self._layer.timers.schedule(timing.limit - timing.slow, self._feed, Event.TIMEOUT)

    def _act(self, action: Action, message: Request | Response | None) -> None:
        if action is _SEND_TRYING:
            super()._act(_SEND, response_to(self.request, 100))
        else:
            super()._act(action, message)

    @property
    def answered(self) -> bool:
        """Whether a final response went out."""
        return self.state not in _UNANSWERED_SERVER


def acknowledge_failure(request: Request, response: Response) -> bytes:
    """Build the ACK for a 3xx-6xx out of the INVITE's own lines (RFC 3261 section 17.1.1.3)."""
    headers = [("Via", str(request.via)), ("Max-Forwards", "70")]
    headers += [(name, value) for name, value in request.headers if name in ("Route", "From", "Call-ID")]
    headers += [("To", response.get("To") or request.get("To") or ""), ("CSeq", f"{request.cseq[0]} ACK")]
    return Request("ACK", request.uri, headers).encode()


def cancel_request(request: Request) -> Request:
    """Build the CANCEL for an INVITE of ours, with its Via, out of its own lines (RFC 3261 section 9.1)."""
    headers = [("Via", str(request.via)), ("Max-Forwards", "70")]
    headers += [(name, value) for name, value in request.headers if name in ("Route", "From", "To", "Call-ID")]
    headers.append(("CSeq", f"{request.cseq[0]} CANCEL"))
    return Request("CANCEL", request.uri, headers)


def ignore_response(_response: Response, _transaction: ClientTransaction) -> None:
    """Stand for a user who has heard the last word."""
