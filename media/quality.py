"""How good a leg sounds, estimated from what RTP and RTCP tell."""

from __future__ import annotations

import math
from dataclasses import dataclass

_NO_IMPAIRMENT = 93.2
"""R of a perfect G.711 connection: the default Ro - Is of ITU-T G.107 (2015)."""
_PACKET_LOSS_ROBUSTNESS = 4.3
"""Bpl of G.711 without packet loss concealment, ITU-T G.113 appendix I."""
_FRAME_MS = 20.0


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
    return 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)


def _loss_impairment(loss: float) -> float:
    """Ie,eff of G.107 section 7.6 for random loss and an equipment impairment Ie of 0."""
    percent = 100 * min(1.0, max(0.0, loss))
    return 95 * percent / (percent + _PACKET_LOSS_ROBUSTNESS)


def _mos_of_rating(rating: float) -> float:
    """G.107 annex B."""
    if rating <= 0:
        return 1.0
    if rating >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6)


@dataclass(slots=True, frozen=True)
class EndpointStatistics:
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

    @property
    def loss(self) -> float:
        """The share of the party's packets that were lost, 0 to 1."""
        expected = self.packets_received + self.packets_lost
        return self.packets_lost / expected if expected else 0.0

    @property
    def mos(self) -> float:
        """The estimated MOS of what we receive: 1.0 to 4.5, rounded to two places; see `estimate_mos`."""
        mos = estimate_mos(loss=self.loss, jitter_ms=self.jitter_ms, round_trip_ms=self.round_trip_ms)
        return math.floor(mos * 100 + 0.5) / 100
