"""Speech to say, and ears to compare what was heard with it."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
from scipy import signal

Samples = npt.NDArray[np.float64]
"""Mono, -1 to 1."""


def make_speech(path: Path, text: str, *, voice: str = "en", sample_rate: int = 8000) -> Path:
    """Say a text with espeak-ng into a mono 16-bit WAV file; voices are `en`, `pt-br`, `ru` and the like."""
    raw = path.with_suffix(".raw.wav")
    subprocess.run(["espeak-ng", "-v", voice, "-w", raw, text], check=True)
    subprocess.run(["sox", raw, "-b", "16", "-c", "1", "-r", str(sample_rate), path], check=True)
    raw.unlink()
    return path


def load(path: Path, *, sample_rate: int = 8000, channel: int = 0) -> Samples:
    """Read one channel of a sound file at this rate."""
    samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    chosen: Samples = samples[:, channel]
    return signal.resample_poly(chosen, sample_rate, rate) if rate != sample_rate else chosen


def level_dbfs(samples: Samples) -> float:
    """Return the level, 0 being full scale; -120 for silence."""
    return max(-120.0, 10 * math.log10(float(np.mean(np.square(samples))) + 1e-12)) if len(samples) else -120.0


def offset_of(said: Samples, heard: Samples, *, sample_rate: int = 8000) -> float:
    """Return at how many seconds of `heard` the speech `said` begins, by their cross-correlation; negative if before it."""
    correlation = signal.correlate(heard, said, mode="full", method="fft")
    return float(int(np.argmax(np.abs(correlation))) - (len(said) - 1)) / sample_rate


def similarity(said: Samples, heard: Samples, *, sample_rate: int = 8000, window_seconds: float = 0.4) -> float:
    """Return how much of `said` can be heard, 0 to 1.

    Every voiced window of `said` is looked for anywhere in `heard`; the median of the best normalised correlations is returned.
    So a jitter buffer that slips by some samples does no harm, and another speech stays below 0.6.
    """
    width = int(window_seconds * sample_rate)
    if len(heard) < width:
        return 0.0
    energy = np.maximum(signal.fftconvolve(np.square(heard), np.ones(width), mode="valid"), 1e-6)
    loud = level_dbfs(said) - 6
    scores = []
    for start in range(0, len(said) - width + 1, width):
        window = said[start : start + width]
        if level_dbfs(window) < loud:
            continue
        correlation = signal.correlate(heard, window, mode="valid", method="fft")
        scores.append(float(np.max(np.abs(correlation) / np.sqrt(energy * np.sum(np.square(window))))))
    return float(np.median(scores)) if scores else 0.0


def hears(said: Path, heard: Path, *, channel: int = 0) -> float:
    """Return how much of one file's speech can be heard in another, 0 to 1; above 0.8 it is the same speech."""
    return similarity(load(said), load(heard, channel=channel))
