"""A phone or a carrier's line without sound, steered step by step: the SIP stack itself at the other end of real sockets.

It does what no real phone can be brought to do: asks for what it may not have, hangs up in the middle, sends what nobody sends.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sip.address import Address
from sip.authentication import HA1s
from sip.binding import Binding
from sip.client_request import ClientCredentials
from sip.config import SipConfig
from sip.message import Headers, Request
from sip.session import InviteSession
from sip.session_events import Answered, Cancelled, Ended, Rejected, SessionEvent
from sip.stack import SipStack
from sip.uri import NameAddress, Uri
from tests.support.ramal_server import PASSWORD, RamalServer

E = TypeVar("E", bound=SessionEvent)

_PATIENCE = 10.0


def description(*, port: int = 40_000, payloads: str = "8 0 101", lines: str = "", host: str = "127.0.0.1") -> bytes:
    """Return a session description that offers or answers these payload types."""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {payloads}\r\na=rtpmap:101 telephone-event/8000\r\n{lines}"
    ).encode()


@dataclass(slots=True, eq=False)
class ScriptedCall:
    """One call of a scripted phone, in either direction."""

    session: InviteSession
    events: list[SessionEvent]
    _changed: asyncio.Condition
    _request: Request | None
    offer: bytes | None
    """What an incoming call offered."""

    @property
    def request(self) -> Request:
        """The INVITE of an incoming call."""
        if self._request is None:
            raise AssertionError("only incoming calls have an INVITE of the other side")
        return self._request

    async def event(self, kind: type[E], *, count: int = 1) -> E:
        """Wait for the event of a kind that is number `count`, and return it."""
        try:
            async with asyncio.timeout(_PATIENCE), self._changed:
                await self._changed.wait_for(lambda: len(self._of(kind)) >= count)
        except TimeoutError:
            raise AssertionError(f"no {kind.__name__}; there were {self.events}") from None
        return self._of(kind)[count - 1]

    def _of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def answered(self) -> None:
        """Wait until the other side answers."""
        await self.event(Answered)

    async def over(self) -> int:
        """Wait until the call is over, and return the status that it ended with."""
        try:
            async with asyncio.timeout(_PATIENCE), self._changed:
                await self._changed.wait_for(lambda: self.ended)
        except TimeoutError:
            raise AssertionError(f"the call is not over; there were {self.events}") from None
        last = self.events[-1]
        return last.status if isinstance(last, Rejected | Ended) else 487

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return bool(self.events) and isinstance(self.events[-1], Rejected | Cancelled | Ended)


class ScriptedPhone:
    """Calls, and takes calls when told to; use it by `scripted_phone`."""

    def __init__(self, server: RamalServer, username: str, transport: str) -> None:
        self._server = Address("127.0.0.1", server.port, transport)
        self._calls: dict[str, ScriptedCall] = {}
        self._incoming: asyncio.Queue[ScriptedCall] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self.username = username
        self.on_call: Callable[[ScriptedCall], None] | None = None
        """What becomes of an incoming call; None: `incoming` hands it out."""
        listen = Address("127.0.0.1", 0, transport)
        self.stack = SipStack(SipConfig(listen=(listen,), realm="phone"), self)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.stack.addresses[0].port

    async def register(self) -> int:
        """Register, and return the answer's status."""
        contact = f"<sip:{self.username}@127.0.0.1:{self.port};transport={self._server.transport}>"
        response = await self.stack.request(
            "REGISTER",
            Uri("sip", "", self._server.host),
            from_=NameAddress("", Uri("sip", self.username, self._server.host)),
            to=NameAddress("", Uri("sip", self.username, self._server.host)),
            destination=self._server,
            headers=[("Contact", contact), ("Expires", "300")],
            credentials=self._credentials,
        )
        return response.status

    def call(
        self, number: str, *, sdp: bytes | None = None, headers: Headers = (), shown: str = "", max_forwards: int = 70
    ) -> ScriptedCall:
        """Call a number at the server."""
        call = self._new(None)
        call.session = self.stack.invite(
            Uri("sip", number, self._server.host, self._server.port),
            from_=NameAddress("", Uri("sip", shown or self.username, self._server.host)),
            listener=self,
            sdp=description() if sdp is None else sdp,
            destination=self._server,
            headers=headers,
            credentials=self._credentials,
            max_forwards=max_forwards,
        )
        self._calls[call.session.local_tag] = call
        return call

    async def incoming(self) -> ScriptedCall:
        """Wait for a call to this phone."""
        async with asyncio.timeout(_PATIENCE):
            return await self._incoming.get()

    @property
    def untouched(self) -> bool:
        """Whether no call has come that was not handed out."""
        return self._incoming.empty()

    @property
    def _credentials(self) -> ClientCredentials:
        return ClientCredentials(self.username, PASSWORD)

    def _new(self, session: InviteSession | None) -> ScriptedCall:
        request, offer = (session.request, session.remote_offer) if session is not None else (None, None)
        call = ScriptedCall(session, [], asyncio.Condition(), request, offer)  # type: ignore[arg-type]
        if session is not None:
            self._calls[session.local_tag] = call
        return call

    def session_event(self, session: InviteSession, event: SessionEvent) -> None:
        """Note an event."""
        call = self._calls[session.local_tag]
        call.events.append(event)
        task = asyncio.get_running_loop().create_task(self._notify(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self, call: ScriptedCall) -> None:
        async with call._changed:
            call._changed.notify_all()

    def invite_received(self, session: InviteSession) -> None:
        """Take a call from the server."""
        session.listener = self
        call = self._new(session)
        if self.on_call is not None:
            self.on_call(call)
        else:
            self._incoming.put_nowait(call)

    def credentials(self, _username: str) -> HA1s | None:
        """Know nobody."""
        return None

    def identify_trunk(self, _request: Request, _source: Address) -> str | None:
        """Take every call."""
        return "server"

    def registered(self, _aor: str, _bindings: Sequence[Binding]) -> None:
        """Hear of no registrations."""


@contextlib.asynccontextmanager
async def scripted_phone(
    server: RamalServer, username: str, *, register: bool = True, transport: str = "udp"
) -> AsyncIterator[ScriptedPhone]:
    """Run a scripted phone until the block ends."""
    phone = ScriptedPhone(server, username, transport)
    await phone.stack.start()
    try:
        if register:
            assert await phone.register() == 200
        yield phone
    finally:
        await phone.stack.close()


@contextlib.asynccontextmanager
async def scripted_carrier(
    server: RamalServer, number: str = "+74951112233", *, target: str = "1001"
) -> AsyncIterator[ScriptedPhone]:
    """Run a carrier's line: `number` leads to the extension `target`, and all numbers lead out by it."""
    async with scripted_phone(server, "+79161112233", register=False) as line:
        directory = server.exchange.directory
        await directory.create_trunk(name="carrier", host="127.0.0.1", port=line.port)
        await directory.create_number(number=number, kind="extension", target=target)
        await directory.create_route(name="all", prefix="+", trunks=["carrier"])
        yield line
