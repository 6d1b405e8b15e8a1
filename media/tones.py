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
_NATIONAL: Final = {
    "BR": NationalTones(Tone((425,), (1.0, 4.0)), Tone((425,), (0.25, 0.25))),
    "CA": _NORTH_AMERICA,
    "GB": NationalTones(Tone((400, 450), (0.4, 0.2, 0.4, 2.0)), Tone((400,), (0.375, 0.375))),
    "PT": NationalTones(Tone((425,), (1.0, 5.0)), Tone((425,), (0.5, 0.5))),
    "RU": NationalTones(Tone((425,), (0.8, 3.2)), Tone((425,), (0.4, 0.4))),
    "US": _NORTH_AMERICA,
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
