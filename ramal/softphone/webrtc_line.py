"""SIP of a WebRTC phone: our stack at the other end of a WebSocket that it opened itself (RFC 7118)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from core.identifiers import random_hex
from sip.address import Address
from sip.authentication import HA1s
from sip.binding import Binding
from sip.client_request import ClientCredentials
from sip.config import SipConfig
from sip.message import Request
from sip.session import InviteSession
from sip.session_events import SessionListener
from sip.stack import SipStack
from sip.transport.websocket import SUB_PROTOCOL, WebSocketConnection
from sip.uri import NameAddress, Uri

_LIFE: Final = 300
_REFRESH: Final = 240.0
_OPEN_SECONDS: Final = 10.0


class WebRtcLine:
    """One account at a server, over one WebSocket."""

    def __init__(
        self, url: str, username: str, password: str, display_name: str, taken: Callable[[InviteSession], None]
    ) -> None:
        """Prepare; `taken` hears of calls that come in."""
        self._url = url
        self._credentials = ClientCredentials(username, password)
        self._taken = taken
        scheme = url.partition(":")[0]
        # Browsers have no address that others could send to, and say so (RFC 7118 section 5).
        self._host = f"{random_hex(6)}.invalid"
        self._stack = SipStack(SipConfig(listen=(), advertised_host=self._host), self)
        self._server = Address("127.0.0.1", 0, scheme)
        self._domain = url.split("/")[2].rpartition(":")[0] or url.split("/")[2]
        self.own = NameAddress(display_name, Uri("sip", username, self._domain))
        self._socket: ClientConnection | None = None
        self._connection: WebSocketConnection | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._registered = False

    async def open(self) -> None:
        """Open the WebSocket. Raises `OSError` when that cannot be done."""
        await self._stack.start()
        context = None
        if self._server.transport == "wss":
            # A server's first certificate is its own; the voice's keys hang on fingerprints either way.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            self._socket = await connect(
                self._url, subprotocols=[Subprotocol(SUB_PROTOCOL)], ssl=context, open_timeout=_OPEN_SECONDS, proxy=None
            )
        except (WebSocketException, TimeoutError) as error:
            raise OSError(f"{self._url} takes no SIP: {error}") from error
        host, port = self._socket.remote_address[:2]
        sockets = self._stack.open_websockets(Address(self._host, 1, self._server.transport))
        self._connection = sockets.accept(host, port)
        if self._connection is None:
            raise OSError("the WebSocket cannot be used")
        self._server = Address(host, port, self._server.transport)
        self._tasks = [asyncio.create_task(work) for work in (self._receive(self._socket), self._send(self._socket))]

    async def register(self, *, active: bool = True) -> int:
        """Register, or leave; return the status."""
        contact = f"<sip:{self.own.uri.user}@{self._host};transport=ws>"
        response = await self._stack.request(
            "REGISTER",
            Uri("sip", "", self._domain),
            from_=self.own,
            to=self.own,
            destination=self._server,
            headers=(("Contact", contact), ("Expires", str(_LIFE if active else 0))),
            credentials=self._credentials,
        )
        self._registered = active and response.status < 300
        return response.status

    async def stay_registered(self) -> None:
        """Refresh the registration until cancelled."""
        while True:
            await asyncio.sleep(_REFRESH)
            await self.register()

    def call(self, to: str, sdp: bytes, listener: SessionListener) -> InviteSession:
        """Call an extension or a number. Raises `RamalError` where that is no address."""
        target = Uri.parse(to) if to.startswith(("sip:", "sips:")) else Uri("sip", to, self._domain)
        return self._stack.invite(
            target,
            from_=self.own,
            listener=listener,
            sdp=sdp,
            destination=self._server,
            credentials=self._credentials,
            symmetric=True,
        )

    async def close(self) -> None:
        """Leave the registrar and close the WebSocket."""
        if self._registered:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.register(active=False), 2.0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            self._connection.gone()
        if self._socket is not None:
            await self._socket.close()
        await self._stack.close()

    async def _receive(self, socket: ClientConnection) -> None:
        connection = self._connection
        with contextlib.suppress(ConnectionClosed):
            async for frame in socket:
                if connection is not None:
                    connection.feed(frame.encode() if isinstance(frame, str) else frame)
        if connection is not None:
            connection.gone()

    async def _send(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while self._connection is not None and (frames := await self._connection.next_frames()):
                for frame in frames:
                    await socket.send(frame.decode(errors="replace"))

    # What the stack asks of call control.

    def invite_received(self, session: InviteSession) -> None:
        """Take a call that comes in."""
        self._taken(session)

    def credentials(self, _username: str) -> HA1s | None:
        """Know nobody: nobody registers here."""
        return None

    def identify_trunk(self, _request: Request, source: Address) -> str | None:
        """Believe the server: what comes over the WebSocket that we opened is its own."""
        return "server" if source == self._server else None

    def registered(self, _aor: str, _bindings: Sequence[Binding]) -> None:
        """Take no note: nobody registers here."""
