"""`/sip`: SIP over WebSocket for phones in browsers (RFC 7118). Who they are is proved by SIP's own digest, as with any phone."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from api.services import services_of
from sip.transport.websocket import SUB_PROTOCOL, WebSocketConnection

_TOO_MANY: Final = 1013
_GOING_AWAY: Final = 1001
_CLOSE_SECONDS: Final = 2.0

router = APIRouter()


class _Over(Exception):  # noqa: N818 - not an error: the end of a connection
    pass


@router.websocket("/sip")
async def sip(websocket: WebSocket) -> None:
    """Carry SIP messages between the client and the SIP stack until either side closes."""
    door = services_of(websocket).sip_sockets.get(websocket.url.scheme)
    if door is None or SUB_PROTOCOL not in websocket.scope.get("subprotocols", ()):
        if door is not None:
            door.refused()
        # Before the handshake is accepted this is answered with 403.
        await websocket.close()
        return
    client = websocket.client
    connection = door.accept(client.host, client.port) if client is not None else None
    if connection is None:
        await websocket.accept(subprotocol=SUB_PROTOCOL)
        await websocket.close(_TOO_MANY, "too many connections")
        return
    try:
        await websocket.accept(subprotocol=SUB_PROTOCOL)
        async with asyncio.TaskGroup() as group:
            group.create_task(_receive(websocket, connection))
            group.create_task(_send(websocket, connection))
    except* (_Over, WebSocketDisconnect):
        pass
    finally:
        connection.gone()


async def _receive(websocket: WebSocket, connection: WebSocketConnection) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise _Over
        text = message.get("text")
        connection.feed(text.encode() if text is not None else message["bytes"])


async def _send(websocket: WebSocket, connection: WebSocketConnection) -> None:
    while True:
        frames = await connection.next_frames()
        if not frames:
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                await asyncio.wait_for(websocket.close(_GOING_AWAY), _CLOSE_SECONDS)
            raise _Over
        for frame in frames:
            try:
                await _send_frame(websocket, frame)
            except RuntimeError as error:
                # Closed in the meantime.
                raise _Over from error


async def _send_frame(websocket: WebSocket, frame: bytes) -> None:
    """Send text where it is some: not all clients take binary frames (RFC 7118 section 5)."""
    try:
        text = frame.decode()
    except UnicodeDecodeError:
        await websocket.send_bytes(frame)
    else:
        await websocket.send_text(text)
