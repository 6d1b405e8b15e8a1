"""The bans of the SIP guard at work: kept through restarts, told to those who watch, and changed by people."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.bus import EventBus
from core.clock import Clock
from core.database import Database
from core.errors import RamalError, StorageError
from core.tasks import stopped
from pbx.ban_records import AllowedNetwork, BanRecords
from pbx.errors import UnknownEntryError
from sip.bans import Ban, InvalidAddressError, Network, parse_network, parse_source
from sip.guard import Guard

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 3.0
"""How often the tables are looked at for what the command line and other nodes wrote."""
_FORGET_LOOKS: Final = 1200
"""After how many looks (an hour) old bans are removed."""


class BanKeeper:
    """Carries the guard's bans to the database and back. It is the guard's listener."""

    def __init__(self, database: Database, clock: Clock, bus: EventBus, guard: Guard) -> None:
        self._records = BanRecords(database, clock)
        self._clock = clock
        self._bus = bus
        self._guard = guard
        self._unsaved: dict[str, Ban | None] = {}
        self._seen: tuple[object, ...] | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._saving = asyncio.Lock()
        guard.listener = self

    async def load(self) -> None:
        """Take over what is stored.

        Raises:
            StorageError: the database cannot be read.
        """
        self._seen = await self._records.fingerprint()
        bans, networks = await self._records.bans(), await self._records.allowed()
        stored = {ban.network: ban for ban in bans}
        # What happened while it was read counts more.
        stored |= {network: ban for network, ban in self._unsaved.items() if ban is not None}
        before = {ban.network: ban for ban in self._guard.active()}
        self._guard.restore(ban for ban in stored.values() if self._unsaved.get(ban.network, ban) is not None)
        self._guard.spare(_networks(networks))
        after = {ban.network: ban for ban in self._guard.active()}
        for network in before.keys() - after.keys():
            log.info("sip_ban_lifted", source=network)
            self._tell("ban.lifted", before[network])
        for network in after.keys() - before.keys():
            log.info("sip_ban_taken_over", source=network, until=after[network].until.isoformat())
            self._tell("ban.made", after[network])

    def start(self) -> None:
        """Begin to write in the background, and to look for what others wrote."""
        self._task = asyncio.create_task(self._work(), name="bans")

    async def close(self) -> None:
        """Write what is left and stop."""
        task, self._task = self._task, None
        if task is not None:
            await stopped(task)
            await self.flush()

    # --- what people ask for ---------------------------------------------------------------------------------------------

    def active(self) -> list[Ban]:
        """Return the bans that hold, the newest first."""
        return self._guard.active()

    async def ban(self, address: str, seconds: float, reason: str) -> Ban:
        """Ban an address (of IPv6 its /64) or a network.

        Raises:
            InvalidAddressError: that is neither.
            SparedAddressError: it is on the allow-list.
        """
        ban = self._guard.ban(address, seconds, reason)
        await self.flush()
        return ban

    async def lift(self, address: str) -> None:
        """End a ban, and forget that there was one.

        Raises:
            UnknownEntryError: there is none.
        """
        try:
            lifted = self._guard.lift(parse_source(address))
        except InvalidAddressError:
            lifted = False
        if not lifted:
            raise UnknownEntryError("There is no such ban.")
        await self.flush()

    async def allowed(self) -> Sequence[AllowedNetwork]:
        """Return the allow-list as it was made through API and command line; that of the settings comes on top."""
        return await self._records.allowed()

    async def allow(self, network: str, note: str) -> AllowedNetwork:
        """Never ban a network again, and lift the bans in it.

        Raises:
            InvalidAddressError: that is no network.
            EntryExistsError: it is on the list already.
        """
        made = await self._records.allow(network, note)
        self._guard.spare(_networks(await self._records.allowed()))
        await self.flush()
        return made

    async def disallow(self, id_or_network: str) -> None:
        """Take a network off the allow-list.

        Raises:
            UnknownEntryError: it is not there.
        """
        await self._records.disallow(id_or_network)
        self._guard.spare(_networks(await self._records.allowed()))

    # --- what the guard tells --------------------------------------------------------------------------------------------

    def banned(self, ban: Ban) -> None:
        """Take note of a new ban; it is stored soon."""
        self._unsaved[ban.network] = ban
        self._wake.set()
        self._tell("ban.made", ban)

    def lifted(self, ban: Ban) -> None:
        """Take note that a ban was lifted."""
        self._unsaved[ban.network] = None
        self._wake.set()
        self._tell("ban.lifted", ban)

    def _tell(self, kind: str, ban: Ban) -> None:
        if self._bus.heard(kind):
            self._bus.publish(kind, _payload(ban))

    # --- inside ----------------------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Store all changes now; what cannot be stored stays noted."""
        async with self._saving:
            changes, self._unsaved = self._unsaved, {}
            if not changes:
                return
            try:
                await self._records.save(changes)
            except (SQLAlchemyError, StorageError, OSError) as error:
                # The bans hold by memory; only a restart in the meantime would forget them.
                log.warning("bans_not_stored", bans=len(changes), error=str(error))
                self._unsaved = {**changes, **self._unsaved}
            except BaseException:
                self._unsaved = {**changes, **self._unsaved}
                raise

    async def _work(self) -> None:
        looks = 0
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _LOOK_SECONDS)
            self._wake.clear()
            await self.flush()
            looks += 1
            try:
                if looks % _FORGET_LOOKS == 0:
                    await self._records.forget_before(self._clock.now() - timedelta(days=7))
                if self._seen != await self._records.fingerprint():
                    await self.load()
            except (SQLAlchemyError, RamalError, OSError) as error:
                log.warning("bans_not_read", error=str(error))
            if self._unsaved:
                await asyncio.sleep(_LOOK_SECONDS)
                self._wake.set()


def _payload(ban: Ban) -> dict[str, Any]:
    return {"network": ban.network, "until": ban.until, "offences": ban.offences, "reason": ban.reason}


def _networks(allowed: Sequence[AllowedNetwork]) -> list[Network]:
    return [parse_network(one.network) for one in allowed]
