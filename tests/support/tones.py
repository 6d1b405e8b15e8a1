"""Tones that phones speak in tests, and how strongly one is heard in a recording."""

import asyncio
import contextlib
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000


def write_tone(path: Path, hertz: float, seconds: float = 5.0) -> Path:
    """Write a steady tone as 8 kHz mono WAV."""
    samples = 9000 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def read(path: Path, channel: int = 0) -> NDArray[np.float64]:
    """Return one channel of a WAV file as samples from -1 to 1, at 8 kHz."""
    with wave.open(str(path)) as file:
        channels, rate = file.getnchannels(), file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)[:, channel]
    wanted = samples.astype(np.float64) / 32768
    return wanted[:: rate // RATE]


async def complete(path: Path, seconds: float = 5.0) -> NDArray[np.float64]:
    """Return what a phone wrote down, once it has closed the file: pjsua2 does so a moment after the call."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(wave.Error, EOFError, FileNotFoundError):
                if (samples := read(path)).size:
                    return samples
            await asyncio.sleep(0.05)


def loudness(samples: NDArray[np.float64]) -> float:
    """Return the root mean square of the samples."""
    return float(np.sqrt(np.mean(samples**2))) if samples.size else 0.0


def share(samples: NDArray[np.float64], hertz: float) -> float:
    """Return how much of the energy lies within 20 Hz of a frequency: near 1 for that tone alone, near 0 without it."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2
    near = np.abs(np.fft.rfftfreq(samples.size, 1 / RATE) - hertz) < 20
    total = float(spectrum.sum())
    return float(spectrum[near].sum()) / total if total > 1e-3 else 0.0


def seconds_of(samples: NDArray[np.float64], hertz: float, *, window: float = 0.1) -> float:
    """Return for how many seconds a tone prevails."""
    size = int(RATE * window)
    pieces = [samples[start : start + size] for start in range(0, samples.size - size + 1, size)]
    return window * sum(loudness(piece) > 0.01 and share(piece, hertz) > 0.5 for piece in pieces)
