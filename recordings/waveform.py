"""The waveform of a recording: the loudest sample of each of at most a thousand equal stretches, a channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

MOST_STRETCHES: Final = 1000
_BLOCK_FRAMES: Final = 1 << 16


def measure_peaks(blocks: Iterator[NDArray[np.int16]], frames: int, channels: int) -> NDArray[np.uint8]:
    """Return the peaks as an array of shape (channels, stretches), 0 to 255, reading each block once.

    Args:
        blocks: consecutive samples of shape (any, channels).
        frames: how many samples a channel there are in all; what comes beyond is not looked at.
        channels: how many channels.
    """
    stretches = min(MOST_STRETCHES, frames)
    peaks = np.zeros((channels, stretches), np.uint8)
    done = 0
    for block in blocks:
        block = block[: frames - done]  # noqa: PLW2901 - a file may hold more than its header says
        if not len(block):
            break
        # Stretches are laid as evenly as whole samples allow: sample i belongs to stretch i * stretches // frames.
        owners = (np.arange(done, done + len(block), dtype=np.int64) * stretches) // frames
        starts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))
        loudest = np.maximum.reduceat(np.abs(block.astype(np.int32)), starts, axis=0)
        scaled = np.minimum(loudest * 255 // 32767, 255).astype(np.uint8)
        for channel in range(channels):
            np.maximum.at(peaks[channel], owners[starts], scaled[:, channel])
        done += len(block)
    return peaks


def blocks_of(sound: Any) -> Iterator[NDArray[np.int16]]:
    """Give an open `soundfile.SoundFile` in blocks of shape (up to 65 536, channels)."""
    while len(block := sound.read(_BLOCK_FRAMES, dtype="int16", always_2d=True)):
        yield block
