"""Speech for the demo's phones, and the proof that one heard the other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile

from media.speech import speak

Samples = npt.NDArray[np.float64]

RATE: Final = 8000
_PIECE: Final = RATE // 4
"""A quarter of a second: on a busy machine phones skip and stretch, and longer pieces are seldom whole."""
_PIECES: Final = 12
_ENOUGH: Final = 3
"""Of the demo's other texts, spoken by the same voice, one piece at most is alike by chance."""
_ALIKE: Final = 0.75

TEXTS: Final = {
    "customer": "Good morning. I would like to order twenty loaves of bread for tomorrow morning, please.",
    "desk": "Of course. Let me look whether the workshop can deliver that, and what it would cost for you.",
    "colleague": "This is the workshop. Twenty loaves are no problem at all, they will be ready at seven o'clock.",
}


async def make_speech(folder: Path) -> dict[str, Path]:
    """Speak the three texts with espeak-ng into WAV files of 8 kHz."""
    files = {}
    for name, text in TEXTS.items():
        files[name] = folder / f"{name}.wav"
        samples = await asyncio.to_thread(speak, text, "en")
        soundfile.write(files[name], samples, RATE, subtype="PCM_16")
    return files


def hears(heard: Path | Samples, said: Path) -> bool:
    """Tell whether what was said is found in what was heard: clearly, in several of its loudest quarters of a second."""
    ear = _load(heard) if isinstance(heard, Path) else heard
    found = [likeness(ear, piece) >= _ALIKE for piece in _loudest_pieces(_load(said))]
    return sum(found) >= _ENOUGH


def likeness(heard: Samples, said: Samples) -> float:
    """Return the highest normalised cross-correlation of `said` anywhere in `heard`, 0 to 1."""
    if len(heard) < len(said) or not np.any(said):
        return 0.0
    from scipy.signal import correlate  # noqa: PLC0415 - a quarter of the demo's start, wanted at its end only

    products = correlate(heard, said, mode="valid", method="fft")
    squares = np.concatenate([[0.0], np.cumsum(heard**2)])
    energy = squares[len(said) :] - squares[: -len(said)]
    scale = np.sqrt(np.maximum(energy, 1e-6) * np.sum(said**2))
    return float(np.max(np.abs(products) / scale))


def _load(file: Path) -> Samples:
    samples, rate = soundfile.read(file, dtype="float64", always_2d=True)
    mono: Samples = samples.mean(axis=1)
    if rate == RATE:
        return mono
    from scipy.signal import resample_poly  # noqa: PLC0415 - as above

    return np.asarray(resample_poly(mono, RATE, rate), dtype=np.float64)


def _loudest_pieces(samples: Samples) -> list[Samples]:
    pieces = [samples[begin : begin + _PIECE] for begin in range(0, len(samples) - _PIECE, _PIECE)]
    return sorted(pieces, key=lambda piece: float(np.sum(piece**2)), reverse=True)[:_PIECES]
