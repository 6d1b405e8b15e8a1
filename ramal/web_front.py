"""The web application on its ports: HTTP, HTTPS, and certificates that are renewed while it runs."""

from __future__ import annotations

import contextlib
import socket

import structlog
from fastapi import FastAPI

from core.settings import Settings
from ramal.certificates import CertificateWatch
from ramal.web_server import PortTakenError, WebServer, listening_socket
from sip.transport.tls import Tls

log = structlog.get_logger(__name__)


async def start_web(
    app: FastAPI,
    listener: socket.socket,
    secure_listener: socket.socket | None,
    tls: Tls,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Serve the web application over HTTP and HTTPS, and take renewed certificates over."""
    webs = [WebServer(app, listener)]
    if secure_listener is not None:
        # Before HTTP, over which it is asked whether all is ready.
        webs.insert(0, WebServer(app, secure_listener, tls=tls.web))
    for web in webs:
        await web.start()
        stack.push_async_callback(web.close)
    certificates = CertificateWatch(tls)
    certificates.start()
    stack.push_async_callback(certificates.close)


def secure_listener(settings: Settings, stack: contextlib.AsyncExitStack) -> socket.socket | None:
    """Listen for HTTPS; a port that nobody chose does not keep the server from starting."""
    if not settings.web_tls_port:
        return None
    try:
        listener = listening_socket(settings.listen, settings.web_tls_port, setting="RAMAL_WEB_TLS_PORT")
    except PortTakenError as error:
        if settings.web.tls_port is not None:
            raise
        log.warning("https_does_not_listen", problem=error.message, hint=error.hint)
        return None
    stack.callback(listener.close)
    return listener
