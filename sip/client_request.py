"""A request of ours that is sent again with credentials when the peer challenges it (RFC 3261 section 22.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from sip.address import Address
from sip.authentication import authorise
from sip.dialog import Dialog
from sip.errors import SipError
from sip.message import Request, Response
from sip.timers import TimerHeap
from sip.transaction import ClientTransaction, ResponseCallback
from sip.transaction_tables import Timing

log = structlog.get_logger(__name__)

_MAX_ATTEMPTS = 3
"""The first, one for a 401 or 407, and one for the other kind of challenge or a stale nonce."""
_CHALLENGES = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


@dataclass(slots=True, frozen=True)
class ClientCredentials:
    """Whom to be when a peer challenges us."""

    username: str
    password: str = field(repr=False)


class SessionHost(Protocol):
    """What sessions and requests need of the stack that carries them."""

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


class ClientRequest:
    """One request as its sender sees it, over however many transactions it takes."""

    __slots__ = (
        "_attempts",
        "_credentials",
        "_destination",
        "_host",
        "_next_cseq",
        "_on_response",
        "_stopped",
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
    ) -> None:
        """Send the request.

        Args:
            host: the stack.
            request: the request without a Via.
            destination: where it goes.
            on_response: hears every response but a challenge that is being met.
            credentials: None: challenges are handed to `on_response`.
            next_cseq: gives the number of a repetition; inside a dialog its counter. None: one more than before.
        """
        self._host = host
        self._destination = destination
        self._on_response = on_response
        self._credentials = credentials
        self._next_cseq = next_cseq
        self._attempts = 1
        self._stopped = False
        self.transaction = host.send_request(request, destination, self._responded)

    @property
    def request(self) -> Request:
        """The request as it was sent last."""
        return self.transaction.request

    def stop_retrying(self) -> None:
        """Hand the next challenge to `on_response`: the sender has lost interest in the answer."""
        self._stopped = True

    def _responded(self, response: Response, transaction: ClientTransaction) -> None:
        if response.status in _CHALLENGES and not transaction.local_failure and self._retry(response):
            return
        self._on_response(response, transaction)

    def _retry(self, response: Response) -> bool:
        credentials = self._credentials
        if credentials is None or self._stopped or self._attempts >= _MAX_ATTEMPTS:
            return False
        asks, answers = _CHALLENGES[response.status]
        challenges = response.get_all(asks)
        previous = self.request
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
        number = self._next_cseq() if self._next_cseq is not None else previous.cseq[0] + 1
        headers = [pair for pair in previous.headers if pair[0] not in ("Via", answers)]
        request = Request(previous.method, previous.uri, headers, previous.body)
        request.set("CSeq", f"{number} {previous.method}")
        request.add(answers, authorization)
        self._attempts += 1
        self.transaction = self._host.send_request(request, self._destination, self._responded)
        return True
