"""TLS for peers that were built without: what comes over a plain connection goes on over a secured one, and the other way round."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def tunnel(
    there: str, *, outside: ssl.SSLContext | None = None, inside: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[int]:
    """Pass connections on to `there` (host:port) until the block ends; give the port where they are taken.

    Args:
        there: who is reached.
        outside: secures what is taken; None: it is plain.
        inside: secures what goes on; None: it is plain.
        port: where to listen; 0 takes a free one.
    """
    host, _, number = there.rpartition(":")
    writers: list[asyncio.StreamWriter] = []

    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward, back = await asyncio.open_connection(host, int(number), ssl=inside)
        except OSError:
            writer.close()
            return
        writers.extend((writer, back))
        await asyncio.gather(_copy(reader, back), _copy(onward, writer))

    server = await asyncio.start_server(taken, "127.0.0.1", port, ssl=outside)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        for writer in writers:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
