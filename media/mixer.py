"""The Python face of a mixer: a room in which several endpoints hear each other, each one everybody but itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from media.endpoint import Endpoint
from media.errors import InvalidGainError, SoundFileError

if TYPE_CHECKING:
    from media import _engine

_MOST_GAIN = 8.0


class Mixer:
    """Several parties who hear each other, by a matrix of gains.

    Closed when it is forgotten, too. After `close` every other call does nothing.
    """

    __slots__ = ("_native", "_wake")

    def __init__(self, native: _engine.Mixer, wake: Callable[[], None]) -> None:
        self._native = native
        self._wake = wake

    @property
    def id(self) -> int:
        """Names the mixer in events."""
        return self._native.id

    def add(self, endpoint: Endpoint) -> None:
        """Let a party in; it leaves its bridge or the mixer it was in."""
        self._native.add(endpoint.native)
        self._wake()

    def remove(self, endpoint: Endpoint) -> None:
        """Let a party out; then it hears nobody."""
        self._native.remove(endpoint.native)
        self._wake()

    def mute(self, endpoint: Endpoint, *, muted: bool = True) -> None:
        """Let nobody hear a party, or let all hear it again."""
        self._native.mute(endpoint.native, muted)
        self._wake()

    def set_gain(self, speaker: Endpoint, listener: Endpoint, gain: float) -> None:
        """Set how loud one hears another: 1 is as spoken, 0 not at all. Raises `InvalidGainError`."""
        if not 0 <= gain <= _MOST_GAIN:
            raise InvalidGainError(f"The gain {gain} is not from 0 to {_MOST_GAIN:.0f}.")
        self._native.set_gain(speaker.native, listener.native, gain)
        self._wake()

    def play(self, samples_path: Path | Sequence[Path]) -> None:
        """Play sound files (8 kHz mono 16-bit WAV) to all at once, beside what they say. Raises `SoundFileError`."""
        paths = [samples_path] if isinstance(samples_path, Path) else list(samples_path)
        try:
            self._native.play([str(path) for path in paths])
        except (OSError, ValueError) as error:
            raise SoundFileError(f"A sound cannot be played: {error}.") from error
        self._wake()

    def close(self) -> None:
        """Let all out; closing twice does nothing."""
        self._native.close()
        self._wake()
