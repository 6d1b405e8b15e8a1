"""A request of ours that is sent again: with credentials when the peer challenges it (RFC 3261 section 22.3), and to the next
server when one is out of order or silent (RFC 3263 section 4.3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Protocol

import structlog

from sip.address import Address, is_ip_address
from sip.authentication import authorise, realm_of
from sip.bans import Network
from sip.bodies import retry_after_of
from sip.config import SipConfig
from sip.dialog import Dialog
from sip.errors import SipError
from sip.message import Request, Response
from sip.timers import Timer, TimerHeap
from sip.transaction import ClientTransaction, ResponseCallback, ignore_response
from sip.transaction_tables import State, Timing
from sip.uri import NameAddress

log = structlog.get_logger(__name__)

_MAX_ATTEMPTS = 3
"""The first, one for a 401 or 407, and one for the other kind of challenge or a stale nonce."""
_CREDENTIALS = ("Authorization", "Proxy-Authorization")
_SILENT = (State.CALLING, State.TRYING)
_CHALLENGES = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


@dataclass(slots=True, frozen=True)
class ClientCredentials:
    """Whom to be when a peer challenges us, and which peers may: an answer to a stranger's challenge helps to guess the password."""

    username: str
    password: str = field(repr=False)
    realm: str = ""
    """The only realm that is answered; empty: the one that is asked for."""
    hosts: frozenset[str] = frozenset()
    """The hosts that may ask; empty: those that the first request is sent to."""
    networks: tuple[Network, ...] = ()
    """Networks whose hosts may ask, too: carriers have several machines."""

    def bound_to(self, servers: Iterable[Address]) -> ClientCredentials:
        """Return these credentials for no others than these servers, unless they have hosts of their own."""
        return self if self.hosts else replace(self, hosts=frozenset([server.host for server in servers]))

    def are_for(self, host: str) -> bool:
        """Tell whether a host may ask for them."""
        if host in self.hosts or not self.networks or not is_ip_address(host):
            return host in self.hosts
        address = ip_address(host)
        return any(address in network for network in self.networks)


class SessionHost(Protocol):
    """What sessions and requests need of the stack that carries them."""

    config: SipConfig
    timers: TimerHeap
    timing: Timing

    def send_request(self, request: Request, destination: Address, on_response: ResponseCallback) -> ClientTransaction:
        """Put a Via on top and start a client transaction."""
        ...

    def send_cancel(self, request: Request, destination: Address) -> None:
        """Start the transaction of a CANCEL, which has its Via already; nobody waits for its response."""
        ...

    def send_acknowledgement(self, request: Request, destination: Address) -> bytes:
        """Put a Via on top, send the ACK of a 2xx, and return the bytes for its repetition."""
        ...

    def send(self, payload: bytes, destination: Address) -> None:
        """Send bytes again."""
        ...

    def contact(self, destination: Address, user: str) -> str:
        """Return our Contact as the peer at `destination` can reach it."""
        ...

    def next_hop(self, dialog: Dialog) -> Address:
        """Return where the dialog's requests go, over a connection that is open if there is one."""
        ...

    def session_closed(self, session: object) -> None:
        """Forget a session: nothing more will come for it."""
        ...


FailedOver = Callable[[Address, int, int], bytes | None]
"""Called with a server that was given up for the next one, the status that said so (its 503, or 408 or 503 made here), and the seconds
of its Retry-After, or 0. Returns what the next server is to be sent instead of the body, or None: the same."""


