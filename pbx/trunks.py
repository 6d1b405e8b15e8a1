"""The trunks at work: registered or asked with OPTIONS, which are worth trying, and whose calls come from where."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from typing import Final

import structlog

from core.bus import EventBus
from pbx.entries import Trunk
from pbx.snapshot import Snapshot
from sip.address import Address, is_ip_address
from sip.message import Request
from sip.registration import TrunkAccount, TrunkPing, TrunkRegistration, TrunkState
from sip.stack import SipStack
from sip.uri import Uri

log = structlog.get_logger(__name__)

_DOWN: Final = frozenset({TrunkState.UNREACHABLE, TrunkState.REFUSED})
_PENALTY_SECONDS: Final = 30.0
"""How long a trunk that gave no sign to a call is passed over, unless it shows life earlier."""


class Trunks:
    """Keeps a watch on every enabled trunk of the directory."""

    def __init__(
        self,
        sip: SipStack,
        bus: EventBus,
        *,
        ping_interval: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sip = sip
        self._bus = bus
        self._ping_interval = ping_interval
        self._monotonic = monotonic
        self._watches: dict[str, tuple[Trunk, TrunkRegistration | TrunkPing]] = {}
        self._states: dict[str, tuple[TrunkState, str]] = {}
        self._penalties: dict[str, float] = {}

    def update(self, snapshot: Snapshot) -> None:
        """Watch the trunks of a new snapshot: new and changed ones begin anew, removed ones are left."""
        wanted = {trunk.name: trunk for trunk in snapshot.trunks.values() if trunk.enabled}
        for name, (trunk, watch) in tuple(self._watches.items()):
            if wanted.get(name) != trunk:
                watch.stop()
                del self._watches[name]
                self._states.pop(name, None)
                self._penalties.pop(name, None)
        for name, trunk in wanted.items():
            if name not in self._watches:
                watch = self._watch(trunk)
                self._watches[name] = (trunk, watch)
                watch.start()

    def close(self) -> None:
        """Watch no more; registrations are taken back."""
        for _, watch in self._watches.values():
            watch.stop()
        self._watches.clear()

    def state(self, name: str) -> tuple[str, str]:
        """Return a trunk's state (`disabled` when it is not watched) and the reason for it."""
        if name not in self._watches:
            return "disabled", ""
        state, reason = self._states.get(name, (TrunkState.UNKNOWN, ""))
        return state.value, reason

    def usable(self, trunk: Trunk) -> bool:
        """Tell whether a call may be sent to the trunk now."""
        if trunk.name not in self._watches or self._penalties.get(trunk.name, 0.0) > self._monotonic():
            return False
        return self._states.get(trunk.name, (TrunkState.UNKNOWN, ""))[0] not in _DOWN

    def call_failed(self, trunk: Trunk) -> None:
        """Pass the trunk over for a while: it gave no sign to a call."""
        self._penalties[trunk.name] = self._monotonic() + _PENALTY_SECONDS

    def identify(self, snapshot: Snapshot, request: Request, source: Address) -> str | None:
        """Return the trunk a call comes from by its address, or None.

        A trunk's own host and port say it at once. An address of its networks says it unless the caller claims to be one of our
        users: phones and carriers may share an address, and users have to prove who they are.
        """
        trunks = [trunk for trunk in snapshot.trunks.values() if trunk.enabled]
        for trunk in trunks:
            if trunk.port == source.port and source.host in self._sip.addresses_of(trunk.host):
                return trunk.name
        if request.from_.uri.user in snapshot.logins or not is_ip_address(source.host):
            return None
        address = ipaddress.ip_address(source.host)
        for trunk in trunks:
            if source.host in self._sip.addresses_of(trunk.host) or any(
                address in network for network in trunk.networks
            ):
                return trunk.name
        return None

    def owns(self, snapshot: Snapshot, host: str) -> bool:
        """Tell whether an enabled trunk is at an IP address, or has it in one of its networks."""
        if not is_ip_address(host):
            return False
        address = ipaddress.ip_address(host)
        return any(
            host in self._sip.addresses_of(trunk.host) or any(address in network for network in trunk.networks)
            for trunk in snapshot.trunks.values()
            if trunk.enabled
        )

    def _watch(self, trunk: Trunk) -> TrunkRegistration | TrunkPing:
        def changed(state: TrunkState, reason: str) -> None:
            self._states[trunk.name] = (state, reason)
            if state not in _DOWN:
                self._penalties.pop(trunk.name, None)
            self._bus.publish("trunk.state", {"name": trunk.name, "state": state.value, "reason": reason})

        uri = Uri("sip", "", trunk.host, trunk.port, (("transport", trunk.transport.value),))
        if not trunk.register:
            return TrunkPing(self._sip.core, uri, changed, every=self._ping_interval)
        account = TrunkAccount(
            Uri("sip", "", trunk.host, trunk.port),
            trunk.username,
            trunk.password,
            destination=Address(trunk.host, trunk.port, trunk.transport.value),
        )
        return TrunkRegistration(self._sip.core, account, changed)
