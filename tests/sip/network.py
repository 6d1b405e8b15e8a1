"""Two or more SIP cores on a simulated network: time stands still unless a test moves it; packets get lost, doubled and
reordered by a seeded die.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from core.clock import ManualClock
from sip.address import Address
from sip.application import Application
from sip.authentication import HA1s
from sip.binding import Binding
from sip.config import SipConfig
from sip.core import SipCore
from sip.message import Request, Response
from sip.parser import parse_message
from sip.session import InviteSession
from sip.session_events import SessionEvent
from sip.uri import NameAddress, Uri

OFFER = b"v=0\r\no=a 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
ANSWER = b"v=0\r\no=b 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n"
DELAY = 0.005


@dataclass
class Packet:
    data: bytes
    source: Address
    destination: Address

    @property
    def message(self) -> Request | Response:
        return parse_message(self.data)

    @property
    def what(self) -> str:
        message = self.message
        return message.method if isinstance(message, Request) else f"{message.status} {message.cseq[1]}"


class Listener:
    """Keeps the events of a session; `on` may react to them."""

    def __init__(self, on: Callable[[InviteSession, SessionEvent], None] | None = None) -> None:
        self.events: list[SessionEvent] = []
        self.on = on

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        self.events.append(event)
        if self.on is not None:
            self.on(session, event)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    @property
    def last(self) -> SessionEvent:
        return self.events[-1]


class PhoneApplication:
    """Call control of a test: keeps the calls, and lets `on_invite` react."""

    def __init__(self, on_invite: Callable[[InviteSession], None] | None = None) -> None:
        self.on_invite = on_invite
        self.sessions: list[InviteSession] = []
        self.offers: list[bytes | None] = []
        self.listener = Listener()
        self.users: dict[str, str] = {}
        self.trunk: str | None = "any"
        self.registrations: list[tuple[str, list[Binding]]] = []

    def invite_received(self, session: InviteSession) -> None:
        self.sessions.append(session)
        self.offers.append(session.remote_offer)
        session.listener = self.listener
        if self.on_invite is not None:
            self.on_invite(session)

    def credentials(self, username: str) -> HA1s | None:
        password = self.users.get(username)
        return HA1s.derive(username, "ramal", password) if password is not None else None

    def identify_trunk(self, request: Request, source: Address) -> str | None:
        return self.trunk

    def registered(self, aor: str, bindings: Sequence[Binding]) -> None:
        self.registrations.append((aor, list(bindings)))


@dataclass
class Network:
    """Carries packets with a delay, loses, doubles and delays some, remembers all."""

    loss: float = 0.0
    doubling: float = 0.0
    reordering: float = 0.0
    """How many packets take so long that later ones overtake them."""
    seed: int = 1
    clock: ManualClock = field(default_factory=ManualClock)
    cores: dict[Address, SipCore] = field(default_factory=dict)
    sent: list[Packet] = field(default_factory=list)
    drop: Callable[[Packet], bool] | None = None
    rewrite: Callable[[Request | Response], None] | None = None
    """Changes each message on its way."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._on_the_way: list[tuple[float, int, Packet]] = []
        self._counter = itertools.count()

    def add(
        self, host: str, application: Application, *, transport: str = "udp", config: SipConfig | None = None
    ) -> SipCore:
        own = Address(host, 5060, transport)

        def send(data: bytes, destination: Address) -> None:
            self.carry(Packet(data, own, destination))

        core = SipCore(config or SipConfig(), application, self.clock, send, local_address=lambda _peer: own)
        self.cores[own] = core
        return core

    def carry(self, packet: Packet) -> None:
        if self.rewrite is not None:
            message = packet.message
            self.rewrite(message)
            packet = Packet(message.encode(), packet.source, packet.destination)
        self.sent.append(packet)
        if self.drop is not None and self.drop(packet):
            return
        if self._dice.random() < self.loss:
            return
        self._post(packet)
        if self._dice.random() < self.doubling:
            self._post(packet)

    def _post(self, packet: Packet) -> None:
        delay = DELAY * (1 + self._dice.random()) if self.loss else DELAY
        if self._dice.random() < self.reordering:
            delay += 0.2 * self._dice.random()
        heapq.heappush(self._on_the_way, (self.clock.monotonic() + delay, next(self._counter), packet))

    def run(self, seconds: float) -> None:
        """Let time pass; every timer and packet gets its turn at its own moment."""
        end = self.clock.monotonic() + seconds
        while True:
            moments = [core.timers.next_deadline for core in self.cores.values()]
            times = [moment for moment in moments if moment is not None]
            if self._on_the_way:
                times.append(self._on_the_way[0][0])
            moment = min(times, default=end + 1)
            if moment > end:
                break
            self.clock.advance(max(0.0, moment - self.clock.monotonic()) + 1e-9)
            while self._on_the_way and self._on_the_way[0][0] <= self.clock.monotonic():
                packet = heapq.heappop(self._on_the_way)[2]
                core = self.cores.get(packet.destination)
                if core is not None:
                    core.receive(packet.data, packet.source)
            for core in list(self.cores.values()):
                core.timers.run_due()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    @property
    def what(self) -> list[str]:
        """What was sent, in order: methods, and statuses with the method they answer."""
        return [packet.what for packet in self.sent]

    def count(self, what: str) -> int:
        return self.what.count(what)

    def find(self, what: str) -> Packet:
        return next(packet for packet in self.sent if packet.what == what)


