"""The music that waiting callers hear: an own little piece, plucked strings over soft chords, made note by note.

It is written for the telephone: nothing below 300 Hz carries the tune, nothing above 3 kHz is needed, no sudden loudness. It ends
where it begins, so that it can be repeated without a seam.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from media.sound_file import SAMPLE_RATE, Sound

_BEAT: Final = 0.46
"""Seconds."""
_BARS: Final = 16
_BEATS_IN_BAR: Final = 4
_PEAK: Final = 0.32

# MIDI note numbers: two bars a chord, eight chords.
_CHORDS: Final = (
    (60, 64, 67, 71),
    (57, 60, 64, 67),
    (62, 65, 69, 72),
    (55, 59, 62, 65),
    (64, 67, 71, 74),
    (57, 60, 64, 69),
    (53, 57, 60, 64),
    (55, 59, 62, 67),
)
# Note and beats; 0 rests. Each line fills two bars.
_TUNE: Final = (
    ((76, 1.5), (74, 0.5), (72, 1), (67, 1), (71, 2), (0, 1), (72, 1)),
    ((69, 1.5), (71, 0.5), (72, 1), (76, 1), (74, 3), (0, 1)),
    ((77, 1.5), (76, 0.5), (74, 1), (69, 1), (72, 2), (0, 1), (74, 1)),
    ((71, 1.5), (72, 0.5), (74, 1), (77, 1), (76, 3), (0, 1)),
    ((79, 1.5), (76, 0.5), (74, 1), (71, 1), (76, 2), (0, 1), (74, 1)),
    ((72, 1.5), (71, 0.5), (69, 1), (64, 1), (69, 3), (0, 1)),
    ((65, 1), (69, 1), (72, 1), (76, 1), (74, 1.5), (72, 0.5), (69, 2)),
    ((67, 1), (71, 1), (74, 1), (71, 1), (72, 1), (74, 1), (0, 2)),
)


def hold_music() -> Sound:
    """Return one round of the piece: about 29 seconds."""
    total = round(_BARS * _BEATS_IN_BAR * _BEAT * SAMPLE_RATE)
    piece = np.zeros(total)
    for pair, (chord, line) in enumerate(zip(_CHORDS, _TUNE, strict=True)):
        start = pair * 2 * _BEATS_IN_BAR * _BEAT
        _accompany(piece, chord, start)
        _sing(piece, line, start)
    return np.asarray(piece * (_PEAK / np.max(np.abs(piece))), dtype=np.float64)


def _accompany(piece: Sound, chord: tuple[int, ...], start: float) -> None:
    """A broken chord in quarter notes over a soft held one."""
    for note in chord:
        _add(piece, _pad(note, 2 * _BEATS_IN_BAR * _BEAT) * 0.10, start)
    for beat in range(2 * _BEATS_IN_BAR):
        note = chord[(0, 2, 1, 3)[beat % 4]]
        _add(piece, _pluck(note, 1.2) * 0.30, start + beat * _BEAT)


def _sing(piece: Sound, line: tuple[tuple[int, float], ...], start: float) -> None:
    for note, beats in line:
        if note:
            _add(piece, _pluck(note, 0.6 + beats * _BEAT) * 0.75, start)
        start += beats * _BEAT


def _add(piece: Sound, sound: Sound, start: float) -> None:
    """Lay a sound into the piece; what rings beyond its end rings on at its beginning."""
    at = (round(start * SAMPLE_RATE) + np.arange(len(sound))) % len(piece)
    piece[at] += sound


def _hertz(note: int) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


def _pluck(note: int, seconds: float) -> Sound:
    """A string: harmonics that fade the faster the higher they are."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(times))
    for harmonic in range(1, 6):
        frequency = _hertz(note) * harmonic
        if frequency < 3000:
            fading = np.exp(-times * (2.2 + 1.8 * harmonic))
            sound += np.sin(2 * np.pi * frequency * times) * fading / harmonic**1.4
    return np.asarray(sound * _edges(times, 0.004, 0.05), dtype=np.float64)


def _pad(note: int, seconds: float) -> Sound:
    """A held tone that swells and goes."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.sin(2 * np.pi * _hertz(note) * times) + 0.4 * np.sin(2 * np.pi * 2 * _hertz(note) * times + 0.3)
    return np.asarray(sound * _edges(times, 0.6, 0.7), dtype=np.float64)


def _edges(times: Sound, rise: float, fall: float) -> Sound:
    """An envelope that begins and ends at zero."""
    until_end = times[-1] - times
    return np.asarray(np.clip(times / rise, 0, 1) * np.clip(until_end / fall, 0, 1), dtype=np.float64)
