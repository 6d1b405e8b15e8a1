"""One trunk at work: whether its hosts live, which of their servers to try first, and how many calls it carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pbx.entries import Trunk
from sip.address import Address
from sip.registration import Locate, TrunkAccount, TrunkPing, TrunkRegistration, TrunkState
from sip.resolver import Target, direct
from sip.stack import SipStack
from sip.uri import Uri

_DOWN: Final = frozenset({TrunkState.UNREACHABLE, TrunkState.REFUSED})
_PENALTY_SECONDS: Final = 30.0
"""How long a server that gave no sign to a call is passed over, unless it shows life earlier."""
_LONGEST_PENALTY: Final = 900
"""Seconds: the longest time that a server may ask to be left alone."""

Told = Callable[["TrunkWatch"], None]
"""Called when a trunk's state changed."""


@dataclass(slots=True)
class HostWatch:
    """One host of a trunk: a name or an address, and what OPTIONS say of it."""

    target: Target
    state: TrunkState = TrunkState.UNKNOWN
    reason: str = ""
    servers: tuple[Address, ...] = ()
    """The addresses it had when it was last located."""
    ping: TrunkPing | None = None


@dataclass(slots=True)
class Traffic:
    """The calls of a trunk; they go on when its entry is changed."""

    calls_in: int = 0
    calls_out: int = 0
    failed: int = 0
    """Calls that it could not carry, since the start."""
    refused: int = 0
    """Calls that went past it or were turned away because of its limits, since the start."""
    begun_at: list[float] = field(default_factory=list)
    """When the latest calls to it began, within the last second; monotonic."""

    @property
    def calls(self) -> int:
        """Calls at this time."""
        return self.calls_in + self.calls_out


