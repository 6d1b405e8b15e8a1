"""Full ICE for legs that the engine's own lite agent cannot reach: behind a NAT without open ports, or through a TURN server.

aioice, the ICE of aiortc, finds the way (RFC 8445, RFC 8656); a pipe carries the datagrams between it and the endpoint of the engine, which
keeps DTLS keys and voice as ever. So each packet of such a leg passes through Python, at many times the cost of others: the log says
so. Candidates take time to gather, and descriptions are written at once: a few ways are kept ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

import aioice
import structlog

from core.tasks import stopped

log = structlog.get_logger(__name__)

_GATHER_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 5.0
"""Until the next try, when a way could not be made ready."""
_LONGEST_LIFE: Final = 300.0
"""Seconds after which a way that nobody wanted is made anew: its mappings may be gone."""
_MOST_WAITING: Final = 200
"""Datagrams on their way out, some before the way is found."""
_LARGEST: Final = 2048
_TROUBLES: Final = (OSError, aioice.stun.TransactionError, TimeoutError, ValueError)


@dataclass(slots=True, frozen=True)
class IceServers:
    """What helps to find a way, each as host and port."""

    stun: tuple[str, int] | None = None
    turn: tuple[str, int] | None = None
    turn_username: str = ""
    turn_password: str = ""
    turn_transport: str = "udp"
    """`udp` or `tcp`."""
    relay_only: bool = False
    """Whether no other way than the TURN server's is to be told and tried."""


class IceWay:
    """One party's way: made ready, told to the party, then connected to an endpoint until it is closed."""

    def __init__(self, servers: IceServers) -> None:
        policy = aioice.TransportPolicy.RELAY if servers.relay_only else aioice.TransportPolicy.ALL
        self._ice = aioice.Connection(
            ice_controlling=False,
            components=1,
            stun_server=servers.stun,
            turn_server=servers.turn,
            turn_username=servers.turn_username or None,
            turn_password=servers.turn_password or None,
            turn_transport=servers.turn_transport,
            transport_policy=policy,
        )
        self._inside: socket.socket | None = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(_MOST_WAITING)
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self._ending: asyncio.Task[None] | None = None

    async def make_ready(self) -> None:
        """Gather candidates. Raises `OSError` or `TimeoutError` when no server helps."""
        await asyncio.wait_for(self._ice.gather_candidates(), _GATHER_SECONDS)
        if not self._ice.local_candidates:
            raise OSError("there is no way to the outside, not even by the TURN server")

    @property
    def fragment(self) -> str:
        """Our `ice-ufrag`."""
        return self._ice.local_username

    @property
    def password(self) -> str:
        """Our `ice-pwd`."""
        return self._ice.local_password

    @property
    def candidates(self) -> tuple[str, ...]:
        """The values of our candidate attributes."""
        return tuple([candidate.to_sdp() for candidate in self._ice.local_candidates])

    def attach(self, host: str, port: int) -> tuple[str, int]:
        """Open the inner end towards an endpoint of the engine, and return where that is to send to. Raises `OSError`."""
        inside = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        inside.setblocking(False)
        inside.connect((host, port))
        self._inside = inside
        asyncio.get_running_loop().add_reader(inside.fileno(), self._from_inside, inside)
        own = inside.getsockname()
        return str(own[0]), int(own[1])

    def connect(
        self, fragment: str, password: str, candidates: Sequence[str], *, controlling: bool, lost: Callable[[str], None]
    ) -> None:
        """Look for the way to the party, and carry datagrams once it is found; `lost` hears why there is none, or no more."""
        self._ice.remote_username, self._ice.remote_password = fragment, password
        self._ice.ice_controlling = controlling
        self._do(self._carry(candidates, lost))

    def close(self) -> None:
        """Give everything back; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        for task in self._tasks:
            task.cancel()
        if self._inside is not None:
            loop.remove_reader(self._inside.fileno())
            self._inside.close()
        self._ending = loop.create_task(self._end(), name="ice-way")

    async def ended(self) -> None:
        """Wait until everything is given back, the TURN server's part included."""
        if self._ending is not None:
            await asyncio.wait({self._ending})

    async def _carry(self, candidates: Sequence[str], lost: Callable[[str], None]) -> None:
        try:
            for text in candidates:
                with contextlib.suppress(ValueError):
                    await self._ice.add_remote_candidate(aioice.Candidate.from_sdp(text))
            await self._ice.add_remote_candidate(None)
            await asyncio.wait_for(self._ice.connect(), _CONNECT_SECONDS)
        except _TROUBLES as error:
            lost(f"There is no way to the party: {error or type(error).__name__}")
            return
        kinds = sorted({candidate.type for candidate in self._ice.local_candidates})
        log.warning("voice_passes_through_python", ways=kinds)
        self._do(self._send_all())
        with contextlib.suppress(ConnectionError):
            while self._inside is not None:
                datagram = await self._ice.recv()
                with contextlib.suppress(OSError):
                    self._inside.send(datagram)
        lost("Vanished browser: the way to it is gone")

    async def _send_all(self) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await self._ice.send(await self._outgoing.get())

    def _from_inside(self, inside: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                datagram = inside.recv(_LARGEST)
                # What finds no room is lost, as on any network.
                with contextlib.suppress(asyncio.QueueFull):
                    self._outgoing.put_nowait(datagram)

    async def _end(self) -> None:
        with contextlib.suppress(*_TROUBLES):
            await asyncio.wait_for(self._ice.close(), _GATHER_SECONDS)

    def _do(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(work, name="ice-way"))


class IceWays:
    """Ways that are ready to be told to parties, some always kept in reserve."""

    def __init__(self, servers: IceServers, *, spare: int = 4) -> None:
        self._servers = servers
        self._spare = spare
        self._ready: deque[tuple[float, IceWay]] = deque()
        self._wanted = asyncio.Event()
        self._work: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()
        """Set once as many as are kept are ready for the first time."""

    def start(self) -> None:
        """Begin to make ways ready."""
        self._work = asyncio.get_running_loop().create_task(self._keep_ready(), name="ice-ways")

    def take(self) -> IceWay | None:
        """Return a way that is ready; None: there is none now."""
        self._wanted.set()
        return self._ready.popleft()[1] if self._ready else None

    async def close(self) -> None:
        """Make no more, and close those that nobody took."""
        await stopped(self._work)
        ways = [way for _, way in self._ready]
        self._ready.clear()
        for way in ways:
            way.close()
        await asyncio.gather(*[way.ended() for way in ways])

    async def _keep_ready(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._ready and loop.time() - self._ready[0][0] > _LONGEST_LIFE:
                self._ready.popleft()[1].close()
            if len(self._ready) >= self._spare:
                self.ready.set()
                self._wanted.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wanted.wait(), _LONGEST_LIFE / 4)
                continue
            way = IceWay(self._servers)
            try:
                await way.make_ready()
            except _TROUBLES as error:
                log.warning("no_way_for_browsers", error=str(error) or type(error).__name__)
                way.close()
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self._ready.append((loop.time(), way))
