"""A bad network between UDP peers: datagrams are lost, doubled and overtaken by a seeded die.

In a test it runs in the test's loop; a benchmark runs it as a process of its own, so that its work is on another core:
`python -m tests.support.lossy_relay 127.0.0.1:5071 127.0.0.1:5060 --loss 0.05` prints a line once it listens, and
relays until its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

_BUFFER = 4 << 20
"""Bytes of a socket's buffers: nothing is to be lost but by the die."""

Endpoint = tuple[str, int]


@dataclass(slots=True, frozen=True)
class Weather:
    """How bad the network is. All shares are from 0 to 1, of the datagrams of both directions."""

    loss: float = 0.1
    duplication: float = 0.05
    reordering: float = 0.1
    """Held back by up to `lag`, so that others overtake them."""
    lag: float = 0.03
    """Seconds."""
    seed: int = 1


@dataclass(slots=True)
class Tally:
    """What became of the datagrams."""

    relayed: int = 0
    lost: int = 0
    doubled: int = 0
    delayed: int = 0


class LossyRelay:
    """Stands before a server: whoever sends to `address` reaches `target` from a port of its own, and back."""

    def __init__(self, target: Endpoint, weather: Weather, *, upstream_host: str = "127.0.0.1") -> None:
        """Prepare.

        Args:
            target: the server.
            weather: what happens on the way.
            upstream_host: the address that the server sees the peers at.
        """
        self.tally = Tally()
        self.address: Endpoint = ("", 0)
        self.target = target
        """Where the server is; may be changed."""
        self._weather = weather
        self._upstream_host = upstream_host
        self._dice = random.Random(weather.seed)
        self._front: asyncio.DatagramTransport | None = None
        self._upstream: dict[Endpoint, asyncio.DatagramTransport] = {}
        self._opening: dict[Endpoint, list[bytes]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> Endpoint:
        """Listen, and return where."""
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(
            lambda: _Receiver(self._from_peer), local_addr=(host, port)
        )
        _widen(self._front)
        self.address = self._front.get_extra_info("sockname")[:2]
        return self.address

    def close(self) -> None:
        """Stop at once; what is on its way is lost."""
        for task in self._tasks:
            task.cancel()
        for transport in [self._front, *self._upstream.values()]:
            if transport is not None:
                transport.close()

    def _from_peer(self, data: bytes, peer: Endpoint) -> None:
        upstream = self._upstream.get(peer)
        if upstream is not None:
            self._carry(upstream, data, self.target)
        elif (waiting := self._opening.get(peer)) is not None:
            waiting.append(data)
        else:
            self._opening[peer] = [data]
            task = asyncio.get_running_loop().create_task(self._open(peer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _open(self, peer: Endpoint) -> None:
        def back(data: bytes, _source: Endpoint) -> None:
            if self._front is not None:
                self._carry(self._front, data, peer)

        loop = asyncio.get_running_loop()
        where = (self._upstream_host, 0)
        transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(back), local_addr=where)
        _widen(transport)
        self._upstream[peer] = transport
        for data in self._opening.pop(peer):
            self._carry(transport, data, self.target)

    def _carry(self, transport: asyncio.DatagramTransport, data: bytes, destination: Endpoint) -> None:
        dice, weather = self._dice.random, self._weather
        if dice() < weather.loss:
            self.tally.lost += 1
            return
        copies = 1
        if dice() < weather.duplication:
            self.tally.doubled += 1
            copies = 2
        for _ in range(copies):
            self.tally.relayed += 1
            if dice() < weather.reordering:
                self.tally.delayed += 1
                loop = asyncio.get_running_loop()
                loop.call_later(dice() * weather.lag, _send, transport, data, destination)
            else:
                transport.sendto(data, destination)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Endpoint], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, addr)


def _send(transport: asyncio.DatagramTransport, data: bytes, destination: Endpoint) -> None:
    if not transport.is_closing():
        transport.sendto(data, destination)


def _widen(transport: asyncio.DatagramTransport) -> None:
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)


@contextlib.asynccontextmanager
async def lossy_relay(
    target: Endpoint,
    weather: Weather,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    upstream_host: str = "127.0.0.1",
) -> AsyncIterator[LossyRelay]:
    """Run a relay until the block ends."""
    relay = LossyRelay(target, weather, upstream_host=upstream_host)
    await relay.start(host, port)
    try:
        yield relay
    finally:
        relay.close()
        await asyncio.sleep(0)


def _endpoint(text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def _serve(arguments: argparse.Namespace) -> None:
    weather = Weather(arguments.loss, arguments.duplication, arguments.reordering, seed=arguments.seed)
    host, port = arguments.listen
    upstream = arguments.upstream or host
    async with lossy_relay(arguments.target, weather, host=host, port=port, upstream_host=upstream) as relay:
        print(f"listening {relay.address[0]}:{relay.address[1]}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        print(relay.tally, flush=True)


def main() -> None:
    """Run as a process."""
    parser = argparse.ArgumentParser(description="Relay UDP over a bad network.")
    parser.add_argument("listen", type=_endpoint, help="host:port that peers send to")
    parser.add_argument("target", type=_endpoint, help="host:port of the server")
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--duplication", type=float, default=0.0)
    parser.add_argument("--reordering", type=float, default=0.0)
    parser.add_argument("--upstream", default="", help="the address that the server sees (default: that of listen)")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
