"""Transactions: one request, its responses, and the patience between them (RFC 3261 section 17, RFC 6026).

The machines are the tables of `sip.transaction_tables`; this module walks them. Nothing here knows sockets or a loop:
bytes leave through the `send` that is handed in, deadlines live in the heap that is handed in. A transaction that has
nothing left to do but answer retransmissions shrinks to one plain tuple, because 32 seconds of them are kept at any
time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from core.identifiers import random_hex
from sip.address import Address
from sip.errors import MalformedMessageError
from sip.message import Request, Response, response_to
from sip.oversize import LARGEST_DATAGRAM, Oversize
from sip.timers import Timer, TimerHeap
from sip.transaction_tables import (
    CLIENT,
    INVITE_CLIENT,
    INVITE_SERVER,
    MACHINES,
    SERVER,
    TIMERS,
    Action,
    Event,
    Machine,
    State,
    Timing,
    response_event,
)

MAGIC_COOKIE = "z9hG4bK"
Key = tuple[str | int, ...]
"""Client: branch, method. Server: branch, sent-by, method (ACK counts as INVITE), Call-ID, number."""
Send = Callable[[bytes, Address], None]
ResponseCallback = Callable[[Response, "ClientTransaction"], None]
LateAnswer = Callable[[Response, bytes, Address], bool]
"""Takes a 2xx, and the ACK that was sent for the final response before it, with its destination."""

# Names of their own: each look into an enumeration costs a walk through its classes, and these are asked for with every message.
_RETRANSMIT, _ACK, _REQUEST, _SUCCESS = Event.RETRANSMIT, Event.ACK, Event.REQUEST, Event.SUCCESS
_COMPLETED, _TERMINATED = State.COMPLETED, State.TERMINATED
_UNANSWERED_CLIENT = (State.CALLING, State.TRYING, State.PROCEEDING)
_UNANSWERED_SERVER = (State.TRYING, State.PROCEEDING)
_SEND, _RESEND, _SEND_TRYING = Action.SEND, Action.RESEND, Action.SEND_TRYING
_DELIVER, _ACKNOWLEDGE = Action.DELIVER, Action.ACKNOWLEDGE
_MACHINES_BY_NAME = {machine.name: machine for machine in MACHINES}
_TOGETHER = 0.25
"""Seconds within which transactions that end are forgotten together: a time for each would take more memory than its key."""


def client_key(response: Response) -> Key:
    """Return the key of the client transaction that a response belongs to (RFC 3261 section 17.1.3)."""
    return response.via.branch, response.cseq[1]


def server_key(request: Request, method: str | None = None) -> Key:
    """Return the key of the server transaction that a request belongs to (RFC 3261 section 17.2.3).

    Call-ID and number are part of it, for scripts write one branch for all that they send.
    `method` looks for another transaction of the same hop: "INVITE" finds the one that a CANCEL means.
    """
    key = request.server_key
    if key is None:
        via = request.via
        branch = via.branch
        if not branch.startswith(MAGIC_COOKIE) or branch == MAGIC_COOKIE:
            # An RFC 2543 peer: its branch means nothing, so the rest of the request has to tell.
            branch = request.from_tag
        try:
            call_id, number = request.call_id, request.cseq[0]
        except MalformedMessageError:
            # It is refused, and its repetitions are.
            call_id, number = "", 0
        started = "INVITE" if request.method == "ACK" else request.method
        key = request.server_key = branch, via.sent_by, started, call_id, number
    return key if method is None else (*key[:2], method, *key[3:])


def new_branch() -> str:
    """Return a branch that no one used before."""
    return MAGIC_COOKIE + random_hex(10)


class _Transaction:
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


class ClientTransaction(_Transaction):
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


class ServerTransaction(_Transaction):
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


class _Batch:
    """Finished transactions that are forgotten together, when the time of the last one is over."""

    __slots__ = ("due", "keys", "until")

    def __init__(self, now: float) -> None:
        self.keys: list[Key] = []
        self.until = now + _TOGETHER
        """Up to when others may join."""
        self.due = now


class TransactionLayer:
    """All transactions of the stack."""

    __slots__ = (
        "_clients", "_finished", "_queues", "_servers", "_sweeps", "on_late_answer", "oversize", "retransmitted", "seconds",
        "send", "timers", "timing",
    )  # fmt: skip

    def __init__(self, timers: TimerHeap, send: Send, timing: Timing | None = None) -> None:
        self.timers = timers
        self.send = send
        self.timing = timing or Timing()
        self.seconds: Mapping[str, float] = {letter: getattr(self.timing, rule.base) for letter, rule in TIMERS.items()}
        """How long each timer runs, by its letter."""
        self.on_late_answer: LateAnswer | None = None
        """Hears of a 2xx that comes when our INVITE is settled; returns False when it is a repetition."""
        self.oversize: Oversize | None = None
        """Finds the way of requests that are too large for a datagram; None: all go as they are."""
        self.retransmitted = 0
        """How many messages were sent again since the start."""
        self._clients: dict[Key, ClientTransaction] = {}
        self._servers: dict[Key, ServerTransaction] = {}
        # Plain tuples of plain values: the collector stops looking at them after its first pass.
        self._finished: dict[Key, tuple[str, str, bytes, str, int, str]] = {}
        self._queues: dict[float, deque[_Batch]] = {}
        self._sweeps: dict[float, Timer] = {}

    @property
    def live(self) -> int:
        """How many transactions are under way."""
        return len(self._clients) + len(self._servers)

    @property
    def finished(self) -> int:
        """How many are over and only answer retransmissions."""
        return len(self._finished)

    def send_request(
        self, request: Request, destination: Address, on_response: ResponseCallback, *, sent_by: str = ""
    ) -> ClientTransaction:
        """Start a client transaction.

        With `sent_by` (`host:port`) a Via with a new branch is put on top; without, the request's own is used, as a
        CANCEL needs it.
        """
        if sent_by:
            branch = new_branch()
            via = f"SIP/2.0/{destination.transport.upper()} {sent_by};branch={branch};rport"
            if destination.transport == "tls":
                # The peer may send its requests back over this connection (RFC 5923 section 5).
                via += ";alias"
            request.headers.insert(0, ("Via", via))
            request.forget()
        else:
            branch = request.via.branch
        key = (branch, request.method)
        transaction = ClientTransaction(self, key, request, destination, on_response)
        self._clients[key] = transaction
        transaction.start()
        return transaction

    def receive_response(self, response: Response, source: Address | None = None) -> bool:
        """Give a response, and where it came from, to its transaction; return False when there is none."""
        key = client_key(response)
        transaction = self._clients.get(key)
        if transaction is not None:
            if response.status in (401, 407):
                transaction.challenger = source
            transaction.receive(response)
            return True
        event = response_event(response.status)
        if event is _SUCCESS and key[1] == "INVITE" and self.on_late_answer is not None:
            kept = self._finished.get(key)
            if kept is not None and self.on_late_answer(response, kept[2], Address(*kept[3:])):
                return True
        return self._replay(key, event)

    def absorb(self, request: Request) -> bool:
        """Give a retransmission, or the ACK of a refused INVITE, to its transaction; return False when there is none.

        False also for the ACK of an accepted INVITE that reuses the branch, as old peers do: it belongs to the session.
        """
        key = server_key(request)
        is_ack = request.method == "ACK"
        transaction = self._servers.get(key)
        if transaction is not None:
            if is_ack and transaction.state is not _COMPLETED:
                return False
            transaction.receive(request)
            return True
        return key in self._finished and self._replay(key, _ACK if is_ack else _REQUEST)

    def create_server(self, request: Request, source: Address) -> ServerTransaction:
        """Start a server transaction for a new request; responses go to `source`."""
        key = server_key(request)
        transaction = ServerTransaction(self, key, request, source)
        self._servers[key] = transaction
        return transaction

    def answer(self, request: Request, source: Address, response: Response) -> None:
        """Send the final response to a new request that is no INVITE, where nothing has to be waited for.

        It comes to the same as `create_server` and `respond`: of the transaction only what a retransmission needs is left.
        """
        payload = response.encode()
        self._keep(server_key(request), SERVER, _COMPLETED, payload, source)
        self.send(payload, source)

    def find_server(self, key: Key) -> ServerTransaction | None:
        """Return the server transaction under way with this key, or None."""
        return self._servers.get(key)

    def find_invite(self, request: Request, source: Address) -> ServerTransaction | None:
        """Return the INVITE under way that an ACK or CANCEL of the same host means by all but its branch, or None.

        It has the branch of its INVITE (RFC 3261 sections 9.1 and 17.1.1.3), but many a script for a test caller makes a new one.
        """
        call_id = request.call_id
        for transaction in self._servers.values():
            if transaction.request.call_id == call_id and transaction.is_meant_by(request, source):
                return transaction
        return None

    def is_finished(self, key: Key) -> bool:
        """Tell whether the transaction with this key had its final response."""
        return key in self._finished

    def transport_failed(self, destination: Address) -> None:
        """Tell every unanswered request to `destination` that it cannot be delivered."""
        for transaction in [t for t in self._clients.values() if t.destination == destination]:
            transaction.transport_failed()

    def shrink(self, transaction: _Transaction) -> None:
        """Keep of a transaction only the bytes a retransmission needs, for as long as its present state lasts: on a reliable transport
        D, I, J and K are zero. Called by the transaction itself.
        """
        machine = transaction.machine
        self.forget(transaction)
        payload = transaction.payload if machine is not INVITE_SERVER and machine is not CLIENT else b""
        if not self._keep(transaction.key, machine, transaction.state, payload, transaction.destination):
            transaction.state = _TERMINATED

    def _keep(self, key: Key, machine: Machine, state: State, payload: bytes, destination: Address) -> bool:
        """Remember a finished transaction for as long as its state lasts; False: it is over at once."""
        letter = machine.timers[state][-1]
        if destination.reliable and not TIMERS[letter].reliable:
            return False
        self._finished[key] = (machine.name, state, payload, *destination)
        seconds = self.seconds[letter]
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = deque()
        now = self.timers.clock.monotonic()
        if not queue:
            self._sweeps[seconds] = self.timers.schedule(seconds, self._sweep, seconds)
        if not queue or now > queue[-1].until:
            queue.append(_Batch(now))
        batch = queue[-1]
        batch.keys.append(key)
        batch.due = now + seconds
        return True

    def forget(self, transaction: _Transaction) -> None:
        """Take a transaction out of the table; called by the transaction itself."""
        table: dict[Key, ClientTransaction] | dict[Key, ServerTransaction]
        if isinstance(transaction, ClientTransaction):
            # Nothing more will be told, and who listened knows the transaction: a circle that would keep both.
            transaction.on_response = ignore_response
            table = self._clients
        else:
            table = self._servers
        table.pop(transaction.key, None)

    def _replay(self, key: Key, event: Event) -> bool:
        """Do for a finished transaction what its table says, which is to resend or to swallow."""
        kept = self._finished.get(key)
        if kept is None:
            return False
        machine, state, payload, host, port, transport = kept
        rule = _MACHINES_BY_NAME[machine].rules.get((State(state), event))
        if event is Event.ACK and rule is None:
            return False
        if rule is not None and payload:
            self.retransmitted += 1
            self.send(payload, Address(host, port, transport))
        return True

    def _sweep(self, seconds: float) -> None:
        """Forget the finished transactions whose time is over, many at once."""
        now = self.timers.clock.monotonic()
        queue = self._queues[seconds]
        while queue and queue[0].due <= now:
            for key in queue.popleft().keys:
                self._finished.pop(key, None)
        if queue:
            self._sweeps[seconds] = self.timers.schedule(max(queue[0].due - now, _TOGETHER), self._sweep, seconds)


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
