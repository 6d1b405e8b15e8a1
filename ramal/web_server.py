"""The HTTP and HTTPS servers: uvicorn on the process's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator
from typing import Final

import uvicorn
from fastapi import FastAPI

from core.errors import RamalError
from ramal.web_connections import Door, WebConnection, WebConnections, WebLimits

_BACKLOG: Final = 1024
_STOP_SECONDS: Final = 5
_LONGEST_FRAME: Final = 131_072
"""Bytes in a WebSocket's frame: more than a SIP message may have, so that one too large is answered; beyond, it is closed with 1009."""


class PortTakenError(RamalError):
    """A port that the server needs is used by another program."""

    id = "ramal.port_taken"


def listening_socket(address: str, port: int, *, setting: str) -> socket.socket:
    """Return a listening TCP socket.

    Args:
        address: IP address or host name.
        port: the port.
        setting: the variable that moves this port, for the message.

    Raises:
        PortTakenError: another program has the port, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        hint = f"Stop the program that uses it, or set {setting} (or RAMAL_PORT_BASE to move all ports)."
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            hint = "Set RAMAL_LISTEN to an address of this machine."
        raise PortTakenError(f"Cannot listen on {address} port {port}: {error.strerror}.", hint=hint) from error
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, the process has one place for those, and with our door in front."""

    def __init__(self, config: uvicorn.Config, limits: WebLimits, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._connections = WebConnections(limits)
        self._tls = tls

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(lambda: Door(self._connections, self._make, self._tls), sock=one, backlog=_BACKLOG)
            for one in sockets or ()
        ]
        self._connections.start()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and wait for the requests under way."""
        await super().shutdown(sockets)
        self._connections.stop()

    def _make(self, host: str) -> WebConnection:
        """Return what speaks with one client."""
        return WebConnection(
            self._connections, host, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class WebServer:
    """Serves the web application until closed."""

    def __init__(
        self,
        app: FastAPI,
        listener: socket.socket,
        *,
        tls: ssl.SSLContext | None = None,
        limits: WebLimits | None = None,
    ) -> None:
        """Prepare.

        Args:
            app: the application.
            listener: where it is served.
            tls: the context of HTTPS; None: HTTP.
            limits: what is borne; None: the defaults.
        """
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            ws_max_size=_LONGEST_FRAME,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        self._server = _Server(config, limits or WebLimits(), tls)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer; returns when it does."""
        self._task = asyncio.create_task(self._server.serve([self._listener]), name="web")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn tells by this flag only
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        """Finish the requests under way, at most 5 seconds, and stop."""
        self._server.should_exit = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._listener.close()
