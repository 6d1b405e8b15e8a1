"""All transactions of the stack: begun, found again by their keys, and forgotten when their time is over.

Bytes leave through the `send` that is handed in, deadlines live in the heap that is handed in. A transaction that has
nothing left to do but answer retransmissions shrinks to one plain tuple, because 32 seconds of them are kept at any
time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from sip.address import Address
from sip.message import Request, Response
from sip.oversize import Oversize
from sip.timers import Timer, TimerHeap
from sip.transaction import ClientTransaction, ResponseCallback, ServerTransaction, Transaction, ignore_response
from sip.transaction_key import Key, client_key, new_branch, server_key
from sip.transaction_tables import (
    CLIENT,
    INVITE_SERVER,
    MACHINES,
    SERVER,
    TIMERS,
    Event,
    Machine,
    State,
    Timing,
    response_event,
)

Send = Callable[[bytes, Address], None]
LateAnswer = Callable[[Response, bytes, Address], bool]
"""Takes a 2xx, and the ACK that was sent for the final response before it, with its destination."""

# By names of their own, as in `sip.transaction`.
_ACK, _REQUEST, _SUCCESS = Event.ACK, Event.REQUEST, Event.SUCCESS
_COMPLETED, _TERMINATED = State.COMPLETED, State.TERMINATED
_MACHINES_BY_NAME = {machine.name: machine for machine in MACHINES}
_TOGETHER = 0.25
"""Seconds within which transactions that end are forgotten together: a time for each would take more memory than its key."""


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

    def answer(self, request: Request, source: Address, payload: bytes) -> None:
        """Send the bytes of the final response to a new request that is no INVITE, where nothing has to be waited for.

        It comes to the same as `create_server` and `respond`: of the transaction only what a retransmission needs is left.
        """
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

    def shrink(self, transaction: Transaction) -> None:
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

    def forget(self, transaction: Transaction) -> None:
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
        if event is _ACK and rule is None:
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
