"""Call progress tones by country (ITU-T E.180 and its list of national tones)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from media.sound_file import SAMPLE_RATE, Sound

_LEVEL: Final = 0.18
_RAMP_SECONDS: Final = 0.005


@dataclass(slots=True, frozen=True)
class Tone:
    """Frequencies in hertz that sound together, and its cadence: seconds on and off by turns, repeated."""

    frequencies: tuple[float, ...]
    cadence: tuple[float, ...]


@dataclass(slots=True, frozen=True)
class NationalTones:
    """What a caller of a country is used to hear."""

    ringback: Tone
    busy: Tone


_EUROPE: Final = NationalTones(Tone((425,), (1.0, 4.0)), Tone((425,), (0.5, 0.5)))
_NORTH_AMERICA: Final = NationalTones(Tone((440, 480), (2.0, 4.0)), Tone((480, 620), (0.5, 0.5)))
_DOUBLE_RING: Final = (0.4, 0.2, 0.4, 2.0)


def _tones(ringing: tuple[float, float], engaged: tuple[float, float], hertz: float = 425) -> NationalTones:
    """Return tones of one frequency: seconds on and off of each."""
    return NationalTones(Tone((hertz,), ringing), Tone((hertz,), engaged))


_RUSSIA: Final = _tones((0.8, 3.2), (0.4, 0.4))
_BRITAIN: Final = NationalTones(Tone((400, 450), _DOUBLE_RING), Tone((400,), (0.375, 0.375)))
_NATIONAL: Final = {
    "AR": _tones((1.0, 4.5), (0.3, 0.2)),
    "AT": _tones((1.0, 5.0), (0.4, 0.4), 420),
    "AU": NationalTones(Tone((413, 438), _DOUBLE_RING), Tone((425,), (0.375, 0.375))),
    "BR": _tones((1.0, 4.0), (0.25, 0.25)),
    "BY": _RUSSIA,
    "CA": _NORTH_AMERICA,
    "CL": _tones((1.0, 3.0), (0.5, 0.5), 400),
    "CN": _tones((1.0, 4.0), (0.35, 0.35), 450),
    "CO": _tones((1.0, 4.5), (0.25, 0.25)),
    "CZ": _tones((1.0, 4.0), (0.33, 0.33)),
    "DE": _tones((1.0, 4.0), (0.48, 0.48)),
    "DK": _tones((1.0, 4.0), (0.25, 0.25)),
    "ES": _tones((1.5, 3.0), (0.2, 0.2)),
    "FI": _tones((1.0, 4.0), (0.3, 0.3)),
    "FR": _tones((1.5, 3.5), (0.5, 0.5), 440),
    "GB": _BRITAIN,
    "HK": NationalTones(Tone((440, 480), (0.4, 0.2, 0.4, 3.0)), Tone((480, 620), (0.5, 0.5))),
    "HU": _tones((1.25, 3.75), (0.3, 0.3)),
    "IE": NationalTones(Tone((400, 450), _DOUBLE_RING), Tone((425,), (0.5, 0.5))),
    "IL": _tones((1.0, 3.0), (0.5, 0.5), 400),
    "IN": NationalTones(Tone((400,), _DOUBLE_RING), Tone((400,), (0.75, 0.75))),
    "JP": _tones((1.0, 2.0), (0.5, 0.5), 400),
    "KR": NationalTones(Tone((440, 480), (1.0, 2.0)), Tone((480, 620), (0.5, 0.5))),
    "KZ": _RUSSIA,
    "MX": _tones((1.0, 4.0), (0.25, 0.25)),
    "NZ": NationalTones(Tone((400, 450), _DOUBLE_RING), Tone((400,), (0.5, 0.5))),
    "PT": _tones((1.0, 5.0), (0.5, 0.5)),
    "RU": _RUSSIA,
    "SE": _tones((1.0, 5.0), (0.25, 0.25)),
    "SG": NationalTones(Tone((425,), _DOUBLE_RING), Tone((425,), (0.75, 0.75))),
    "TR": _tones((2.0, 4.0), (0.5, 0.5), 450),
    "US": _NORTH_AMERICA,
    "ZA": NationalTones(Tone((400,), _DOUBLE_RING), Tone((400,), (0.5, 0.5))),
}

NOTICE: Final = Tone((950,), (0.33, 0.03, 0.33, 0.03, 0.33, 1.0))
"""Stands for a prompt that cannot be spoken."""


RISING: Final = (Tone((620,), (0.12, 0.02)), Tone((830,), (0.16, 0.04)))
"""Somebody comes into a conference; the other way round, somebody leaves."""


def tones_of(country: str) -> NationalTones:
    """Return the tones of a country (ISO 3166-1 alpha-2); 425 Hz where it is not listed, as in most of the world."""
    return _NATIONAL.get(country.upper(), _EUROPE)


def render(tone: Tone, *, repeats: int = 1) -> Sound:
    """Return the samples of a tone's cadence, so many times over, without clicks."""
    parts = []
    for index, seconds in enumerate(tone.cadence):
        count = round(seconds * SAMPLE_RATE)
        parts.append(_sounding(tone.frequencies, count) if index % 2 == 0 else np.zeros(count))
    return np.tile(np.concatenate(parts), repeats)


def _sounding(frequencies: tuple[float, ...], count: int) -> Sound:
    times = np.arange(count) / SAMPLE_RATE
    mixed = np.sum([np.sin(2 * np.pi * frequency * times) for frequency in frequencies], axis=0) / len(frequencies)
    ramp = np.clip(np.minimum(np.arange(count), np.arange(count)[::-1]) / (_RAMP_SECONDS * SAMPLE_RATE), 0, 1)
    return np.asarray(mixed * ramp * _LEVEL * np.sqrt(len(frequencies)), dtype=np.float64)
