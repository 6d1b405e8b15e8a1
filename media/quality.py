"""How good a leg sounds, estimated from what RTP and RTCP tell."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime
from typing import Final

import msgspec

from core.events import QualitySample

_NO_IMPAIRMENT = 93.2
"""R of a perfect G.711 connection: the default Ro - Is of ITU-T G.107 (2015)."""
_PACKET_LOSS_ROBUSTNESS = 4.3
"""Bpl of G.711 without packet loss concealment, ITU-T G.113 appendix I."""
_FRAME_MS = 20.0
SAMPLE_SECONDS: Final = 10.0
"""What a sample of a leg's quality is about."""
_SHORTEST_SAMPLE: Final = 2.0
"""Seconds; what is left of a leg at its end and shorter than this makes no sample."""
_MOST_KEPT: Final = 30
"""Samples, five minutes of them."""


def estimate_mos(*, loss: float, jitter_ms: float, round_trip_ms: float | None) -> float:
    """Return a MOS from 1.0 to 4.5 by a simplified E-model (ITU-T G.107) for G.711.

    `loss` is the share of packets lost, 0 to 1. The receiver is taken to have a jitter buffer of twice the jitter; an unknown round
    trip counts as none. Only delay and random loss impair; echo, noise and level are at their defaults.
    """
    delay = (round_trip_ms or 0.0) / 2 + 2 * jitter_ms + _FRAME_MS
    rating = _NO_IMPAIRMENT - _delay_impairment(delay) - _loss_impairment(loss)
    return _mos_of_rating(rating)


def _delay_impairment(delay_ms: float) -> float:
    """Id, approximated as 0.024 d + 0.11 (d - 177.3) beyond 177.3 ms (Cole and Rosenbluth, 2001)."""
    return 0.024 * delay_ms + (0.11 * (delay_ms - 177.3) if delay_ms > 177.3 else 0.0)


def _loss_impairment(loss: float) -> float:
    """Ie,eff of G.107 section 7.6 for random loss and an equipment impairment Ie of 0."""
    if loss <= 0:
        return 0.0
    percent = 100 * min(1.0, loss)
    return 95 * percent / (percent + _PACKET_LOSS_ROBUSTNESS)


def _mos_of_rating(rating: float) -> float:
    """G.107 annex B."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


class EndpointStatistics(msgspec.Struct, frozen=True, gc=False):
    """The figures of one endpoint since it was created."""

    packets_received: int
    packets_sent: int
    packets_lost: int
    """Of those the party sent to us (RFC 3550 A.3)."""
    packets_rejected: int
    """From a source that is not the party's, or malformed."""
    jitter_ms: float
    """Interarrival jitter of what we receive (RFC 3550 A.8)."""
    round_trip_ms: float | None
    """From the party's reports (RFC 3550 section 6.4.1); None until one came."""
    reported_lost: int
    """Packets of ours that the party says it lost."""
    reported_jitter_ms: float
    """Jitter of our stream as the party sees it."""
    first_packet_at: float | None
    """When the first packet came, in seconds of `time.monotonic()`."""
    last_packet_at: float | None
    """When the last packet came, in seconds of `time.monotonic()`."""
    reports: int = 0
    """Reports of the party about our stream."""

    @property
    def loss(self) -> float:
        """The share of the party's packets that were lost, 0 to 1."""
        expected = self.packets_received + self.packets_lost
        return self.packets_lost / expected if expected else 0.0

    @property
    def mos(self) -> float:
        """The estimated MOS of what we receive: 1.0 to 4.5, rounded to two places; see `estimate_mos`."""
        return _mos(self.loss, self.jitter_ms, self.round_trip_ms)


class QualityMeter:
    """Makes samples of a leg's quality from its figures, which only grow; knows no clock but the one it is told."""

    __slots__ = ("_before", "_since", "_untold", "samples")

    def __init__(self, now: float) -> None:
        """Begin at a monotonic time in seconds."""
        self._before: EndpointStatistics | None = None
        self._since = now
        self._untold = 0
        self.samples: deque[QualitySample] = deque(maxlen=_MOST_KEPT)
        """The newest last."""

    @property
    def full(self) -> bool:
        """Whether `untold` should be asked before samples are forgotten."""
        return self._untold >= _MOST_KEPT

    def due(self, now: float) -> bool:
        """Tell whether it is time for a sample."""
        return now - self._since >= SAMPLE_SECONDS

    def take(self, figures: EndpointStatistics, now: float, at: datetime) -> None:
        """Make a sample of what happened since the last one; where nothing came from the party there is none.

        Args:
            figures: of the endpoint, up to now.
            now: monotonic seconds.
            at: the same moment in UTC.
        """
        before, self._before = self._before, figures
        seconds, self._since = now - self._since, now
        received = figures.packets_received - (before.packets_received if before else 0)
        if seconds < _SHORTEST_SAMPLE or received <= 0:
            return
        self.samples.append(_sample(figures, before, at, seconds))
        self._untold += 1

    def untold(self) -> tuple[QualitySample, ...]:
        """Return the samples that were not returned before."""
        samples = tuple(self.samples)[-self._untold :] if self._untold else ()
        self._untold = 0
        return samples


def _sample(
    figures: EndpointStatistics, before: EndpointStatistics | None, at: datetime, seconds: float
) -> QualitySample:
    lost = max(0, figures.packets_lost - (before.packets_lost if before else 0))
    received = figures.packets_received - (before.packets_received if before else 0)
    loss = lost / (lost + received)
    sample = QualitySample(
        at=at,
        seconds=round(seconds, 1),
        loss=round(loss, 4),
        jitter_ms=round(figures.jitter_ms, 2),
        round_trip_ms=_rounded(figures.round_trip_ms),
        mos=_mos(loss, figures.jitter_ms, figures.round_trip_ms),
    )
    sent = figures.packets_sent - (before.packets_sent if before else 0)
    if figures.reports == (before.reports if before else 0) or sent <= 0:
        return sample
    far_loss = min(1.0, max(0, figures.reported_lost - (before.reported_lost if before else 0)) / sent)
    return msgspec.structs.replace(
        sample,
        far_loss=round(far_loss, 4),
        far_jitter_ms=round(figures.reported_jitter_ms, 2),
        far_mos=_mos(far_loss, figures.reported_jitter_ms, figures.round_trip_ms),
    )


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)


def _mos(loss: float, jitter_ms: float, round_trip_ms: float | None) -> float:
    return math.floor(estimate_mos(loss=loss, jitter_ms=jitter_ms, round_trip_ms=round_trip_ms) * 100 + 0.5) / 100
