"""The call core as one part: it assembles stack, trunks, registrations and switch, starts them in order, and ends them in peace."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from core.bus import EventBus
from core.clock import Clock
from core.company import Company
from core.consumer import ConsumerRunner
from core.database import Database
from core.journal import Journal
from media.engine import Engine
from media.full_ice import IceWays
from media.prompts import PromptStore
from pbx import forwarding
from pbx.bans import BanKeeper
from pbx.call import Flow
from pbx.config import PbxConfig
from pbx.directory import Directory
from pbx.entries import Extension, Login
from pbx.equipment import Equipment
from pbx.open_calls import OpenCallKeeper, OpenCalls
from pbx.ports import CallerDirectory
from pbx.recovery import recover
from pbx.registration_losses import RegistrationLosses
from pbx.registrations import RegistrationStore
from pbx.snapshot import Snapshot
from pbx.subscriptions import SubscriptionStore
from pbx.switch import Switch
from pbx.trunks import Trunks
from pbx.watching import Watching
from sip.address import Address
from sip.authentication import HA1s
from sip.binding import Binding
from sip.config import SipConfig
from sip.message import Request
from sip.session import InviteSession
from sip.stack import SipStack
from sip.trace.tracer import Tracer

log = structlog.get_logger(__name__)


class Exchange:
    """Everything between the SIP sockets and the journal. It is the application of its SIP stack."""

    def __init__(
        self,
        config: PbxConfig,
        sip_config: SipConfig,
        *,
        database: Database,
        journal: Journal,
        bus: EventBus,
        company: Company,
        engine: Engine,
        prompts: PromptStore,
        clock: Clock,
        callers: CallerDirectory | None = None,
        flows: Mapping[str, Flow] | None = None,
        tracer: Tracer | None = None,
        ways: IceWays | None = None,
    ) -> None:
        """Assemble the parts; nothing is opened yet.

        Args:
            config: settings of the call core on this node.
            sip_config: settings of the SIP stack; its realm is what passwords are stored for.
            database: where directory, registrations and open calls are.
            journal: this node's call journal.
            bus: where live events go.
            company: settings of the company, loaded.
            engine: the media engine, started; its events are the exchange's from `start` on.
            prompts: the sounds.
            clock: the time.
            callers: one who may know the names of callers.
            flows: call flows by the names that inbound numbers may lead to.
            tracer: sees every SIP message; None: nobody does.
            ways: by which browsers are reached where the engine's own address is not enough.
        """
        self._database = database
        self.sip = SipStack(sip_config, self, clock, tracer)
        self.directory = Directory(database, company, clock, realm=sip_config.realm, flows=frozenset(flows or ()))
        self.trunks = Trunks(self.sip, bus, monotonic=clock.monotonic)
        self.sip.tls_peer = self.trunks.tls_peer
        self._equipment = Equipment(
            config=config,
            clock=clock,
            journal=journal,
            bus=bus,
            company=company,
            directory=self.directory,
            engine=engine,
            prompts=prompts,
            sip=self.sip,
            trunks=self.trunks,
            callers=callers,
            ways=ways,
        )
        self.switch = Switch(self._equipment, flows)
        self.watching = Watching(self._equipment, self.switch, database)
        guard = self.sip.core.guard
        guard.is_trunk = lambda host: self.trunks.owns(self.directory.snapshot, host)
        self.bans = BanKeeper(database, clock, bus, guard)
        self.losses = RegistrationLosses(clock)
        self._registrations = RegistrationStore(database, clock, node=config.node)
        self._subscriptions = SubscriptionStore(database, clock, node=config.node)
        self._open_calls = OpenCallKeeper(ConsumerRunner(journal, database, OpenCalls()))
        self._logins: Mapping[str, Login] = {}
        """Who may register, as of the last change of the directory."""
        self._extensions: Mapping[str, Extension] = {}
        self._started = False

    async def start(self) -> None:
        """End what a killed process left, then open the doors.

        Raises:
            StorageError: the database or the journal cannot be used.
            TransportError: a SIP port cannot be opened.
        """
        equipment = self._equipment
        await recover(equipment.journal, self._database, equipment.config.recordings)
        await asyncio.to_thread(equipment.prompts.prepare, equipment.country)
        await self.directory.reload()
        await self.watching.mailboxes.load()
        await self.bans.load()
        self.switch.extensions.restored(await self._restored())
        await self.sip.start()
        self._started = True
        self._logins = self.directory.snapshot.logins
        self._extensions = self.directory.snapshot.extensions
        self.trunks.update(self.directory.snapshot)
        self.directory.listen(self._directory_changed)
        self._registrations.start()
        await self._take_up_subscriptions()
        self.bans.start()
        self._open_calls.start()
        self.switch.start()

    async def _restored(self) -> set[str]:
        """Put the stored contacts back, and return whose phones they are."""
        logins, registrations = self.directory.snapshot.logins, self.sip.core.inbound.registrations
        stored = await self._registrations.load()
        return {
            logins[username].extension
            for username, bindings in stored.items()
            if username in logins and registrations.restore(username, bindings)
        }

    async def close(self) -> None:
        """End the calls and close the doors."""
        if self._started:
            self.watching.close()
        await self.switch.close()
        self.trunks.close()
        if self._started:
            await self.sip.close()
        await self._registrations.close()
        await self._subscriptions.close()
        await self.bans.close()
        await self._open_calls.close()

    # --- what the SIP stack asks and tells -------------------------------------------------------------------------------

    def invite_received(self, session: InviteSession) -> None:
        """Take a new incoming call."""
        self.switch.invite_received(session)

    def credentials(self, username: str) -> HA1s | None:
        """Return what proves that someone is this user, or None when there is no such user."""
        login = self.directory.snapshot.logins.get(username)
        return None if login is None else login.digests

    def identify_trunk(self, request: Request, source: Address) -> str | None:
        """Return the trunk that a call comes from by its address, or None."""
        return self.trunks.identify(self.directory.snapshot, request, source)

    def registered(self, aor: str, bindings: Sequence[Binding]) -> None:
        """Take note that a user's contacts changed."""
        self._registrations.note(aor, bindings)
        if not bindings:
            self.losses.note(aor)
        self._show_registration(aor, present=bool(bindings))
        self.watching.registered(aor, bindings)

    async def _take_up_subscriptions(self) -> None:
        """Go on with what phones watched when the server was killed, and keep it from now on."""
        logins, notifier = self.directory.snapshot.logins, self.sip.core.inbound.notifier
        stored = await self._subscriptions.load()
        notifier.keeper = self._subscriptions
        self._subscriptions.start()
        notifier.restore([one for one in stored if one.watcher in logins])

    # --- inside ----------------------------------------------------------------------------------------------------------

    def _show_registration(self, username: str, *, present: bool) -> None:
        login = self.directory.snapshot.logins.get(username)
        if login is not None:
            others = present or bool(self.switch.contacts(login.extension))
            self.switch.extensions.registered(login.extension, present=others)

    def _directory_changed(self, snapshot: Snapshot) -> None:
        """Begin to work by a new snapshot; phones whose login or password changed have to register again."""
        self.trunks.update(snapshot)
        for change in forwarding.changes(self._extensions, snapshot.extensions):
            self._equipment.bus.publish("extension.forwarding", change)
        self._extensions = snapshot.extensions
        self.watching.directory_changed(snapshot)
        before, self._logins = self._logins, snapshot.logins
        registrar = self.sip.core.inbound.registrations
        for username in registrar.registrar.users():
            login = snapshot.logins.get(username)
            if login is None or login != before.get(username, login):
                registrar.remove(username)
