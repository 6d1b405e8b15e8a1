"""The rooms' figures on `/metrics`."""

from __future__ import annotations

import functools
from collections.abc import Callable

from api.metrics import Metrics
from core.consumer import JournalFollower
from core.journal import Journal
from media.engine import Engine
from pbx.exchange import Exchange
from pbx.trunks import Trunks, TrunkStatus
from ramal.pauses import LoopPauses
from sip.stack import SipStack
from sip.trace.tracer import Tracer


def watch(
    metrics: Metrics,
    journal: Journal,
    followers: list[JournalFollower],
    exchange: Exchange,
    engine: Engine,
    pauses: LoopPauses,
    tracer: Tracer | None,
) -> None:
    """Show live calls, their voice, the journal, what waits to be digested, and the longest pause of the event loop."""
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
    guard = exchange.sip.core.guard
    metrics.watch("ramal_sip_bans", "SIP sources that are banned.", lambda: len(guard.active()))
    metrics.watch("ramal_sip_failed_sign_ins", "Wrong passwords since the start.", lambda: guard.failures)
    metrics.watch(
        "ramal_sip_refused_of_banned", "Messages not read because their source is banned.", lambda: guard.refused_banned
    )
    metrics.watch(
        "ramal_sip_refused_for_rate", "Messages not read because strangers asked too much.", lambda: guard.refused_rate
    )
    notifier = exchange.sip.core.inbound.notifier
    metrics.watch_each("ramal_sip_subscriptions", "What phones watch.", "event", notifier.count_by_event)
    metrics.watch("ramal_loop_longest_pause_seconds", "The longest pause of the event loop.", lambda: pauses.longest)
    _watch_voice(metrics, engine)
    _watch_connections(metrics, exchange.sip)
    _watch_trunks(metrics, exchange.trunks)
    if tracer is not None:
        metrics.watch("ramal_trace_dropped", "SIP messages left out of the trace.", lambda: tracer.dropped)


def _watch_voice(metrics: Metrics, engine: Engine) -> None:
    """Show what the media engine does, and by which way it talks to the kernel."""
    metrics.watch_each(
        "ramal_media_backend",
        "1 for the way in which the media engine talks to the kernel: io_uring or epoll.",
        "backend",
        lambda: {engine.statistics().backend: 1.0},
    )
    metrics.watch("ramal_media_endpoints", "Legs that have an RTP port.", lambda: engine.statistics().endpoints)
    metrics.watch("ramal_media_ports_in_use", "Pairs of RTP ports in use.", lambda: engine.statistics().ports_in_use)
    metrics.watch_each(
        "ramal_media_packets_total",
        "Datagrams that the media engine received.",
        "backend",
        lambda: {(figures := engine.statistics()).backend: float(figures.packets)},
    )


def _watch_trunks(metrics: Metrics, trunks: Trunks) -> None:
    """Show how each trunk stands, and its calls."""

    def each(name: str, help_text: str, value: Callable[[TrunkStatus], float]) -> None:
        """Show one value of each trunk."""
        metrics.watch_each(name, help_text, "trunk", lambda: {one.name: value(one) for one in trunks.all_status()})

    each("ramal_trunk_usable", "Whether a call would be sent to the trunk now.", lambda one: one.usable)
    each("ramal_trunk_calls_in", "Calls at this time that came from the trunk.", lambda one: one.calls_in)
    each("ramal_trunk_calls_out", "Calls at this time that went to the trunk.", lambda one: one.calls_out)
    each("ramal_trunk_failed", "Times that a server of the trunk could not carry a call.", lambda one: one.failed)
    each(
        "ramal_trunk_refused",
        "Calls that went past the trunk, or were turned away, for its limits or state.",
        lambda one: one.refused,
    )


def _watch_connections(metrics: Metrics, sip: SipStack) -> None:
    """Show the connections of each transport, and what became of all there were."""

    def became(field: str) -> dict[str, float]:
        """Return one figure of each transport."""
        return {name: getattr(figures, field) for name, (_, figures) in sip.connections.items()}

    metrics.watch_each(
        "ramal_sip_connections",
        "Open SIP connections.",
        "transport",
        lambda: {name: count for name, (count, _) in sip.connections.items()},
    )
    for field, help_text in (
        ("accepted", "SIP connections that peers opened."),
        ("opened", "SIP connections opened to peers."),
        ("refused", "SIP connections turned away because there were too many, of all or of one source."),
        ("expired", "SIP connections closed for silence or an unfinished message."),
        ("handshakes_failed", "Handshakes of TLS or WebSocket that failed."),
    ):
        metrics.watch_each(
            f"ramal_sip_connections_{field}_total", help_text, "transport", functools.partial(became, field)
        )
