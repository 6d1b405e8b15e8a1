"""What an endpoint takes of the C library's memory: a call that is merely passed on has two."""

from __future__ import annotations

import asyncio
import ctypes

import pytest

from tests.media.phone import free_ports, studio

ENDPOINTS = 100
TRIES = 4
MOST_BYTES = 1600


class Mallinfo(ctypes.Structure):
    """`struct mallinfo2` of mallinfo(3): ten sizes, of which the eighth is what is in use."""

    _fields_ = (("before", ctypes.c_size_t * 7), ("used", ctypes.c_size_t), ("behind", ctypes.c_size_t * 2))


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="this C library does not tell what is in use")
async def test_an_endpoint_that_passes_voice_on_takes_little_memory() -> None:
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    async with studio(port_range=free_ports(TRIES * ENDPOINTS)) as room:
        # The first ones make what all of them share.
        endpoints = [room.engine.create_endpoint() for _ in range(ENDPOINTS)]
        await asyncio.sleep(0)
        taken = []
        for _ in range(TRIES - 1):
            before = mallinfo().used
            for _ in range(ENDPOINTS):
                endpoint = room.engine.create_endpoint()
                endpoint.configure(remote=("127.0.0.1", 9))
                endpoints.append(endpoint)
            taken.append((mallinfo().used - before) / ENDPOINTS)
        # Whatever else the process does in the meantime only adds.
        assert min(taken) < MOST_BYTES
