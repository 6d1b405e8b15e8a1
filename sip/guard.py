"""The guard at the door: what is not even read, because its source is banned or asks too much.

It looks at where a message comes from, before anything of it is parsed. A phone with a valid registration and the peer of a call
in progress pass in any case: behind one NAT there may be a scanner and an office.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from core.clock import Clock
from sip.address import Address
from sip.bans import Ban, BanBook, BanPolicy, Network
from sip.nonces import network_of
from sip.rate_limit import RateLimiter

log = structlog.get_logger(__name__)

_SCANNERS: Final = re.compile(
    r"friendly-scanner|friendly-request|sipvicious|sundayddr|sip-scan|sipcli|sipsak|iWar|VaxSIPUserAgent|pplsip|smap",
    re.IGNORECASE,
)
"""How well-known scanners call themselves."""
_TRUST_SECONDS: Final = 10.0
"""How long the answer is believed whether a source is a trunk."""
_MOST_ANSWERS: Final = 4096


@dataclass(slots=True, frozen=True)
class GuardConfig:
    """What strangers may do."""

    bans: BanPolicy = field(default_factory=BanPolicy)
    requests_per_second: float = 300.0
    """Messages a second from one address that nobody vouches for; 0: any number."""
    burst: float = 2000.0
    """So many may come at once: an office that got its power back."""
    most_sources: int = 50_000
    """Addresses whose rate is watched."""
    drop_scanners: bool = False
    """Whether requests of well-known scanners are not answered at all."""
    spared: tuple[Network, ...] = ()
    """Networks that are neither banned nor held back, whatever else is allowed while running."""


class BanListener(Protocol):
    """One who wants to know of bans as they begin and are lifted."""

    def banned(self, ban: Ban) -> None:
        """Take note of a new or longer ban."""
        ...

    def lifted(self, ban: Ban) -> None:
        """Take note that a ban was ended before its time."""
        ...


class Guard:
    """Bans, limits, and who is spared."""

    def __init__(self, config: GuardConfig, clock: Clock, *, is_known: Callable[[Address], bool]) -> None:
        """Begin without bans.

        Args:
            config: what strangers may do.
            clock: the time.
            is_known: tells whether a registered phone or the peer of a call is at exactly this address and port.
        """
        self._clock = clock
        self._is_known = is_known
        self.drops_scanners = config.drop_scanners
        """Whether `is_scanner` is to be asked."""
        self._limits = RateLimiter(
            clock.monotonic, rate=config.requests_per_second, burst=config.burst, most_sources=config.most_sources
        )
        self._revoked: dict[str, set[Address]] = {}
        """Flows that failed again while their address was banned: they are spared no more, until the ban ends."""
        self._trusted: dict[str, tuple[bool, float]] = {}
        self._always_spared = config.spared
        self.bans = BanBook(config.bans)
        self.bans.spare(config.spared)
        self.is_trunk: Callable[[str], bool] = _nobody
        """Tells whether a trunk is at an address; trunks are neither banned nor held back."""
        self.listener: BanListener | None = None
        self.refused_banned = 0
        """Datagrams, and pieces of streams, that were not read because their source is banned."""
        self.refused_rate = 0
        """The same, because their source asks too much."""
        self.failures = 0
        """Failed sign-ins."""

    def admits(self, source: Address) -> bool:
        """Tell whether what comes from here is to be read; called for every datagram and every piece of a stream."""
        host = source[0]
        network = host if ":" not in host else network_of(host)
        if network in self.bans and not self._passes_ban(network, source):
            return False
        return self._limits.allows(network) or self._passes_limit(network, source)

    def is_banned(self, host: str) -> bool:
        """Tell whether connections from an address are to be refused."""
        network = network_of(host)
        if network not in self.bans or self.bans.find(network, self._clock.now()) is None:
            return False
        return not self._is_trusted(network, host)

    def charge(self, source: Address) -> None:
        """Have a source pay for a message that no password, trunk or dialog vouched for."""
        self._limits.charge(network_of(source[0]))

    def failed(self, source: Address, username: str) -> None:
        """Count wrong credentials, which may lead to a ban."""
        self.failures += 1
        now, network = self._clock.now(), network_of(source[0])
        if self.bans.find(network, now) is not None:
            # Read only because its flow is known: it has shown that it should not be.
            self._revoked.setdefault(network, set()).add(source)
        elif not self._is_trusted(network, source[0]):
            ban = self.bans.failed(source[0], username, now)
            if ban is not None:
                self._begin(ban)

    @property
    def watched(self) -> int:
        """Of how many sources the rate is watched."""
        return len(self._limits)

    def is_scanner(self, user_agent: str) -> bool:
        """Tell whether a sender gives itself the name of a well-known scanner."""
        return _SCANNERS.search(user_agent, 0, 200) is not None

    def ban(self, address: str, seconds: float, reason: str) -> Ban:
        """Ban an address (of IPv6 its /64) or a network.

        Raises:
            InvalidAddressError: that is neither.
            SparedAddressError: it is on the allow-list.
        """
        ban = self.bans.add(address, seconds, reason, self._clock.now())
        self._begin(ban)
        return ban

    def lift(self, network: str) -> bool:
        """End a ban; False when there is none."""
        now = self._clock.now()
        ban = self.bans.lift(network)
        if ban is None or ban.until <= now:
            return False
        self._end(ban)
        return True

    def spare(self, networks: Iterable[Network]) -> None:
        """Take a new allow-list, beside that of the settings; bans in it are lifted."""
        self._trusted.clear()
        for ban in self.bans.spare((*self._always_spared, *networks)):
            if ban.until > self._clock.now():
                self._end(ban)

    def restore(self, bans: Iterable[Ban]) -> None:
        """Take the stored bans in the place of all that are known; nobody is told."""
        self.bans.replace_all(bans)
        self._revoked = {network: flows for network, flows in self._revoked.items() if network in self.bans}

    def active(self) -> list[Ban]:
        """Return the bans that hold, the newest first."""
        return self.bans.active(self._clock.now())

    def _begin(self, ban: Ban) -> None:
        self._revoked.pop(ban.network, None)
        log.warning("sip_source_banned", source=ban.network, until=ban.until.isoformat(), reason=ban.reason)
        if self.listener is not None:
            self.listener.banned(ban)

    def _end(self, ban: Ban) -> None:
        self._revoked.pop(ban.network, None)
        log.info("sip_ban_lifted", source=ban.network)
        if self.listener is not None:
            self.listener.lifted(ban)

    def _passes_ban(self, network: str, source: Address) -> bool:
        if self.bans.find(network, self._clock.now()) is None:
            self._revoked.pop(network, None)
            return True
        if self._is_known(source) and source not in self._revoked.get(network, ()):
            return True
        if self._is_trusted(network, source[0]):
            return True
        self.refused_banned += 1
        return False

    def _passes_limit(self, network: str, source: Address) -> bool:
        if self._is_trusted(network, source[0]) or self._is_known(source):
            return True
        self.refused_rate += 1
        if self._limits.worth_telling(network):
            log.warning("sip_source_held_back", source=network, refused=self.refused_rate)
        return False

    def _is_trusted(self, network: str, host: str) -> bool:
        """Tell whether a source is a trunk or on the allow-list; asked again every few seconds at most."""
        now = self._clock.monotonic()
        answer, until = self._trusted.get(network, (False, now))
        if until <= now:
            if len(self._trusted) >= _MOST_ANSWERS:
                self._trusted.clear()
            answer = self.is_trunk(host) or self.bans.spares(host)
            self._trusted[network] = (answer, now + _TRUST_SECONDS)
        return answer


def _nobody(_host: str) -> bool:
    return False
