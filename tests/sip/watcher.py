"""A phone that watches, by hand: sends SUBSCRIBE, PUBLISH and MESSAGE, answers NOTIFY as the test wants it, and keeps all."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, cast

from sip.address import Address
from sip.authentication import authorise
from sip.config import SipConfig
from sip.core import SipCore
from sip.event_package import Standing
from sip.message import Request, Response, response_to
from sip.notifier import Notifier
from sip.parser import parse_message
from sip.timers import TimerHeap
from sip.uri import Uri
from tests.sip.network import Network, Packet, PhoneApplication

PASSWORD = "secret"


class Watcher:
    """One phone at an address of the simulated network."""

    def __init__(
        self, network: Network, host: str = "10.0.0.1", user: str = "alice", *, transport: str = "udp", port: int = 5060
    ) -> None:
        self.network = network
        self.address = Address(host, port, transport)
        self.server = Address("10.0.0.2", 5060, transport)
        self.user = user
        self.timers = TimerHeap(network.clock)
        self.notifies: list[Request] = []
        self.requests: list[Request] = []
        self.responses: list[Response] = []
        self.answer: int | None = 200
        """What a NOTIFY is answered; None: nothing."""
        self.on_notify: Callable[[Request], None] | None = None
        self.call_id = secrets.token_hex(6)
        self.tag = secrets.token_hex(4)
        self.server_tag = ""
        self.cseq = 0
        self._seen: set[str] = set()
        network.cores[self.address] = cast("SipCore", self)

    def receive(self, data: bytes, source: Address) -> None:
        message = parse_message(data)
        if isinstance(message, Response):
            self.responses.append(message)
            return
        self.requests.append(message)
        if self.answer is None:
            return
        if self.answer == 200 and message.via.branch not in self._seen:
            self._seen.add(message.via.branch)
            self.notifies.append(message)
            if self.on_notify is not None:
                self.on_notify(message)
        self.network.carry(Packet(response_to(message, self.answer).encode(), self.address, source))

    def build(
        self, method: str, uri: str, *, inside: bool = False, body: bytes = b"", content_type: str = "", **headers: str
    ) -> Request:
        self.cseq += 1
        to = f"<{uri}>" + (f";tag={self.server_tag}" if inside else "")
        lines = [
            ("Via", self._via()),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self.user}@10.0.0.2>;tag={self.tag}"),
            ("To", to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
            ("Contact", f"<sip:{self.user}@{self.address.host}:5060>"),
        ]
        lines += [(name.replace("_", "-"), value) for name, value in headers.items() if value]
        if content_type:
            lines.append(("Content-Type", content_type))
        return Request(method, uri, lines, body)

    def _via(self) -> str:
        transport = self.address.transport.upper()
        return f"SIP/2.0/{transport} {self.address.host}:5060;branch=z9hG4bK{secrets.token_hex(4)};rport"

    def send(self, request: Request, *, password: str = PASSWORD) -> Response:
        """Send a request, answer a challenge, and return the final response."""
        response = self.send_once(request)
        if response.status not in (401, 407):
            return response
        asks, answers = (
            ("WWW-Authenticate", "Authorization")
            if response.status == 401
            else ("Proxy-Authenticate", "Proxy-Authorization")
        )
        again = Request(request.method, request.uri, list(request.headers), request.body)
        again.set("Via", self._via())
        self.cseq += 1
        again.set("CSeq", f"{self.cseq} {request.method}")
        challenge = response.get_all(asks)
        again.set(answers, authorise(challenge, self.user, password, request.method, request.uri, request.body))
        return self.send_once(again)

    def send_once(self, request: Request) -> Response:
        before = len(self.responses)
        for _ in range(8):
            self.network.carry(Packet(request.encode(), self.address, self.server))
            self.network.run(0.1)
            if len(self.responses) > before:
                return self.responses[-1]
        raise AssertionError(f"no answer to {request}")

    def subscribe(
        self, event: str = "dialog", target: str = "bob", *, expires: str = "600", **headers: str
    ) -> Response:
        response = self.send(self._subscribe(event, target, expires, headers, inside=False))
        if response.status == 200:
            self.server_tag = response.to_tag
        return response

    def refresh(self, event: str = "dialog", target: str = "bob", *, expires: str = "600", **headers: str) -> Response:
        return self.send(self._subscribe(event, target, expires, headers, inside=True))

    def _subscribe(self, event: str, target: str, expires: str, headers: dict[str, str], *, inside: bool) -> Request:
        uri = f"sip:{target}@10.0.0.2"
        return self.build("SUBSCRIBE", uri, inside=inside, body=b"", Event=event, Expires=expires, **headers)

    @property
    def last(self) -> Request:
        return self.notifies[-1]

    @property
    def bodies(self) -> list[str]:
        return [notify.body.decode() for notify in self.notifies]

    @property
    def states(self) -> list[str]:
        """The Subscription-State of every NOTIFY, without its seconds."""
        return [(notify.get("Subscription-State") or "").partition(";expires")[0] for notify in self.notifies]


class Counter:
    """An event package of the tests: each resource has a number, and the body tells it."""

    name = "dialog"
    content_type = "application/dialog-info+xml"

    def __init__(self) -> None:
        self.values: dict[str, int] = {"bob": 0}
        self.standings: dict[str, Standing] = {}
        self.made = 0
        self.counted_from = 0
        self.confirmed = 0
        self.broken = False

    def resource(self, uri: Uri, watcher: str) -> str:
        return uri.user if uri.user in self.values else ""

    def standing(self, resource: str, watcher: str) -> Standing:
        return self.standings.get(resource, Standing.GRANTED if resource in self.values else Standing.UNKNOWN)

    def feed(self, resource: str, watcher: str, uri: Uri) -> CounterFeed:
        return CounterFeed(self, resource)


class CounterFeed:
    def __init__(self, counter: Counter, resource: str) -> None:
        self._counter = counter
        self._resource = resource

    def count_from(self, number: int) -> None:
        self._counter.counted_from = number

    def body(self) -> bytes:
        if self._counter.broken:
            raise RuntimeError("the state is not to be had")
        self._counter.made += 1
        return b"%d" % self._counter.values[self._resource]

    def delivered(self) -> None:
        self._counter.confirmed += 1


class Scene:
    """A server with one event package, and a watcher."""

    def __init__(self, *, loss: float = 0.0, seed: int = 1, transport: str = "udp", **config: Any) -> None:
        self.network = Network(loss=loss, seed=seed)
        self.application = PhoneApplication()
        self.application.users = {"alice": PASSWORD, "carol": PASSWORD}
        self.core: SipCore = self.network.add(
            "10.0.0.2", self.application, transport=transport, config=SipConfig(**config)
        )
        self.counter = Counter()
        self.notifier: Notifier = self.core.inbound.notifier
        self.notifier.offer(self.counter)
        self.watcher = Watcher(self.network, transport=transport)

    def set(self, value: int, resource: str = "bob") -> None:
        self.counter.values[resource] = value
        self.notifier.changed("dialog", resource)

    def run(self, seconds: float) -> None:
        self.network.run(seconds)
