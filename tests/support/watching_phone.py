"""A phone that watches over real sockets: subscribes, publishes and writes, answers NOTIFY and MESSAGE, and keeps what it got."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import cast

from sip.authentication import authorise
from sip.errors import MalformedMessageError
from sip.message import Request, Response, response_to
from sip.parser import parse_message
from tests.support.ramal_server import PASSWORD, RamalServer


class WatchingPhone(asyncio.DatagramProtocol):
    """One login at the server."""

    def __init__(self, port: int, username: str, password: str) -> None:
        self.server = ("127.0.0.1", port)
        self.username = username
        self._password = password
        self.notifies: list[Request] = []
        self.texts: list[str] = []
        self.answer = 200
        """What requests of the server are answered."""
        self._answers: dict[str, asyncio.Future[Response]] = {}
        self._seen: set[str] = set()
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport | None = None
        self._dialogs: dict[str, tuple[str, str]] = {}
        self._cseq = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, _address: tuple[str, int]) -> None:
        with contextlib.suppress(MalformedMessageError):
            message = parse_message(data)
            if isinstance(message, Response):
                future = self._answers.get(message.via.branch)
                if future is not None and not future.done() and message.status >= 200:
                    future.set_result(message)
                return
            self._send(response_to(message, self.answer, to_tag="phone").encode())
            if message.via.branch in self._seen:
                return
            self._seen.add(message.via.branch)
            if message.method == "NOTIFY":
                self.notifies.append(message)
            elif message.method == "MESSAGE":
                self.texts.append(message.body.decode())
            self._news.set()

    async def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes = b"",
        content_type: str = "",
        call_id: str = "",
        to_tag: str = "",
        from_tag: str = "",
        **headers: str,
    ) -> Response:
        """Send a request, answer a challenge, and return the final response."""
        authorization: tuple[str, str] | None = None
        call_id, from_tag = call_id or secrets.token_hex(8), from_tag or secrets.token_hex(4)
        uri = f"sip:{target}@127.0.0.1:{self.server[1]}" if target else f"sip:127.0.0.1:{self.server[1]}"
        to_user = target or self.username
        for _ in range(2):
            self._cseq += 1
            branch = f"z9hG4bK{secrets.token_hex(8)}"
            lines = [
                ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch};rport"),
                ("Max-Forwards", "70"),
                ("From", f"<sip:{self.username}@127.0.0.1>;tag={from_tag}"),
                ("To", f"<sip:{to_user}@127.0.0.1>" + (f";tag={to_tag}" if to_tag else "")),
                ("Call-ID", call_id),
                ("CSeq", f"{self._cseq} {method}"),
                ("Contact", f"<sip:{self.username}@127.0.0.1:{self.port}>"),
                *[(name.replace("_", "-"), value) for name, value in headers.items()],
                *([("Content-Type", content_type)] if content_type else []),
                *([authorization] if authorization is not None else []),
            ]
            response = await self._exchange(branch, Request(method, uri, lines, body).encode())
            if response.status not in (401, 407):
                return response
            asks, answers = (
                ("WWW-Authenticate", "Authorization")
                if response.status == 401
                else ("Proxy-Authenticate", "Proxy-Authorization")
            )
            authorization = (
                answers,
                authorise(response.get_all(asks), self.username, self._password, method, uri, body),
            )
        return response

    async def register(self, *, expires: str = "300") -> int:
        """Register this phone."""
        return (await self.request("REGISTER", "", Expires=expires)).status

    async def subscribe(self, event: str, target: str, *, expires: str = "600", again: bool = False) -> Response:
        """Subscribe, or with `again` refresh the subscription to the same."""
        call_id, from_tag, to_tag = secrets.token_hex(8), secrets.token_hex(4), ""
        key = f"{event} {target}"
        if again:
            ids, to_tag = self._dialogs[key]
            call_id, from_tag = ids.split(" ")
        response = await self.request(
            "SUBSCRIBE",
            target,
            call_id=call_id,
            from_tag=from_tag,
            to_tag=to_tag,
            Event=event,
            Expires=expires,
        )
        if response.status == 200:
            self._dialogs[key] = (f"{call_id} {from_tag}", response.to_tag)
        return response

    def lamp(self, event: str = "dialog", user: str = "") -> str:
        """Return the last body of an event, of the one whom the NOTIFYs come from."""
        bodies = [
            notify.body.decode()
            for notify in self.notifies
            if notify.get("Event") == event and user in ("", notify.from_.uri.user)
        ]
        return bodies[-1] if bodies else ""

    async def until(self, condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
        """Wait until something holds, looking again at everything that comes."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            told = "\n".join(f"{one.get('Subscription-State')}\n{one.body.decode()}" for one in self.notifies)
            raise AssertionError(f"not told in time: {what}; told was:\n{told}") from None

    async def _exchange(self, branch: str, data: bytes) -> Response:
        future: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answers[branch] = future
        try:
            for wait in (0.5, 1.0, 2.0, 4.0):
                self._send(data)
                done, _ = await asyncio.wait({future}, timeout=wait)
                if done:
                    return future.result()
        finally:
            del self._answers[branch]
        raise AssertionError("no answer")

    def _send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.sendto(data, self.server)


@contextlib.asynccontextmanager
async def watching_phone(
    server: RamalServer | int, username: str, *, password: str = PASSWORD
) -> AsyncIterator[WatchingPhone]:
    """Run a watching phone until the block ends; it is not registered. A server in another process is named by its port."""
    port = server if isinstance(server, int) else server.port
    loop = asyncio.get_running_loop()
    transport, phone = await loop.create_datagram_endpoint(
        lambda: WatchingPhone(port, username, password), local_addr=("127.0.0.1", 0)
    )
    try:
        yield phone
    finally:
        transport.close()