ALICE = Address("10.0.0.1", 5060)
BOB = Address("10.0.0.2", 5060)


@dataclass
class Pair:
    """Alice calls Bob."""

    network: Network
    alice: SipCore
    bob: SipCore
    alice_app: PhoneApplication
    bob_app: PhoneApplication

    @classmethod
    def make(
        cls,
        on_invite: Callable[[InviteSession], None] | None = None,
        *,
        loss: float = 0.0,
        seed: int = 1,
        transport: str = "udp",
        config: SipConfig | None = None,
        bob_config: SipConfig | None = None,
    ) -> Pair:
        network = Network(loss=loss, seed=seed)
        alice_app, bob_app = PhoneApplication(), PhoneApplication(on_invite)
        alice = network.add("10.0.0.1", alice_app, transport=transport, config=config)
        bob = network.add("10.0.0.2", bob_app, transport=transport, config=bob_config or config)
        return cls(network, alice, bob, alice_app, bob_app)

    def call(self, listener: Listener, *, sdp: bytes | None = OFFER) -> InviteSession:
        transport = next(iter(self.network.cores)).transport
        parameters = () if transport == "udp" else (("transport", transport),)
        return self.alice.invite(
            Uri("sip", "bob", "10.0.0.2", 5060, parameters),
            from_=NameAddress("Alice", Uri("sip", "alice", "10.0.0.1")),
            listener=listener,
            sdp=sdp,
        )

    @property
    def bob_session(self) -> InviteSession:
        return self.bob_app.sessions[0]

    def settled(self) -> bool:
        """Whether nothing is left of any call, neither sessions nor transactions nor timers."""
        return all(
            not core.sessions
            and core.transactions.live == 0
            and core.transactions.finished == 0
            and len(core.timers) == 0
            for core in self.network.cores.values()
        )


def without(*options: str, allow: str = "") -> Callable[[Request | Response], None]:
    """Make a peer that knows these option tags, or a method, of one that does not: for `Network.rewrite`."""

    def strip(message: Request | Response) -> None:
        for header, gone in (("Supported", options), ("Allow", (allow,))):
            tags = [tag for tag in message.get_list(header) if tag not in gone]
            if message.get(header) is not None:
                message.set(header, ", ".join(tags))

    return strip


def established(*, loss: float = 0.0, seed: int = 1, transport: str = "udp") -> tuple[Pair, InviteSession, Listener]:
    """A call that Bob answered and Alice confirmed."""
    pair = Pair.make(lambda session: session.answer(ANSWER), loss=loss, seed=seed, transport=transport)
    listener = Listener()
    session = pair.call(listener)
    pair.network.run(40 if loss else 0.1)
    return pair, session, listener
