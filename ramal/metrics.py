"""The rooms' figures on `/metrics`."""

from __future__ import annotations

from api.metrics import Metrics
from core.consumer import JournalFollower
from core.journal import Journal
from pbx.exchange import Exchange
from ramal.pauses import LoopPauses
from sip.trace.tracer import Tracer


def watch(
    metrics: Metrics,
    journal: Journal,
    followers: list[JournalFollower],
    exchange: Exchange,
    pauses: LoopPauses,
    tracer: Tracer | None,
) -> None:
    """Show live calls, the journal, what waits to be digested, and the longest pause of the event loop."""
    metrics.watch("ramal_calls", "Live calls.", lambda: len(exchange.switch.calls()))
    metrics.watch("ramal_journal_sequence", "Facts in the call journal.", lambda: journal.last_sequence)
    metrics.watch(
        "ramal_journal_unwritten", "Facts not on disk yet.", lambda: journal.last_sequence - journal.durable_sequence
    )
    metrics.watch(
        "ramal_consumer_lag",
        "Facts that the slowest consumer, or the broker, has before it.",
        lambda: max(follower.lag for follower in followers),
    )
    metrics.watch("ramal_loop_longest_pause_seconds", "The longest pause of the event loop.", lambda: pauses.longest)
    if tracer is not None:
        metrics.watch("ramal_trace_dropped", "SIP messages left out of the trace.", lambda: tracer.dropped)
