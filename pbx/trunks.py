"""The trunks at work: which are worth trying, how full they are, and whose calls come from where."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from core.bus import EventBus
from pbx.entries import Trunk
from pbx.snapshot import Snapshot
from pbx.trunk_watch import Traffic, TrunkWatch
from sip.address import Address, is_ip_address
from sip.message import Request
from sip.resolver import Target
from sip.stack import SipStack
from sip.transport.tls import TlsPeer
from sip.uri import Uri, without_parameters

log = structlog.get_logger(__name__)

_OF_BROWSERS: Final = frozenset({"ws", "wss"})


@dataclass(slots=True, frozen=True)
class HostStatus:
    """How one host of a trunk stands."""

    host: str
    """As it is set up: `host`, `host:port`, with the transport where one is set."""
    state: str
    reason: str


@dataclass(slots=True, frozen=True)
class TrunkStatus:
    """How a trunk stands."""

    name: str
    state: str
    """A `TrunkState`, or `disabled` when it is not watched."""
    reason: str
    usable: bool
    """Whether a call would be sent to it now."""
    hosts: Sequence[HostStatus] = ()
    calls_in: int = 0
    calls_out: int = 0
    failed: int = 0
    refused: int = 0


class Sources:
    """Whose addresses are whose: hosts with their ports, hosts, networks. Of several trunks the first one has it."""

    def __init__(self, hosts: Mapping[str, set[tuple[str, int]]], trunks: Sequence[Trunk]) -> None:
        self.at_port: dict[tuple[str, int], str] = {}
        self._at_host: dict[str, str] = {}
        for name, addresses in hosts.items():
            for host, port in addresses:
                self.at_port.setdefault((host, port), name)
                self._at_host.setdefault(host, name)
        self._networks = [(network, trunk.name) for trunk in trunks for network in trunk.networks]

    def at_address(self, host: str) -> str | None:
        """Return the trunk at an IP address, or with it in one of its networks."""
        name = self._at_host.get(host)
        if name is not None or not self._networks or not is_ip_address(host):
            return name
        address = ipaddress.ip_address(host)
        return next((name for network, name in self._networks if address in network), None)


class Trunks:
    """Keeps a watch on every enabled trunk of the directory."""

    def __init__(self, sip: SipStack, bus: EventBus, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sip = sip
        self._bus = bus
        self._monotonic = monotonic
        self._watches: dict[str, TrunkWatch] = {}
        self._traffic: dict[str, Traffic] = {}
        self._sources: Sources | None = None
        """Whose addresses are whose, until the directory or an address changes."""
        self._sources_of: Snapshot | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Watch the trunks of a new snapshot: new and reconnected ones begin anew, removed ones are left."""
        wanted = {trunk.name: trunk for trunk in snapshot.trunks.values() if trunk.enabled}
        for name, watch in tuple(self._watches.items()):
            trunk = wanted.get(name)
            if trunk is None or _connection(trunk) != _connection(watch.trunk):
                watch.stop()
                del self._watches[name]
            else:
                watch.renew(trunk)
        self._traffic = {name: traffic for name, traffic in self._traffic.items() if name in wanted or traffic.calls}
        for name, trunk in wanted.items():
            if name not in self._watches:
                traffic = self._traffic.setdefault(name, Traffic())
                watch = TrunkWatch(self._sip, trunk, traffic, self._changed, self._moved, monotonic=self._monotonic)
                self._watches[name] = watch
                watch.start()

    def close(self) -> None:
        """Watch no more; registrations are taken back."""
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()

    # --- how they stand --------------------------------------------------------------------------------------------------

    def state(self, name: str) -> tuple[str, str]:
        """Return a trunk's state (`disabled` when it is not watched) and the reason for it."""
        watch = self._watches.get(name)
        if watch is None:
            return "disabled", ""
        state, reason = watch.state
        return state.value, reason

    def status(self, name: str) -> TrunkStatus:
        """Return how a trunk stands, whole."""
        watch = self._watches.get(name)
        state, reason = self.state(name)
        if watch is None:
            return TrunkStatus(name, state, reason, usable=False)
        traffic = watch.traffic
        return TrunkStatus(
            name,
            state,
            reason,
            usable=not watch.refusal(),
            hosts=tuple(HostStatus(str(one.target), one.state.value, one.reason) for one in watch.hosts),
            calls_in=traffic.calls_in,
            calls_out=traffic.calls_out,
            failed=traffic.failed,
            refused=traffic.refused,
        )

    def all_status(self) -> list[TrunkStatus]:
        """Return how every watched trunk stands."""
        return [self.status(name) for name in self._watches]

    # --- calls -----------------------------------------------------------------------------------------------------------

    def refusal(self, trunk: Trunk) -> str:
        """Return why no call may be sent to the trunk now, or an empty string."""
        watch = self._watches.get(trunk.name)
        return watch.refusal() if watch is not None else "is switched off"

    async def servers(self, trunk: Trunk) -> list[Address]:
        """Return the servers to send a call to, best first."""
        watch = self._watches.get(trunk.name)
        return await watch.servers() if watch is not None else []

    async def redirected(self, trunk: Trunk, uri: Uri) -> list[Address]:
        """Return the servers that a 3xx of a trunk names, over the trunk's own transport; none where the host is not one of its."""
        watch = self._watches.get(trunk.name)
        if watch is None or not _has_host(trunk, watch, uri.host):
            return []
        return list(await self._sip.locate(Target(uri.host, uri.port, trunk.targets[0].transport)))

    def full_inbound(self, name: str) -> bool:
        """Tell whether the trunk may bring no further call; such a call is counted as refused."""
        watch = self._watches.get(name)
        if watch is None or not watch.full_inbound():
            return False
        watch.traffic.refused += 1
        return True

    def call_skipped(self, trunk: Trunk) -> None:
        """Take note that a call went past the trunk."""
        self._traffic_of(trunk.name).refused += 1

    def call_failed(self, trunk: Trunk, server: Address, retry_after: int = 0) -> None:
        """Take note that a server of the trunk was silent or out of order: it is passed over for a while.

        `retry_after` is how long it said itself, in seconds (RFC 3261 section 21.5.4); 0: it did not.
        """
        self._traffic_of(trunk.name).failed += 1
        watch = self._watches.get(trunk.name)
        if watch is not None:
            watch.failed(server, retry_after)

    def call_began(self, name: str, *, incoming: bool) -> None:
        """Count a call of a trunk."""
        watch = self._watches.get(name)
        if watch is not None:
            watch.began(incoming=incoming)
        elif incoming:
            self._traffic_of(name).calls_in += 1
        else:
            self._traffic_of(name).calls_out += 1

    def call_ended(self, name: str, *, incoming: bool) -> None:
        """Count a call of a trunk no more."""
        traffic = self._traffic_of(name)
        if incoming:
            traffic.calls_in -= 1
        else:
            traffic.calls_out -= 1

    def identify(self, snapshot: Snapshot, request: Request, source: Address) -> str | None:
        """Return the trunk a call comes from by its address, or None.

        A trunk's own host and port say it at once. An address of its networks says it unless the caller claims to be one of our
        users: phones and carriers may share an address, and users have to prove who they are. A WebSocket never says it: behind a web
        proxy all browsers of the world have the proxy's address.
        """
        if source.transport in _OF_BROWSERS:
            return None
        sources = self._known_sources(snapshot)
        name = sources.at_port.get((source.host, source.port))
        if name is None:
            name = sources.at_address(source.host)
            if name is None or without_parameters(request.from_.uri.user) in snapshot.logins:
                return None
        return self._checked(name, source)

    def owns(self, snapshot: Snapshot, host: str) -> bool:
        """Tell whether an enabled trunk is at an IP address, or has it in one of its networks."""
        return self._known_sources(snapshot).at_address(host) is not None

    def tls_peer(self, host: str) -> TlsPeer | None:
        """Return who is expected over TLS at an IP address, or None when it is nobody's that we know."""
        for watch in self._watches.values():
            for one in watch.hosts:
                known = host in self._sip.addresses_of(one.target.host) or any(
                    server.host == host for server in one.servers
                )
                if known and one.target.transport in ("", "tls"):
                    return TlsPeer(one.target.host, checked=watch.trunk.tls_verify)
        return None

    # --- inside ----------------------------------------------------------------------------------------------------------

    def _known_sources(self, snapshot: Snapshot) -> Sources:
        if self._sources is None or snapshot is not self._sources_of:
            trunks = [trunk for trunk in snapshot.trunks.values() if trunk.enabled]
            self._sources = Sources({trunk.name: self._addresses(trunk) for trunk in trunks}, trunks)
            self._sources_of = snapshot
        return self._sources

    def _checked(self, name: str, source: Address) -> str | None:
        """Return the name of a trunk, unless it has to prove who it is and has not."""
        watch = self._watches.get(name)
        if watch is None or not watch.trunk.tls_verify:
            return name
        proved = self._sip.proved(source)
        return name if any(target.host == proved for target in watch.trunk.targets) else None

    def _moved(self) -> None:
        self._sources = None

    def _addresses(self, trunk: Trunk) -> set[tuple[str, int]]:
        """Return the addresses and ports of a trunk's hosts, as far as they are known."""
        found = {
            (address, target.port or 5060)
            for target in trunk.targets
            for address in self._sip.addresses_of(target.host)
        }
        watch = self._watches.get(trunk.name)
        if watch is not None:
            found |= {server[:2] for host in watch.hosts for server in host.servers}
        return found

    def _traffic_of(self, name: str) -> Traffic:
        traffic = self._traffic.get(name)
        if traffic is None:
            traffic = self._traffic[name] = Traffic()
        return traffic

    def _changed(self, watch: TrunkWatch) -> None:
        name = watch.trunk.name
        if self._watches.get(name) is not watch:
            return
        status = self.status(name)
        hosts = [{"host": host.host, "state": host.state, "reason": host.reason} for host in status.hosts]
        self._bus.publish("trunk.state", {"name": name, "state": status.state, "reason": status.reason, "hosts": hosts})


def _has_host(trunk: Trunk, watch: TrunkWatch, host: str) -> bool:
    """Tell whether a host is one of the trunk's: by name, by address, or in one of its networks."""
    if host == trunk.domain or any(target.host == host for target in trunk.targets):
        return True
    if not is_ip_address(host):
        return False
    if any(server.host == host for one in watch.hosts for server in one.servers):
        return True
    address = ipaddress.ip_address(host)
    return any(address in network for network in trunk.networks)


def _connection(trunk: Trunk) -> tuple[object, ...]:
    """Return what a watch was begun with; a trunk of which anything else changes is not asked anew."""
    return (
        trunk.targets,
        trunk.register,
        trunk.domain,
        trunk.username,
        trunk.password,
        trunk.realm,
        trunk.ping_seconds,
    )
