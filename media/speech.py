"""Text to speech with espeak-ng, as a process of its own: text goes in by its standard input, never by a shell."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from media.errors import SpeechTextError, SpeechUnavailableError
from media.sound_file import SAMPLE_RATE, Sound

LONGEST_TEXT: Final = 1000
"""Characters."""
_VOICES: Final = {"en": "en-us", "pt-BR": "pt-br", "ru": "ru"}
_WORDS_PER_MINUTE: Final = 150
_SECONDS_TO_SPEAK: Final = 30.0
_PEAK: Final = 0.6
_SILENCE_BEFORE: Final = 0.2
_SILENCE_AFTER: Final = 0.3
_HINT: Final = "Install it: apt-get install espeak-ng."


def speech_available() -> bool:
    """Tell whether espeak-ng is installed."""
    return shutil.which("espeak-ng") is not None


def plain(text: str) -> str:
    """Return text as one line that espeak-ng takes as words and nothing else.

    Raises `SpeechTextError` when it is empty or longer than `LONGEST_TEXT`.
    """
    words = " ".join("".join(c if c.isprintable() else " " for c in text).replace("[[", " ").split())
    if not words or len(words) > LONGEST_TEXT:
        raise SpeechTextError(f"A text to be spoken has 1 to {LONGEST_TEXT} characters, not {len(words)}.")
    return words


def speak(text: str, language: str) -> Sound:
    """Return a text as speech in one of `prompt_texts.LANGUAGES`; takes some tens of milliseconds.

    Raises `SpeechUnavailableError`, `SpeechTextError`.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise SpeechUnavailableError("espeak-ng is not installed: prompts cannot be spoken.", hint=_HINT)
    with tempfile.TemporaryDirectory(prefix="ramal-speech-") as folder:
        spoken = Path(folder) / "speech.wav"
        command = [program, "-v", _VOICES[language], "-s", str(_WORDS_PER_MINUTE), "-b", "1", "-w", str(spoken)]
        try:
            subprocess.run(  # noqa: S603
                [*command, "--stdin"],
                input=plain(text).encode(),
                check=True,
                capture_output=True,
                timeout=_SECONDS_TO_SPEAK,
            )
            samples, rate = soundfile.read(spoken, dtype="float64")
        except (OSError, subprocess.SubprocessError, soundfile.SoundFileError) as error:
            raise SpeechUnavailableError(f"espeak-ng failed: {error}.", hint="Try it by hand.") from error
    return _for_the_telephone(samples, rate)


def _for_the_telephone(samples: Sound, rate: int) -> Sound:
    """Bring speech to 8 kHz and an even level, with a moment of silence around it."""
    narrow = _resampled(samples, rate)
    loudest = float(np.max(np.abs(narrow), initial=0.0))
    if loudest > 0:
        narrow = narrow * (_PEAK / loudest)
    before = np.zeros(round(_SILENCE_BEFORE * SAMPLE_RATE))
    after = np.zeros(round(_SILENCE_AFTER * SAMPLE_RATE))
    return np.concatenate([before, narrow, after])


def _resampled(samples: Sound, rate: int) -> Sound:
    """Cut the spectrum off at 4 kHz and sample anew; sentences are short enough for one transform."""
    length = round(len(samples) * SAMPLE_RATE / rate)
    spectrum = np.fft.rfft(samples)[: length // 2 + 1]
    return np.fft.irfft(spectrum, length) * (length / max(len(samples), 1))
