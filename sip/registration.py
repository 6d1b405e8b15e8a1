"""Keeping up with trunks: registering with a carrier (RFC 3261 section 10.2), and asking with OPTIONS whether it is there."""

from __future__ import annotations

import enum
import random
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from sip.address import Address
from sip.bodies import retry_after_of
from sip.client_request import ClientCredentials, ClientRequest
from sip.core import SipCore, address_of
from sip.errors import MalformedMessageError
from sip.headers import parse_seconds
from sip.message import Response
from sip.timers import Timer
from sip.transaction import ClientTransaction
from sip.uri import NameAddress, Uri

log = structlog.get_logger(__name__)

_REFRESH_AT = 0.8
"""The part of a registration's life after which it is refreshed."""
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 900.0
"""Seconds between attempts after a failure: doubled each time from the first to the longest."""
_SHORTEST_LIFE = 20
"""Seconds: a carrier that grants less is refreshed as if it had granted this."""
_LONGEST_LIFE = 86_400
_LONGEST_WAIT = 3600
"""Seconds: the longest Retry-After that is heeded."""
_RECONNECT_PAUSE = 2.0
"""Seconds until a registration whose connection broke is made anew."""
_SHORTEST_CONNECTION = 30.0
"""Seconds between two registrations of a carrier that closes its connections at once."""
_PATIENCE = 5.0
"""Seconds after which a server that says nothing is given up for the next one."""
_PING_AGAIN = 2.0
"""Seconds to the next OPTIONS after one that was not answered, to be sure."""
_PING_DOWN = 10.0
"""Seconds between two OPTIONS to a server that is down, where that is shorter than its interval."""


class TrunkState(enum.StrEnum):
    """How a trunk stands, as far as SIP can tell."""

    UNKNOWN = "unknown"
    REGISTERED = "registered"
    REACHABLE = "reachable"
    """It answers OPTIONS."""
    REFUSED = "refused"
    """It answers, but does not let us register."""
    UNREACHABLE = "unreachable"
    """It does not answer."""


StateCallback = Callable[[TrunkState, str], None]
"""Called when the state changes, with the reason as a short text."""
Locate = Callable[[Callable[[tuple[Address, ...]], None]], None]
"""Calls back, now or later, with the servers to try, best first."""
ServerCallback = Callable[[Address, bool], None]
"""Called with a server and whether it took a request or was given up for the next one."""


@dataclass(slots=True, frozen=True)
class TrunkAccount:
    """An account with a carrier."""

    registrar: Uri
    """The carrier's domain, as the Request-URI of a REGISTER names it: no user."""
    username: str
    """The user of the address of record and of the digest."""
    password: str
    contact_user: str = ""
    """The user of our Contact; calls come to it. Empty: `username`."""
    destination: Address | None = None
    """Where requests are sent, when it is not what `registrar` says (an outbound proxy)."""
    expires: int = 600
    """The seconds we ask for."""
    realm: str = ""
    """The only realm that the password is proved for; empty: the one that is asked for."""

    @property
    def where(self) -> Address:
        """Where requests are sent."""
        return self.destination or address_of(self.registrar)