class ClientRequest:
    """One request as its sender sees it, over however many transactions it takes."""

    __slots__ = (
        "_alternatives",
        "_attempts",
        "_credentials",
        "_host",
        "_next_cseq",
        "_on_failover",
        "_on_response",
        "_proved_realm",
        "_silence",
        "_silence_limit",
        "_stopped",
        "destination",
        "transaction",
    )

    def __init__(
        self,
        host: SessionHost,
        request: Request,
        destination: Address,
        on_response: ResponseCallback,
        *,
        credentials: ClientCredentials | None = None,
        next_cseq: Callable[[], int] | None = None,
        alternatives: Sequence[Address] = (),
        on_failover: FailedOver | None = None,
        silence_limit: float = 0.0,
    ) -> None:
        """Send the request.

        Args:
            host: the stack.
            request: the request without a Via.
            destination: where it goes.
            on_response: hears every response but a challenge that is being met.
            credentials: None: challenges are handed to `on_response`.
            next_cseq: gives the number of a repetition; inside a dialog its counter. None: one more than before.
            alternatives: the servers to try after `destination`, in order.
            on_failover: hears of each server that was given up for the next one.
            silence_limit: seconds after which a server that said nothing at all is given up; 0: the transaction's own time.
                Not for an INVITE: a slow phone might ring unheard.
        """
        self._host = host
        self.destination = destination
        """Where the request was sent last."""
        self._alternatives = alternatives
        self._on_failover = on_failover
        self._silence_limit = silence_limit
        self._silence: Timer | None = None
        self._on_response = on_response
        self._credentials = credentials
        self._next_cseq = next_cseq
        self._attempts = 1
        self._proved_realm = ""
        self._stopped = False
        self.transaction = host.send_request(request, destination, self._responded)
        if silence_limit:
            self._watch_silence()

    @property
    def request(self) -> Request:
        """The request as it was sent last."""
        return self.transaction.request

    @property
    def credentials(self) -> ClientCredentials | None:
        """What later requests of the same dialog may prove: to a peer that has asked already nothing for another realm.

        Behind a carrier that merely passes messages on, whoever is called could ask on its own account.
        """
        if not self._proved_realm or self._credentials is None:
            return self._credentials
        return replace(self._credentials, realm=self._proved_realm)

    def stop_retrying(self) -> None:
        """Hand the next challenge to `on_response`: the sender has lost interest in the answer."""
        self._stopped = True

    def forget(self) -> None:
        """Tell nothing more: whoever listened is over, and need not be kept for it."""
        self._on_response = ignore_response

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        if self._silence is not None:
            self._silence.cancel()
        if response.status in _CHALLENGES and not transaction.local_failure and self._retry(response):
            return
        if self._alternatives and self._fail_over(response, transaction):
            return
        self._on_response(response, transaction)

    def _fail_over(self, response: Response, transaction: ClientTransaction) -> bool:
        """Send the request to the next server where RFC 3263 section 4.3 says so: 503, silence, a broken transport."""
        if self._stopped or not (transaction.local_failure or response.status == 503):
            if response.status > 100:
                # This server takes care of it.
                self._alternatives = ()
            return False
        given_up, previous = self.destination, transaction.request
        self.destination, self._alternatives = self._alternatives[0], self._alternatives[1:]
        log.info(
            "request_fails_over",
            call_id=previous.call_id,
            method=previous.method,
            status=response.status,
            server=str(given_up),
            next=str(self.destination),
        )
        headers = [pair for pair in previous.headers if pair[0] != "Via" and pair[0] not in _CREDENTIALS]
        request = Request(previous.method, previous.uri, headers, previous.body)
        self._correct_contact(request)
        # The next server challenges on its own account.
        self._attempts = 1
        if self._on_failover is not None:
            request.body = self._on_failover(given_up, response.status, retry_after_of(response) or 0) or previous.body
        self.transaction = self._host.send_request(request, self.destination, self._responded)
        if self._silence_limit:
            self._watch_silence()
        return True

    def _correct_contact(self, request: Request) -> None:
        """Name ourselves as the next server reaches us, which may be over another transport or interface."""
        contact = request.get("Contact")
        if contact is not None:
            old = NameAddress.parse(contact)
            new = NameAddress.parse(self._host.contact(self.destination, old.uri.user))
            request.set("Contact", str(new.with_(parameters=old.parameters)))

    def _watch_silence(self) -> None:
        self._silence = self._host.timers.schedule(self._silence_limit, self._silent, self.transaction)

    @staticmethod
    def _silent(transaction: ClientTransaction) -> None:
        if transaction.state in _SILENT:
            transaction.abandon()

    def _answerable(self, challenges: list[str], credentials: ClientCredentials) -> list[str]:
        """Return the challenges that may be met: of the peer the credentials are for, asked there and answered from there.

        Otherwise whoever is called, or whom a Contact leads to, could challenge our BYE and would be given a digest.
        """
        challenger = self.transaction.challenger
        hosts = [self.destination.host]
        # One that was sent to a name was resolved further down: who answers at all then knows the branch.
        if challenger is not None and is_ip_address(self.destination.host):
            hosts.append(challenger.host)
        if not all(credentials.are_for(host) for host in hosts):
            log.warning("challenge_of_a_stranger", call_id=self.request.call_id, hosts=hosts)
            return []
        if not credentials.realm:
            return challenges
        right = [value for value in challenges if realm_of(value) == credentials.realm]
        if not right:
            log.warning("challenge_for_another_realm", call_id=self.request.call_id, wanted=credentials.realm)
        return right

    def _retry(self, response: Response) -> bool:
        credentials = self._credentials
        if credentials is None or self._stopped or self._attempts >= _MAX_ATTEMPTS:
            return False
        asks, answers = _CHALLENGES[response.status]
        previous = self.request
        challenges = self._answerable(response.get_all(asks), credentials)
        if not challenges:
            return False
        if previous.get(answers) is not None and not any("stale=true" in value.lower() for value in challenges):
            return False
        try:
            authorization = authorise(
                challenges,
                credentials.username,
                credentials.password,
                previous.method,
                str(previous.uri),
                previous.body,
            )
        except SipError as error:
            log.warning("challenge_not_met", call_id=previous.call_id, problem=error.message)
            return False
        self._proved_realm = realm_of(authorization) or ""
        number = self._next_cseq() if self._next_cseq is not None else previous.cseq[0] + 1
        headers = [pair for pair in previous.headers if pair[0] not in ("Via", answers)]
        request = Request(previous.method, previous.uri, headers, previous.body)
        request.set("CSeq", f"{number} {previous.method}")
        request.add(answers, authorization)
        self._attempts += 1
        self.transaction = self._host.send_request(request, self.destination, self._responded)
        if self._silence_limit:
            self._watch_silence()
        return True
