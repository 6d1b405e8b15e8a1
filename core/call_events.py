"""The facts of calls as MQTT events: `ramal/calls/<call-id>/<event>`, the payload being the fact's own fields.

They go from the journal straight to the broker. The journal keeps them until then, so that they need no place in the outbox: what was
published is known by the position, which is stored after the broker has it. So delivery is at least once, in order.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from core.consumer import JournalFollower, store_position, stored_position
from core.database import Database
from core.events import CallFact, MediaAlive
from core.journal import Entry, Journal
from core.mqtt import MqttMessage, MqttPublisher

_encoder: Final = msgspec.json.Encoder()
_CAPITAL: Final = re.compile(r"(?<!^)(?=[A-Z])")
_BATCH: Final = 500


class _Place(msgspec.Struct, frozen=True, gc=False):
    """Where an event stands in the journal, and an id that never changes."""

    node: str
    sequence: int
    message_id: str


class CallEvents(JournalFollower):
    """Publishes one node's facts."""

    def __init__(self, journal: Journal, database: Database, publisher: MqttPublisher, *, batch: int = _BATCH) -> None:
        super().__init__(journal, "mqtt", batch=batch)
        self._database = database
        self._publisher = publisher
        self._known = False

    async def step(self) -> int:
        """Publish one batch and store how far it went; return how many entries it had."""
        if not self._known:
            async with self._database.transaction() as session:
                position = (await stored_position(session, self.name, self._journal.node)).sequence
            await self._reached(position)
            self._known = True
        entries = self._journal.read(self.position, self.batch)
        if not entries:
            return 0
        if self._publisher.heard:
            # The media heartbeat is for recovery only.
            await self._publisher.publish(
                [call_event(self._journal.node, entry) for entry in entries if type(entry.fact) is not MediaAlive]
            )
        async with self._database.transaction() as session:
            await store_position(session, self.name, self._journal.node, entries[-1].sequence)
        await self._reached(entries[-1].sequence)
        return len(entries)


def call_event(node: str, entry: Entry) -> MqttMessage:
    """Return the event of a fact: its fields, its name under `event`, its place in the journal, and an id that never changes."""
    name, begin, skipped = _beginning(type(entry.fact))
    # Spliced from what is encoded already: making a dictionary of each fact first costs six times as much.
    fields = _encoder.encode(entry.fact)[skipped:-1]
    place = _encoder.encode(_Place(node, entry.sequence, f"{node}-{entry.sequence}"))[1:]
    return MqttMessage(f"ramal/calls/{entry.fact.call_id}/{name}", b"%b%b,%b" % (begin, fields, place))


@lru_cache
def _beginning(fact: type[CallFact]) -> tuple[str, bytes, int]:
    """Return the event name of a kind of fact, how its event begins, and how many bytes of the encoded fact that replaces."""
    name = event_name(fact)
    return name, b'{"event":"%b",' % name.encode(), len(b'{"type":"%b",' % fact.__name__.encode())


@lru_cache
def event_name(fact: type[CallFact]) -> str:
    """Return the event name of a kind of fact: `LegAnswered` is `leg_answered`."""
    return _CAPITAL.sub("_", fact.__name__).lower()
