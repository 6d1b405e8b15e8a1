"""Facts as messages: what a message says, and that none is made where nobody listens."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from core.call_events import CallEvents, call_event
from core.database import Database
from core.events import (
    CallEnded,
    CallFact,
    CallOffered,
    Direction,
    Disposition,
    LegQuality,
    LegRinging,
    LegStatistics,
    MediaAlive,
    QualitySample,
)
from core.journal import Entry, Journal
from core.mqtt import MqttMessage

NOON = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SAMPLE = QualitySample(at=NOON, seconds=10.0, loss=0.01, jitter_ms=2.5, round_trip_ms=None, mos=4.1)
FACTS: tuple[CallFact, ...] = (
    CallOffered(
        at=NOON,
        call_id="c",
        direction=Direction.INBOUND,
        from_number="+79161234567",
        to_number="+74951234567",
        dialled="+74951234567",
        from_name='Ольга "Ola" \\ Ivanova\n',
    ),
    LegRinging(at=NOON, call_id="c", leg_id="l"),
    LegStatistics(
        at=NOON,
        call_id="c",
        leg_id="l",
        packets_received=10,
        packets_sent=9,
        packets_lost=0,
        jitter_ms=0.3,
        mos=4.4,
    ),
    LegQuality(at=NOON, call_id="c", leg_id="l", samples=(SAMPLE, SAMPLE)),
    CallEnded(at=NOON, call_id="c", disposition=Disposition.ANSWERED),
)


class Publisher:
    """Takes messages down."""

    def __init__(self, *, heard: bool) -> None:
        self.heard = heard
        self.messages: list[MqttMessage] = []

    async def publish(self, messages: Sequence[MqttMessage]) -> None:
        self.messages += messages


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_message_says_the_event_the_facts_own_fields_and_its_place_in_the_journal(fact: CallFact) -> None:
    message = call_event('no"de', Entry(7, fact))
    fields = json.loads(msgspec.json.encode(fact))
    del fields["type"]
    said = json.loads(message.body)
    event = message.topic.removeprefix("ramal/calls/c/")
    assert said == {"event": event, **fields, "node": 'no"de', "sequence": 7, "message_id": 'no"de-7'}
    assert event in {"call_offered", "leg_ringing", "leg_statistics", "leg_quality", "call_ended"}
    assert list(said)[:3] == ["event", "at", "call_id"]


async def test_no_message_is_made_where_nobody_listens_and_none_comes_late(database: Database, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "n1")
    publisher = Publisher(heard=False)
    events = CallEvents(journal, database, publisher)
    journal.append(FACTS[0])
    journal.append(FACTS[1])
    await journal.flushed()
    assert (await events.step(), events.lag) == (2, 0)
    publisher.heard = True
    again = CallEvents(journal, database, publisher)
    journal.append(MediaAlive(at=NOON, call_id="c"))
    journal.append(FACTS[-1])
    await journal.flushed()
    assert await again.step() == 2
    assert [message.topic for message in publisher.messages] == ["ramal/calls/c/call_ended"]
    await journal.close()
