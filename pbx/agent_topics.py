"""What extensions do, on MQTT: `ramal/agents/<extension>/state`, retained, so that who subscribes later knows the present too.

Only the newest state counts: states that follow each other faster than the database takes them are told as the last one.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.bus import EventBus, LiveEvent
from core.clock import Clock
from core.database import Database
from core.errors import StorageError
from core.outbox import send_mqtt
from pbx.directory import Directory
from pbx.extension_states import ExtensionStates

log = structlog.get_logger(__name__)

_GATHER: Final = 0.2
_AGAIN: Final = 5.0


class AgentTopics:
    """Writes each extension's state into the outbox when it changes, and all of them at the start."""

    def __init__(
        self, database: Database, bus: EventBus, clock: Clock, directory: Directory, states: ExtensionStates
    ) -> None:
        """Begin to listen.

        Args:
            database: where the outbox is.
            bus: tells `extension.state`.
            clock: the time of a state.
            directory: which extensions there are.
            states: what they do now.
        """
        self._database = database
        self._clock = clock
        self._directory = directory
        self._states = states
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        bus.listen(self._heard, "extension.state")

    def start(self) -> None:
        """Tell what every extension does now, for a server that was killed has left old states behind; then go on."""
        self._changed |= set(self._directory.snapshot.extensions)
        self._wake.set()
        self._task = asyncio.create_task(self._follow(), name="agent-topics")

    async def close(self) -> None:
        """Write what is left and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            await self._write()

    def _heard(self, event: LiveEvent) -> None:
        self._changed.add(event.payload["extension"])
        self._wake.set()

    async def _follow(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_GATHER)
            self._wake.clear()
            if not await self._write():
                await asyncio.sleep(_AGAIN)
                self._wake.set()

    async def _write(self) -> bool:
        """Write the states that changed in one transaction; tell whether the database took them."""
        extensions = sorted(self._changed)
        if not extensions:
            return True
        try:
            async with self._database.transaction() as session:
                for extension in extensions:
                    state = {
                        "extension": extension,
                        "state": self._states.state(extension).value,
                        "at": self._clock.now(),
                    }
                    await send_mqtt(session, f"ramal/agents/{extension}/state", state, retain=True)
                # Inside, so that a change that comes in while the commit waits is written once more.
                self._changed.difference_update(extensions)
        except (SQLAlchemyError, StorageError, OSError) as error:
            log.warning("agent_states_not_stored", error=str(error))
            self._changed.update(extensions)
            return False
        return True
