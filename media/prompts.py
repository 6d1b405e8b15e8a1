"""The sounds Ramal plays of itself: spoken prompts, tones and hold music, made once and kept as files.

All functions may be called from any thread. Speaking takes some tens of milliseconds the first time: call `path` and `say` off
the event loop.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import structlog

from media.errors import SoundFileError, SpeechUnavailableError, UnknownPromptError
from media.music import hold_music
from media.prompt_texts import TEXTS, closest_language
from media.sound_file import Sound, write_sound
from media.speech import plain, speak, speech_available
from media.tones import NOTICE, RISING, render, tones_of

_log = structlog.get_logger(__name__)

_EDITION: Final = "1"
"""Changes when sounds are made differently, so that kept ones are made anew."""
_MOST_SAID: Final = 500
"""Free texts kept; the oldest go."""
_TONE_REPEATS: Final = 4


class PromptStore:
    """A folder of sounds, filled as they are needed."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that is made if need be. Raises `SoundFileError` when that fails."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SoundFileError(f"The folder of prompts cannot be made: {error}.") from error
        self._folder = folder
        self._making = threading.Lock()

    def check(self) -> str:
        """Return what is missing for speech and what to do about it, or an empty string; for the start."""
        if speech_available():
            return ""
        return (
            "espeak-ng is not installed: callers hear tones instead of prompts. Install it: apt-get install espeak-ng."
        )

    def prepare(self, country: str) -> None:
        """Make the tones of a country and the hold music now, so that no caller waits for them."""
        self.ringback(country)
        self.busy(country)
        self.hold_music()
        self.entering()
        self.leaving()

    def path(self, text_key: str, language: str, **values: str) -> Path:
        """Return the sound of a prompt of `prompt_texts.TEXTS`, with the names in it filled in.

        A language that is not spoken falls back to English; without espeak-ng it is a tone. Raises `UnknownPromptError`,
        `SpeechTextError`, `SoundFileError`.
        """
        spoken = closest_language(language)
        try:
            text = TEXTS[text_key][spoken].format_map(values)
        except KeyError as missing:
            raise UnknownPromptError(f"The prompt {text_key!r} cannot be said: {missing} is not known.") from missing
        return self._spoken(text_key, text, spoken)

    def say(self, text: str, language: str) -> Path:
        """Return the sound of a free text; without espeak-ng a tone. Raises `SpeechTextError`, `SoundFileError`."""
        said = self._spoken("said", text, closest_language(language))
        self._forget_oldest()
        return said

    def hold_music(self) -> Path:
        """Return music to be played in a loop."""
        return self._kept(f"music-{_EDITION}.wav", hold_music)

    def ringback(self, country: str) -> Path:
        """Return the tone of a ringing phone in a country (ISO 3166-1 alpha-2), to be played in a loop."""
        return self._kept(f"ringback-{_safe(country)}-{_EDITION}.wav", lambda: render(tones_of(country).ringback))

    def busy(self, country: str) -> Path:
        """Return a few seconds of a country's busy tone."""
        tone = tones_of(country).busy
        return self._kept(f"busy-{_safe(country)}-{_EDITION}.wav", lambda: render(tone, repeats=_TONE_REPEATS))

    def entering(self) -> Path:
        """Return what a conference hears when somebody comes."""
        return self._kept(f"entering-{_EDITION}.wav", lambda: np.concatenate([render(tone) for tone in RISING]))

    def leaving(self) -> Path:
        """Return what a conference hears when somebody leaves."""
        return self._kept(f"leaving-{_EDITION}.wav", lambda: np.concatenate([render(tone) for tone in RISING[::-1]]))

    def _spoken(self, name: str, text: str, language: str) -> Path:
        words = plain(text)
        digest = hashlib.sha256(f"{_EDITION}\n{language}\n{words}".encode()).hexdigest()[:20]
        try:
            return self._kept(f"{name}-{language}-{digest}.wav", lambda: speak(words, language))
        except SpeechUnavailableError as error:
            _log.error("prompt_not_spoken", prompt=name, language=language, error=error.message, hint=error.hint)
            return self._kept(f"notice-{_EDITION}.wav", lambda: render(NOTICE))

    def _kept(self, name: str, make: Callable[[], Sound]) -> Path:
        path = self._folder / name
        if not path.exists():
            with self._making:
                if not path.exists():
                    write_sound(path, make())
        return path

    def _forget_oldest(self) -> None:
        with self._making:
            said = sorted(self._folder.glob("said-*.wav"), key=lambda path: path.stat().st_mtime)
            for path in said[:-_MOST_SAID]:
                path.unlink()


def _safe(country: str) -> str:
    """Only letters make it into a file's name."""
    return "".join(c for c in country.upper() if "A" <= c <= "Z")[:2] or "XX"
