"""Measuring a closed recording: checksum, size, duration, channels and waveform. Reads the file, changes nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from recordings.errors import DamagedAudioError
from recordings.storage import RecordingStore, read_blocks
from recordings.wav import missing_seconds
from recordings.waveform import blocks_of, measure_peaks


@dataclass(slots=True, frozen=True)
class Measured:
    """What a recording holds."""

    sha256: str
    bytes: int
    seconds: float
    channels: int
    sample_rate: int
    format: str
    torn_seconds: float
    """What the header promises and the file does not have."""
    peaks: NDArray[np.uint8]
    """Shape (channels, stretches)."""


def measure(store: RecordingStore, location: str) -> Measured:
    """Measure a recording; blocks, so it runs in a thread.

    Raises:
        AudioMissingError: the file is not there.
        DamagedAudioError: it is no sound.
        StoreUnavailableError: it cannot be read at present.
    """
    digest = checksum(store, location)
    size = store.size(location)
    with store.open(location) as file:
        torn = missing_seconds(file, size)
    with store.open(location) as file:
        try:
            with soundfile.SoundFile(file) as sound:
                frames, channels, rate = sound.frames, sound.channels, sound.samplerate
                peaks = measure_peaks(blocks_of(sound), frames, channels)
                kind = str(sound.format).lower()
        except soundfile.LibsndfileError as error:
            what = "is empty" if size == 0 else f"is no sound: {error.error_string}"
            raise DamagedAudioError(f"The recording {location} {what}.") from error
    return Measured(digest, size, frames / rate, channels, rate, kind, torn, peaks)


def checksum(store: RecordingStore, location: str) -> str:
    """Return the SHA-256 of a recording in hexadecimal; errors as of `measure`."""
    digest = hashlib.sha256()
    with store.open(location) as file:
        for block in read_blocks(file):
            digest.update(block)
    return digest.hexdigest()