class TrunkWatch:
    """Registers or asks with OPTIONS, and answers at once whether a call may be sent now."""

    def __init__(
        self,
        sip: SipStack,
        trunk: Trunk,
        traffic: Traffic,
        changed: Told,
        moved: Callable[[], None],
        *,
        monotonic: Callable[[], float],
    ) -> None:
        """Prepare; `start` begins.

        Args:
            sip: what it is asked and called by.
            trunk: the entry; another one may take its place as long as the hosts and the login stay.
            traffic: counts its calls.
            changed: hears when the state changed.
            moved: hears when a host has other addresses than before.
            monotonic: seconds that never go back.
        """
        self.trunk = trunk
        self._limited = trunk.limited
        self.traffic = traffic
        self.hosts = [HostWatch(target, servers=direct(target) or ()) for target in trunk.targets]
        self.registration: TrunkRegistration | None = None
        self._sip = sip
        self._changed = changed
        self._moved = moved
        self._monotonic = monotonic
        self._registered: tuple[TrunkState, str] = (TrunkState.UNKNOWN, "")
        self._penalties: dict[Address, float] = {}
        by_address = all(host.servers for host in self.hosts)
        self._fixed = [server for host in self.hosts for server in host.servers] if by_address else []
        """The servers of a trunk that is set up by addresses alone."""
        self._up = True
        """Whether neither the registration nor any host is down."""

    def renew(self, trunk: Trunk) -> None:
        """Take a changed entry whose hosts and login are the same."""
        self.trunk = trunk
        self._limited = trunk.limited

    def start(self) -> None:
        """Begin to register and to ask."""
        trunk = self.trunk
        if trunk.register:
            registrar = Uri("sip", "", trunk.domain or trunk.host, None if trunk.domain else trunk.port or None)
            account = TrunkAccount(registrar, trunk.username, trunk.password, realm=trunk.realm)
            self.registration = TrunkRegistration(
                self._sip.core, account, self._registration_changed, locate=self._locate_all, on_server=self._heard
            )
            self.registration.start()
        elif trunk.ping_seconds:
            for host in self.hosts:
                self._ping(host)

    def stop(self) -> None:
        """Ask no more; a registration is taken back."""
        if self.registration is not None:
            self.registration.stop()
        for host in self.hosts:
            if host.ping is not None:
                host.ping.stop()

    @property
    def state(self) -> tuple[TrunkState, str]:
        """How the trunk stands, and why: by its registration, else as the best of its hosts."""
        if self.registration is not None:
            return self._registered
        for state in (TrunkState.REACHABLE, TrunkState.UNKNOWN, TrunkState.UNREACHABLE):
            for host in self.hosts:
                if host.state is state:
                    return state, host.reason
        return TrunkState.UNKNOWN, ""

    def refusal(self) -> str:
        """Return why no call may be sent to it now, or an empty string."""
        if self._up and not self._penalties and not self._limited:
            return ""
        state, reason = self.state
        if state in _DOWN:
            return f"is {state}: {reason}" if reason else f"is {state}"
        known = [server for host in self.hosts if host.state not in _DOWN for server in host.servers]
        if known and all(self._penalised(server) for server in known):
            left = min(self._penalties[server] for server in known) - self._monotonic()
            return f"gave no sign to a call and is passed over for {max(left, 1):.0f} s"
        return self._full()

    def full_inbound(self) -> bool:
        """Tell whether it may bring no further call."""
        trunk, traffic = self.trunk, self.traffic
        return _reached(traffic.calls, trunk.max_calls) or _reached(traffic.calls_in, trunk.max_calls_in)

    async def servers(self) -> list[Address]:
        """Return the servers to send a call to, in their order; none when no name of it is known."""
        if self._fixed and self._up and not self._penalties and (self.registration is None or len(self._fixed) == 1):
            return self._fixed.copy()
        found: list[Address] = []
        for host in self.hosts:
            if host.state in _DOWN:
                continue
            servers = await self._sip.locate(host.target)
            self._located(host, servers)
            found += [server for server in servers if not self._penalised(server) and server not in found]
        registrar = self.registration.server if self.registration is not None else None
        if registrar in found:
            # Where the carrier knows us.
            found.sort(key=lambda server: server != registrar)
        return found

    def failed(self, server: Address, retry_after: int = 0) -> None:
        """Pass a server over for a while: it gave no sign to a call, or took none; `retry_after` seconds, if it said so."""
        self._penalties[server] = self._monotonic() + (min(retry_after, _LONGEST_PENALTY) or _PENALTY_SECONDS)

    def began(self, *, incoming: bool) -> None:
        """Count a call."""
        if incoming:
            self.traffic.calls_in += 1
            return
        self.traffic.calls_out += 1
        if self.trunk.calls_per_second:
            self.traffic.begun_at.append(self._monotonic())

    def _full(self) -> str:
        trunk, traffic = self.trunk, self.traffic
        if _reached(traffic.calls, trunk.max_calls):
            return f"carries {traffic.calls} calls of at most {trunk.max_calls}"
        if _reached(traffic.calls_out, trunk.max_calls_out):
            return f"carries {traffic.calls_out} outgoing calls of at most {trunk.max_calls_out}"
        if trunk.calls_per_second:
            since = self._monotonic() - 1.0
            traffic.begun_at[:] = [at for at in traffic.begun_at if at > since]
            if len(traffic.begun_at) >= trunk.calls_per_second:
                return f"takes {trunk.calls_per_second} calls a second, which began already"
        return ""

    def _penalised(self, server: Address) -> bool:
        until = self._penalties.get(server)
        if until is None:
            return False
        if until > self._monotonic():
            return True
        del self._penalties[server]
        return False

    def _ping(self, host: HostWatch) -> None:
        def changed(state: TrunkState, reason: str) -> None:
            """Take the state that a host's last answer gives it."""
            host.state, host.reason = state, reason
            self._state_changed()

        target = host.target
        uri = Uri("sip", "", target.host, target.port, (("transport", target.transport),) if target.transport else ())
        host.ping = TrunkPing(
            self._sip.core,
            uri,
            changed,
            every=self.trunk.ping_seconds,
            locate=self._locate(host),
            on_server=self._heard,
        )
        host.ping.start()

    def _locate(self, host: HostWatch) -> Locate:
        def locate(then: Callable[[tuple[Address, ...]], None]) -> None:
            """Look the host's servers up."""

            def located(servers: tuple[Address, ...]) -> None:
                """Keep the servers, and pass them on."""
                self._located(host, servers)
                then(servers)

            self._sip.names.when_located(host.target, located)

        return locate

    def _locate_all(self, then: Callable[[tuple[Address, ...]], None]) -> None:
        """Find the servers of all hosts, those of the first host first."""
        missing = len(self.hosts)

        def located(host: HostWatch, servers: tuple[Address, ...]) -> None:
            """Keep a host's servers, and pass all on with the last."""
            nonlocal missing
            self._located(host, servers)
            missing -= 1
            if not missing:
                then(tuple(dict.fromkeys(server for one in self.hosts for server in one.servers)))

        for host in self.hosts:
            self._sip.names.when_located(host.target, lambda servers, host=host: located(host, servers))  # type: ignore[misc]

    def _located(self, host: HostWatch, servers: tuple[Address, ...]) -> None:
        if servers and servers != host.servers:
            host.servers = servers
            self._moved()
            for server in tuple(self._penalties):
                # Those that are over go; the servers of before may come back.
                self._penalised(server)

    def _heard(self, server: Address, alive: bool) -> None:
        if alive:
            self._penalties.pop(server, None)
        else:
            self.failed(server)

    def _registration_changed(self, state: TrunkState, reason: str) -> None:
        self._registered = state, reason
        self._state_changed()

    def _state_changed(self) -> None:
        self._up = self._registered[0] not in _DOWN and all(host.state not in _DOWN for host in self.hosts)
        self._changed(self)


def _reached(calls: int, limit: int) -> bool:
    return bool(limit) and calls >= limit
