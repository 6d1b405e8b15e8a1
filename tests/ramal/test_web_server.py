"""The web server against clients that hold connections for nothing, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import websockets
from fastapi import FastAPI, WebSocket
from starlette.datastructures import Headers
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ramal.web_connections import WebConnections, WebLimits
from ramal.web_server import WebServer, listening_socket
from tests.support.certificates import Authority

HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: ramal\r\nX-Long: "


class SignIn:
    """Leaves who asks in the scope, as the API's own middleware does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["ramal.principal"] = Headers(scope=scope).get("authorization")
        await self._app(scope, receive, send)


def small_app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(SignIn)

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def noise() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65_536
                await asyncio.sleep(0)

        return StreamingResponse(noise())

    @app.websocket("/echo")
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(await websocket.receive_text())

    return app


@contextlib.asynccontextmanager
async def serving(limits: WebLimits, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    listener = listening_socket("127.0.0.1", 0, setting="RAMAL_WEB_PORT")
    port: int = listener.getsockname()[1]
    server = WebServer(small_app(), listener, tls=tls, limits=limits)
    await server.start()
    try:
        yield port
    finally:
        await server.close()


async def connect(port: int, first: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    return reader, writer


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


async def test_a_client_that_never_ends_its_head_is_dropped() -> None:
    async with asyncio.timeout(20), serving(WebLimits(head_seconds=0.1)) as port:
        for first in (b"", HALF_A_HEAD):
            reader, writer = await connect(port, first)
            assert await is_closed(reader)
            writer.close()


async def test_a_head_that_comes_drop_by_drop_gains_no_time() -> None:
    async with asyncio.timeout(20), serving(WebLimits(head_seconds=0.2)) as port:
        reader, writer = await connect(port, HALF_A_HEAD)
        closed = asyncio.create_task(is_closed(reader))
        while not closed.done():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        assert closed.result()
        writer.close()


async def test_a_second_request_that_does_not_come_whole_is_dropped_too() -> None:
    async with asyncio.timeout(20), serving(WebLimits(head_seconds=0.2)) as port:
        reader, writer = await connect(port, b"GET / HTTP/1.1\r\nHost: ramal\r\n\r\n")
        assert b'"hello"' in await reader.readuntil(b'"hello"')
        writer.write(HALF_A_HEAD)
        assert await is_closed(reader)
        writer.close()


async def test_a_client_that_does_not_read_its_answer_is_dropped() -> None:
    async with asyncio.timeout(20), serving(WebLimits(stuck_seconds=0.2)) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /endless HTTP/1.1\r\nHost: ramal\r\n\r\n")
            while not connections_of(port):
                await asyncio.sleep(0.01)
            while connections_of(port):
                await asyncio.sleep(0.05)


def connections_of(port: int) -> int:
    """Return how many connections the kernel still holds open at the server's end."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = "01"
    return sum(1 for row in rows if row[1].endswith(f":{port:04X}") and row[3] == established)


async def test_only_so_many_are_let_in_and_places_are_given_back() -> None:
    async with asyncio.timeout(20), serving(WebLimits(max_connections=2)) as port:
        held = [await connect(port, HALF_A_HEAD) for _ in range(2)]
        await asyncio.sleep(0)
        third, writer = await connect(port, HALF_A_HEAD)
        assert await is_closed(third)
        writer.close()
        held[0][1].close()
        await held[0][1].wait_closed()
        async with httpx.AsyncClient(trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    assert (await client.get(f"http://127.0.0.1:{port}/")).json() == "hello"
                    break
        held[1][1].close()


async def test_a_websocket_takes_no_place_of_a_page() -> None:
    async with asyncio.timeout(20), serving(WebLimits(max_connections=1)) as port:
        reader, writer = await connect(
            port,
            b"GET /echo HTTP/1.1\r\nHost: ramal\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        assert b"101" in await reader.readline()
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).json() == "hello"
        writer.close()


async def test_https_is_served_and_a_handshake_that_does_not_end_is_dropped(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    certificate = authority.issue(tmp_path / "own.pem", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    limits = WebLimits(max_connections=1, handshake_seconds=0.2)
    async with asyncio.timeout(20), serving(limits, context) as port:
        reader, writer = await connect(port, b"\x16")
        assert await is_closed(reader)
        writer.close()
        async with httpx.AsyncClient(trust_env=False, verify=authority.client_context()) as client:
            answer = await client.get(f"https://127.0.0.1:{port}/")
            assert answer.json() == "hello"


def test_one_source_gets_its_share_and_a_proxy_on_this_machine_all() -> None:
    connections = WebConnections(WebLimits(max_connections=10, max_per_source=2))
    assert [connections.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert [connections.admit(f"2001:db8::{number}") for number in (1, 2, 3)] == [True, True, False]
    assert connections.admit("192.0.2.2")
    connections.release("192.0.2.1")
    assert connections.admit("192.0.2.1")
    assert [connections.admit("127.0.0.1") for _ in range(6)] == [True] * 5 + [False]


def test_a_source_that_asks_without_end_is_not_let_in_again_until_it_has_paused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("ramal.web_connections.time.monotonic", lambda: now)
    connections = WebConnections(WebLimits(requests_per_second=10, burst=3))
    assert [connections.asked("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert not connections.admit("192.0.2.1")
    assert connections.admit("192.0.2.2")
    assert all(connections.asked("127.0.0.1") for _ in range(10))
    now += 0.2
    assert connections.admit("192.0.2.1")


async def test_one_who_is_not_signed_in_and_asks_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every client of a test is on this machine.
    monkeypatch.setattr("ramal.web_connections.is_loopback", lambda _host: False)
    request = b"GET / HTTP/1.1\r\nHost: ramal\r\n%s\r\n"
    async with asyncio.timeout(20), serving(WebLimits(requests_per_second=0.001, burst=10)) as port:
        known, known_writer = await connect(port)
        for _ in range(20):
            known_writer.write(request % b"Authorization: known\r\n")
            await known.readuntil(b'"hello"')
        reader, writer = await connect(port, request % b"" * 20)
        assert (await reader.read()).count(b'"hello"') == 10
        known_writer.write(request % b"Authorization: known\r\n")
        await known.readuntil(b'"hello"')
        for one in (writer, known_writer):
            one.close()


@pytest.mark.parametrize(("size", "passed_on"), [(120_000, True), (140_000, False)])
async def test_a_frame_larger_than_a_sip_message_may_be_is_passed_on_to_be_answered(size: int, passed_on: bool) -> None:
    async with asyncio.timeout(20), serving(WebLimits()) as port:
        async with websockets.connect(f"ws://127.0.0.1:{port}/echo", max_size=None, proxy=None) as client:
            await client.send("x" * size)
            if passed_on:
                assert len(await client.recv()) == size
                return
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def own_and_client_context(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = Authority.make(tmp_path / "authority")
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(authority.issue(tmp_path / "own.pem", "127.0.0.1"))
    client = ssl.create_default_context()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return own, client


async def test_a_request_that_comes_with_the_last_word_of_the_handshake_is_answered(tmp_path: Path) -> None:
    own, client = own_and_client_context(tmp_path)
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = client.wrap_bio(heard, said)
    async with asyncio.timeout(5), serving(WebLimits(), own) as port:
        reader, writer = await connect(port)
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(said.read())
                heard.write(await reader.read(65_536))
        secure.write(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
        writer.write(said.read())
        answer = b""
        while b"hello" not in answer:
            heard.write(await reader.read(65_536))
            with contextlib.suppress(ssl.SSLWantReadError):
                while piece := secure.read(65_536):
                    answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_fast_clients_first_words_are_heard_though_they_came_before_its_connection_was_taken(
    tmp_path: Path,
) -> None:
    context, client = own_and_client_context(tmp_path)
    said = threading.Event()

    def shake_hands(port: int) -> str | None:
        raw = socket.create_connection(("127.0.0.1", port), timeout=4)
        with client.wrap_socket(raw, do_handshake_on_connect=False) as secure:
            secure.setblocking(False)
            with contextlib.suppress(ssl.SSLWantReadError):
                secure.do_handshake()
            said.set()
            secure.settimeout(4)
            secure.do_handshake()
            return secure.version()

    async with serving(WebLimits(), context) as port:
        shaken = asyncio.get_running_loop().run_in_executor(None, shake_hands, port)
        # The event loop is held up until the client has said what it says first.
        assert said.wait(4)
        assert await shaken in {"TLSv1.2", "TLSv1.3"}