class _Watch:
    """What registration and ping share: a state, a timer, and one request at a time, to the first server that takes it."""

    def __init__(
        self,
        core: SipCore,
        where: Address,
        on_change: StateCallback,
        locate: Locate | None,
        on_server: ServerCallback | None,
    ) -> None:
        self._core = core
        self._where = where
        self._on_change = on_change
        self._locate = locate or (lambda then: then((where,)))
        self._on_server = on_server or (lambda _server, _alive: None)
        self._timer: Timer | None = None
        self._running = False
        self.state = TrunkState.UNKNOWN
        self.server: Address | None = None
        """The server that answered last."""

    def _change(self, state: TrunkState, reason: str) -> None:
        if state is self.state:
            return
        log.info("trunk_state", state=state, previous=self.state, reason=reason, trunk=str(self.server or self._where))
        self.state = state
        self._on_change(state, reason)

    def _after(self, seconds: float, callback: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._core.timers.schedule(seconds, callback)

    def _halt(self) -> None:
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _failed_over(self, server: Address, _status: int, _retry_after: int) -> None:
        self._on_server(server, False)

    def _answered(self, transaction: ClientTransaction) -> None:
        self.server = transaction.destination
        self._on_server(self.server, True)


class TrunkRegistration(_Watch):
    """Registers with a carrier, refreshes at 80 % of what it grants, and tries again ever more slowly when it fails."""

    def __init__(
        self,
        core: SipCore,
        account: TrunkAccount,
        on_change: StateCallback,
        *,
        locate: Locate | None = None,
        on_server: ServerCallback | None = None,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            core: sends the requests.
            account: with whom and as whom.
            on_change: hears of each change of the state.
            locate: returns the servers to register with; None: what `account` says.
            on_server: hears which servers answer and which do not.
        """
        super().__init__(core, account.where, on_change, locate, on_server)
        self.account = account
        self._call_id = secrets.token_hex(12)
        self._cseq = 0
        self._expires = account.expires
        self._lengthened = False
        self._failures = 0
        self._registered_at = 0.0
        self._request: ClientRequest | None = None

    def start(self) -> None:
        """Begin to register."""
        if not self._running:
            self._running = True
            self._core.connection_watchers.append(self._connection_lost)
            self._register()

    def stop(self) -> None:
        """Take the registration back and stop; the answer is not waited for."""
        registered = self.state is TrunkState.REGISTERED
        if self._running:
            self._core.connection_watchers.remove(self._connection_lost)
        self._halt()
        if registered and self.server is not None:
            self._send(0, (self.server,))
        self._change(TrunkState.UNKNOWN, "stopped")

    def _register(self) -> None:
        self._locate(self._located)

    def _connection_lost(self, address: Address) -> None:
        """Register anew when the connection breaks by which the carrier's calls come (RFC 5626 section 4.5)."""
        if address != self.server or not address.reliable or self.state is not TrunkState.REGISTERED:
            return
        lasted = self._core.clock.monotonic() - self._registered_at
        # A carrier that closes after each answer is not asked all the time.
        self._after(max(_RECONNECT_PAUSE, _SHORTEST_CONNECTION - lasted), self._register)

    def _located(self, servers: tuple[Address, ...]) -> None:
        if not self._running:
            return
        if servers:
            self._send(self._expires, servers)
        else:
            self._failed(TrunkState.UNREACHABLE, "No server is known under its name", None)

    def _send(self, expires: int, servers: tuple[Address, ...]) -> None:
        account = self.account
        self._cseq += 1
        party = NameAddress("", account.registrar.with_(user=account.username, port=None, parameters=()))
        contact = self._core.contact(servers[0], account.contact_user or account.username)
        self._request = self._core.request(
            "REGISTER",
            account.registrar,
            on_response=self._responded,
            from_=party,
            to=party,
            destination=servers[0],
            headers=[("Contact", contact), ("Expires", str(expires))],
            credentials=ClientCredentials(account.username, account.password, account.realm),
            call_id=self._call_id,
            cseq=self._cseq,
            alternatives=servers[1:],
            on_failover=self._failed_over,
            silence_limit=_PATIENCE if len(servers) > 1 else 0.0,
        )

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        # A repetition with credentials had a number of its own.
        self._cseq = max(self._cseq, transaction.request.cseq[0])
        if not self._running or response.status < 200:
            return
        try:
            self._take(response, transaction)
        except MalformedMessageError as error:
            self._failed(TrunkState.REFUSED, error.message, None)

    def _take(self, response: Response, transaction: ClientTransaction) -> None:
        if not transaction.local_failure:
            self._answered(transaction)
        if response.status < 300:
            self._failures, self._lengthened = 0, False
            self._registered_at = self._core.clock.monotonic()
            life = min(max(self._granted(response), _SHORTEST_LIFE), _LONGEST_LIFE)
            self._after(life * _REFRESH_AT, self._register)
            self._change(TrunkState.REGISTERED, response.reason)
            return
        minimum = response.get("Min-Expires")
        if response.status == 423 and minimum is not None and not self._lengthened:
            # Once at a time: a server that always wants more is to be refused by us (RFC 3261 section 10.2.8).
            self._lengthened = True
            self._expires = min(max(parse_seconds(minimum), self._expires), _LONGEST_LIFE)
            self._register()
            return
        silent = transaction.local_failure or response.status in (408, 503, 504)
        state = TrunkState.UNREACHABLE if silent else TrunkState.REFUSED
        self._failed(state, f"{response.status} {response.reason}", retry_after_of(response))

    def _failed(self, state: TrunkState, reason: str, retry_after: int | None) -> None:
        pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        self._lengthened = False
        wait = min(retry_after or 0, _LONGEST_WAIT)
        # Spread, so that all trunks of all nodes do not come back in the same second.
        self._after(max(pause, wait) * random.uniform(1.0, 1.2), self._register)  # noqa: S311
        self._change(state, reason)

    def _granted(self, response: Response) -> int:
        """Return the seconds the carrier grants our contact (RFC 3261 section 10.2.4)."""
        account = self.account
        own = NameAddress.parse(
            self._core.contact(self.server or account.where, account.contact_user or account.username)
        )
        for contact in response.contacts:
            expires = contact.parameter("expires")
            if expires is not None and (contact.uri.same_target(own.uri) or len(response.contacts) == 1):
                return parse_seconds(expires)
        value = response.get("Expires")
        return parse_seconds(value) if value is not None else self._expires


class TrunkPing(_Watch):
    """Sends OPTIONS again and again; a trunk is unreachable after two unanswered ones in a row, reachable after one answer."""

    def __init__(
        self,
        core: SipCore,
        target: Uri,
        on_change: StateCallback,
        *,
        every: float = 30.0,
        locate: Locate | None = None,
        on_server: ServerCallback | None = None,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            core: sends the requests.
            target: who is asked.
            on_change: hears of each change of the state.
            every: seconds between two OPTIONS; sooner after one that was not answered.
            locate: returns the servers of the target; None: what `target` says.
            on_server: hears which servers answer and which do not.
        """
        super().__init__(core, address_of(target), on_change, locate, on_server)
        self._target = target
        self._every = every
        self._silent = 0

    def start(self) -> None:
        """Send the first OPTIONS now."""
        if not self._running:
            self._running = True
            self._ask()

    def stop(self) -> None:
        """Ask no more."""
        self._halt()

    def _ask(self) -> None:
        self._locate(self._located)

    def _located(self, servers: tuple[Address, ...]) -> None:
        if not self._running:
            return
        if not servers:
            self._not_answered("No server is known under its name")
            return
        local = self._core.local_address(servers[0])
        self._core.request(
            "OPTIONS",
            self._target,
            on_response=self._responded,
            from_=NameAddress("", Uri("sip", "ramal", local.host)),
            destination=servers[0],
            headers=[("Contact", self._core.contact(servers[0], "ramal")), ("Accept", "application/sdp")],
            alternatives=servers[1:],
            on_failover=self._failed_over,
            silence_limit=_PATIENCE,
        )

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        if not self._running or response.status < 200:
            return
        # Any answer of its own shows that it lives, even 404; 503 says that it takes no calls.
        if transaction.local_failure or response.status == 503:
            self._on_server(transaction.destination, False)
            self._not_answered(f"{response.status} {response.reason}")
            return
        self._silent = 0
        self._answered(transaction)
        self._change(TrunkState.REACHABLE, response.reason)
        self._after(self._every, self._ask)

    def _not_answered(self, reason: str) -> None:
        self._silent += 1
        if self._silent >= 2:
            self._change(TrunkState.UNREACHABLE, reason)
        self._after(_PING_AGAIN if self._silent == 1 else min(self._every, _PING_DOWN), self._ask)
