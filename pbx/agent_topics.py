"""What extensions do, on MQTT: `ramal/agents/<extension>/state`, retained, so that who subscribes later knows the present too.

Only the newest state counts: states that follow each other faster than they are sent are told as the last one. So they need no place in
the outbox: what a broker that is away has missed is what the extension does when it is back.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import structlog

from core.bus import EventBus, LiveEvent
from core.clock import Clock
from core.errors import RamalError
from core.giving_way import slices
from core.identifiers import new_id
from core.mqtt import MqttMessage, MqttPublisher
from core.tasks import stopped
from pbx.directory import Directory
from pbx.extension_states import ExtensionStates
from pbx.snapshot import Snapshot

log = structlog.get_logger(__name__)

_GATHER: Final = 0.2
_AGAIN: Final = 5.0
_AT_ONCE: Final = 100
"""States that are told in about two milliseconds."""


class AgentTopics:
    """Publishes each extension's state when it changes, and all of them at the start."""

    def __init__(
        self, publisher: MqttPublisher, bus: EventBus, clock: Clock, directory: Directory, states: ExtensionStates
    ) -> None:
        """Begin to listen.

        Args:
            publisher: the way to the broker.
            bus: tells `extension.state`.
            clock: the time of a state.
            directory: which extensions there are.
            states: what they do now.
        """
        self._publisher = publisher
        self._clock = clock
        self._directory = directory
        self._states = states
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._known = set(directory.snapshot.extensions)
        bus.listen(self._heard, "extension.state")
        directory.listen(self._listed)

    def start(self) -> None:
        """Tell what every extension does now, for a server that was killed has left old states behind; then go on."""
        self._changed |= set(self._directory.snapshot.extensions)
        self._wake.set()
        self._task = asyncio.create_task(self._follow(), name="agent-topics")

    async def close(self) -> None:
        """Tell what is left and stop."""
        if self._task is not None:
            await stopped(self._task)
            self._task = None
            await self._tell()

    def _heard(self, event: LiveEvent) -> None:
        self._changed.add(event.payload["extension"])
        self._wake.set()

    def _listed(self, snapshot: Snapshot) -> None:
        """Have new extensions told, and removed ones forgotten by the broker."""
        extensions = set(snapshot.extensions)
        self._changed |= extensions ^ self._known
        self._known = extensions
        self._wake.set()

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER)
            self._wake.clear()
            if not await self._tell():
                await asyncio.sleep(_AGAIN)
                self._wake.set()

    async def _tell(self) -> bool:
        """Publish the states that changed; tell whether the broker has them."""
        extensions = sorted(self._changed)
        if not extensions:
            return True
        # At the start of a large house these are tens of thousands, and the first calls are there.
        async for some in slices(extensions, _AT_ONCE):
            # First, so that a change that comes in while the broker is waited for is told once more.
            self._changed.difference_update(some)
            try:
                await self._publisher.publish([self._message(extension) for extension in some])
            except RamalError as error:
                log.warning("agent_states_not_told", error=error.message)
                self._changed.update(some)
                return False
        return True

    def _message(self, extension: str) -> MqttMessage:
        topic = f"ramal/agents/{extension}/state"
        if extension not in self._known:
            return MqttMessage(topic, "", retain=True)
        state = {
            "extension": extension,
            "state": self._states.state(extension).value,
            "at": self._clock.now(),
            "message_id": new_id(),
        }
        return MqttMessage(topic, msgspec.json.encode(state), retain=True)
