"""Sound files as the engine plays them: 8 kHz, mono, 16-bit WAV, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from media.errors import SoundFileError

SAMPLE_RATE: Final = 8000
Sound = NDArray[np.float64]
"""Samples from -1 to 1 at `SAMPLE_RATE`, one channel."""


def write_sound(path: Path, samples: Sound) -> None:
    """Write samples so that nobody ever sees half a file; the folder must exist. Raises `SoundFileError`."""
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".sound-", suffix=".wav")
        os.close(descriptor)
        try:
            soundfile.write(temporary, np.clip(samples, -1.0, 1.0), SAMPLE_RATE, subtype="PCM_16", format="WAV")
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, soundfile.SoundFileError) as error:
        raise SoundFileError(f"A sound cannot be written to {path.parent}: {error}.") from error
