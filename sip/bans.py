"""Who is kept out, for how long, and why: bans after failed sign-ins, their growing length, and the networks that are spared."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from core.errors import Fault
from sip.errors import SipError
from sip.nonces import network_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MOST_COUNTED: Final = 50_000
"""Sources whose failures are counted; those that failed longest ago are forgotten first."""
_MOST_ANSWERS: Final = 4096
LONGEST_REASON: Final = 200
LONGEST_BAN: Final = 366 * 86_400
"""Seconds of the longest ban that may be asked for."""


class InvalidAddressError(SipError):
    """What should be an address or a network is none."""

    id = "sip.invalid_address"
    fault = Fault.CALLER
    http_status = 422
    sip_status = 400


class SparedAddressError(SipError):
    """An address is to be banned that is on the allow-list."""

    id = "sip.spared_address"
    fault = Fault.CALLER
    http_status = 409
    sip_status = 400


@dataclass(slots=True, frozen=True)
class BanPolicy:
    """When and for how long a source is banned by itself."""

    failures: int = 10
    """Failed sign-ins in a row that ban their source; 0: nobody is banned by itself."""
    forgive_seconds: float = 30.0
    """One failure is forgiven every so many seconds: a phone with an old password, which tries again each minute, is no intruder."""
    first_seconds: float = 600.0
    """How long the first ban lasts."""
    growth: float = 4.0
    """By how much every further one is longer."""
    longest_seconds: float = 86_400.0
    """How long a ban lasts at most."""
    memory_seconds: float = 7 * 86_400.0
    """How long a ban that ended makes the next one longer."""
    most: int = 10_000
    """Bans that are kept; when there are more, the one that ends first makes room."""


@dataclass(slots=True, frozen=True)
class Ban:
    """One source that is, or lately was, kept out."""

    network: str
    """An IPv4 address, the /64 of an IPv6 address, or a wider network of either."""
    since: datetime
    until: datetime
    offences: int
    """The how manieth ban in a row it is."""
    reason: str


class BanBook:
    """All bans, the failures that may lead to one, and the networks that are never banned."""

    def __init__(self, policy: BanPolicy) -> None:
        self._policy = policy
        self._bans: dict[str, Ban] = {}
        self._failures: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._spared: tuple[Network, ...] = ()
        self._wide: dict[str, Network] = {}
        """Those banned by hand that hold more than one source."""
        self._covering: dict[str, tuple[str, ...]] = {}
        """Of which of them sources are, as far as that was asked."""

    def find(self, network: str, now: datetime) -> Ban | None:
        """Return the ban that holds for a source (as `network_of` names it), or None."""
        ban = self._bans.get(network)
        if ban is not None and ban.until > now:
            return ban
        if self._wide:
            for name in self._wide_networks(network):
                ban = self._bans[name]
                if ban.until > now:
                    return ban
        return None

    def __contains__(self, network: str) -> bool:
        """Tell whether a source is, or lately was, banned; costs one look into a table, and one more while networks are banned."""
        return network in self._bans or (bool(self._wide) and bool(self._wide_networks(network)))

    def _wide_networks(self, network: str) -> tuple[str, ...]:
        known = self._covering.get(network)
        if known is None:
            if len(self._covering) >= _MOST_ANSWERS:
                self._covering.clear()
            known = self._covering[network] = tuple(
                [name for name, wide in self._wide.items() if _holds(wide, network)]
            )
        return known

    def _changed(self) -> None:
        """Take note that bans came or went."""
        wide = {name: self._wide.get(name) or ipaddress.ip_network(name) for name in self._bans if _is_wide(name)}
        if wide.keys() != self._wide.keys():
            self._wide = wide
            self._covering.clear()

    def active(self, now: datetime) -> list[Ban]:
        """Return the bans that hold, the newest first."""
        return sorted((ban for ban in self._bans.values() if ban.until > now), key=lambda ban: ban.since, reverse=True)

    def remembered(self) -> list[Ban]:
        """Return all bans, also those that ended and make the next one longer."""
        return list(self._bans.values())

    def failed(self, host: str, username: str, now: datetime) -> Ban | None:
        """Count a failed sign-in; return the ban that it led to, or None."""
        policy = self._policy
        if policy.failures <= 0 or self.spares(host):
            return None
        network = network_of(host)
        level, at = self._failures.pop(network, (0.0, now))
        level = max(0.0, level - (now - at).total_seconds() / policy.forgive_seconds) + 1
        # A little of the first ones is forgiven by the time the last one comes.
        if level > policy.failures - 1:
            return self._put(network, now, self._next_seconds(network), f"Wrong passwords, last for “{username[:64]}”")
        self._failures[network] = (level, now)
        if len(self._failures) > _MOST_COUNTED:
            self._failures.popitem(last=False)
        return None

    def add(self, address: str, seconds: float, reason: str, now: datetime) -> Ban:
        """Ban a source because somebody wants it.

        Raises:
            InvalidAddressError: that is no address.
            SparedAddressError: it is on the allow-list.
        """
        network = parse_source(address)
        if self._spares_all_of(network):
            raise SparedAddressError(f"{network} is on the allow-list.", hint="Take it from there first.")
        return self._put(network, now, min(max(seconds, 1.0), LONGEST_BAN), reason[:LONGEST_REASON])

    def lift(self, network: str) -> Ban | None:
        """End a ban and forget what led to it; return it, or None when there was none."""
        self._failures.pop(network, None)
        ban = self._bans.pop(network, None)
        self._changed()
        return ban

    def replace_all(self, bans: Iterable[Ban]) -> None:
        """Take the stored bans in the place of all that are known."""
        self._bans = {ban.network: ban for ban in bans}
        self._changed()

    def spare(self, networks: Iterable[Network]) -> list[Ban]:
        """Take a new allow-list; return the bans that it lifts."""
        self._spared = tuple(networks)
        lifted = [ban for ban in self._bans.values() if self._spares_all_of(ban.network)]
        for ban in lifted:
            self.lift(ban.network)
        return lifted

    def spares(self, host: str) -> bool:
        """Tell whether an address is on the allow-list."""
        if not self._spared:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._spared)

    def _spares_all_of(self, network: str) -> bool:
        """Tell whether everything that a ban is for is on the allow-list."""
        if not _is_wide(network):
            return self.spares(network.partition("/")[0])
        return any(_within(ipaddress.ip_network(network), spared) for spared in self._spared)

    def forget_old(self, now: datetime) -> None:
        """Drop the bans that ended so long ago that they do not count any more."""
        memory = timedelta(seconds=self._policy.memory_seconds)
        for ban in [ban for ban in self._bans.values() if ban.until + memory < now]:
            del self._bans[ban.network]
        self._changed()

    def _next_seconds(self, network: str) -> float:
        policy, before = self._policy, self._bans.get(network)
        offences = before.offences if before is not None else 0
        # The exponent is bounded so that a number never overflows.
        return min(policy.first_seconds * policy.growth ** min(offences, 32), policy.longest_seconds)

    def _put(self, network: str, now: datetime, seconds: float, reason: str) -> Ban:
        before = self._bans.get(network)
        offences = before.offences + 1 if before is not None else 1
        ban = Ban(network, now, now + timedelta(seconds=seconds), offences, reason)
        if before is None and len(self._bans) >= self._policy.most:
            self.forget_old(now)
            if len(self._bans) >= self._policy.most:
                del self._bans[min(self._bans.values(), key=lambda one: one.until).network]
        self._bans[network] = ban
        self._failures.pop(network, None)
        if before is None:
            self._changed()
        return ban


def parse_source(text: str) -> str:
    """Read an address or a network, and return what is banned for it: of IPv6 the /64 that one sender owns, at least.

    Raises:
        InvalidAddressError: it is none, or it is everything.
    """
    bare, slash, prefix = text.strip().partition("/")
    try:
        address = ipaddress.ip_address(bare)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None and not slash:
            address = address.ipv4_mapped
        network = ipaddress.ip_network(f"{address}{slash}{prefix}", strict=False)
    except ValueError:
        raise InvalidAddressError(f"“{text[:64]}” is neither an address nor a network.") from None
    if not network.prefixlen:
        raise InvalidAddressError("The whole Internet cannot be banned.", hint="Stop the server instead.")
    if network.version == 6 and network.prefixlen < 64:
        return str(network)
    return network_of(str(network.network_address)) if network.prefixlen >= 32 else str(network)


def _is_wide(network: str) -> bool:
    """Tell whether a ban is for more than one source."""
    return "/" in network and not (":" in network and network.endswith("/64"))


def _holds(wide: Network, network: str) -> bool:
    """Tell whether a source, as `network_of` names it, is in a network."""
    try:
        return _within(ipaddress.ip_network(network), wide)
    except ValueError:
        return False


def _within(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


def parse_network(text: str) -> Network:
    """Read an address or network for the allow-list.

    Raises:
        InvalidAddressError: it is none, or it is everything.
    """
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise InvalidAddressError(f"“{text[:64]}” is neither an address nor a network.") from None
    if network.prefixlen == 0:
        raise InvalidAddressError(
            "The allow-list cannot hold the whole Internet.", hint="Set sip.ban_failures to 0 instead."
        )
    return network
