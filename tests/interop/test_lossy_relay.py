"""The bad network of the tests itself: what it loses is what it says."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import cast

from tests.support.lossy_relay import LossyRelay, Weather, lossy_relay


class Peer(asyncio.DatagramProtocol):
    """Keeps what it gets; an echo sends it back as well."""

    def __init__(self, *, echo: bool) -> None:
        self.echo = echo
        self.heard: list[bytes] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(data)
        if self.echo and self.transport is not None:
            self.transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def pair(weather: Weather) -> AsyncIterator[tuple[LossyRelay, Peer, Peer]]:
    loop = asyncio.get_running_loop()
    there, server = await loop.create_datagram_endpoint(lambda: Peer(echo=True), local_addr=("127.0.0.1", 0))
    here, client = await loop.create_datagram_endpoint(lambda: Peer(echo=False), local_addr=("127.0.0.1", 0))
    async with lossy_relay(there.get_extra_info("sockname"), weather) as relay:
        yield relay, client, server
    here.close()
    there.close()
    await asyncio.sleep(0)


async def sent(relay: LossyRelay, client: Peer, count: int) -> None:
    for number in range(count):
        assert client.transport is not None
        client.transport.sendto(b"%d" % number, relay.address)
        if number % 20 == 0:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.2)


async def test_in_good_weather_everything_comes_and_in_order() -> None:
    async with pair(Weather(0, 0, 0)) as (relay, client, server):
        await sent(relay, client, 200)
        assert server.heard == client.heard == [b"%d" % number for number in range(200)]
        assert relay.tally.lost == 0


async def test_in_bad_weather_datagrams_are_lost_doubled_and_overtaken() -> None:
    async with pair(Weather(loss=0.1, duplication=0.1, reordering=0.2, lag=0.05)) as (relay, client, server):
        await sent(relay, client, 1000)
        assert 850 < len(set(server.heard)) < 950
        assert len(server.heard) > len(set(server.heard))
        assert server.heard != sorted(server.heard, key=int)
        assert len(set(client.heard)) < len(set(server.heard))
        assert relay.tally.relayed == len(server.heard) + len(client.heard)


async def test_it_runs_as_a_process_too() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.lossy_relay", "127.0.0.1:0", "127.0.0.1:9", "--loss", "1",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    assert (await process.stdout.readline()).startswith(b"listening 127.0.0.1:")
    process.stdin.close()
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert b"Tally" in output
    assert process.returncode == 0
