"""What `/readyz` says of the rooms: what a call needs, and what only waits behind it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from api.services import ReadinessCheck, Services
from core.consumer import JournalFollower
from core.journal import Journal
from core.outbox import OutboxDrain
from media.engine import Engine
from pbx.exchange import Exchange
from recordings.sealer import Sealer
from recordings.transcripts import TranscriptQueue

_LOG = "the log tells why"


def watch_calls(services: Services, journal: Journal, exchange: Exchange, engine: Engine, ports: int) -> None:
    """Check what no call can do without: the journal, SIP's sockets, and media ports.

    Args:
        services: get the checks.
        journal: takes the facts.
        exchange: whose SIP stack listens.
        engine: relays the voice.
        ports: pairs of RTP ports there are.
    """

    def media() -> str | None:
        """Tell whether there is a port left for a call."""
        return "every RTP port is in use" if engine.statistics().ports_in_use >= ports else None

    services.readiness |= {
        "journal": _check(lambda: f"the disk refuses new facts; {_LOG}" if journal.failing else None),
        "sip": _check(lambda: None if exchange.sip.addresses else "no port is open"),
        "media": _check(media),
    }


def watch_work(
    services: Services,
    consumers: Sequence[JournalFollower],
    drains: Sequence[OutboxDrain],
    sealer: Sealer,
    transcripts: TranscriptQueue | None,
) -> None:
    """Check what catches up by itself: consumers of the journal, the outbox, seals and transcripts."""
    for consumer in consumers:
        services.conditions[f"consumer {consumer.name}"] = _check(functools.partial(_consumer, consumer))
    workers: dict[str, OutboxDrain | Sealer | TranscriptQueue] = {f"outbox {drain.channel}": drain for drain in drains}
    workers["recordings"] = sealer
    if transcripts is not None:
        workers["transcripts"] = transcripts
    for name, worker in workers.items():
        services.conditions[name] = _check(functools.partial(_worker, worker))


def _consumer(consumer: JournalFollower) -> str | None:
    if consumer.failure is None:
        return None
    return f"stands still {consumer.lag} facts behind; {_LOG}"


def _worker(worker: OutboxDrain | Sealer | TranscriptQueue) -> str | None:
    return None if worker.failure is None else f"waits; {_LOG}"


def _check(look: Callable[[], str | None]) -> ReadinessCheck:
    async def check() -> str | None:
        """Tell at once: it needs no waiting."""
        return look()

    return check
